"""Reports of experiments."""

import json
import math
import subprocess
import sys

import numpy
import pytest
import torch

from pykeen_adamf.experiments.paper.data import _load
from pykeen_adamf.experiments.paper.planning import plan
from pykeen_adamf.experiments.paper.record import record_experiment
from pykeen_adamf.experiments.paper.report import write_report
from pykeen_adamf.experiments.paper.reporting.plots import average_weights
from pykeen_adamf.experiments.paper.reporting.points import read_points
from pykeen_adamf.experiments.paper.running import RunFiles, execute
from pykeen_adamf.experiments.statistics import compare_ranks, read_ranks
from tests.datasets.cases import make_matrix, write_benchmark

from .synthetic import report, section, table, tiny, write_experiment


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the directory of a finished experiment, and the text of its report."""
    directory = tmp_path_factory.mktemp("finished")
    write_experiment(directory)
    return directory, report(directory)


@pytest.fixture
def small(tmp_path):
    """Return the directory of a benchmark with few entities."""
    return write_benchmark(tmp_path / "DB15K")


def give_features(directory, **dims):
    """Write features, and return the parameters of a dataset with them."""
    for name, dim in dims.items():
        numpy.save(directory / f"own-{name}.npy", make_matrix(dim).numpy())
    return {"directory": str(directory), "features": {name: f"own-{name}.npy" for name in dims}}


# --- tables


def test_results(finished):
    directory, text = finished
    assert "All 10 runs are finished." in text
    rows = table(section(text, "Results"))
    assert rows[0] == ["", "seeds", "MRR", "Hits@1", "Hits@3", "Hits@10"]
    assert [row[0] for row in rows[1:]] == ["RotatE", "IKRL", "AdaMF", "IKRL-MAT", "AdaMF-MAT"]
    values = [
        100 * json.loads(path.read_text())["metrics"]["both"]["realistic"]["MRR"]
        for path in directory.glob("runs/emojikg-adamf-mat-seed-*.json")
    ]
    mean = sum(values) / 2
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values))
    assert rows[-1][2] == f"{mean:.2f} ± {deviation:.2f}"


def test_nothing_was_published_of_emojikg(finished):
    _, text = finished
    assert "The paper has no figures of EmojiKG" in section(text, "Results")
    assert "published MRR" not in text


def test_setting(finished):
    _, text = finished
    rows = {row[0]: row[1:] for row in table(section(text, "Setting"))}
    here, paper = rows["textual features"]
    assert here.startswith("384 dimensions, 2,176 of 2,176 entities, digest ")
    assert paper == "no such features"
    assert rows["embedding dimension"] == ["64", "200"]
    assert rows["random seeds"] == ["2", "not stated"]
    assert rows["ranked test triples"] == ["507", "all"]
    configurations = table(section(text, "Setting"), 1)
    assert [row[0] for row in configurations[1:]] == ["RotatE", "IKRL", "AdaMF", "IKRL-MAT", "AdaMF-MAT"]
    assert "no reproduction" in text


def test_published_figures(tmp_path, small):
    """They stand beside results of other features, and are called what they are."""
    # the textual ones have the dimension of the published ones
    kwargs = give_features(small, visual=5, textual=768)
    write_experiment(
        tmp_path / "x",
        dataset="DB15K",
        seeds=1,
        models=["RotatE", "AdaMF-MAT", "IKRL-MAT"],
        dataset_kwargs=kwargs,
    )
    text = report(tmp_path / "x")
    rows = {row[0]: row for row in table(section(text, "Results"))}
    assert rows["RotatE"][-4:] == ["29.28", "17.87", "36.12", "49.66"]
    assert rows["AdaMF-MAT"][-4:] == ["35.14", "25.30", "41.11", "52.92"]
    assert rows["IKRL-MAT"][-4:] == ["-"] * 4
    assert "no target of these results" in text
    setting = {row[0]: row for row in table(section(text, "Setting"))}
    assert "not the published features" in setting["visual features"][1]
    assert "is not recorded" in setting["textual features"][1]
    # the name of the file says more than its dimension, and its directory nothing
    assert all(setting[f"{name} features"][1].startswith(f"file own-{name}.npy, ") for name in ("visual", "textual"))
    # one seed has no standard deviation
    assert "±" not in " ".join(rows["RotatE"])


def test_published_ablations(tmp_path, small):
    write_experiment(
        tmp_path / "x",
        "table3",
        dataset="DB15K",
        seeds=1,
        models=None,
        dataset_kwargs=give_features(small, visual=5, textual=3),
    )
    rows = table(section(report(tmp_path / "x"), "Results"))[1:]
    assert [row[-4] for row in rows] == [
        *("35.14", "33.19", "32.57", "32.34", "31.82", "31.01"),
        *("34.64", "34.65", "34.61"),
    ]


# --- what is not there


def test_incomplete(tmp_path):
    write_experiment(tmp_path, failed=[("AdaMF", 1)], missing=[("IKRL", 0), ("IKRL", 1), ("RotatE", 0)])
    text = report(tmp_path)
    assert "**This is incomplete: of 10 runs, 6 are finished, 1 have failed, and 3 are missing.**" in text
    rows = {row[0]: row for row in table(section(text, "Results"))}
    assert rows["AdaMF"][1] == "1 of 2"
    assert rows["IKRL"][1:] == ["0 of 2", "-", "-", "-", "-"]
    assert rows["AdaMF-MAT"][1] == "2"
    assert "NonFiniteLossError: the loss is \\| not finite" in section(text, "Failed runs")
    comparisons = {row[0]: row[1] for row in table(section(text, "Comparisons"))[1:]}
    # with the seeds that both have
    assert comparisons == {"AdaMF-MAT vs. RotatE": "1", "AdaMF-MAT vs. AdaMF": "1"}


def test_nothing_is_finished(tmp_path):
    write_experiment(tmp_path, models=["RotatE"], seeds=1, missing=[("RotatE", 0)])
    assert "No run is finished." in report(tmp_path)


def test_no_experiment(tmp_path):
    with pytest.raises(ValueError, match=r"has no experiment\.json"):
        write_report(tmp_path)


def test_unreadable_runs(tmp_path):
    run = write_experiment(tmp_path, models=["RotatE"], seeds=1)[0]
    RunFiles(tmp_path, run.id).result.write_text("{")
    with pytest.raises(ValueError, match=r"is not readable .* Remove it, and run it again"):
        write_report(tmp_path)


@pytest.mark.parametrize("content", [None, b"no ranks"])
def test_unreadable_ranks(tmp_path, content):
    """There is a report, but no comparison."""
    runs = write_experiment(tmp_path, models=["AdaMF", "AdaMF-MAT"], seeds=1)
    path = RunFiles(tmp_path, runs[0].id).ranks
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    text = section(report(tmp_path), "Comparisons")
    assert text.strip().startswith("There are no comparisons: ")
    assert "Remove the files of this run" in text


def test_other_data(tmp_path):
    """Runs on other data than the rest, and than what can be loaded now."""

    def change(run, result):
        if run.variant == "AdaMF":
            result["data"]["training"] = "other"

    write_experiment(tmp_path, models=["AdaMF", "AdaMF-MAT"], seeds=1, change=change)
    text = report(tmp_path)
    assert "**The runs are not on the same data: they differ in training.**" in text
    assert "which need the dataset: The training of EmojiKG here are not those of the runs." in text


def test_the_dataset_is_gone(tmp_path, small):
    """What needs no dataset is reported all the same."""
    write_experiment(
        tmp_path / "x",
        dataset="DB15K",
        seeds=1,
        models=["RotatE", "RotatE (PyKEEN)", "AdaMF", "AdaMF-MAT"],
        dataset_kwargs={"directory": str(small)},
    )
    small.rename(tmp_path / "elsewhere")
    _load.cache_clear()
    text = report(tmp_path / "x")
    assert "There is no comparison by modalities and relations" in text
    assert len(table(section(text, "Comparisons"))) == 3


# --- the same report again


def test_deterministic(finished, tmp_path):
    """The same results in another order make the same files, but for times."""
    directory, text = finished

    def slow(run, result):
        result["seconds"] = {"training": 99.0, "evaluation": 98.0}
        result["environment"]["cpu"] = "another one"

    names = ["AdaMF-MAT", "RotatE", "IKRL-MAT"], ["IKRL", "AdaMF"]
    for models in names:
        write_experiment(tmp_path, models=models, change=slow)
    other = report(tmp_path)
    assert "99.0" in other
    before, after = (x.partition("## Times and machines")[0] for x in (text, other))
    assert before == after
    for name in ("table2-EmojiKG.png", "table2-EmojiKG.svg", "table2-EmojiKG-relations.tsv"):
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes()
    assert report(tmp_path) == other


def test_several_at_the_same_time(tmp_path):
    """Machines that share the directory are ready at the same time."""
    write_experiment(tmp_path, models=["RotatE"], seeds=1)
    expected = report(tmp_path)
    code = f"from pykeen_adamf.experiments.paper.report import write_report; write_report({str(tmp_path)!r})"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("experiment.json", "report.md", "runs", "table2-EmojiKG.png", "table2-EmojiKG.svg")
    ]


# --- what the runner really writes


def test_real_runs(tmp_path):
    runs = plan("figure5", datasets=["EmojiKG"], seeds=1, overrides=tiny(negatives=2), num_test_triples=40)
    record_experiment(tmp_path, "figure5", runs)
    for run in runs:
        RunFiles(tmp_path, run.id).write(*execute(run, "cpu"))
    text = report(tmp_path)
    assert "All 2 runs are finished." in text
    assert {row[0]: row[1] for row in table(section(text, "Setting"))}["ranked test triples"] == "40"
    for point in read_points(tmp_path).points:
        frame = compare_ranks(*[[read_ranks(point.rank_paths[0])]] * 2)
        assert frame["first"][0] == pytest.approx(point.summarize("MRR")[0] / 100, rel=1e-6)
        weights = average_weights(point)
        assert torch.tensor(weights.sum(axis=1).to_numpy()).allclose(torch.ones(len(weights), dtype=torch.double))
