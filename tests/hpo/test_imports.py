"""Hyper-parameter optimization knows this package, whichever module is imported first."""

import subprocess
import sys
from types import ModuleType

import pytest
import wrapt

from pykeen_adamf import adaptations

#: Check that everybody who has imported the functions has those that know this package, which is not imported itself.
CHECK = """
import sys
import pykeen.ablation, pykeen.ablation.ablation, pykeen.hpo, pykeen.hpo.cli, pykeen.hpo.hpo
for module, name in (
    (pykeen.hpo, "hpo_pipeline"),
    (pykeen.hpo.hpo, "hpo_pipeline"),
    (pykeen.hpo.cli, "hpo_pipeline"),
    (pykeen.ablation, "prepare_ablation"),
    (pykeen.ablation.ablation, "prepare_ablation"),
):
    function = getattr(module, name)
    assert type(function).__name__ == "_Adapted", (module, name)
    # once only
    assert type(function.__wrapped__).__name__ == "function", (module, name)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "first",
    ["pykeen.hpo", "pykeen.ablation.ablation", "pykeen.cli", "pykeen.hpo.hpo", "pykeen.pipeline", "pykeen_adamf.hpo"],
)
def test_import_orders(first):
    light = "" if first.startswith("pykeen_adamf.hpo") else "assert 'pykeen_adamf.hpo' not in sys.modules"
    result = subprocess.run(
        [sys.executable, "-c", f"import {first}\n{CHECK}\n{light}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr


def test_repeated_registration():
    host = ModuleType("host")
    called = []

    def note(name):
        def wrapper(wrapped, instance, args, kwargs):
            called.append(name)
            return wrapped(*args, **kwargs)

        return wrapper

    # somebody else's wrapper is no reason not to adapt it
    host.hpo_pipeline = wrapt.FunctionWrapper(lambda: 1, note("theirs"))
    for _ in range(2):
        adaptations.adapt(host, "hpo_pipeline", note("ours"), "something is missing.")
    assert host.hpo_pipeline() == 1
    assert called == ["ours", "theirs"]


def test_unknown_versions_of_pykeen(caplog):
    """PyKEEN goes on working."""
    for _, path, wrapper, consequence in adaptations.ADAPTATIONS:
        adaptations.adapt(ModuleType("host"), path, wrapper, consequence)
        assert f"This version of PyKEEN is not known: {consequence}" in caplog.text
