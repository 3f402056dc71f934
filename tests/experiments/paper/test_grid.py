"""An experiment in a directory: what is asked for, and what is run of it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pykeen_adamf.experiments import run as run_module
from pykeen_adamf.experiments.engines import InlineEngine
from pykeen_adamf.experiments.folder import RunFolder
from pykeen_adamf.experiments.paper import grid
from pykeen_adamf.experiments.paper.contenders import CONTENDERS

from ..cases import begin, list_times
from .cases import (
    MODELS,
    OVERRIDES,
    Nobody,
    execute,
    get_variant,
    list_files,
    override,
    plan_runs,
    read_tables,
    result_files,
    write_dataset,
)
from .synthetic import get_folder


def reproduce(benchmark, output, experiment="table2", **kwargs):
    """Carry out an experiment in this process, and return what it has printed."""
    lines = []
    kwargs = (
        dict(datasets=["DB15K"], dataset_kwargs=dict(directory=str(benchmark)), models=MODELS, seeds=1)
        | dict(overrides=OVERRIDES, engine=InlineEngine("cpu"))
        | kwargs
    )
    grid.reproduce(experiment, output=output, report=lines.append, **kwargs)
    return lines


def only_plan(benchmark, output, **kwargs):
    """Only write down what is asked for."""
    return reproduce(benchmark, output, engine=Nobody(), **kwargs)


# --- what is asked for


def test_content(benchmark, tmp_path):
    """Each run has a folder with what it is, and the report says that it is missing."""
    only_plan(benchmark, tmp_path / "new" / "output", seeds=2)
    folders = sorted((tmp_path / "new" / "output" / "runs").iterdir())
    runs = plan_runs(benchmark, models=MODELS, seeds=2)
    assert [path.name for path in folders] == sorted(run.name for run in runs)
    for run in runs:
        assert get_folder(tmp_path / "new" / "output", run).read_configuration() == run.configuration
        assert run.configuration["metadata"]["experiment"] == "table2"
    assert "of 4 runs, 0 are finished, 0 have failed, and 4 are missing" in read_tables(tmp_path / "new" / "output")


def test_growth(benchmark, tmp_path):
    """More seeds and models can be added, and asking for less takes nothing away."""
    for models, seeds in ((MODELS, 1), (MODELS, 3), (["TransE"], 1), (MODELS, 1)):
        only_plan(benchmark, tmp_path, models=models, seeds=seeds)
    variants = [
        json.loads(path.read_text())["metadata"]["variant"] for path in tmp_path.glob("runs/*/configuration.json")
    ]
    assert len(variants) == 7
    assert variants.count("AdaMF") == 3


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(overrides=override(epochs=3)), "training_kwargs.num_epochs: 2 there, 3 here"),
        (dict(num_test_triples=5), "data.test_triples: none there, 5 here"),
        (dict(overrides=override(learning_rate=0.5)), "optimizer_kwargs.lr: 0.001 there, 0.5"),
    ],
)
def test_other_settings(benchmark, tmp_path, kwargs, message):
    """They would end up in one table."""
    reproduce(benchmark, tmp_path)
    before = list_files(tmp_path)
    with pytest.raises(ValueError, match=rf"db15k-rotate-seed-0 has a run of another configuration \(.*{message}"):
        reproduce(benchmark, tmp_path, seeds=2, **kwargs)
    assert list_files(tmp_path) == before


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("state", ["finished", "begun"])
def test_other_data(benchmark, tmp_path, state):
    if state == "begun":
        run = plan_runs(benchmark, models=MODELS)[0]
        begin(run.configuration, get_folder(tmp_path, run).path, 2)
    else:
        reproduce(benchmark, tmp_path)
    before = list_files(tmp_path)
    other = write_dataset(tmp_path / "benchmark", seed=1)
    with pytest.raises(ValueError, match=r"db15k-rotate-seed-0 has a run on other data: files were changed"):
        reproduce(other, tmp_path)
    assert list_files(tmp_path) == before
    # wherever the same files are
    same = write_dataset(tmp_path / "same")
    reproduce(same, tmp_path)
    assert len(list(result_files(tmp_path))) == 2


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("state", ["failed", "not begun", "running"])
def test_mistakes_can_be_corrected(benchmark, tmp_path, state):
    """What has not come to anything does not bind anybody, unless somebody works on it."""
    only_plan(benchmark, tmp_path, models=["RotatE"])
    other = dict(models=["RotatE"], overrides=override(epochs=3))
    (run,) = plan_runs(benchmark, models=["RotatE"])
    folder = get_folder(tmp_path, run)
    if state == "failed":
        folder.fail("a mistake")
    if state == "running":
        with folder.locked(), pytest.raises(ValueError, match=r"num_epochs: 2 there, 3 here"):
            only_plan(benchmark, tmp_path, **other)
    reproduce(benchmark, tmp_path, **other)
    assert folder.read_configuration()["pipeline"]["training_kwargs"]["num_epochs"] == 3
    assert folder.read_error() is None
    assert len(folder.read_result()["losses"]) == 3


@pytest.mark.slow
def test_corrected_files(tmp_path):
    """Files that have made a run fail can be corrected, too."""
    wrong, right = (write_dataset(tmp_path / name, seed=i) for i, name in enumerate(("wrong", "right")))
    diverging = dict(models=["DistMult"], overrides=override(learning_rate=1e38, epochs=20))
    assert any(": failed: " in line for line in reproduce(wrong, tmp_path / "output", **diverging))
    assert (tmp_path / "output" / "runs" / "db15k-distmult-seed-0" / "effective.json").exists()
    reproduce(right, tmp_path / "output", models=["DistMult"])
    assert len(list(result_files(tmp_path / "output"))) == 1


def test_other_experiment(benchmark, tmp_path):
    only_plan(benchmark, tmp_path)
    message = "has results of table2, not of figure5"
    with pytest.raises(ValueError, match=message):
        reproduce(benchmark, tmp_path, "figure5", models=None)
    with pytest.raises(ValueError, match=message):
        grid.report_only("figure5", tmp_path)


@pytest.mark.slow
def test_at_the_same_time(benchmark, tmp_path):
    """Nothing that one process adds is lost to another one, also if all ask for the same."""
    requests = [[name] for name in CONTENDERS] + [MODELS] * 3
    with ThreadPoolExecutor(len(requests)) as executor:
        list(executor.map(lambda models: only_plan(benchmark, tmp_path, models=models), requests))
    folders = [RunFolder(path.parent) for path in tmp_path.glob("runs/*/configuration.json")]
    assert {folder.read_configuration()["metadata"]["variant"] for folder in folders} == set(CONTENDERS)
    assert {x.name for path in (tmp_path / "runs").iterdir() for x in path.iterdir()} <= {"configuration.json", ".lock"}


@pytest.mark.parametrize("content", ["{", "[]"])
def test_damaged_plan(benchmark, tmp_path, content):
    only_plan(benchmark, tmp_path, models=["RotatE"])
    (path,) = tmp_path.glob("runs/*/configuration.json")
    path.write_text(content, encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"configuration\.json (cannot be read.*Remove the folder|is no file of a run)"
    ):
        only_plan(benchmark, tmp_path, models=["RotatE"])


def test_unwritable(benchmark, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Cannot write to .*output.*Choose another directory"):
        reproduce(benchmark, tmp_path / "file" / "output")


# --- what is run


@pytest.mark.slow
def test_nothing_is_repeated(benchmark, tmp_path):
    """What is finished is never touched again, neither if there is more to do."""
    lines = reproduce(benchmark, tmp_path)
    assert lines[0] == "2 runs, of which 0 are finished"
    before = list_files(tmp_path)
    assert reproduce(benchmark, tmp_path) == ["2 runs, of which 2 are finished"]
    assert list_files(tmp_path) == before
    reproduce(benchmark, tmp_path, seeds=2)
    after = list_files(tmp_path)
    assert before.items() <= after.items()
    assert len(list(result_files(tmp_path))) == 4


@pytest.mark.slow
def test_by_hand(benchmark, tmp_path):
    """What the commands of a dry run have made is what the experiment would have."""
    reproduce(benchmark, tmp_path / "straight")
    lines = reproduce(benchmark, tmp_path / "other", dry_run=True)
    assert len(lines) == 2
    assert not (tmp_path / "other" / "report.md").exists()
    for line in lines:
        command, run, configuration, option, folder = line.split()
        assert (command, run, option) == ("pykeen-adamf", "run", "--output")
        run_module.run(configuration, folder, device="cpu", progress=False)
    grid.report_only("table2", tmp_path / "other")
    assert read_tables(tmp_path / "other") == read_tables(tmp_path / "straight")
    assert reproduce(benchmark, tmp_path / "other", dry_run=True) == []


@pytest.mark.slow
def test_failures(benchmark, tmp_path):
    """They are recorded with what the user can do, and the others are run; again only if asked for."""
    odd = dict(models=["RotatE", "TBKGC", "AdaMF"], overrides=override(embedding_dim=1))
    lines = reproduce(benchmark, tmp_path, **odd)
    failed = "TBKGC, DB15K, seed 0: failed: ValueError: 2 modalities cannot share 1 dimensions. Choose an embedding_dim"
    assert lines[2].startswith(f"[2/3] {failed}")
    with pytest.raises(RuntimeError, match=r"^1 run has failed, see the end of the report\. Try again\.$"):
        grid.raise_failures(tmp_path, "Try again.")
    assert len(list(result_files(tmp_path))) == 2
    assert "2 modalities cannot share 1 dimensions" in (tmp_path / "report.md").read_text(encoding="utf-8")
    before = list_files(tmp_path)
    again = reproduce(benchmark, tmp_path, **odd)
    assert again == ["3 runs, of which 3 are finished (1 of them failed; --retry runs those again)"]
    assert list_files(tmp_path) == before
    third = reproduce(benchmark, tmp_path, retry=True, **odd)
    assert third[0] == "3 runs, of which 2 are finished"
    assert third[1].startswith(f"[3/3] {failed}")


def test_refused_by_the_folder(benchmark, tmp_path):
    """What a run is refused for is recorded, too, rather than nothing."""

    class Meddler(InlineEngine):
        """Puts something into a folder that the plan was written to."""

        def execute(self, folders, report):
            """Meddle."""
            (folders[0] / "configuration.json").write_text("{")
            super().execute(folders[:1], lambda _: None)

    (run,) = plan_runs(benchmark, models=["RotatE"])
    with pytest.raises(ValueError, match="cannot be read"):
        reproduce(benchmark, tmp_path, models=["RotatE"], engine=Meddler("cpu"))
    assert "cannot be read" in get_folder(tmp_path, run).read_error()


@pytest.mark.parametrize(
    "damage", ["result", *(pytest.param(x, marks=pytest.mark.slow) for x in ("ranks", "no ranks"))]
)
def test_damaged_files(benchmark, tmp_path, damage):
    """They are run again if asked for, from what was trained."""
    reproduce(benchmark, tmp_path)
    tables = read_tables(tmp_path)
    folder = get_folder(tmp_path, plan_runs(benchmark, models=MODELS)[0])
    if damage == "result":
        folder.result.write_text("{")
        with pytest.raises(ValueError, match=r"result\.json cannot be read.*Remove the folder, and run it again"):
            reproduce(benchmark, tmp_path)
    elif damage == "ranks":
        folder.ranks.write_bytes(folder.ranks.read_bytes()[:100])
    else:
        folder.ranks.unlink()
    lines = reproduce(benchmark, tmp_path, retry=True)
    assert lines[0] == "2 runs, of which 1 are finished"
    assert read_tables(tmp_path) == tables
    assert reproduce(benchmark, tmp_path, retry=True) == ["2 runs, of which 2 are finished"]


@pytest.mark.slow
def test_waiting(benchmark, tmp_path):
    """What others run is waited for, and then not run again."""
    first, second = plan_runs(benchmark, models=MODELS)
    only_plan(benchmark, tmp_path)
    folder = get_folder(tmp_path, first)
    result, ranks = execute(first, tmp_path / "other")
    ended = threading.Event()

    def work():
        reproduce(benchmark, tmp_path)
        ended.set()

    with folder.locked():
        thread = threading.Thread(target=work)
        thread.start()
        assert not ended.wait(2)
        # as the other one does
        folder.finish(result, ranks)
    before = list_times(folder.path)
    thread.join(60)
    assert ended.is_set()
    assert list_times(folder.path) == before
    assert get_folder(tmp_path, second).read_result() is not None


@pytest.mark.slow
def test_variants(benchmark, tmp_path):
    """Each line of the progress says which run it is."""
    lines = reproduce(benchmark, tmp_path, "table3", models=None)
    variants = [get_variant(run) for run in plan_runs(benchmark, "table3")]
    assert [line.partition("] ")[2].partition(", DB15K")[0] for line in lines[1:]] == variants
