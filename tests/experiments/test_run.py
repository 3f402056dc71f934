"""One run, and what its folder says."""

import json

import numpy
import pytest
import torch
from pykeen.datasets import get_dataset
from pykeen.pipeline import pipeline_from_config

from pykeen_adamf.bundle import load
from pykeen_adamf.datasets.dropping import drop_from_dataset
from pykeen_adamf.datasets.lookup import load_dataset
from pykeen_adamf.evaluation import METRICS, Ranks, rank_metrics
from pykeen_adamf.evaluation import read_ranks as read_ranks_file
from pykeen_adamf.experiments.data import describe_data
from pykeen_adamf.experiments.folder import RunFolder
from pykeen_adamf.experiments.paper.experiments import MISSING_RATIOS
from pykeen_adamf.explaining.model import predicting
from pykeen_adamf.explaining.ranking import Ranker

from .cases import (
    CASES,
    assert_same_runs,
    configure,
    execute,
    list_times,
    read_curve,
    read_ranks,
)
from .paper.cases import execute as execute_planned
from .paper.cases import override, plan_runs


@pytest.fixture(scope="module")
def finished(benchmark, tmp_path_factory):
    """Return the folder of a finished run with a bundle, and its result."""
    path = tmp_path_factory.mktemp("finished") / "run"
    configuration = configure(benchmark, training_loop="MAT", random_seed=3)
    return path, execute(configuration, path, bundle=True)


def get_planned(benchmark, variant="AdaMF-MAT", experiment="table2", **kwargs):
    """Return a run of an experiment."""
    return plan_runs(benchmark, experiment, models=[variant], **kwargs)[0]


# --- files


def test_files(finished, benchmark):
    """There is what the documentation lists, and nothing else; each file has what it is said to have."""
    path, result = finished
    names = {"bundle", "held_out.npz", "checkpoint.pt", "configuration.json", "curve.csv", "effective.json", "log.txt"}
    assert {x.name for x in path.iterdir()} - {".lock"} == names | {"ranks.npz", "result.json"}
    configuration = json.loads((path / "configuration.json").read_text())
    assert configuration == configure(benchmark, training_loop="MAT", random_seed=3)
    assert json.loads((path / "result.json").read_text()) == {"format": 2, **result}
    effective = json.loads((path / "effective.json").read_text())
    assert effective.items() <= result.items()
    assert set(effective) == {"data_digest", "data", "environment", "effective"}
    assert "Training" in (path / "log.txt").read_text() or "pykeen" in (path / "log.txt").read_text()
    curve = read_curve(path)
    assert curve["epoch"].tolist() == [1, 2, 3, 4]
    assert curve["loss"].tolist() == pytest.approx(result["losses"])
    adversarial = set(curve) - {"epoch", "loss"}
    assert adversarial
    for name in adversarial:
        assert curve[name].tolist() == pytest.approx([losses[name] for losses in result["adversarial_losses"]])


def test_description(finished, benchmark):
    """The result has everything that decides about it, and what came out."""
    _, result = finished
    assert result["configuration"] == configure(benchmark, training_loop="MAT", random_seed=3)
    assert result["seed"] == 3
    assert set(result["environment"]) >= {"pykeen-adamf", "pykeen", "torch", "python", "cpu", "num_cpus", "device"}
    assert result["environment"]["device"] == "cpu"
    assert len(result["losses"]) == len(result["adversarial_losses"]) == 4
    assert result["num_parameters"] > 0
    assert set(result["seconds"]) == {"training", "evaluation"}
    assert min(result["seconds"].values()) > 0
    # what was not configured, too
    options = result["effective"]["options"]
    assert options["embedding dimension"] == 4
    assert options["learning rate"] == options["learning rate of the generators"] == 0.01
    assert options["negatives"] == 128
    assert options["margin"] == 12.0


def test_data(finished):
    data = finished[1]["data"]
    assert data["counts"] == dict(entities=12, relations=3, training=36, validation=6, testing=9, evaluated=9)
    assert data["coverage"] == dict(per_modality=dict(textual=12, visual=12), num_complete=12, num_none=0)
    assert data["validation_split"] == "published"
    assert {name: value["dim"] for name, value in data["features"].items()} == dict(textual=6, visual=6)
    digests = [data[name] for name in ("training", "testing", "validation", "labels")]
    digests += [value["digest"] for value in data["features"].values()]
    assert len(set(digests)) == 6


def test_nothing_is_repeated(finished):
    """What is finished returns at once, and nothing is written, also by the file that the folder has."""
    path, result = finished
    before, lines = list_times(path), []
    for what in (result["configuration"], path / "configuration.json"):
        assert execute(what, path, report=lines.append) == {"format": 2, **result}
    assert list_times(path) == before
    assert lines == [f"{path} is finished."] * 2


