"""One run, and what its folder says."""

import json
import os
import subprocess
import sys

import numpy
import pytest
import torch
from click.testing import CliRunner
from pykeen.datasets import get_dataset
from pykeen.pipeline import pipeline_from_config
from pykeen.training import LCWATrainingLoop, SLCWATrainingLoop

from pykeen_adamf.bundle import load
from pykeen_adamf.cli import main
from pykeen_adamf.datasets.dropping import drop_from_dataset
from pykeen_adamf.datasets.lookup import load_dataset
from pykeen_adamf.evaluation import METRICS, Ranks, rank_metrics
from pykeen_adamf.evaluation import read_ranks as read_ranks_file
from pykeen_adamf.experiments.data import describe_data
from pykeen_adamf.experiments.engines import BUSY
from pykeen_adamf.experiments.folder import BusyError, RunFolder
from pykeen_adamf.experiments.paper.experiments import MISSING_RATIOS
from pykeen_adamf.experiments.run import make_resumable
from pykeen_adamf.explaining.model import predicting
from pykeen_adamf.explaining.ranking import Ranker
from pykeen_adamf.training import MATTrainingLoop

from .cases import (
    CASES,
    assert_same_runs,
    begin,
    configure,
    execute,
    interrupt_after,
    list_times,
    read_curve,
    read_ranks,
    wait_for_epochs,
    write_configuration,
)
from .paper.cases import execute as execute_planned
from .paper.cases import override, plan_runs, write_dataset


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


# --- interruptions


@pytest.mark.parametrize("name", ["MAT", *(pytest.param(x, marks=pytest.mark.slow) for x in CASES if x != "MAT")])
def test_resuming(benchmark, tmp_path, name):
    """Training that was interrupted, and goes on in another process, ends as if it had not been."""
    configuration = configure(benchmark, epochs=8, **CASES[name])
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    result = execute(configuration, straight)
    for epoch in (2, 3):
        begin(configuration, resumed, epoch)
        assert not (resumed / "result.json").exists()
        assert not (resumed / "error.json").exists()
        assert len(read_curve(resumed)) == epoch
    lines = []
    execute(configuration, resumed, report=lines.append)
    assert lines[0] == f"Continuing in {resumed} on cpu ..."
    assert lines[1] == "Features of 12 entities: visual 12, textual 12"
    assert_same_runs(resumed, straight)
    assert (len(result["losses"]) < 8) is (name == "stopped")
    assert len(read_curve(resumed)) == len(result["losses"])


def test_interrupted_evaluation(benchmark, tmp_path, monkeypatch):
    """Whoever is interrupted after the last epoch need not train again."""
    configuration = configure(benchmark)
    execute(configuration, tmp_path / "straight")
    with monkeypatch.context() as context:
        context.setattr("pykeen_adamf.experiments.run.collect_metrics", interrupt)
        with pytest.raises(KeyboardInterrupt):
            execute(configuration, tmp_path / "resumed")
    before = list_times(tmp_path / "resumed")
    execute(configuration, tmp_path / "resumed")
    after = list_times(tmp_path / "resumed")
    assert after["curve.csv"] == before["curve.csv"]
    assert_same_runs(tmp_path / "resumed", tmp_path / "straight")


def interrupt(*args, **kwargs):
    """Do as somebody at a keyboard."""
    raise KeyboardInterrupt


@pytest.mark.slow
def test_validation(benchmark, tmp_path):
    """The learning curve has the MRR of validation triples if asked for, which changes nothing, also after resuming."""
    configuration = configure(benchmark, epochs=5, training_loop="MAT")
    execute(configuration, tmp_path / "without")
    begin(configuration, tmp_path / "with", 3, validate_every=2)
    result = execute(configuration, tmp_path / "with", validate_every=2)
    assert result["losses"] == RunFolder(tmp_path / "without").read_result()["losses"]
    assert result["metrics"] == RunFolder(tmp_path / "without").read_result()["metrics"]
    curve, without = (read_curve(tmp_path / name) for name in ("with", "without"))
    (name,) = set(curve) - set(without)
    assert curve[name].notna().tolist() == [False, True, False, True, False]
    assert curve[name].dropna().between(0, 1, inclusive="right").all()


