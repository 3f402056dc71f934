"""What is disturbed: work in a folder that can be done again, and what comes out of it."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch

from pykeen_adamf.bundle import BundleError, load, save
from pykeen_adamf.digests import digest_file
from pykeen_adamf.encoders import encode_source
from pykeen_adamf.experiments.folder import RunFolder, write_json
from pykeen_adamf.experiments.run import run
from pykeen_adamf.training import MATTrainingLoop, OneToNTrainingLoop

from ..bundle.cases import make_model
from ..cases import make_factory
from ..encoders.cases import save_image
from ..training.cases import SAMPLER, make_loop

NUM_EPOCHS = 5
NUM_IMAGES = 16


class Scenario(NamedTuple):
    """Work that is done in a folder, and done once more if it was interrupted."""

    work: Callable[[Path], None]
    #: what has come out, the same each time
    read: Callable[[Path], Any]
    #: called after each disturbance: what is there has to be complete, or to be refused
    check: Callable[[Path], object] = lambda directory: None
    #: called once, before everything
    prepare: Callable[[Path], object] = lambda directory: None


def train(cls: type, directory: Path) -> None:
    """Train, or continue, and write down what there is in the end."""
    factory = make_factory(num_entities=100, num_triples=600)
    loop_kwargs = dict(lr_scheduler="exponential", lr_scheduler_kwargs=dict(gamma=0.9))
    loop = make_loop(cls, factory=factory, loop_kwargs=loop_kwargs | (SAMPLER if cls is MATTrainingLoop else {}))
    checkpoint = dict(checkpoint_directory=directory, checkpoint_name="c.pt", checkpoint_frequency=0)
    losses = loop.train(factory, num_epochs=NUM_EPOCHS, batch_size=200, use_tqdm=False, **checkpoint)
    digest = hashlib.sha256(b"".join(x.numpy().tobytes() for x in loop.model.state_dict().values()))
    write_json(directory / "result.json", {"losses": losses, "model": digest.hexdigest()})


def read_json(directory: Path) -> Any:
    """Return what training has written down."""
    return json.loads((directory / "result.json").read_text())


def carry_out(directory: Path) -> None:
    """Carry out a run with a bundle."""
    pipeline = {
        "dataset": "Nations",
        "model": "Structural",
        "model_kwargs": {"embedding_dim": 4},
        "training_loop": "OneToN",
        "training_kwargs": {"num_epochs": 4, "batch_size": 64},
    }
    run({"pipeline": pipeline}, directory / "run", device="cpu", bundle=True, checkpoint_minutes=0, progress=False)


def read_run(directory: Path) -> Any:
    """Return what a run has found out, without times."""
    folder = RunFolder(directory / "run")
    result = folder.read_result()
    assert result is not None
    weights = digest_file(folder.bundle / "model.safetensors")
    return {"losses": result["losses"], "metrics": result["metrics"], "weights": weights}


def encode_images(directory: Path) -> None:
    """Encode images that are beside the folder."""
    output = directory / "features.safetensors"
    encode_source(directory.parent / "images", output, "descriptor", batch_size=2, dim=5, progress=False)


def make_images(root: Path) -> None:
    for i in range(NUM_IMAGES):
        save_image(root / "images" / f"e{i}.png", seed=i, width=120, height=80)


def save_bundles(directory: Path) -> None:
    """Replace a bundle by another one, several times."""
    factory = make_factory(num_entities=100, num_triples=600)
    for seed in range(4):
        save(make_model(factory=factory, random_seed=seed), factory, directory / "bundle")


def check_bundle(directory: Path) -> None:
    """Check that a bundle is complete, or refused."""
    with suppress(BundleError):
        load(directory / "bundle", device="cpu")


def read_bundle(directory: Path) -> Any:
    state = load(directory / "bundle", device="cpu").model.state_dict()
    return {name: hashlib.sha256(x.to(torch.float32).numpy().tobytes()).hexdigest() for name, x in state.items()}


SCENARIOS = {
    "mat": Scenario(lambda directory: train(MATTrainingLoop, directory), read_json),
    "one-to-n": Scenario(lambda directory: train(OneToNTrainingLoop, directory), read_json),
    "run": Scenario(carry_out, read_run, lambda directory: RunFolder(directory / "run").read_result()),
    "encode": Scenario(encode_images, lambda x: digest_file(x / "features.safetensors"), prepare=make_images),
    "bundle": Scenario(save_bundles, read_bundle, check_bundle),
}
