"""A training loop which can be interrupted at any time, and continued with the same result."""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import torch
from class_resolver import HintOrType
from pykeen.constants import PYKEEN_CHECKPOINTS
from pykeen.stoppers import EarlyStopper, NopStopper, Stopper
from pykeen.training import LCWATrainingLoop, TrainingLoop, training_loop_resolver
from pykeen.training.callbacks import MultiTrainingCallback
from pykeen.training.training_loop import CheckpointMismatchError
from pykeen.triples import CoreTriplesFactory
from pykeen.utils import get_batchnorm_modules
from torch import nn
from torch.optim import AdamW

from ..nn.features import names_of_given_features
from .checkpoint_checks import PerEpoch, check_state, refusal
from .checkpoint_file import (
    get_random_state,
    is_checkpoint,
    load_schedule,
    load_tensors,
    read_checkpoint,
    set_random_state,
    to_plain,
    write_checkpoint,
)
from .configuration import check_configuration, describe_run
from .labels import check_labels
from .progress_checks import check_progress, expect_stopper
from .random_checks import compare_random_states
from .step import StepTrainingLoop

__all__ = ["ResumableTrainingLoop", "check_checkpoint", "refuse_checkpoint"]


def check_checkpoint(training_loop: HintOrType[TrainingLoop[Any]], training_kwargs: Mapping[str, Any]) -> None:
    """Check that a checkpoint has nothing in it that would be executed, if there is one of this package's loops.

    :raises CheckpointMismatchError: if there is anything else than numbers in it, or it is damaged
    """
    name = training_kwargs.get("checkpoint_name")
    if name is None or not issubclass(training_loop_resolver.lookup(training_loop), ResumableTrainingLoop):
        return
    path = Path(training_kwargs.get("checkpoint_directory") or PYKEEN_CHECKPOINTS) / name
    if path.is_file():
        read_checkpoint(path)


def refuse_checkpoint(training_loop: TrainingLoop[Any], path: str | Path, **kwargs: Any) -> None:
    """Refuse a checkpoint of this package's loops for another one of PyKEEN.

    :raises CheckpointMismatchError: if it is one
    """
    if is_checkpoint(Path(path)):
        raise CheckpointMismatchError(
            f"{path} is a checkpoint of a training loop of pykeen-adamf, and {type(training_loop).__name__} is another "
            f"one. Use the loop that wrote it, or another checkpoint_name to start anew."
        )


