"""The generators of synthetic embeddings, with a source of randomness, an optimizer and a schedule of their own."""

import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import torch
from class_resolver import HintOrType, OptionalKwargs
from class_resolver.contrib.torch import lr_scheduler_resolver
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from typing_extensions import Self

from ..models import SyntheticScoringModel
from ..nn.generator import ModalityGenerator
from ..typing import FloatTensor, LongTensor, SyntheticEmbeddings, SyntheticKind
from .checkpoint_file import load_schedule

__all__ = ["Synthesizer", "SyntheticBatch", "TrainableGenerators"]

logger = logging.getLogger(__name__)

#: The name of the generator of all modalities.
JOINT: Final = "joint"

#: The noise of heads and of tails by generator.
SyntheticNoise: TypeAlias = Mapping[str, tuple[FloatTensor, FloatTensor]]


@dataclasses.dataclass(frozen=True, eq=False)
class SyntheticBatch:
    """The noise of a batch and, if it is processed in parts, the weights of its synthetic triples.

    Self-adversarial weights are a softmax over the batch. A part of it does not know the others' scores, and would
    have other weights; with these here, gradients of the parts add up to that of the batch.
    """

    #: shape of each: ``(batch_size, num_groups, noise_dim)``, the noise of heads and of tails by modality
    noise: SyntheticNoise
    #: shape of each: ``(batch_size, num_groups)``, the weights by kind; ``None`` if they need not be known beforehand
    weights: Mapping[SyntheticKind, FloatTensor] | None = None
    #: shape: ``(batch_size, num_groups, 1)``, the share of what is real where gradients are measured, if they are
    mixing: FloatTensor | None = None

    @property
    def batch_size(self) -> int:
        """Return the number of triples."""
        head, _ = next(iter(self.noise.values()))
        return head.shape[0]

    def part(self, start: int, stop: int) -> Self:
        """Select a part of the batch.

        Its weights are multiplied by the inverse of its share, since its loss is going to be multiplied by the share.
        """
        if (start, stop) == (0, self.batch_size):
            return self
        factor, weights = self.batch_size / (stop - start), self.weights
        if weights is not None:
            weights = {kind: factor * x[start:stop] for kind, x in weights.items()}
        noise = {name: (head[start:stop], tail[start:stop]) for name, (head, tail) in self.noise.items()}
        mixing = None if self.mixing is None else self.mixing[start:stop]
        return dataclasses.replace(self, noise=noise, weights=weights, mixing=mixing)


