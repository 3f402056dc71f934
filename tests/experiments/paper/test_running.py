"""One run, and what its files say."""

import dataclasses

import numpy
import pytest
import torch
from pykeen.datasets import get_dataset
from pykeen.pipeline import pipeline, pipeline_from_config

from pykeen_adamf.datasets.dropping import drop_from_dataset
from pykeen_adamf.experiments.paper.data import describe_data, load_dataset
from pykeen_adamf.experiments.paper.experiments import MISSING_RATIOS
from pykeen_adamf.experiments.paper.measuring import weight_modalities
from pykeen_adamf.experiments.paper.running import RunFiles, execute, read_result
from pykeen_adamf.explaining import explain_relations

from .cases import OVERRIDES, plan_runs, without_times


def get_run(benchmark, variant="AdaMF-MAT", experiment="table2", **kwargs):
    return plan_runs(benchmark, experiment, models=[variant], **kwargs)[0]


@pytest.fixture(scope="module")
def executed(benchmark):
    """Return a run, its result, and its ranks."""
    run = get_run(benchmark)
    return run, *execute(run, "cpu")


def test_description(executed):
    run, result, _ = executed
    assert {name: result[name] for name in ("id", "experiment", "variant", "dataset", "seed", "parameters")} == dict(
        id=run.id, experiment="table2", variant="AdaMF-MAT", dataset="DB15K", seed=0, parameters={}
    )
    assert result["error"] is None
    assert set(result["environment"]) >= {"pykeen-adamf", "pykeen", "torch", "python", "cpu", "num_cpus", "device"}
    assert len(result["losses"]) == len(result["adversarial_losses"]) == OVERRIDES.epochs
    assert result["num_parameters"] > 0
    assert set(result["seconds"]) == {"training", "evaluation"}


def test_data(executed, benchmark):
    data = executed[1]["data"]
    assert data["counts"] == dict(entities=12, relations=3, training=36, validation=6, testing=9, evaluated=9)
    assert data["coverage"] == dict(per_modality=dict(textual=12, visual=12), num_complete=12, num_none=0)
    assert data["validation_split"] == "published"
    assert {name: value["dim"] for name, value in data["features"].items()} == dict(textual=6, visual=6)
    digests = [data[name] for name in ("training", "testing", "validation", "labels")]
    digests += [value["digest"] for value in data["features"].values()]
    assert len(set(digests)) == 6


def test_deterministic(executed):
    """The same once more, whatever was trained in between."""
    run, result, ranks = executed
    torch.manual_seed(1)
    again, ranks_again = execute(run, "cpu")
    assert without_times(again) == without_times(result)
    assert all(numpy.array_equal(ranks[key], ranks_again[key]) for key in ranks)


@pytest.mark.parametrize("variant", ["AdaMF-MAT", "TransE", "ComplEx", "IKRL"])
def test_configuration(benchmark, variant):
    """PyKEEN alone comes to the same results by the recorded configuration."""
    result, _ = execute(get_run(benchmark, variant), "cpu")
    pykeens = pipeline_from_config(result["configuration"], device="cpu", use_tqdm=False)
    assert pykeens.losses == result["losses"]
    for side, kinds in result["metrics"].items():
        assert set(kinds) == {"realistic", "optimistic", "pessimistic"}
        for kind, metrics in kinds.items():
            assert metrics["MRR"] == pykeens.get_metric(f"{side}.{kind}.inverse_harmonic_mean_rank")
            assert metrics["Hits@3"] == pykeens.get_metric(f"{side}.{kind}.hits_at_3")
    assert result["metrics"]["both"]["realistic"]["AMRI"] == pykeens.get_metric("both.realistic.amri")


@pytest.mark.parametrize("variant", ["AdaMF-MAT", "DistMult", "RotatE (PyKEEN)", "TBKGC"])
def test_ranks(benchmark, variant):
    """Ranks of single triples agree with PyKEEN's metrics of all of them."""
    run = get_run(benchmark, variant)
    result, ranks = execute(run, "cpu")
    dataset = get_dataset(dataset="DB15K", dataset_kwargs=dict(directory=str(benchmark)))
    assert numpy.array_equal(ranks["triples"], dataset.testing.mapped_triples.numpy())
    assert {key: (value.dtype, value.shape) for key, value in ranks.items()} == {
        "triples": (numpy.int64, (9, 3)),
        "head_rank": (numpy.float64, (9,)),
        "tail_rank": (numpy.float64, (9,)),
    }
    both = numpy.concatenate([ranks["head_rank"], ranks["tail_rank"]])
    for side, values in (("head", ranks["head_rank"]), ("tail", ranks["tail_rank"]), ("both", both)):
        metrics = result["metrics"][side]["realistic"]
        assert metrics["MRR"] == pytest.approx((1 / values).mean(), rel=1e-6)
        for k in (1, 3, 10):
            assert metrics[f"Hits@{k}"] == pytest.approx((values <= k).mean(), rel=1e-6)


