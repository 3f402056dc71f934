"""What is said about an experiment while it is carried out."""

import pytest

from pykeen_adamf.experiments.paper.grid import Progress, format_duration

from .cases import (
    MODELS,
    Nobody,
    plan_runs,
)
from .synthetic import get_folder


def write_result(output, run, seconds):
    """Write a run's result as far as the progress reads it."""
    result = {
        "metrics": dict(both=dict(realistic=dict(MRR=0.25))),
        "seconds": dict(training=seconds - 1, evaluation=1),
    }
    folder = get_folder(output, run)
    folder.finish(result, {})
    return folder.path


def plan_folders(benchmark, output, **kwargs):
    """Write the folders of runs, and return these by folder, and as a list."""
    runs = plan_runs(benchmark, **kwargs)
    for run in runs:
        folder = get_folder(output, run)
        folder.path.mkdir(parents=True)
        folder.plan(run.configuration)
    return {get_folder(output, run).path: run for run in runs}, runs


def test_progress(benchmark, output):
    """What is left is estimated by each model's own runs; of models without any, by the others'."""
    folders, runs = plan_folders(benchmark, output, models=[*MODELS, "AdaMF-MAT"], seeds=2)
    write_result(output, runs[0], 10)
    lines = []
    progress = Progress(folders, Nobody(2), lines.append)
    assert lines == ["6 runs, of which 1 are finished"]
    assert progress.estimate() == 5 * 10 / 2
    progress.update(write_result(output, runs[1], 30))
    # RotatE 10, AdaMF 30, twice AdaMF-MAT, of which nothing is known but that others take 20
    assert lines[1:] == ["[2/6] AdaMF, DB15K, seed 0: MRR 0.250, 30 s; about 40 s left"]
    folder = get_folder(output, runs[2])
    folder.fail("ValueError: no luck")
    progress.update(folder.path)
    assert lines[2].startswith("[3/6] AdaMF-MAT, DB15K, seed 0: failed: ValueError: no luck; about ")
    for run in runs[3:]:
        progress.update(write_result(output, run, 1))
    assert lines[5] == "[6/6] AdaMF-MAT, DB15K, seed 1: MRR 0.250, 1 s"
    assert len(lines) == 6
    again = []
    assert not Progress(folders, Nobody(2), again.append).pending
    assert again == ["6 runs, of which 6 are finished (1 of them failed; --retry runs those again)"]


def test_progress_of_points(benchmark, output):
    """The points of a figure are told apart, and estimated each by its own."""
    folders, runs = plan_folders(benchmark, output, experiment="figure4", seeds=2)
    write_result(output, runs[0], 10)
    lines = []
    progress = Progress(folders, Nobody(), lines.append)
    progress.update(write_result(output, runs[3], 80))
    # with seed 1, L = 1 takes 10, and L = 8 takes 80; of the four others, nothing is known
    assert lines[1] == "[2/8] AdaMF-MAT, num_groups 8, DB15K, seed 0: MRR 0.250, 80 s; about 4 min left"
    assert progress.estimate() == 10 + 80 + 4 * 45


def test_no_estimate(benchmark, output):
    folders, _ = plan_folders(benchmark, output, models=MODELS)
    assert Progress(folders, Nobody(), [].append).estimate() is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (9000, "2.5 h"), (1e6, "277.8 h")]
)
def test_duration(seconds, text):
    assert format_duration(seconds) == text