def test_times_of_all_attempts(benchmark, tmp_path):
    """The time of training is that of all epochs, also of those before an interruption."""
    configuration = configure(benchmark)
    begin(configuration, tmp_path, 3)
    path = tmp_path / "curve.csv"
    # of the third epoch, nothing is kept
    lines = [line.split(",") for line in path.read_text().splitlines()]
    column = lines[0].index("seconds")
    for i, line in enumerate(lines[1:]):
        line[column] = str(100.0 * (i + 1))
    path.write_text("".join(f"{','.join(line)}\n" for line in lines))
    result = execute(configuration, tmp_path)
    assert 300 < result["seconds"]["training"] < 400


@pytest.mark.parametrize("hint", [None, "sLCWA", LCWATrainingLoop, "OneVsAll", MATTrainingLoop, SLCWATrainingLoop])
def test_which_loops_are_made_resumable(hint):
    """This package's are as they are, and PyKEEN's own keep their names, but for what was added."""
    cls = make_resumable(hint)
    assert cls.__name__.endswith("TrainingLoop")
    assert make_resumable(cls) is cls


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("name", ["stopped", "not stopped"])
def test_stopper(benchmark, tmp_path, name):
    """The best model by validation triples is the one that is evaluated."""
    result = execute(configure(benchmark, epochs=8, **CASES[name]), tmp_path / "run")
    without = {key: x for key, x in CASES[name].items() if not key.startswith("stopper")}
    others = execute(configure(benchmark, epochs=8, **without), tmp_path / "without")
    assert result["losses"] == others["losses"][: len(result["losses"])]
    assert (len(result["losses"]) < 8) is (name == "stopped")
    assert result["metrics"] != others["metrics"]


# --- failures


def test_failure(benchmark, tmp_path):
    """It is recorded with what the user can do, and goes away as soon as there is a result."""
    configuration = configure(benchmark, model="TBKGC", model_kwargs=dict(embedding_dim=1))
    with pytest.raises(ValueError, match="2 modalities cannot share 1 dimensions"):
        execute(configuration, tmp_path)
    error = json.loads((tmp_path / "error.json").read_text())
    assert error["error"].startswith("ValueError: 2 modalities cannot share 1 dimensions. Choose an embedding_dim")
    assert "Traceback" in error["traceback"]
    assert not (tmp_path / "result.json").exists()
    # a mistake can be corrected
    execute(configure(benchmark, model="TBKGC"), tmp_path)
    assert not (tmp_path / "error.json").exists()


def test_diverging(benchmark, tmp_path):
    """Numbers that are none are a failure, too, rather than metrics."""
    configuration = configure(benchmark, epochs=20, model="DistMult", optimizer_kwargs=dict(lr=1e38))
    with pytest.raises((RuntimeError, ValueError)):
        execute(configuration, tmp_path)
    assert RunFolder(tmp_path).read_error() is not None
    assert RunFolder(tmp_path).read_result() is None


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_no_such_device(benchmark, tmp_path, device):
    """It is refused before there is a folder, rather than the CPU used instead."""
    with pytest.raises(ValueError, match=f"There is no device '{device}' here"):
        execute(configure(benchmark), tmp_path / "run", device=device)
    assert not (tmp_path / "run").exists()


def test_bundle_of_another_model(benchmark, tmp_path):
    """It is refused before it is trained."""
    with pytest.raises(ValueError, match="bundles of this package's models only, and TransE is none"):
        execute(configure(benchmark, model="TransE"), tmp_path / "run", bundle=True)
    assert not (tmp_path / "run").exists()


def test_bundle_afterwards(benchmark, tmp_path):
    """Who asks for a bundle of what is finished gets it, without training again."""
    execute(configure(benchmark), tmp_path / "straight", bundle=True)
    execute(configure(benchmark), tmp_path / "run")
    curve = list_times(tmp_path / "run")["curve.csv"]
    execute(configure(benchmark), tmp_path / "run", bundle=True)
    assert list_times(tmp_path / "run")["curve.csv"] == curve
    assert_same_runs(tmp_path / "run", tmp_path / "straight", bundles=True)


