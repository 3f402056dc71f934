"""A small dataset, and every model with every training loop that can train it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from pykeen.models import RotatE
from pykeen.pipeline import PipelineResult, pipeline
from pykeen.training import TrainingLoop, training_loop_resolver

from pykeen_adamf.datasets.derived import EagerMultimodalDataset
from pykeen_adamf.models import IKRL, TBKGC, AdaMFRotatE, LpRotatE
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..cases import make_factory

MODELS = {"AdaMFRotatE": AdaMFRotatE, "IKRL": IKRL, "LpRotatE": LpRotatE, "RotatE": RotatE, "TBKGC": TBKGC}

#: The two main models of this package with all loops that train them.
COMBINATIONS = [
    *[("AdaMFRotatE", loop) for loop in ("sLCWA", "LCWA", "SymmetricLCWA", "MAT")],
    *[("LpRotatE", loop) for loop in ("sLCWA", "LCWA", "SymmetricLCWA")],
]

#: The other models, each with some of the loops.
BASELINES = [("IKRL", "sLCWA"), ("TBKGC", "LCWA"), ("TBKGC", "SymmetricLCWA")]

#: The main models with negative samples.
SAMPLING = [("AdaMFRotatE", "sLCWA"), ("AdaMFRotatE", "MAT"), ("LpRotatE", "sLCWA")]

#: PyKEEN calculates more than forty metrics by default, which takes longer than all else.
FEW_METRICS = dict(
    metrics=["arithmetic-mean-rank", "inverse-harmonic-mean-rank", "hits-at-k", "count"],
    metrics_kwargs=[None, None, dict(k=3), None],
    add_defaults=False,
)

#: What MAT takes from the loss, where the loss has none.
ADVERSARIAL_OPTIONS = dict(margin=3.0, adversarial_temperature=1.0)


@cache
def make_dataset(create_inverse_triples: bool = False) -> EagerMultimodalDataset:
    """Make a dataset with 20 entities and 4 relations, where some entities miss some features."""
    factory = make_factory(num_triples=150, create_inverse_triples=create_inverse_triples)
    training, testing, validation = factory.split([0.8, 0.1, 0.1], random_state=0)
    return EagerMultimodalDataset(training=training, testing=testing, validation=validation)


def run_pipeline(model: Any = "AdaMFRotatE", loop: Any = "MAT", **kwargs: Any) -> PipelineResult:
    """Run a small pipeline."""
    options: dict[str, Any] = dict(dataset=make_dataset(), random_seed=0, device="cpu", use_tqdm=False)
    options["training_kwargs"] = {"num_epochs": 2, "batch_size": 64, **kwargs.pop("training_kwargs", {})}
    if model is not None and not isinstance(model, torch.nn.Module):
        options["model_kwargs"] = {"embedding_dim": 4, **kwargs.pop("model_kwargs", {})}
    if "evaluator" not in kwargs:
        options["evaluator_kwargs"] = FEW_METRICS
    return pipeline(**{**options, "model": model, "training_loop": loop, **kwargs})


def make_loop(
    model: str,
    loop: str,
    factory: MultimodalTriplesFactory | None = None,
    loss: Any = None,
    loss_kwargs: Mapping[str, Any] | None = None,
    model_kwargs: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> TrainingLoop:
    """Make a small model and its training loop, with few negatives, and without a search for sub-batches that fit."""
    factory = make_dataset().training if factory is None else factory
    options = dict(model_kwargs or {})
    if loss is not None:
        options |= dict(loss=loss, loss_kwargs=loss_kwargs)
    instance = MODELS[model](triples_factory=factory, embedding_dim=4, random_seed=0, **options)
    if loop == "MAT" and loss is not None:
        kwargs = {**ADVERSARIAL_OPTIONS, **kwargs}
    if loop == "MAT":
        kwargs.setdefault("hidden_dim", 16)
        if "negative_sampler" not in kwargs:
            kwargs.setdefault("negative_sampler_kwargs", dict(num_negs_per_pos=8))
    return training_loop_resolver.make(
        loop,
        model=instance,
        triples_factory=factory,
        **{
            "optimizer": "adam",
            "optimizer_kwargs": dict(lr=0.01),
            "automatic_memory_optimization": False,
            **kwargs,
        },
    )


def train(loop: TrainingLoop, seed: int = 1, **kwargs: Any) -> TrainingLoop:
    """Train from a known random state, and return the loop."""
    torch.manual_seed(seed)
    loop.train(make_dataset().training, **{"num_epochs": 2, "batch_size": 32, "use_tqdm": False, **kwargs})
    return loop


def state_of(loop: TrainingLoop) -> dict[str, torch.Tensor]:
    """Return everything that is trained, and the generators' source of noise."""
    state = {f"model.{name}": tensor for name, tensor in loop.model.state_dict().items()}
    if hasattr(loop, "synthesizer"):
        state |= {f"generators.{name}": tensor for name, tensor in loop.synthesizer.state_dict().items()}
        state["noise"] = loop.synthesizer.random_state.get_state()
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def differences(first: TrainingLoop, second: TrainingLoop) -> list[str]:
    """Return the names of the tensors in which two loops differ by at least a bit."""
    one, other = state_of(first), state_of(second)
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]
