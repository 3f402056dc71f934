"""Explanations of relations: averages over their triples, counted by hand."""

import numpy
import pandas
import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.triples import TriplesFactory

from pykeen_adamf.explaining import ALL_RELATIONS, explain_entities, explain_relations, explain_triples

from ..cases import make_factory
from .cases import make_case

COLUMNS = [
    *("relation", "modality", "num_triples", "weight", "head_weight", "tail_weight"),
    *("score_change", "mrr", "mrr_without", "mrr_change"),
]


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("name", ["default", "mask"])
def test_averages(name, inverse):
    model, factory = make_case(name, inverse)
    triples = make_factory(seed=1).mapped_triples
    validation = make_factory(seed=2).mapped_triples
    frame = explain_relations(model, factory, triples, validation)
    assert list(frame.columns) == COLUMNS
    each = explain_triples(model, factory, triples, torch.cat([triples, validation])).to_dict("records")
    expected = []
    for relation in ("r0", "r1", "r2", "r3", None):
        for modality in model.modalities:
            rows = [x for x in each if x["modality"] == modality and relation in (x["relation"], None)]
            heads, tails = ([x[f"{side}_weight"] for x in rows] for side in ("head", "tail"))
            before = [1 / x[f"{side}_rank"] for side in ("head", "tail") for x in rows]
            after = [1 / x[f"{side}_rank_without"] for side in ("head", "tail") for x in rows]
            expected.append(
                (
                    relation or ALL_RELATIONS,
                    modality,
                    len(rows),
                    numpy.mean(heads + tails),
                    numpy.mean(heads),
                    numpy.mean(tails),
                    numpy.mean([x["score_without"] - x["score"] for x in rows]),
                    numpy.mean(before),
                    numpy.mean(after),
                    numpy.mean(after) - numpy.mean(before),
                )
            )
    pandas.testing.assert_frame_equal(frame, pandas.DataFrame(expected, columns=COLUMNS), check_dtype=False)
    numpy.testing.assert_allclose(frame.groupby("relation")["weight"].sum(), 1)


@pytest.mark.parametrize("inverse", [False, True])
def test_reciprocal_rank_is_pykeens(inverse):
    """As in the evaluation of a pipeline, where test triples filter each other."""
    model, factory = make_case(inverse=inverse)
    testing, validation = (make_factory(seed=seed).mapped_triples for seed in (1, 2))
    frame = explain_relations(model, factory, testing, validation)
    for relation, part in [("r1", testing[testing[:, 1] == 1]), (ALL_RELATIONS, testing)]:
        for row in frame[frame["relation"] == relation].itertuples():

            def evaluate(part=part):
                return (
                    RankBasedEvaluator()
                    .evaluate(
                        model,
                        part,
                        additional_filter_triples=[factory.mapped_triples, testing, validation],
                        use_tqdm=False,
                    )
                    .get_metric("both.realistic.inverse_harmonic_mean_rank")
                )

            assert row.mrr == pytest.approx(evaluate())
            with model.without_modality(row.modality):
                assert row.mrr_without == pytest.approx(evaluate())


def test_weights_are_those_of_entities():
    """Each entity counts as often as it occurs."""
    model, factory = make_case()
    frame = explain_relations(model, factory, [("e0", "r0", "e1"), ("e0", "r0", "e2"), ("e0", "r3", "e2")])
    weights = explain_entities(model, factory).pivot(index="entity", columns="modality", values="weight")
    r0 = frame[frame["relation"] == "r0"].set_index("modality")
    expected = (2 * weights.loc["e0"] + weights.loc["e1"] + weights.loc["e2"]) / 4
    pandas.testing.assert_series_equal(r0["weight"].sort_index(), expected.sort_index(), check_names=False)
    assert frame["relation"].unique().tolist() == ["r0", "r3", ALL_RELATIONS]


@pytest.mark.parametrize("relations", [["r3", "r1"], [1, 3], torch.tensor([3, 1])])
def test_some_relations(relations):
    """Their numbers are the same as with all of them: the others' triples remain known."""
    model, factory = make_case()
    triples = make_factory(seed=1).mapped_triples
    every = explain_relations(model, factory, triples)
    some = explain_relations(model, factory, triples, relations=relations)
    assert some.equals(every[every["relation"].isin(["r1", "r3"])].reset_index(drop=True))


def test_order_of_triples():
    """It does not matter, nor does a relation whose label is that of the average disturb."""
    model, factory = make_case()
    triples = make_factory(seed=1).mapped_triples
    expected = explain_relations(model, factory, triples)
    pandas.testing.assert_frame_equal(explain_relations(model, factory, triples.flip(0)), expected)
    factory = factory.with_labels(factory.entity_to_id, {ALL_RELATIONS: 0, "r1": 1, "r2": 2, "r3": 3})
    frame = explain_relations(model, factory, triples)
    assert frame.drop(columns="relation").equals(expected.drop(columns="relation"))


@pytest.mark.parametrize(
    ("triples", "relations", "message"),
    [
        ([], None, "no triples to average over"),
        (TriplesFactory.from_labeled_triples(numpy.array([["e0", "r0", "e1"]])), ["r1"], "with the relation 'r1'"),
        ([(0, 0, 1)], ["r9"], "no relation 'r9'"),
        ([(0, 0, 1)], [], "no triples to average over"),
    ],
)
def test_bad_input(triples, relations, message):
    model, factory = make_case()
    with pytest.raises(ValueError, match=message):
        explain_relations(model, factory, triples, relations=relations)