class ResumableTrainingLoop(StepTrainingLoop):
    """A training loop of PyKEEN with checkpoints from which training continues bit by bit.

    PyKEEN's own checkpoints lack what a subclass trains beside the model, refuse to be continued once a scheduler has
    changed the learning rate, forget the best model of an early stopper, are damaged if writing is interrupted, and
    are read by executing what is in them. These here have everything, are replaced atomically, and are read as plain
    numbers. They are refused if anything that decides about the result differs, cf.
    :func:`pykeen_adamf.training.configuration.describe_run`.

    With an early stopper, training ends with the best model, and with what belongs to it, also if all epochs were
    trained.

    What user-defined callbacks keep for themselves is not part of a checkpoint.
    """

    # of the current call of train: its arguments, its configuration once it is known, where the best model of an early
    # stopper and files for the time of training are, and whether it continues from a checkpoint
    _arguments: Mapping[str, Any] = MappingProxyType({})
    _triples_factory: CoreTriplesFactory
    _stopper: Stopper | None = None
    _configuration: Mapping[str, str] | None = None
    _best_path: Path | None = None
    _directory: Path
    _is_resumed: bool = False

    #: what a subclass trains beside the model, to be kept with the best model
    companion: nn.Module | None = None
    #: the size of sub-batches in use, which PyKEEN only searches when training starts
    _sub_batch_size: int | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialize the training loop, with the parameters of :class:`pykeen.training.TrainingLoop`.

        :raises ValueError: if there is only one entity
        """
        super().__init__(*args, **kwargs)
        if self.model.num_entities < 2:
            raise ValueError(
                "The graph has only one entity, so that there is nothing for a model to tell apart. Add triples with "
                "other entities."
            )

    def extra_state(self) -> dict[str, Any]:
        """Return the state of what a subclass trains beside the model, as of now, cf. :func:`.to_plain`."""
        return {}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Load a state, cf. :meth:`extra_state`."""

    def describe_options(self) -> dict[str, str]:
        """Describe the options of a subclass, which must be the same to continue training."""
        return {}

    def train(self, triples_factory: CoreTriplesFactory, *args: Any, **kwargs: Any) -> list[float] | None:
        """Train the model, with the parameters and the result of :meth:`pykeen.training.TrainingLoop.train`.

        :raises CheckpointMismatchError: if there is a checkpoint, but of another configuration, or damaged
        :raises ValueError: if the arguments would fail later, or a search would reset the model
        """
        arguments = inspect.signature(TrainingLoop.train).bind(self, triples_factory, *args, **kwargs).arguments
        del arguments["self"]
        if isinstance(arguments.get("stopper"), NopStopper):
            # it has nothing to keep, but PyKEEN warns that this is not in the checkpoint
            del arguments["stopper"]
        if arguments.get("batch_size") == 1 and get_batchnorm_modules(self.model):
            raise ValueError(
                "Batch normalization needs more than one query in a batch, but batch_size=1. Choose a larger one, or "
                "train without batch normalization."
            )
        if arguments.get("checkpoint_name") and arguments.get("batch_size") is None and self._searches_batch_size:
            raise ValueError(
                "With a checkpoint, a batch_size must be given: PyKEEN would search for one when training is "
                "continued, and reset the model for it."
            )
        if isinstance(self, LCWATrainingLoop):
            check_labels(self, triples_factory)
        self._arguments, self._triples_factory = arguments, triples_factory
        self._stopper, self._best_path, self._is_resumed = arguments.get("stopper"), None, False
        self._configuration = None
        if arguments.get("checkpoint_name") or arguments.get("checkpoint_on_failure"):
            # now, as long as everything is as it was given
            self._describe()
        with TemporaryDirectory() as directory:
            self._directory = Path(directory)
            return super().train(**arguments)

    def _check_last_batch(self, num_instances: int, batch_size: int, drop_last: bool) -> None:
        """Check that there is no batch of one that would have to be normalized, before hours of training."""
        if num_instances % batch_size == 1 and not drop_last and get_batchnorm_modules(self.model):
            raise ValueError(
                f"Batch normalization needs more than one query in a batch, but the last one of {num_instances:,} has "
                f"one with batch_size={batch_size}. Choose another batch_size, or drop_last=True."
            )

    @property
    def _searches_batch_size(self) -> bool:
        return self.automatic_memory_optimization and self.device.type != "cpu"

    def _train(self, *args: Any, **kwargs: Any) -> list[float] | None:
        if not kwargs.get("continue_training"):
            self._prepare_optimizer()
        if kwargs.get("only_size_probing"):
            return super()._train(*args, **kwargs)
        if self._is_resumed:
            kwargs["sub_batch_size"] = self._sub_batch_size
        path = kwargs.get("best_epoch_model_file_path")
        self._best_path = None if path is None else Path(path)
        result = super()._train(*args, **kwargs)
        # PyKEEN itself does so only after having continued from a checkpoint
        if self._best_path is not None and self._best_path.is_file():
            self._load_best(load_tensors(self._best_path))
            if isinstance(self._stopper, EarlyStopper) and self._stopper.clean_up_checkpoint:
                assert self._stopper.best_model_path is not None
                self._stopper.best_model_path.unlink(missing_ok=True)
        return result

    def _prepare_optimizer(self) -> None:
        """Let another optimizer be made of the options of this one, as PyKEEN does when training starts.

        A new schedule would change the learning rate once more; and what tells PyTorch's AdamW from Adam is no option
        of it.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = group.get("initial_lr", group["lr"])
            if type(self.optimizer) is AdamW:
                group.pop("decoupled_weight_decay", None)

    def sub_batch_and_slice(self, **kwargs: Any) -> tuple[int, int | None]:  # noqa: D102
        given = self._arguments.get("sub_batch_size")
        if given is not None:
            # PyKEEN would ignore what the user has chosen
            return min(given, kwargs["batch_size"]), None
        result = super().sub_batch_and_slice(**kwargs)
        self._prepare_optimizer()
        return result

    def batch_size_search(self, **kwargs: Any) -> tuple[int, bool]:  # noqa: D102
        result = super().batch_size_search(**kwargs)
        self._prepare_optimizer()
        return result

    def _train_epoch(  # type: ignore[override]
        self, batches: Any, callbacks: MultiTrainingCallback, sub_batch_size: int | None, **kwargs: Any
    ) -> float:
        if kwargs.get("backward", True):
            self._sub_batch_size = sub_batch_size
        return super()._train_epoch(batches, callbacks, sub_batch_size=sub_batch_size, **kwargs)

    def _save_state(
        self,
        path: Any,
        stopper: Stopper | None = None,
        best_epoch_model_checkpoint_file_path: Path | None = None,
        triples_factory: CoreTriplesFactory | None = None,
    ) -> None:
        assert self.optimizer is not None
        if self._best_path is not None and Path(path) == self._best_path:
            # the stopper has found a new best model; nothing else of it is needed later
            torch.save(to_plain(self._best_state()), path)
            return
        best = load_tensors(self._best_path) if self._best_path and self._best_path.is_file() else None
        write_checkpoint(Path(path), self._state() | {"best": best})

    def _state(self) -> dict[str, Any]:
        """Return all that is in a checkpoint but the best model."""
        return {
            "configuration": dict(self._describe()),
            "epoch": self._epoch,
            # the names under which PyKEEN looks for it
            "random_seed": self.model._random_seed,
            "losses": PerEpoch(self.losses_per_epochs),
            "sub_batch_size": self._sub_batch_size,
            "model": self._model_state(),
            "optimizer": self.optimizer,
            "lr_scheduler": self.lr_scheduler,
            "extra": self.extra_state(),
            "random": get_random_state(),
            "stopper_dict": {} if self._stopper is None else dict(self._stopper.get_summary_dict()),
        }

    def _best_state(self) -> dict[str, Any]:
        """Return what belongs to the best model of an early stopper."""
        extra = {} if self.companion is None else dict(self.companion.state_dict())
        return {"epoch": self._epoch, "model": self._model_state(), "extra": extra}

    def _load_state(
        self, path: Any, triples_factory: CoreTriplesFactory | None = None
    ) -> tuple[Path | None, int | None]:
        path = Path(path)
        if path == self._best_path:
            self._load_best(load_tensors(path))
            return None, None
        state = read_checkpoint(path)
        self._check_state(path, state)
        try:
            return self._load_checked(state)
        except OSError:
            # the best model is written to another file
            raise
        except Exception as error:
            # what nobody has thought of
            raise refusal(path, [repr(error)]) from error

    def _check_state(self, path: Path, state: Mapping[str, Any]) -> None:
        """Check that a state is one of this loop and complete, before anything of it is loaded."""
        check_configuration(path, state.get("configuration"), self._describe())
        present = self._state()
        best = None if state.get("best") is None else self._best_state()
        # the configuration has been compared already
        present |= {"configuration": state["configuration"], "random": compare_random_states, "best": best}
        present["stopper_dict"] = expect_stopper(self._stopper)
        check_state(path, state, present)
        if differences := list(check_progress(state, self._stopper)):
            raise refusal(path, differences)

    def _load_checked(self, state: Mapping[str, Any]) -> tuple[Path | None, int | None]:
        assert self.optimizer is not None
        self._epoch, self._is_resumed = state["epoch"], True
        self.losses_per_epochs, self._sub_batch_size = state["losses"], state["sub_batch_size"]
        self._load_model(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        load_schedule(self.lr_scheduler, state["lr_scheduler"])
        self.load_extra_state(state["extra"])
        best, best_path = state["best"], None
        if best is not None:
            best_path = self._directory / "best_model.pt"
            torch.save(best, best_path)
            if state["stopper_dict"].get("stopped"):
                self._load_best(best)
            elif isinstance(self._stopper, EarlyStopper):
                # its own file was that of another process
                assert self._stopper.best_model_path is not None
                torch.save({**self.model.state_dict(), **best["model"]}, self._stopper.best_model_path)
        set_random_state(state["random"])
        return best_path, None if best is None else best["epoch"]

    def _describe(self) -> Mapping[str, str]:
        """Describe what decides about the result; only once, since it has to look at all features."""
        if self._configuration is None:
            described = describe_run(self, self._triples_factory, self._arguments, self._stopper)
            self._configuration = {**described, **self.describe_options()}
        return self._configuration

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Return the arguments of the current call of :meth:`train`."""
        return self._arguments

    def describe_effective(self) -> dict[str, Any]:
        """Describe what is in force: the options of all objects that decide about what is trained, not as given."""
        return {name: _parse(value) for name, value in self._describe().items()}

    def _model_state(self) -> dict[str, torch.Tensor]:
        """Return the state of the model without what the triples factory has, and the checkpoint only has to check."""
        given = names_of_given_features(self.model)
        return {name: x for name, x in self.model.state_dict().items() if name not in given}

    def _load_model(self, state: Mapping[str, torch.Tensor]) -> None:
        self.model.load_state_dict({**self.model.state_dict(), **state})

    def _load_best(self, best: Mapping[str, Any]) -> None:
        self._load_model(best["model"])
        if self.companion is not None:
            self.companion.load_state_dict(best["extra"])


def _parse(text: str) -> Any:
    """Return what a description says, as structured as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text
