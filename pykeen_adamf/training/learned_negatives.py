"""Training with negatives that are chosen by something which learns beside the model."""

from collections.abc import Mapping
from typing import Any, ClassVar

from class_resolver import HintOrType, OptionalKwargs
from class_resolver.contrib.torch import optimizer_resolver
from pykeen.triples.instances import SLCWABatch
from torch import nn
from torch.optim import Optimizer

from .configuration import describe
from .slcwa import SamplingTrainingLoop

__all__ = ["LearnedNegativesTrainingLoop"]


class LearnedNegativesTrainingLoop(SamplingTrainingLoop):
    """A training loop with a module that chooses negatives, has an optimizer of its own, and is part of checkpoints."""

    #: what chooses negatives, what it is called in checkpoints and messages, and its optimizer
    chooser: nn.Module
    chooser_name: ClassVar[str]
    chooser_optimizer: Optimizer

    # whether batches are those of training
    _is_learning: bool = False

    def _set_chooser(
        self, chooser: nn.Module, optimizer: HintOrType[Optimizer] = None, optimizer_kwargs: OptionalKwargs = None
    ) -> None:
        """Take a module, and what its optimizer is made of; to be called once, when the loop is created."""
        self.chooser = self.companion = chooser
        self.chooser_optimizer_cls = optimizer_resolver.lookup(optimizer)
        self.chooser_optimizer_kwargs = dict(optimizer_kwargs or {})
        self._initial = {name: x.detach().clone() for name, x in chooser.state_dict().items()}
        self._reset_chooser()

    def _reset_chooser(self) -> None:
        self.chooser.load_state_dict(self._initial)
        self.chooser.to(self.device)
        parameters = [x for x in self.chooser.parameters() if x.requires_grad]
        self.chooser_optimizer = self.chooser_optimizer_cls(parameters, **self.chooser_optimizer_kwargs)

    def step_chooser(self) -> None:
        """Make a step, after all parts of a batch."""
        self.chooser_optimizer.step()
        self.chooser_optimizer.zero_grad()

    def extra_state(self) -> dict[str, Any]:  # noqa: D102
        return {self.chooser_name: self.chooser.state_dict(), "optimizer": self.chooser_optimizer}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:  # noqa: D102
        self.chooser.load_state_dict(state[self.chooser_name])
        self.chooser_optimizer.load_state_dict(state["optimizer"])

    def describe_options(self) -> dict[str, str]:  # noqa: D102
        name, optimizer = self.chooser_name, describe([self.chooser_optimizer_cls, self.chooser_optimizer_kwargs])
        return {**super().describe_options(), name: str(self.chooser), f"{name}'s optimizer": optimizer}

    def _train(self, *args: Any, **kwargs: Any) -> list[float] | None:
        if not kwargs.get("continue_training", False):
            # as the super class does with the model and its optimizer
            self._reset_chooser()
        return super()._train(*args, **kwargs)

    def _train_epoch(self, *args: Any, **kwargs: Any) -> float:
        # PyKEEN also calls this to measure the loss of other triples, and to find out what there is memory for
        self._is_learning = kwargs.get("backward", True) and not kwargs["only_size_probing"]
        try:
            return super()._train_epoch(*args, **kwargs)
        finally:
            self._is_learning = False
            # of batches that were only tried
            self.chooser_optimizer.zero_grad()

    def after_batch(self, batch: SLCWABatch) -> None:  # noqa: D102
        if self._is_learning:
            self.step_chooser()