# --- folders


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


@pytest.mark.parametrize("state", ["begun", "finished"])
def test_other_data(tmp_path, state):
    """What is in the files decides, not where they are."""
    directory = write_dataset(tmp_path / "benchmark")
    path = tmp_path / "run"
    if state == "begun":
        begin(configure(directory), path, 2)
    else:
        execute(configure(directory), path)
    other = write_dataset(tmp_path / "other", seed=1)
    with pytest.raises(ValueError, match=r"has a run on other data: files were changed, or others were named"):
        execute(configure(other), path)
    same = write_dataset(tmp_path / "same")
    execute(configure(same), path)
    assert RunFolder(path).read_error() is None


def test_edited_data(tmp_path):
    """An own graph that was edited in place is another one, although its configuration is the same."""
    path = tmp_path / "triples.tsv"
    rows = [f"{i}\tr{k}\t{(i + k) % 9}" for i in range(9) for k in range(1, 5)]
    path.write_text("\n".join(rows))
    pipeline = {"dataset": "MultimodalPath", "dataset_kwargs": {"triples": str(path)}, "model": "TransE"}
    configuration = {"pipeline": {**pipeline, "training_kwargs": {"num_epochs": 1, "batch_size": 8}}}
    first = execute(configuration, tmp_path / "first")
    path.write_text("\n".join([*rows, "0\tr1\t7", "2\tr1\t7"]))
    second = execute(configuration, tmp_path / "second")
    assert first["data_digest"] != second["data_digest"]
    assert second["data"]["counts"]["training"] > first["data"]["counts"]["training"]


def test_corrected_configuration(benchmark, tmp_path):
    """The folder has what was run, also if only options of files have been corrected."""
    wrong, right = configure(benchmark, epochs=1), configure(benchmark, epochs=1)
    wrong["pipeline"]["dataset_kwargs"] = {"directory": str(tmp_path / "nowhere")}
    with pytest.raises((OSError, ValueError), match="nowhere"):
        execute(wrong, tmp_path / "run")
    result = execute(right, tmp_path / "run")
    assert RunFolder(tmp_path / "run").read_configuration()["pipeline"] == result["configuration"]["pipeline"]


def test_others_files(benchmark, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"has other files, e\.g\., thesis\.tex\. Choose a new folder"):
        execute(configure(benchmark), tmp_path)
    assert [x.name for x in tmp_path.iterdir() if x.name[0] != "."] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("configuration.json", "{", r"configuration\.json cannot be read: .*Remove the folder, and run it again"),
        ("configuration.json", "[]", r"configuration\.json is no file of a run"),
        ("result.json", "{", r"result\.json cannot be read: .*Remove the folder, and run it again"),
        ("result.json", '{"format": 99}', r"result\.json is of another version of this package"),
        ("effective.json", "{", r"effective\.json cannot be read"),
    ],
)
def test_damaged_files(benchmark, tmp_path, name, content, message):
    execute(configure(benchmark, epochs=1), tmp_path)
    if name == "effective.json":
        (tmp_path / "result.json").unlink()
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        execute(configure(benchmark, epochs=1), tmp_path)


def test_damaged_checkpoint(benchmark, tmp_path):
    begin(configure(benchmark), tmp_path, 2)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RuntimeError, match=r"checkpoint\.pt is no checkpoint .*remove the file to start anew"):
        execute(configure(benchmark), tmp_path)


