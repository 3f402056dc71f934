"""Notebooks as they are kept: they run by ``pytest --nbmake notebooks``."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted(Path(__file__).parents[1].joinpath("notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert "01_quickstart.ipynb" in [path.name for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_stripped(path):
    """Nothing of a run is kept: outputs, counts, and the machine's kernel."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert set(notebook["metadata"]["language_info"]) == {"name"}
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        assert "".join(cell["source"]).strip()
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            # short enough to be read
            assert len("".join(cell["source"]).splitlines()) <= 30


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_fewer_epochs_for_tests(path):
    """The variable that continuous integration sets is one that each notebook reads."""
    assert 'os.environ.get(\\"PYKEEN_ADAMF_NOTEBOOK_EPOCHS\\"' in path.read_text(encoding="utf-8")
