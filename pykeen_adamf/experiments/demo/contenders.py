"""The models of the demonstration, and how they are trained."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from ...presets import load_preset

__all__ = ["BUDGET", "CONTENDERS", "SHOWN", "Budget", "Contender", "Preset"]


@dataclasses.dataclass(frozen=True)
class Budget:
    """What all models have in common."""

    #: the number of epochs
    epochs: int = 40

    #: the embedding dimension, in complex numbers
    embedding_dim: int = 64

    #: the number of triples in a batch
    batch_size: int = 512

    #: the number of negatives for each positive triple
    num_negatives: int = 64


@dataclasses.dataclass(frozen=True)
class Contender:
    """A model and its training, as given to PyKEEN's pipeline."""

    model: str
    training_loop: str
    lr: float
    margin: float
    adversarial_temperature: float
    model_kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    training_loop_kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def pipeline_kwargs(self, budget: Budget) -> dict[str, Any]:
        """Return the parameters of PyKEEN's pipeline.

        :param budget: The budget.
        :returns: Keyword-based parameters of :func:`pykeen.pipeline.pipeline`, without dataset, seed and device.
        """
        return dict(
            model=self.model,
            model_kwargs=dict(embedding_dim=budget.embedding_dim, **self.model_kwargs),
            loss="NSSA",
            loss_kwargs=dict(margin=self.margin, adversarial_temperature=self.adversarial_temperature),
            optimizer="Adam",
            optimizer_kwargs=dict(lr=self.lr),
            training_loop=self.training_loop,
            training_loop_kwargs=dict(self.training_loop_kwargs),
            negative_sampler="FilteredBernoulli",
            negative_sampler_kwargs=dict(num_negs_per_pos=budget.num_negatives),
            training_kwargs=dict(num_epochs=budget.epochs, batch_size=budget.batch_size, use_tqdm_batch=False),
        )


@dataclasses.dataclass(frozen=True)
class Preset:
    """A preset, with the number of epochs of the budget; its dimension and its batches are its own."""

    name: str

    @property
    def model(self) -> str:
        """Return the name of the model."""
        return str(load_preset(self.name)["pipeline"]["model"])

    def pipeline_kwargs(self, budget: Budget) -> dict[str, Any]:
        """Return the parameters of PyKEEN's pipeline, without dataset, seed and device.

        :param budget: The budget.
        :returns: Keyword-based parameters of :func:`pykeen.pipeline.pipeline`.
        """
        pipeline = load_preset(self.name)["pipeline"]
        kwargs = {key: value for key, value in pipeline.items() if not key.startswith("dataset")}
        kwargs["training_kwargs"] |= dict(num_epochs=budget.epochs, use_tqdm_batch=False)
        return kwargs


BUDGET: Final = Budget()

#: Chosen by the validation MRR after the last epoch; the trials are in benchmarks/results/emojikg_search.jsonl, and
#: benchmarks/emojikg_search.py made them.
CONTENDERS: Final[Mapping[str, Contender]] = {
    "RotatE": Contender(model="LpRotatE", training_loop="sLCWA", lr=5e-3, margin=4.0, adversarial_temperature=1.0),
    "AdaMF": Contender(
        model="AdaMFRotatE",
        training_loop="sLCWA",
        lr=1e-3,
        margin=4.0,
        adversarial_temperature=2.0,
        model_kwargs=dict(attention="per-modality", missing="random", trainable_features=False),
    ),
    "AdaMF-MAT": Contender(
        model="AdaMFRotatE",
        training_loop="MAT",
        lr=2e-3,
        margin=4.0,
        adversarial_temperature=2.0,
        model_kwargs=dict(attention="per-modality", missing="random", trainable_features=False),
        training_loop_kwargs=dict(
            adversarial_weight=1.0,
            adversarial_weighting="uniform",
            generator_objective="minimax",
            generator_optimizer_kwargs=dict(lr=1e-4),
            hidden_dim=128,
        ),
    ),
}

#: What the demonstration shows.
SHOWN: Final[Mapping[str, Contender | Preset]] = {
    **{name: CONTENDERS[name] for name in ("RotatE", "AdaMF-MAT")},
    "AdaMF, one-to-N": Preset("EmojiKG"),
}
