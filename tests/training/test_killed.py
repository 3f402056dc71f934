"""Training that is killed, at any point, and continued by another process equals training that was not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from .killed import HALF, KILLS, MOVING, NUM_EPOCHS, PATIENCE, WITHIN

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Return the folder with what trained processes have left, and the points at which others were killed."""
    if not hasattr(os, "fork"):
        pytest.skip("processes cannot be forked here")
    root = tmp_path_factory.mktemp("killed")
    result = subprocess.run(
        [sys.executable, "-m", "tests.training.killed", root],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    return root, [json.loads(line) for line in result.stdout.splitlines()]


def assert_equal(a, b, path=""):
    """Assert that nested containers are the same to the last bit."""
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert list(a) == list(b), path
        for key in a:
            assert_equal(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{path}[{i}]")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), path
    else:
        assert a == b, path


@pytest.mark.parametrize(("case", "i"), KILLS)
def test_equality(killed, case, i):
    """Model, generators, both optimizers and schedules, losses, the stopper, and all randomness."""
    root, _ = killed
    straight, resumed = (torch.load(root / f"{name}.pt") for name in (f"straight-{case}", f"killed-{case}-{i}"))
    assert_equal(resumed, straight)


def test_cases(killed):
    """Early stopping stops in one case and not in the other, and there were all kinds of points to be killed at."""
    root, points = killed
    stopped, completed = (torch.load(root / f"straight-MAT-{patience}.pt") for patience in PATIENCE)
    assert stopped["stopper"]["stopped"]
    assert not completed["stopper"]["stopped"]
    assert len(stopped["losses"]) < len(completed["losses"]) == NUM_EPOCHS
    # the best epoch is not the last one, so that restoring it matters
    assert completed["stopper"]["best_epoch"] < NUM_EPOCHS
    assert len(points) == len(KILLS)
    assert {WITHIN, HALF, MOVING} < set(points)


def test_nothing_is_left(killed):
    """Neither incomplete checkpoints, nor copies of the best model."""
    root, _ = killed
    assert {path.name for path in root.glob("*/*")} | {path.name for path in root.glob("*/.*")} == {"checkpoint.pt"}