def test_deterministic(finished, tmp_path):
    """The same once more, whatever was calculated in between."""
    path, result = finished
    torch.manual_seed(1)
    execute(result["configuration"], tmp_path / "again", bundle=True)
    assert_same_runs(tmp_path / "again", path, bundles=True)


def test_nothing_is_printed(benchmark, tmp_path, capfd):
    """What libraries say is in the log."""
    execute(configure(benchmark, epochs=1), tmp_path / "run")
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "run" / "log.txt").stat().st_size


@pytest.mark.slow
def test_seed(benchmark, tmp_path):
    """It is the one that is given, or the configured one, or 0."""
    for given, configured, expected in ((5, 3, 5), (None, 3, 3), (None, None, 0), (0, 3, 0)):
        path = tmp_path / f"{given}-{configured}"
        result = execute(configure(benchmark, epochs=1, random_seed=configured), path, seed=given)
        assert result["seed"] == result["configuration"]["pipeline"]["random_seed"] == expected
    losses = {name: RunFolder(tmp_path / name).read_result()["losses"] for name in ("5-3", "None-3", "None-None")}
    assert len({tuple(x) for x in losses.values()}) == 3


# --- what comes out


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("name", [*CASES, "interaction"])
def test_configuration(benchmark, tmp_path, name):
    """PyKEEN alone comes to the same results by the stored configuration."""
    configuration = configure(benchmark, **CASES.get(name, {}))
    if name == "interaction":
        configuration["pipeline"] |= {"model": None, "model_kwargs": None, "interaction": "distmult", "dimensions": 4}
    result = execute(configuration, tmp_path / "run")
    stored = json.loads((tmp_path / "run" / "configuration.json").read_text())
    del stored["data"]
    pykeens = pipeline_from_config(stored, device="cpu", use_tqdm=False)
    assert pykeens.losses == result["losses"]
    if name == "not stopped":
        # PyKEEN keeps the last model then, and a run has the best one, cf. ResumableTrainingLoop
        return
    for side, kinds in result["metrics"].items():
        assert set(kinds) == {"realistic", "optimistic", "pessimistic"}
        for kind, metrics in kinds.items():
            for metric, pykeens_name in (("MRR", "inverse_harmonic_mean_rank"), ("Hits@3", "hits_at_3")):
                assert metrics[metric] == pykeens.get_metric(f"{side}.{kind}.{pykeens_name}")
    assert result["metrics"]["both"]["realistic"]["AMRI"] == pykeens.get_metric("both.realistic.amri")


@pytest.mark.parametrize("variant", ["AdaMF-MAT", "DistMult", "RotatE (PyKEEN)", "TBKGC"])
def test_ranks(benchmark, tmp_path, variant):
    """Ranks of single triples agree with PyKEEN's metrics of all of them."""
    result, ranks = execute_planned(get_planned(benchmark, variant), tmp_path / "run")
    dataset = get_dataset(dataset="DB15K", dataset_kwargs=dict(directory=str(benchmark)))
    assert numpy.array_equal(ranks["triples"], dataset.testing.mapped_triples.numpy())
    assert {key: (value.dtype.kind, value.shape) for key, value in ranks.items()} == {
        "triples": ("i", (9, 3)),
        "head_rank": ("f", (9,)),
        "tail_rank": ("f", (9,)),
        "relation": ("U", (9,)),
        "coverage": ("U", (9,)),
    }
    assert ranks["relation"].tolist() == [
        dataset.testing.relation_id_to_label[i] for i in dataset.testing.mapped_triples[:, 1].tolist()
    ]
    # each entity of this benchmark has features of both modalities
    assert set(ranks["coverage"]) == {"all"}
    both = numpy.concatenate([ranks["head_rank"], ranks["tail_rank"]])
    for side, values in (("head", ranks["head_rank"]), ("tail", ranks["tail_rank"]), ("both", both)):
        metrics = result["metrics"][side]["realistic"]
        assert metrics["MRR"] == pytest.approx((1 / values).mean(), rel=1e-6)
        for k in (1, 3, 10):
            assert metrics[f"Hits@{k}"] == pytest.approx((values <= k).mean(), rel=1e-6)
    # and as comparisons read them
    read = read_ranks_file(tmp_path / "run" / "ranks.npz")
    expected = [result["metrics"]["both"]["realistic"][name] for name in METRICS]
    assert isinstance(read, Ranks)
    assert rank_metrics(read).mean(axis=0).tolist() == pytest.approx(expected, rel=1e-6)