def test_unwritable(benchmark, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Cannot write to .*run.*Choose another folder"):
        execute(configure(benchmark), tmp_path / "file" / "run")


#: Holds the folder of a run, says so, and waits until it is killed.
HOLDER = """
import sys, time
from pykeen_adamf.experiments.folder import RunFolder
with RunFolder(sys.argv[1]).locked():
    print("locked", flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_busy(benchmark, tmp_path):
    """Nobody works where another process does, until that ends, however it ends."""
    path = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(BusyError, match=r"Another process works in .*run\. Wait for it, or choose another folder"):
            execute(configure(benchmark, epochs=1), path)
        configuration = write_configuration(tmp_path / "x.json", configure(benchmark, epochs=1))
        assert invoke(configuration, "--output", path).exit_code == BUSY
    finally:
        process.kill()
        process.communicate()
    assert execute(configure(benchmark, epochs=1), path)["metrics"]


# --- the command


def invoke(*arguments):
    return CliRunner().invoke(main, ["run", *map(str, arguments)])


def test_command(benchmark, tmp_path):
    """It does what the function does, and says where."""
    path = write_configuration(tmp_path / "small.json", configure(benchmark))
    arguments = [path, "--output", tmp_path / "run", "--device", "cpu", "--seed", 2, "--bundle", "--no-progress"]
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    metrics = RunFolder(tmp_path / "run").read_result()["metrics"]["both"]["realistic"]
    assert f"Training in {tmp_path / 'run'} on cpu ...\n" in result.output
    assert f"MRR {metrics['MRR']:.4f}; Hits@1 {metrics['Hits@1']:.4f}; " in result.output
    again = invoke(*arguments)
    assert again.output == f"{tmp_path / 'run'} is finished.\n"
    execute(configure(benchmark), tmp_path / "function", seed=2, bundle=True)
    assert_same_runs(tmp_path / "run", tmp_path / "function", bundles=True)


def test_command_for_its_own_file(benchmark, tmp_path):
    """The file in a folder makes the same run elsewhere."""
    path = write_configuration(tmp_path / "small.json", configure(benchmark))
    for what, output in ((path, "first"), (tmp_path / "first" / "configuration.json", "second")):
        result = invoke(what, "--output", tmp_path / output, "--device", "cpu", "--no-progress")
        assert result.exit_code == 0, result.output
    assert_same_runs(tmp_path / "second", tmp_path / "first")


def test_interrupted_command(benchmark, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, 2)
    path = write_configuration(tmp_path / "small.json", configure(benchmark))
    result = invoke(path, "--output", tmp_path / "run", "--device", "cpu", "--no-progress")
    assert result.exit_code == 1
    # the first checkpoint is written after a minute
    assert f"Interrupted. Repeat the command to begin anew in {tmp_path / 'run'}; see --checkpoint" in result.output
    interrupt_after(monkeypatch, 2)
    result = invoke(path, "--output", tmp_path / "run", "--checkpoint-minutes", 0, "--device", "cpu", "--no-progress")
    assert "Interrupted. Repeat the command to continue from its last checkpoint in " in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.json"], "There is no file nothing.json, and no preset of that name: DB15K, "),
        (["DB15k1"], "Did you mean 'DB15K'?"),
        (["DB15K", "--device", "gpu"], "There is no device 'gpu' here"),
    ],
)
def test_refusals(tmp_path, arguments, message):
    """In a sentence, and before anything is trained."""
    result = invoke(*arguments, "--output", tmp_path / "run")
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()


def test_no_output():
    result = CliRunner().invoke(main, ["run", "DB15K"])
    assert result.exit_code == 2
    assert "Missing option '--output'" in result.output


# --- killed


#: How often a process is killed.
NUM_KILLS = 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MAT", "not stopped"])
def test_killed(benchmark, tmp_path, name):
    """However often a process is killed, and wherever, the folder ends up with the same to the last bit."""
    changes = CASES[name]
    bundles = name == "MAT"
    path = write_configuration(tmp_path / "x.json", configure(benchmark, epochs=40, **changes))
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    execute(path, straight, bundle=bundles)
    command = [sys.executable, "-m", "pykeen_adamf", "run", path, "--output", killed, "--threads", "1"]
    command += ["--device", "cpu", "--checkpoint-minutes", "0", "--no-progress", *(["--bundle"] if bundles else [])]
    rng = numpy.random.default_rng(0)
    for i in range(NUM_KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(os.environ))
        # the first ones somewhere in the beginning; then, after some more epochs, and a moment
        wanted = int(rng.integers(1, 5)) if i else 0
        wait_for_epochs(process, killed, wanted, seconds=float(rng.uniform(0, 0.1)))
        process.kill()
        process.communicate()
        assert not (killed / "error.json").exists()
    assert not (killed / "result.json").exists()
    assert (killed / "checkpoint.pt").exists()
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert_same_runs(killed, straight, bundles=bundles)
