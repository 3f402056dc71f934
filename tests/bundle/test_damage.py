"""Damaged bundles: nothing is tried that cannot work, and the file and what is wrong with it are named."""

import gzip
import json
import os
import random
import time
from contextlib import suppress

import pytest
import torch
from safetensors.torch import load_file, save_file

from pykeen_adamf.bundle import BundleError, load, save
from pykeen_adamf.bundle.saving import _discard
from pykeen_adamf.bundle.weights import limited_allocations
from pykeen_adamf.constants import MAX_BYTES_ENVIRONMENT_VARIABLE
from pykeen_adamf.digests import digest_file

from ..cases import make_factory
from .cases import make_model
from .test_refusals import change_configuration


@pytest.fixture
def bundle(tmp_path):
    factory = make_factory()
    return save(make_model(factory=factory), factory, tmp_path / "bundle")


def sign(bundle):
    """Let the digest of the weights be right: who forges a file can forge its digest, too."""
    change_configuration(bundle, lambda x: x.update(weights_sha256=digest_file(bundle / "model.safetensors")))


@pytest.mark.parametrize("name", ["embedding_dim", "hidden_dims"])
@pytest.mark.parametrize("value", [10**9, 10**6, 10**18])
def test_huge_models(bundle, name, value):
    """They are refused by their weights, before memory is asked for."""
    change_configuration(bundle, lambda x: x["model_kwargs"].update({name: value if "dims" not in name else [value]}))
    if name == "hidden_dims":
        change_configuration(bundle, lambda x: x.update(model="adamf"))
    start = time.monotonic()
    with pytest.raises(BundleError, match=r"model\.(safetensors does not fit the model: .*much more|json)"):
        load(bundle)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.popitem(), "Missing key"),
        (lambda x: x.update(other=torch.zeros(3)), "Unexpected key.*other"),
        (lambda x: x.update({next(iter(x)): torch.zeros(3, 5, 7)}), r"torch\.Size\(\[3, 5, 7\]\)"),
        (lambda x: x.update({name: y.long() for name, y in x.items()}), "is of torch.int64, but the model's of"),
    ],
)
def test_other_weights(bundle, change, message):
    path = bundle / "model.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)
    sign(bundle)
    with pytest.raises(BundleError, match=rf"(?s)model\.safetensors does not fit the model: .*{message}"):
        load(bundle)


def test_huge_header(bundle):
    """It is not parsed."""
    path = bundle / "model.safetensors"
    header = json.dumps({"__metadata__": {str(i): "x" * 100 for i in range(50_000)}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    sign(bundle)
    with pytest.raises(BundleError, match=r"model\.safetensors is damaged: its header would have 5,[\d,]* bytes"):
        load(bundle)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "nested deeper"),
        ("[" * 100 + "]" * 100, "nested deeper"),
        ('{"format": 1, "format": 2}', "has 'format' twice"),
        ('{"format": NaN}', "nan, which is no number"),
        ('{"format": 1e999}', "inf, which is no number"),
        (f'{{"format": {10**40}}}', "whole number of 133 bits"),
        (f'{{"format": 1{"0" * 5000}}}', "model.json is damaged"),
        (b"\xff\xfe{", "model.json is damaged"),
    ],
)
def test_json(bundle, content, message):
    (bundle / "model.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BundleError, match=message) as info:
        load(bundle)
    assert str(bundle / "model.json") in str(info.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x["probes"].update(triples=[[10**9, 0, 0]] * 8),
        lambda x: x["probes"].update(triples=[[0, 0]] * 8),
        lambda x: x["probes"].update(scores=[1.0]),
        lambda x: x["probes"].update(scores="text"),
        lambda x: (x["probes"].update(triples=[], scores=[]), x["model_kwargs"].update(regularizer=1)),
        lambda x: x["triples"].update(num_entities=10**12),
        lambda x: x["triples"].update(num_triples=3),
        lambda x: x["triples"].update(num_relations=-1),
        lambda x: x["tables_of_features"].update({"entity_representations.0.bases.visual.table": "load"}),
        lambda x: x.update(frozen=3),
        lambda x: x.update(versions=3),
    ],
)
def test_numbers(bundle, change):
    change_configuration(bundle, change)
    with pytest.raises(BundleError) as info:
        load(bundle)
    assert str(bundle) in str(info.value)


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: torch.arange(10**12),
        lambda: torch.arange(0, 10**12),
        lambda: torch.arange(-(10**12), 0, 2),
        lambda: torch.arange(end=1e12),
        lambda: torch.linspace(0, 1, 10**12),
        lambda: torch.randperm(10**12),
        lambda: torch.eye(10**6),
        lambda: [torch.arange(10**6 * i, 10**6 * i + 10**6) for i in range(20)],
    ],
)
def test_limited_allocations(tmp_path, allocate):
    """However a size is said, it is known before memory is asked for."""
    with limited_allocations(tmp_path / "x", 0, 0):
        assert torch.arange(3, 9, 2).tolist() == [3, 5, 7]
        with pytest.raises(BundleError, match=r"x does not fit the model: .* much more weights"):
            allocate()