class Synthesizer(nn.Module):
    """The generators of all of a model's modalities.

    Its randomness is its own: neither resetting nor using it changes the state of torch's global random number
    generator, and hence it does not change how the model is initialized or trained otherwise.
    """

    def __init__(
        self,
        structural_dim: int,
        synthetic_dims: Mapping[str, int],
        noise_dim: int = 64,
        hidden_dim: int = 512,
        joint: bool = False,
    ) -> None:
        """Initialize the generators by the dimensions of structural embeddings, of synthetic ones by modality, etc.

        :param joint: Whether there is one generator for all modalities, which is conditioned on the embeddings of all,
            as in NativE.
        """
        super().__init__()
        self.noise_dim, self.dims, self.joint = noise_dim, dict(synthetic_dims), joint
        width = sum(synthetic_dims.values())
        if joint:
            structural_dim, synthetic_dims = structural_dim + width, {JOINT: width}
        # constructing layers draws from the global random state
        with torch.random.fork_rng(devices=[]):
            self.generators = nn.ModuleDict(
                {
                    name: ModalityGenerator(structural_dim, dim, noise_dim=noise_dim, hidden_dim=hidden_dim)
                    for name, dim in synthetic_dims.items()
                }
            )
        self.random_state = torch.Generator()

    def reset(self, seed: int, device: torch.device) -> None:
        """Reset parameters and randomness by a random seed, on a device."""
        self.to(device)
        self.random_state = torch.Generator(device=device)
        self.random_state.manual_seed(seed)
        for generator in self.generators.values():
            assert isinstance(generator, ModalityGenerator)
            generator.reset_parameters(self.random_state)

    def draw_noise(self, *shape: int) -> FloatTensor:
        """Draw standard normal noise of some shape."""
        return torch.randn(*shape, generator=self.random_state, device=self.random_state.device)

    def draw_shares(self, batch_size: int, num_groups: int) -> FloatTensor:
        """Draw numbers between 0 and 1, shape: ``(batch_size, num_groups, 1)``."""
        shape = (batch_size, num_groups, 1)
        return torch.rand(shape, generator=self.random_state, device=self.random_state.device)

    def draw(self, batch_size: int, num_groups: int) -> SyntheticNoise:
        """Draw the noise of a batch: all at once, so that it does not depend on how the batch is split.

        :returns: shape of each: ``(batch_size, num_groups, noise_dim)``, the noise of heads and of tails, by generator.
        """
        shape = (batch_size, num_groups, self.noise_dim)
        return {name: (self.draw_noise(*shape), self.draw_noise(*shape)) for name in self.generators}

    def forward(
        self, model: SyntheticScoringModel, hrt_batch: LongTensor, noise: SyntheticNoise
    ) -> tuple[SyntheticEmbeddings, SyntheticEmbeddings]:
        """Generate synthetic embeddings for the heads and tails of triples.

        :param model: The model, which provides the structural embeddings.
        :param hrt_batch: shape: ``(batch_size, 3)``, the ID-based triples.
        :param noise: shape of each: ``(batch_size, num_groups, noise_dim)``, the noise, cf. :meth:`draw`.
        :returns: shape of each: ``(batch_size, num_groups, dim)``, the synthetic embeddings of heads and of tails by
            modality.
        """
        structural = [self._condition(model, hrt_batch[:, column]).unsqueeze(dim=1) for column in (0, 2)]
        head: dict[str, FloatTensor] = {}
        tail: dict[str, FloatTensor] = {}
        for name, generator in self.generators.items():
            for condition, z, target in zip(structural, noise[name], (head, tail), strict=True):
                target[name] = generator(condition.expand(-1, z.shape[1], -1), z)
        if self.joint:
            sizes = list(self.dims.values())
            head, tail = (dict(zip(self.dims, x[JOINT].split(sizes, dim=-1), strict=True)) for x in (head, tail))
        return head, tail

    def _condition(self, model: SyntheticScoringModel, entities: LongTensor) -> FloatTensor:
        """Return what generators are conditioned on, shape: ``(batch_size, dim)``."""
        structural = model.structural_embeddings(entities)
        return torch.cat([structural, *model.real_embeddings(entities).values()], dim=-1) if self.joint else structural


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
        """Initialize the object with generators, and with their optimizer and scheduler as PyKEEN's training loops.

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
        self._build_schedule()

    def _build_schedule(self) -> None:
        cls = self.lr_scheduler_cls
        self.lr_scheduler = None if cls is None else cls(self.optimizer, **self.lr_scheduler_kwargs)

    def reset(self, seed: int, device: torch.device) -> None:
        """Reset the generators, their randomness, and their optimizer, cf. :meth:`Synthesizer.reset`."""
        self.synthesizer.reset(seed=seed, device=device)
        self._build_optimizer()

    def set_lr(self, lr: float) -> None:
        """Set the learning rate, now and for all future resets; a schedule starts anew from it."""
        self.optimizer_kwargs["lr"] = lr
        for group in self.optimizer.param_groups:
            group["lr"] = lr
            group.pop("initial_lr", None)
        self._build_schedule()

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
        """Return the complete state, cf. :func:`.checkpoint_file.to_plain`."""
        return {
            "synthesizer": self.synthesizer.state_dict(),
            "random_state": self.synthesizer.random_state,
            "device": self.synthesizer.random_state.device.type,
            "optimizer": self.optimizer,
            "lr_scheduler": self.lr_scheduler,
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
