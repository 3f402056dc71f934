"""A few disturbances of each work; ``python -m tests.kills`` makes many."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .disturbing import KINDS, is_clear
from .scenarios import SCENARIOS


def test_clear(tmp_path):
    """An error of the right kind that does not name a file or folder helps nobody."""
    with pytest.raises(FileNotFoundError) as info:
        (tmp_path / "x").read_text()
    assert is_clear(info.value, tmp_path)
    assert is_clear(ValueError(f"{tmp_path} has another run. Choose another folder."), tmp_path)
    assert not is_clear(ValueError("x is wrong"), tmp_path)
    assert not is_clear(KeyError(str(tmp_path)), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("what", SCENARIOS)
def test_disturbed(what, tmp_path):
    """Whatever happens: after it is done again, the same has come out, or it was refused in clear words."""
    output = tmp_path / "kills.json"
    command = [sys.executable, "-m", "tests.kills", "--what", what, "--output", output]
    for num in (2, len(KINDS)):
        # the second process continues where the first has ended
        result = subprocess.run(
            [*command, "--kills", str(num)],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert result.returncode == 0, result.stdout + result.stderr
    content = json.loads(output.read_text())
    assert [x["number"] for x in content["disturbances"]] == list(range(len(KINDS)))
    assert {x["kind"] for x in content["disturbances"]} == set(KINDS)
