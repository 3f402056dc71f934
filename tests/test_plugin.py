"""Registration without importing this package, whichever PyKEEN module comes first."""

import json
import os
import subprocess
import sys
from types import ModuleType

import numpy
import pytest

from pykeen_adamf import plugin

from .datasets.cases import ENTITIES, write_benchmark

FIRST = [
    "pykeen",
    "pykeen.ablation",
    "pykeen.cli",
    "pykeen.contrib.lightning",
    "pykeen.datasets",
    "pykeen.evaluation",
    "pykeen.hpo",
    "pykeen.losses",
    "pykeen.models",
    "pykeen.models.unimodal.rotate",
    "pykeen.nn",
    "pykeen.nn.modules",
    "pykeen.nn.representation",
    "pykeen.pipeline",
    "pykeen.pipeline.api",
    "pykeen.predict",
    "pykeen.sampling",
    "pykeen.stoppers",
    "pykeen.training",
    "pykeen.training.slcwa",
    "pykeen.triples",
    "pykeen_adamf",
    "pykeen_adamf.datasets",
    "pykeen_adamf.datasets.db15k",
    "pykeen_adamf.models",
    "pykeen_adamf.nn",
    "pykeen_adamf.plugin",
    "pykeen_adamf.training",
    "pykeen_adamf.triples",
]

#: Resolve everything by name, in an order that imports nothing of this package by itself.
RESOLVE_ALL = """
from pykeen.pipeline import pipeline
from pykeen.datasets import dataset_resolver
from pykeen.losses import loss_resolver
from pykeen.models import model_resolver
from pykeen.nn import interaction_resolver, representation_resolver
from pykeen.sampling import negative_sampler_resolver
from pykeen.training import training_loop_resolver

for resolver, names in (
    (dataset_resolver, ["DB15K", "MKG-W", "MKG-Y", "mkgw", "mkgy"]),
    (loss_resolver, ["EntropyGuided"]),
    (model_resolver, ["AdaMF", "AdaMFRotatE", "LpRotatE", "MoCME", "Structural"]),
    (training_loop_resolver, ["MAT", "OneVsAll", "OneVsAllMAT"]),
    (negative_sampler_resolver, ["FilteredBernoulli"]),
    (interaction_resolver, ["LpRotatE"]),
    (representation_resolver, ["Fused", "ProjectedFeature", "Phase"]),
):
    for name in names:
        assert resolver.lookup(name).__module__.startswith("pykeen_adamf."), name
import pykeen.pipeline.api
assert type(pykeen.pipeline.api._build_model_helper).__name__ == "_Adapted"
"""


def run(code: str) -> subprocess.CompletedProcess:
    """Run code in a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
def test_import_orders():
    """Each order in an interpreter of its own; several at a time, since most of it is waiting for imports."""
    processes = {}
    failures = {}
    queue = list(FIRST)
    while queue or processes:
        while queue and len(processes) < 3:
            first = queue.pop(0)
            optional = f"try:\n    import {first}\nexcept ImportError as e:\n    assert 'lightning' in str(e)\n"
            processes[first] = subprocess.Popen(
                [sys.executable, "-c", optional + RESOLVE_ALL],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        first, process = next(iter(processes.items()))
        output, _ = process.communicate(timeout=300)
        if process.returncode != 0:
            failures[first] = output
        del processes[first]
    assert not failures, "\n\n".join(f"{first}: {output}" for first, output in failures.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "resolver", "name"),
    [
        ("pykeen.models", "model_resolver", "AdaMFRotatE"),
        ("pykeen.training", "training_loop_resolver", "MAT"),
        ("pykeen.nn", "representation_resolver", "Fused"),
        ("pykeen.datasets", "dataset_resolver", "DB15K"),
    ],
)
def test_single_module(module: str, resolver: str, name: str):
    """A single PyKEEN module is enough, although the plugin is loaded while this module is being imported."""
    result = run(f"from {module} import {resolver}; assert {resolver}.lookup({name!r})")
    assert result.returncode == 0, result.stderr


def test_repeated_registration():
    """Registering twice changes nothing."""
    from pykeen.models import model_resolver

    before = dict(model_resolver.lookup_dict)
    plugin.register()
    assert dict(model_resolver.lookup_dict) == before


def test_import_is_light():
    """The package itself imports nothing heavy, and neither does the command line's help."""
    result = run(
        "import sys, pykeen_adamf, pykeen_adamf.cli; "
        "heavy = {'torch', 'pykeen', 'numpy', 'pandas'} & set(sys.modules); assert not heavy, heavy"
    )
    assert result.returncode == 0, result.stderr


#: Arguments of PyKEEN's command line, and something that it then prints.
COMMANDS = [
    # note: without a subcommand, "pykeen ls" of PyKEEN 1.11.1 fails, with or without this package
    (["ls", "--help"], "models"),
    (["ls", "models"], "AdaMFRotatE"),
    (["ls", "datasets"], "MKG-W"),
    (["ls", "training-loops"], "mat"),
    (["ls", "negative-samplers"], "filteredbernoulli"),
    (["train", "--help"], "adamfrotate"),
    (["train", "adamfrotate", "--help"], "--attention"),
    (["train", "lprotate", "--dataset", "nations", "-n", "1", "--embedding-dim", "4", "--device", "cpu"], "both"),
]


@pytest.mark.slow
def test_pykeen_command_line():
    """PyKEEN's own command line knows everything; in one interpreter, since imports are most of the time."""
    result = run(
        "import json\n"
        "from click.testing import CliRunner\n"
        "from pykeen.cli import main\n"
        f"results = [CliRunner().invoke(main, arguments) for arguments in {[x for x, _ in COMMANDS]!r}]\n"
        "print(json.dumps([(result.exit_code, result.output) for result in results]))"
    )
    assert result.returncode == 0, result.stderr
    outputs = json.loads(result.stdout.splitlines()[-1])
    for (arguments, expected), (code, output) in zip(COMMANDS, outputs, strict=True):
        assert code == 0, output
        assert expected in output, arguments


@pytest.mark.slow
def test_pykeen_command_line_trains(tmp_path):
    """PyKEEN's command line makes options of all of a model's parameters."""
    directory = write_benchmark(tmp_path / "DB15K")
    numpy.save(directory / "DB15K-textual.npy", numpy.ones((len(ENTITIES), 6), dtype="float32"))
    options = ["--dataset", "DB15K", "--training-loop", "mat", "--missing", "mask", "--attention", "per-modality"]
    result = subprocess.run(
        [sys.executable, "-m", "pykeen", "train", "adamfrotate", *options, "-n", "1", "--embedding-dim", "4"],
        env={**os.environ, "PYKEEN_ADAMF_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert "inverse_harmonic_mean_rank" in result.stdout


def test_unknown_versions_of_pykeen(caplog):
    """If PyKEEN changes what this package hangs on, PyKEEN goes on working."""
    plugin._register(plugin.Registration("host", "no_such_resolver", "models", ["LpRotatE"]), ModuleType("host"))
    assert "Could not register" in caplog.text
