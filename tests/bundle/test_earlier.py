"""Bundles that were written by earlier versions."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pykeen_adamf.bundle import load, save
from pykeen_adamf.models import IKRL, TBKGC, AdaMFRotatE

from .cases import predict

DIRECTORY = Path(__file__).parent / "earlier"

#: What was written when there was one fusion and one interaction for each model.
MODELS = {"adamfrotate": AdaMFRotatE, "ikrl": IKRL, "tbkgc": TBKGC}


def test_every_bundle_is_tested():
    assert {path.name for path in DIRECTORY.iterdir() if path.is_dir()} == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_predictions(name):
    """They are those of the version that has written the bundle."""
    description = json.loads((DIRECTORY / name / "model.json").read_text())
    assert description["versions"]["pykeen-adamf"] == "0.1.0"
    bundle = load(DIRECTORY / name, device="cpu")
    assert type(bundle.model) is MODELS[name]
    actual, expected = predict(bundle.model, bundle.training), load_file(DIRECTORY / f"{name}.safetensors")
    assert actual.keys() == expected.keys()
    for key, scores in expected.items():
        torch.testing.assert_close(
            actual[key], scores, rtol=1e-5, atol=1e-6, msg=lambda text, key=key: f"{key}: {text}"
        )


@pytest.mark.parametrize("name", MODELS)
def test_written_once_more(tmp_path, name):
    """It predicts the same, and so does the bundle of this version; nothing of the earlier one is changed."""
    path = tmp_path / "earlier"
    shutil.copytree(DIRECTORY / name, path)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    bundle = load(path, device="cpu")
    again = load(save(bundle.model, bundle.training, tmp_path / "later"), device="cpu")
    for key, scores in predict(bundle.model, bundle.training).items():
        assert torch.equal(predict(again.model, again.training)[key], scores), key
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before
