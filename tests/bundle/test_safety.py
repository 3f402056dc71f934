"""Nothing that is stored in a bundle is executed."""

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from pykeen_adamf.bundle import BundleError, load, save
from pykeen_adamf.digests import digest_file

from ..cases import make_factory
from .cases import make_factory_of_files, make_model


@pytest.fixture
def bundle(tmp_path) -> Path:
    factory = make_factory()
    return save(make_model(factory=factory), factory, tmp_path / "bundle")


class Malicious:
    """Creates a directory when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


FILES = [
    "trained_model.pkl",
    "model.json",
    "model.safetensors",
    *(
        f"training_triples/{name}"
        for name in (
            *("base.pth", "modalities.json", "numeric_triples.tsv.gz", "entity_to_id.tsv.gz", "relation_to_id.tsv.gz"),
            *("features-visual.safetensors", "features-textual.safetensors"),
        )
    ),
]


@pytest.mark.parametrize("writer", [pickle.dump, torch.save], ids=["pickle", "torch"])
@pytest.mark.parametrize("name", FILES)
def test_nothing_is_executed(bundle, tmp_path, name, writer):
    """Whichever file is replaced by a pickle: either nobody looks at it, or it is refused."""
    marker = tmp_path / "executed"
    with (bundle / name).open("wb") as file:
        writer(Malicious(marker), file)
    if name == "model.safetensors":
        # somebody who forges a file can forge its digest, too
        configuration = json.loads((bundle / "model.json").read_text())
        configuration["weights_sha256"] = digest_file(bundle / name)
        (bundle / "model.json").write_text(json.dumps(configuration))
    if name.endswith((".pkl", "base.pth", "modalities.json")):
        load(bundle)
    else:
        with pytest.raises(BundleError):
            load(bundle)
    assert not marker.exists()


@pytest.mark.parametrize("suffix", [".pth", ".npy", ".npz", ".safetensors", ".h5"])
def test_nothing_is_executed_by_references(tmp_path, suffix):
    factory, marker = make_factory_of_files(tmp_path), tmp_path / "executed"
    directory = save(make_model(factory=factory), factory, tmp_path / "bundle", features="reference")
    configuration = json.loads((directory / "model.json").read_text())
    forged = tmp_path / f"forged{suffix}"
    with forged.open("wb") as file:
        pickle.dump(Malicious(marker), file)
    configuration["triples"]["features"][0]["file"] = str(forged)
    (directory / "model.json").write_text(json.dumps(configuration))
    with pytest.raises(BundleError, match="forged"):
        load(directory)
    assert not marker.exists()


@pytest.mark.parametrize("file", ["../secret.safetensors", "{}/secret.safetensors", "model.safetensors"])
def test_copies_are_in_the_bundle(bundle, tmp_path, file):
    """What is said to be part of a bundle is read from nowhere else."""
    shutil.copy(bundle / "training_triples" / "features-visual.safetensors", tmp_path / "secret.safetensors")
    configuration = json.loads((bundle / "model.json").read_text())
    part = next(x for x in configuration["triples"]["features"] if x["name"] == "visual")
    part["file"] = file.format(tmp_path)
    (bundle / "model.json").write_text(json.dumps(configuration))
    with pytest.raises(BundleError, match=r"instead of 'training_triples/features-visual\.safetensors'\. Save"):
        load(bundle)


def test_a_forged_pickle_is_malicious(tmp_path):
    """What the tests above are about."""
    marker = tmp_path / "executed"
    pickle.loads(pickle.dumps(Malicious(marker)))
    assert marker.exists()


def test_model_classes_are_of_this_package(bundle):
    """A configuration cannot create just anything that PyKEEN knows."""
    configuration = json.loads((bundle / "model.json").read_text())
    for name in ("transe", "os.system", "AdaMFRotatE", "nodepiece"):
        (bundle / "model.json").write_text(json.dumps({**configuration, "model": name}))
        with pytest.raises(BundleError, match="no model of pykeen-adamf named"):
            load(bundle)
