"""What a run writes down while it trains."""

import time
from collections.abc import Mapping
from typing import Any, Final

import pandas
from pykeen.datasets import Dataset
from pykeen.evaluation import RankBasedEvaluator
from pykeen.training import TrainingLoop
from pykeen.training.callbacks import TrainingCallback

from ..atomic import written_atomically
from ..evaluation.measuring import METRICS
from ..training.resumable import ResumableTrainingLoop
from .effective import describe_options
from .folder import RunFolder
from .results import write_json

__all__ = ["VALIDATION", "Recorder"]

#: The column of the learning curve.
VALIDATION: Final = "validation MRR"


class Recorder(TrainingCallback):
    """Writes down what is in force as soon as training starts, and the learning curve after each epoch."""

    def __init__(
        self, folder: RunFolder, content: Mapping[str, Any], dataset: Dataset, validate_every: int | None = None
    ) -> None:
        """Initialize the callback.

        :param folder: The folder of the run.
        :param content: What is known of it before.
        :param dataset: The dataset.
        :param validate_every: After how many epochs to measure the MRR of the validation triples, if at all.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self.folder = folder
        self.content = dict(content)
        self.dataset = dataset
        self.validate_every = validate_every
        self._rows: list[dict[str, float]] = []
        self._start = 0.0

    @property
    def seconds(self) -> float:
        """Return the time of all epochs, also of those before an interruption."""
        return sum(row["seconds"] for row in self._rows)

    # docstr-coverage: inherited
    def register_training_loop(self, training_loop: TrainingLoop[Any]) -> None:  # noqa: D102
        super().register_training_loop(training_loop)
        assert isinstance(training_loop, ResumableTrainingLoop)
        arguments = training_loop.arguments
        self.content["effective"] = {
            "options": describe_options(training_loop, arguments["triples_factory"], arguments.get("batch_size")),
            **training_loop.describe_effective(),
        }
        write_json(self.folder.effective, self.content)
        self.read(len(training_loop.losses_per_epochs))
        self._start = time.perf_counter()

    def read(self, num_epochs: int) -> None:
        """Read the learning curve up to the epoch of the checkpoint, of which later ones are trained again.

        :param num_epochs: The number of epochs that are trained.
        """
        if num_epochs and self.folder.curve.is_file():
            rows = pandas.read_csv(self.folder.curve).to_dict(orient="records")
            self._rows = [{str(name): x for name, x in row.items()} for row in rows[:num_epochs]]

    # docstr-coverage: inherited
    def post_epoch(self, epoch: int, epoch_loss: float, **kwargs: Any) -> None:  # noqa: D102
        row = {"epoch": epoch, "loss": epoch_loss, "seconds": time.perf_counter() - self._start}
        adversarial = getattr(self.training_loop, "adversarial_losses_per_epoch", None)
        if adversarial:
            row |= adversarial[-1]
        if self.validate_every and epoch % self.validate_every == 0:
            row[VALIDATION] = self._validate()
        self._rows.append(row)
        with written_atomically(self.folder.curve) as path:
            pandas.DataFrame(self._rows).to_csv(path, index=False)
        # neither this nor the evaluation of a stopper is part of training
        self._start = time.perf_counter()

    def _validate(self) -> float:
        """Return the MRR of the validation triples."""
        assert self.dataset.validation is not None
        known = [self.dataset.training.mapped_triples]
        results = RankBasedEvaluator().evaluate(
            self.model, self.dataset.validation.mapped_triples, additional_filter_triples=known, use_tqdm=False
        )
        self.model.train()
        return float(results.get_metric(f"both.realistic.{METRICS['MRR']}"))
