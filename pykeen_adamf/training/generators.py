"""The generators as one of the two players, with an optimizer and a learning rate schedule of their own."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from class_resolver import HintOrType, OptionalKwargs
from class_resolver.contrib.torch import lr_scheduler_resolver
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from ..typing import FloatTensor
from .checkpoint_file import load_schedule
from .synthesis import Synthesizer

__all__ = ["TrainableGenerators"]

logger = logging.getLogger(__name__)


class TrainableGenerators:
    """Generators, their optimizer and its schedule, to be reset, trained, saved and loaded together.

    Outside of :meth:`gradients`, the generators' parameters do not require gradients, although gradients flow *through*
    the generators to the structural embeddings.
    """

    optimizer: Optimizer
    lr_scheduler: LRScheduler | None

    def __init__(
        self,
        synthesizer: Synthesizer,
        optimizer_cls: type[Optimizer],
        optimizer_kwargs: Mapping[str, Any],
        lr_scheduler: HintOrType[LRScheduler] = None,
        lr_scheduler_kwargs: OptionalKwargs = None,
    ) -> None:
        """Initialize the object.

        :param synthesizer: The generators.
        :param optimizer_cls: The class of the optimizer.
        :param optimizer_kwargs: The keyword-based parameters of the optimizer.
        :param lr_scheduler: The scheduler of the optimizer's learning rate, which makes a step after each epoch.
        :param lr_scheduler_kwargs: The keyword-based parameters of the scheduler.
        :raises ValueError: if the scheduler needs to be told a metric
        """
        self.synthesizer = synthesizer
        self.optimizer_cls = optimizer_cls
        self.optimizer_kwargs = dict(optimizer_kwargs)
        self.lr_scheduler_cls = None if lr_scheduler is None else lr_scheduler_resolver.lookup(lr_scheduler)
        self.lr_scheduler_kwargs = dict(lr_scheduler_kwargs or {})
        if self.lr_scheduler_cls is ReduceLROnPlateau:
            raise ValueError(
                "generator_lr_scheduler='reducelronplateau' needs a metric to follow, and there is none for "
                "generators. Use another scheduler, e.g., 'exponential'."
            )
        self._build_optimizer()

    def _build_optimizer(self) -> None:
        self.synthesizer.requires_grad_(True)
        self.optimizer = self.optimizer_cls(self.synthesizer.parameters(), **self.optimizer_kwargs)
        self.synthesizer.requires_grad_(False)
        self.lr_scheduler = None
        if self.lr_scheduler_cls is not None:
            self.lr_scheduler = self.lr_scheduler_cls(self.optimizer, **self.lr_scheduler_kwargs)

    def reset(self, seed: int, device: torch.device) -> None:
        """Reset the generators, their randomness, and their optimizer.

        :param seed: The random seed.
        :param device: The device to use.
        """
        self.synthesizer.reset(seed=seed, device=device)
        self._build_optimizer()

    def set_lr(self, lr: float) -> None:
        """Set the learning rate, now and for all future resets; a schedule starts anew from it."""
        self.optimizer_kwargs["lr"] = lr
        for group in self.optimizer.param_groups:
            group["lr"] = lr
            group.pop("initial_lr", None)
        if self.lr_scheduler_cls is not None:
            self.lr_scheduler = self.lr_scheduler_cls(self.optimizer, **self.lr_scheduler_kwargs)

    def end_epoch(self) -> None:
        """Let the learning rate follow its schedule."""
        if self.lr_scheduler is not None:
            self.lr_scheduler.step()

    @property
    def lr(self) -> float:
        """Return the learning rate in force."""
        return float(self.optimizer.param_groups[0]["lr"])

    @contextmanager
    def gradients(self) -> Iterator[Callable[[FloatTensor], None]]:
        """Collect gradients of the generators' parameters, and of nothing else.

        :yields: A function to call with each loss.
        """
        parameters = list(self.synthesizer.parameters())
        self.optimizer.zero_grad(set_to_none=True)

        def accumulate(loss: FloatTensor) -> None:
            # not loss.backward(), which would leave gradients at the model's parameters
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

        self.synthesizer.requires_grad_(True)
        try:
            yield accumulate
        finally:
            self.synthesizer.requires_grad_(False)

    def state_dict(self) -> dict[str, Any]:
        """Return the complete state."""
        return {
            "synthesizer": self.synthesizer.state_dict(),
            "random_state": self.synthesizer.random_state.get_state(),
            "device": self.synthesizer.random_state.device.type,
            "optimizer": self.optimizer.state_dict(),
            "lr_scheduler": None if self.lr_scheduler is None else self.lr_scheduler.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a complete state."""
        self.synthesizer.load_state_dict(state["synthesizer"])
        if state["device"] == self.synthesizer.random_state.device.type:
            self.synthesizer.random_state.set_state(state["random_state"])
        else:
            # as PyKEEN does with the other random states
            logger.warning("The generators' noise starts anew, since the checkpoint is from another kind of device.")
        self.optimizer.load_state_dict(state["optimizer"])
        load_schedule(self.lr_scheduler, state["lr_scheduler"])