@pytest.mark.parametrize("name", ["numeric_triples", "entity_to_id"])
@pytest.mark.parametrize("kind", ["bomb", "bounds"])
def test_triples(bundle, name, kind, monkeypatch):
    monkeypatch.setenv(MAX_BYTES_ENVIRONMENT_VARIABLE, str(10**6))
    path = bundle / "training_triples" / f"{name}.tsv.gz"
    header, *rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    if kind == "bounds":
        first = rows[0].split("\t")
        rows[0] = "\t".join([str(10**12) if x.isdecimal() else x for x in first])
    content = "\n".join([header, *rows, *(["0\t0\t0"] * 10**6 if kind == "bomb" else [])])
    path.write_bytes(gzip.compress(content.encode()))
    with pytest.raises(
        BundleError, match="are the limit for a file of this size" if kind == "bomb" else "have changed"
    ) as info:
        load(bundle)
    assert str(path) in str(info.value)


@pytest.mark.parametrize(
    "name", ["model.json", "model.safetensors", "features-visual.safetensors", "entity_to_id.tsv.gz"]
)
def test_pipes(bundle, name):
    """Nothing waits for what never comes, neither in loading nor in replacing."""
    path = bundle / name if name.startswith("model") else bundle / "training_triples" / name
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        load(bundle)
    factory = make_factory()
    if name == "model.json":
        _discard(bundle)
        path.unlink()
        path.mkdir()
        with pytest.raises(BundleError, match=r"model\.json"):
            load(bundle)
        path.rmdir()
    save(make_model(factory=factory), factory, bundle)
    load(bundle)


class NamedError(Exception):
    """A :class:`BundleError` that names the bundle."""


def load_named(bundle):
    try:
        load(bundle)
    except BundleError as error:
        if str(bundle) in str(error):
            raise NamedError from error
        raise


def list_places(value, path=()):
    """Return the keys of all parts of a configuration."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, x in parts for place in list_places(x, (*path, key))]


@pytest.mark.parametrize("seed", range(3))
def test_anything_else(bundle, seed):
    """Whatever is in the place of something: a bundle is loaded and scores as before, or its file is named."""
    rng = random.Random(seed)
    good = (bundle / "model.json").read_text()
    places = list_places(json.loads(good))
    for place in rng.sample(places, 12):
        *parents, key = place
        configuration = part = json.loads(good)
        for parent in parents:
            part = part[parent]
        part[key] = rng.choice([None, -1, 10**9, 0.5, "x", [], {}, [[1]], {"$dtype": "load"}, True])
        (bundle / "model.json").write_text(json.dumps(configuration))
        # no other error, and no message without the file
        with suppress(NamedError):
            load_named(bundle)