def test_ranks_of_the_bundle(finished, benchmark):
    """An independent ranking by the saved model has the same ranks."""
    path, _ = finished
    dataset = get_dataset(dataset="DB15K", dataset_kwargs=dict(directory=str(benchmark)))
    model = load(path / "bundle").model
    known = torch.cat([x.mapped_triples for x in (dataset.training, dataset.validation, dataset.testing)])
    with predicting(model):
        expected = Ranker(model, dataset.testing.mapped_triples, known).rank(lambda _: None)
    ranks = read_ranks(path)
    assert ranks["head_rank"].tolist() == expected.head_ranks.tolist()
    assert ranks["tail_rank"].tolist() == expected.tail_ranks.tolist()


@pytest.mark.slow
def test_sample(benchmark, tmp_path):
    """Some of the triples are the same for all seeds and models, and filtered by all triples as well."""
    run = get_planned(benchmark)
    _, ranks = execute_planned(run, tmp_path / "all")
    result, sampled = execute_planned(get_planned(benchmark, num_test_triples=4), tmp_path / "some")
    assert result["data"]["counts"]["evaluated"] == len(sampled["triples"]) == 4
    rows = [ranks["triples"].tolist().index(triple) for triple in sampled["triples"].tolist()]
    for side in ("head_rank", "tail_rank"):
        assert sampled[side].tolist() == ranks[side][rows].tolist()
    assert result["metrics"]["head"]["realistic"]["MRR"] == pytest.approx((1 / sampled["head_rank"]).mean(), rel=1e-6)
    _, others = execute_planned(get_planned(benchmark, "TransE", num_test_triples=4), tmp_path / "other")
    assert numpy.array_equal(others["triples"], sampled["triples"])


@pytest.mark.slow
def test_who_has_weights(finished, benchmark, tmp_path):
    assert len(finished[1]["modality_weights"]) == 3 * 3
    for variant, has_weights in (("AdaMF", True), ("TransE", False), ("TBKGC", False)):
        result, _ = execute_planned(get_planned(benchmark, variant), tmp_path / variant)
        assert (result["modality_weights"] is not None) is has_weights


@pytest.mark.slow
def test_missing_modalities(benchmark, tmp_path):
    """What is dropped grows with the ratio, and is another for another seed; without, the data are as they were."""
    runs = plan_runs(benchmark, "figure3", models=["AdaMF"], seeds=2)
    results = {}
    for run in runs:
        metadata = run.configuration["metadata"]
        key = run.configuration["pipeline"]["random_seed"], metadata["parameters"]["missing_ratio"]
        results[key], _ = execute_planned(run, tmp_path / run.name)
    for seed in (0, 1):
        present = [results[seed, ratio]["data"]["coverage"]["per_modality"]["visual"] for ratio in MISSING_RATIOS]
        assert present == [12, 10, 7, 5, 2]
    for ratio in MISSING_RATIOS:
        digests = {results[seed, ratio]["data"]["features"]["visual"]["digest"] for seed in (0, 1)}
        assert len(digests) == (1 if ratio == 0 else 2)


def test_rare_entities_first(benchmark, tmp_path):
    """On a graph where entities have different numbers of triples."""
    overrides = override(epochs=1, batch_size=1024)
    kwargs = dict(datasets=["EmojiKG"], dataset_kwargs={}, overrides=overrides, num_test_triples=10)
    run = plan_runs(benchmark, "figure3", models=["AdaMF"], missing_by="degree", **kwargs)[2]
    result, _ = execute_planned(run, tmp_path / "run")
    assert result["configuration"]["data"] == dict(missing_ratio=0.4, missing_by="degree", test_triples=10)
    dataset = load_dataset("EmojiKG", {})
    features = [
        describe_data(drop_from_dataset(dataset, 0.4, seed=0, by=order), dataset.testing)["features"]
        for order in ("degree", "uniform")
    ]
    assert result["data"]["features"] == features[0] != features[1]


def test_other_configuration(finished, benchmark):
    """The message says what is different, and everything stays."""
    path, _ = finished
    before = list_times(path)
    with pytest.raises(ValueError, match=r"has a run of another config.*training_kwargs.num_epochs: 4 there, 5 here"):
        execute(configure(benchmark, epochs=5, training_loop="MAT", random_seed=3), path)
    with pytest.raises(ValueError, match=r"pipeline.random_seed: 3 there, 4 here.*Choose another folder"):
        execute(configure(benchmark, training_loop="MAT"), path, seed=4)
    assert list_times(path) == before


def test_what_is_said_about_it(finished):
    """Metadata do not decide about anything."""
    path, result = finished
    before = list_times(path)
    execute({**result["configuration"], "metadata": {"title": "another one"}}, path)
    assert list_times(path) == before
