"""Reports of experiments."""

import json
import math
import subprocess
import sys
import threading

import pytest
import torch

from pykeen_adamf.evaluation import compare_ranks, read_ranks
from pykeen_adamf.experiments.paper import report as report_module
from pykeen_adamf.experiments.paper.experiments import plan
from pykeen_adamf.experiments.paper.report import write_report
from pykeen_adamf.experiments.paper.reporting.runs import read_runs
from pykeen_adamf.experiments.paper.reporting.tables import average_weights

from .cases import execute
from .synthetic import get_folder, report, section, table, tiny, write_experiment


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the directory of a finished experiment, and the text of its report."""
    directory = tmp_path_factory.mktemp("finished")
    write_experiment(directory)
    return directory, report(directory)


# --- tables


def test_results(finished):
    directory, text = finished
    assert "All 10 runs are finished." in text
    rows = table(section(text, "Results"))
    assert rows[0] == ["", "seeds", "MRR", "Hits@1", "Hits@3", "Hits@10"]
    assert [row[0] for row in rows[1:]] == ["RotatE", "IKRL", "AdaMF", "IKRL-MAT", "AdaMF-MAT"]
    values = [
        100 * json.loads(path.read_text())["metrics"]["both"]["realistic"]["MRR"]
        for path in directory.glob("runs/emojikg-adamf-mat-seed-*/result.json")
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
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<p><strong>This is incomplete: of 10 runs, " in page
    assert "<td>NonFiniteLossError: the loss is | not finite</td>" in page
    comparisons = {row[0]: row[1] for row in table(section(text, "Comparisons"))[1:]}
    # with the seeds that both have
    assert comparisons == {"AdaMF-MAT vs. RotatE": "1", "AdaMF-MAT vs. AdaMF": "1"}


def test_nothing_is_finished(tmp_path):
    write_experiment(tmp_path, models=["RotatE"], seeds=1, missing=[("RotatE", 0)])
    assert "No run is finished." in report(tmp_path)


def test_no_experiment(tmp_path):
    with pytest.raises(ValueError, match=r"has no runs\. Run the experiment there first"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"cannot be read: Expecting property name .*\. Remove the folder, and run it again"),
        ("{}", r"is of another version of this package\. Read it with that one, or choose another folder"),
        (None, r"is not the result of a run: it has no metrics\. Remove it, and run it again"),
    ],
)
def test_unreadable_runs(tmp_path, content, message):
    """The message names the file and the fix, each once."""

    def forget_metrics(run, result):
        del result["metrics"]

    change = forget_metrics if content is None else None
    run = write_experiment(tmp_path, models=["RotatE"], seeds=1, change=change)[0]
    path = get_folder(tmp_path, run).result
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=rf"^\S*{path.name} {message}\.$"):
        write_report(tmp_path)


# --- the same report again


@pytest.mark.slow
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
    for name in ("table2-EmojiKG.png", "table2-EmojiKG-relations.tsv"):
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes()
    assert report(tmp_path) == other


@pytest.mark.slow
def test_several_at_the_same_time(tmp_path):
    """Machines that share the directory are ready at the same time."""
    write_experiment(tmp_path, models=["RotatE"], seeds=1)
    expected = report(tmp_path)
    code = f"from pykeen_adamf.experiments.paper.report import write_report; write_report({str(tmp_path)!r})"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == expected
    names = ["report.html", "report.md", "runs", "table2-EmojiKG.png"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != ".lock") == names


def test_newer_runs(tmp_path, monkeypatch):
    """What is finished while a report is written is in the next one, which is not replaced by the older one."""
    write_experiment(tmp_path, models=["RotatE"], seeds=1)
    describe, threads = report_module._describe, []

    def describe_slowly(*args):
        context = describe(*args)
        if not threads:
            # somebody else finishes a run, and is ready to report it
            write_experiment(tmp_path, models=["RotatE"], seeds=2)
            threads.append(threading.Thread(target=write_report, args=[tmp_path]))
            threads[0].start()
            threads[0].join(1)
            assert threads[0].is_alive()
        return context

    monkeypatch.setattr(report_module, "_describe", describe_slowly)
    write_report(tmp_path)
    threads[0].join(60)
    assert "All 2 runs are finished." in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_files_of_an_earlier_report(tmp_path):
    """They are removed if there are none any more, and no others are."""
    write_experiment(tmp_path, models=["RotatE"], seeds=1)
    stale = [tmp_path / f"table2-EmojiKG{suffix}" for suffix in ("-relations.tsv", "-weights.tsv", ".svg")]
    others = tmp_path / "table2-DB15K-relations.tsv"
    for path in (*stale, others):
        path.touch()
    report(tmp_path)
    assert not any(path.exists() for path in stale)
    assert others.exists()


# --- what the runner really writes


@pytest.mark.slow
def test_real_runs(tmp_path):
    runs = plan("figure5", datasets=["EmojiKG"], seeds=1, overrides=tiny(negatives=2), num_test_triples=40)
    for run in runs:
        execute(run, get_folder(tmp_path, run).path)
    text = report(tmp_path)
    assert "All 2 runs are finished." in text
    assert {row[0]: row[1] for row in table(section(text, "Setting"))}["ranked test triples"] == "40"
    found = read_runs(tmp_path)
    for path, mrr in zip(found["ranks"], found["MRR"], strict=True):
        frame = compare_ranks(*[[read_ranks(path)]] * 2)
        assert frame["first"][0] == pytest.approx(mrr / 100, rel=1e-6)
    weights = average_weights(found).groupby(["model", "relation"])["weight"].sum()
    assert weights.index.unique("model").tolist() == ["AdaMF", "AdaMF-MAT"]
    assert torch.tensor(weights.to_numpy()).allclose(torch.ones(len(weights), dtype=torch.double))
