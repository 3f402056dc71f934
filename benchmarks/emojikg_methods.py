"""Methods on EmojiKG whose settings were searched for, and how they are trained, for several benchmarks."""

import dataclasses
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch
from pykeen.datasets import Dataset
from pykeen.evaluation import RankBasedEvaluator
from pykeen.pipeline import PipelineResult, pipeline
from pykeen.training.callbacks import TrainingCallback

from pykeen_adamf.evaluation.measuring import METRICS
from pykeen_adamf.garbage_collection import cheap_garbage_collection

__all__ = ["BUDGET", "CONTENDERS", "Budget", "Contender", "ValidationCurve", "train"]


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


class ValidationCurve(TrainingCallback):
    """Evaluates on the validation triples a few times during training."""

    def __init__(self, dataset: Dataset, num_epochs: int, num_points: int = 10) -> None:
        """Initialize the callback.

        :param dataset: The dataset.
        :param num_epochs: The number of epochs of the training.
        :param num_points: About how often to evaluate.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        assert dataset.validation is not None
        self.triples = dataset.validation.mapped_triples
        self.known = dataset.training.mapped_triples
        self.evaluator = RankBasedEvaluator()
        self.epochs = {round(num_epochs * (i + 1) / num_points) for i in range(num_points)}

        #: the validation MRR by epoch
        self.points: dict[int, float] = {}

        #: the seconds spent here, which are no part of the training
        self.seconds = 0.0

    # docstr-coverage: inherited
    def post_epoch(self, epoch: int, epoch_loss: float, **kwargs: Any) -> None:  # noqa: D102
        if epoch not in self.epochs:
            return
        start = time.perf_counter()
        results = self.evaluator.evaluate(
            self.model, self.triples, additional_filter_triples=[self.known], use_tqdm=False
        )
        self.points[epoch] = results.get_metric(f"both.realistic.{METRICS['MRR']}")
        self.model.train()
        self.seconds += time.perf_counter() - start


@contextmanager
def single_thread() -> Iterator[None]:
    """Compute in a single thread.

    Batches on a small graph are too small to gain much from more threads, which wait for each other after each
    operation: if anything else keeps a core busy, this takes ten times as long.
    """
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def train(
    contender: Contender, dataset: Dataset, budget: Budget, *, seed: int = 0, device: str | None = None
) -> tuple[PipelineResult, ValidationCurve]:
    """Train and evaluate one model with PyKEEN's pipeline.

    :param contender: The model.
    :param dataset: The dataset.
    :param budget: The budget.
    :param seed: The random seed.
    :param device: The device.
    :returns: The pipeline's result, and the learning curve.
    """
    curve = ValidationCurve(dataset, budget.epochs)
    kwargs = contender.pipeline_kwargs(budget)
    kwargs["training_kwargs"]["callbacks"] = curve
    with cheap_garbage_collection(), single_thread():
        result = pipeline(dataset=dataset, random_seed=seed, device=device, **kwargs)
    return result, curve
