"""Optional dependencies are imported by those encoders only that need them."""

import pytest

from pykeen_adamf.cli.encode import ENCODERS
from pykeen_adamf.encoders import EncodingError, encoder_resolver
from pykeen_adamf.encoders.problems import import_extra

from .cases import run_python

OPTIONAL = ("PIL", "sentence_transformers", "skimage", "timm", "torchvision", "transformers")


@pytest.mark.slow
def test_import_needs_no_optional_dependency():
    result = run_python(
        "import sys; before = set(sys.modules)\n"
        "import pykeen_adamf.encoders, pykeen_adamf.cli\n"
        "pykeen_adamf.encoders.encoder_resolver.lookup('timm')\n"
        "print(*sorted(name for name in set(sys.modules) - before if '.' not in name))"
    )
    assert result.returncode == 0, result.stderr
    imported = set(result.stdout.split())
    assert "torch" in imported
    assert not imported.intersection(OPTIONAL)


def test_command_line_imports_nothing_heavy():
    """Otherwise, --help takes seconds."""
    result = run_python(
        "import sys\nfrom pykeen_adamf.cli import main\n"
        "try: main(['encode', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*(name for name in ('torch', 'numpy', 'pykeen', 'class_resolver') if name in sys.modules), 'end')"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "end"
    assert "--encoder" in result.stdout


def test_command_line_knows_all_encoders():
    """It has a list of its own."""
    assert {encoder_resolver.lookup(name) for name in ENCODERS} == set(encoder_resolver.lookup_dict.values())


@pytest.mark.parametrize(
    ("encoder", "blocked", "extra"),
    [
        ("descriptor", "skimage", "descriptor"),
        ("descriptor", "PIL", "images"),
        ("sentence-transformers", "sentence_transformers", "sentence-transformers"),
        ("huggingface", "transformers", "huggingface"),
        ("timm", "timm", "timm"),
        ("timm", "torchvision", "timm"),
    ],
)
def test_missing_dependency(encoder, blocked, extra, monkeypatch):
    """The error names the extra."""
    import sys

    for name in list(sys.modules):
        if name.partition(".")[0] in OPTIONAL:
            monkeypatch.delitem(sys.modules, name)
    # what comes before the one that is missing here may be missing for real
    for name in OPTIONAL:
        if encoder == "timm" and name in {"torchvision", "timm"}:
            monkeypatch.setitem(sys.modules, name, sys)
    monkeypatch.setitem(sys.modules, blocked, None)
    with pytest.raises(EncodingError, match=rf'{blocked}.*pip install "pykeen-adamf\[{extra}\]"'):
        encoder_resolver.make(encoder)


def test_libraries_that_do_not_fit_to_each_other(tmp_path, monkeypatch):
    """Their compiled parts raise other errors than missing modules do."""
    (tmp_path / "unfit_library.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EncodingError, match=r"nms does not exist.*pykeen-adamf\[timm\]"):
        import_extra("unfit_library", "timm")
