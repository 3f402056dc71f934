"""What a run writes down while it trains: the options in force, and the learning curve."""

import os
import platform
import re
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pandas
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.sampling import negative_sampler_resolver
from pykeen.training import SLCWATrainingLoop, TrainingLoop
from pykeen.training.callbacks import TrainingCallback
from pykeen.triples import CoreTriplesFactory

from ..atomic import written_atomically
from ..evaluation import METRICS
from ..models import QueryScoringModel
from ..nn import ProjectedFeatureRepresentation
from ..nn.fusion import AdaptiveFusion
from ..nn.generator import ModalityGenerator
from ..signatures import constructor_parameters
from ..training.adversarial import AdversarialTrainingLoop
from ..training.resumable import ResumableTrainingLoop
from .data import Data, describe_data
from .folder import RunFolder, write_json

__all__ = ["VALIDATION", "Recorder", "describe_environment", "describe_options"]

#: The column of the learning curve.
VALIDATION: Final = "validation MRR"


class Recorder(TrainingCallback):
    """Writes down what is in force as soon as training starts, and the learning curve after each epoch.

    It has the MRR of the validation triples every so many epochs, or never; for this, there must be some.
    """

    def __init__(self, folder: RunFolder, data: Data, device: str, validate_every: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.folder = folder
        self.dataset = data.dataset
        self.validate_every = validate_every
        if validate_every and (self.dataset.validation is None or not self.dataset.validation.num_triples):
            raise ValueError("The dataset has no validation triples: leave out validate_every, or name some.")
        self.content: dict[str, Any] = {
            "data_digest": data.digest,
            "data": describe_data(data.dataset, data.testing),
            "environment": describe_environment(device),
        }
        #: the learning curve, also of epochs before an interruption
        self.rows: list[dict[Any, Any]] = []
        self._start = 0.0

    def register_training_loop(self, training_loop: TrainingLoop[Any]) -> None:  # noqa: D102
        super().register_training_loop(training_loop)
        assert isinstance(training_loop, ResumableTrainingLoop)
        arguments = training_loop.arguments
        options = describe_options(training_loop, arguments["triples_factory"], arguments.get("batch_size"))
        self.content["effective"] = {"options": options, **training_loop.describe_effective()}
        write_json(self.folder.effective, self.content)
        # up to the epoch of the checkpoint: later ones are trained again
        num_epochs = len(training_loop.losses_per_epochs)
        if num_epochs and self.folder.curve.is_file():
            self.rows = pandas.read_csv(self.folder.curve, nrows=num_epochs).to_dict(orient="records")
        self._start = time.perf_counter()

    def post_epoch(self, epoch: int, epoch_loss: float, **kwargs: Any) -> None:  # noqa: D102
        row = {"epoch": epoch, "loss": epoch_loss, "seconds": time.perf_counter() - self._start}
        adversarial = getattr(self.training_loop, "adversarial_losses_per_epoch", None)
        if adversarial:
            row |= adversarial[-1]
        if self.validate_every and epoch % self.validate_every == 0:
            assert self.dataset.validation is not None
            triples, known = self.dataset.validation.mapped_triples, [self.dataset.training.mapped_triples]
            found = RankBasedEvaluator().evaluate(self.model, triples, additional_filter_triples=known, use_tqdm=False)
            self.model.train()
            row[VALIDATION] = float(found.get_metric(f"both.realistic.{METRICS['MRR']}"))
        self.rows.append(row)
        with written_atomically(self.folder.curve) as path:
            pandas.DataFrame(self.rows).to_csv(path, index=False)
        # neither this nor the evaluation of a stopper is part of training
        self._start = time.perf_counter()


def describe_environment(device: str | None = None) -> dict[str, Any]:
    """Describe what this runs on: versions and hardware, with the device in use if it is known."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    return {
        **{name: version(name) for name in ("pykeen-adamf", "pykeen", "torch", "numpy")},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu": found[1].strip() if found else platform.processor(),
        "num_cpus": os.cpu_count(),
        "device": device,
        "num_threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def describe_options(loop: TrainingLoop[Any], factory: CoreTriplesFactory, batch_size: int | None) -> dict[str, Any]:
    """Describe what reports show of a run, by name, without options that it does not have.

    They are read from the objects that train, whatever was given, left out, or derived: from the training loop, as
    training starts with the training triples.
    """
    model, loss, sampler = loop.model, loop.loss, None
    if isinstance(loop, SLCWATrainingLoop):
        triples = {name: getattr(factory, name) for name in ("mapped_triples", "num_entities", "num_relations")}
        sampler = negative_sampler_resolver.make(loop.negative_sampler, loop.negative_sampler_kwargs, **triples)
    entities: Any = next(iter(getattr(model, "entity_representations", ())), None)
    dim = int(entities.shape[0]) if entities is not None and entities.shape else None
    if isinstance(model, QueryScoringModel):
        # there may be other embeddings side by side
        default = constructor_parameters(type(model))["embedding_dim"].default
        dim = (model.creation_kwargs or {}).get("embedding_dim", default)
    attentions = [len(x.attention) for x in model.modules() if isinstance(x, AdaptiveFusion)]
    features = [x for x in model.modules() if isinstance(x, ProjectedFeatureRepresentation)]
    assert loop.optimizer is not None
    options: dict[str, Any] = {
        "embedding dimension": dim,
        "batch size": batch_size,
        "negatives": None if sampler is None else int(sampler.num_negs_per_pos),
        "learning rate": loop.optimizer.defaults.get("lr"),
        "margin": getattr(loss, "margin", None),
        # losses that weight negatives in another way have one, too, but not as an option
        "temperature": getattr(loss, "inverse_softmax_temperature", None) if not hasattr(loss, "focus") else None,
        "focus of the entropies": getattr(loss, "focus", None),
        "attention": None if not attentions else "shared" if attentions[0] == 1 else "per-modality",
        "trained features": any(x.table.requires_grad for x in features) if features else None,
    }
    if isinstance(loop, AdversarialTrainingLoop):
        generator = next(iter(loop.synthesizer.generators.values()))
        assert isinstance(generator, ModalityGenerator)
        margin, temperature = loop.margin, loop.adversarial_temperature
        options |= {
            "learning rate of the generators": loop.generators.optimizer_kwargs.get("lr", options["learning rate"]),
            "weight λ of the adversarial loss": loop.adversarial_weight,
            "groups L of synthetic triples": loop.num_groups,
            "dimension of the noise": generator.noise_dim,
            "hidden dimension of the generators": generator.hidden.out_features,
            "weighting of synthetic triples": loop.adversarial_weighting,
            "objective of the generators": loop.generator_objective,
            # only if they are not those of the loss, for which nothing need be said
            "margin of the adversarial loss": None if margin == options["margin"] else margin,
            "temperature of the adversarial loss": None if temperature == options["temperature"] else temperature,
        }
    return {name: value for name, value in options.items() if value is not None}