def test_sample(executed, benchmark):
    """Some of the triples are the same for all seeds and models, and filtered by all triples as well."""
    _, _, ranks = executed
    run = get_run(benchmark, num_test_triples=4)
    assert run.id != executed[0].id
    result, sampled = execute(run, "cpu")
    assert result["data"]["counts"]["evaluated"] == len(sampled["triples"]) == 4
    rows = [ranks["triples"].tolist().index(triple) for triple in sampled["triples"].tolist()]
    for side in ("head_rank", "tail_rank"):
        assert numpy.array_equal(sampled[side], ranks[side][rows])
    assert result["metrics"]["head"]["realistic"]["MRR"] == pytest.approx((1 / sampled["head_rank"]).mean(), rel=1e-6)
    _, others = execute(dataclasses.replace(get_run(benchmark, "TransE"), num_test_triples=4), "cpu")
    assert numpy.array_equal(others["triples"], sampled["triples"])


@pytest.mark.parametrize("kwargs", [{}, dict(use_structural=False), dict(fusion="mean")])
def test_weights(kwargs):
    """They are those of the explanation of relations, which takes longer."""
    dataset = get_dataset(dataset="EmojiKG")
    result = pipeline(
        dataset=dataset,
        model="AdaMFRotatE",
        model_kwargs=dict(embedding_dim=4, **kwargs),
        training_kwargs=dict(num_epochs=1, batch_size=512, use_tqdm_batch=False),
        random_seed=0,
        device="cpu",
        use_tqdm=False,
    )
    rows = weight_modalities(result.model, dataset.testing)
    expected = explain_relations(
        result.model,
        dataset.training,
        dataset.testing,
        relations=dataset.testing.relation_to_id,
        progress=False,
    )
    expected = expected.set_index(["relation", "modality"])
    assert {(row["relation"], row["modality"]) for row in rows} == set(expected.index)
    for row in rows:
        other = expected.loc[row["relation"], row["modality"]]
        assert row["weight"] == pytest.approx(other["weight"], rel=1e-6)
        assert row["num_triples"] == other["num_triples"]


def test_who_has_weights(executed, benchmark):
    assert len(executed[1]["modality_weights"]) == 3 * 3
    assert execute(get_run(benchmark, "AdaMF"), "cpu")[0]["modality_weights"] is not None
    for variant in ("TransE", "TBKGC"):
        assert execute(get_run(benchmark, variant), "cpu")[0]["modality_weights"] is None


def test_missing_modalities(benchmark):
    """What is dropped grows with the ratio, and is another for another seed; without, the data are as they were."""
    runs = plan_runs(benchmark, "figure3", models=["AdaMF"], seeds=2)
    results = {(run.seed, run.missing_ratio): execute(run, "cpu")[0] for run in runs}
    for seed in (0, 1):
        present = [results[seed, ratio]["data"]["coverage"]["per_modality"]["visual"] for ratio in MISSING_RATIOS]
        assert present == [12, 10, 7, 5, 2]
    for ratio in MISSING_RATIOS:
        digests = {results[seed, ratio]["data"]["features"]["visual"]["digest"] for seed in (0, 1)}
        assert len(digests) == (1 if ratio == 0 else 2)
        assert results[0, ratio]["parameters"] == dict(model="AdaMF", mat=False, missing_ratio=ratio)


def test_rare_entities_first(benchmark):
    """On a graph where entities have different numbers of triples."""
    overrides = dataclasses.replace(OVERRIDES, epochs=1, batch_size=1024)
    kwargs = dict(datasets=["EmojiKG"], dataset_kwargs={}, overrides=overrides, num_test_triples=10)
    run = plan_runs(benchmark, "figure3", models=["AdaMF"], missing_by="degree", **kwargs)[2]
    result, _ = execute(run, "cpu")
    assert result["parameters"] == dict(model="AdaMF", mat=False, missing_ratio=0.4, missing_by="degree")
    dataset = load_dataset("EmojiKG", {})
    features = [
        describe_data(drop_from_dataset(dataset, 0.4, seed=0, by=order), dataset.testing)["features"]
        for order in ("degree", "uniform")
    ]
    assert result["data"]["features"] == features[0] != features[1]


def test_files(executed, output):
    run, result, ranks = executed
    files = RunFiles(output, run.id)
    assert read_result(files.result) is None
    files.write(result, ranks)
    assert sorted(path.name for path in (output / "runs").iterdir()) == [f"{run.id}.json", f"{run.id}.ranks.npz"]
    assert read_result(files.result) == result
    with numpy.load(files.ranks) as written:
        assert all(numpy.array_equal(written[key], ranks[key]) for key in ranks)
    files.result.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=f"{run.id}.json is not the result of a run"):
        read_result(files.result)
