"""Training and evaluating the models of the demonstration."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from pykeen.datasets import Dataset
from pykeen.evaluation import RankBasedEvaluator
from pykeen.pipeline import PipelineResult, pipeline
from pykeen.training.callbacks import TrainingCallback

from ...garbage_collection import cheap_garbage_collection
from ..results import METRICS
from .contenders import Budget, Contender, Preset

__all__ = ["ValidationCurve", "single_thread", "train"]


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
    contender: Contender | Preset, dataset: Dataset, budget: Budget, *, seed: int = 0, device: str | None = None
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
