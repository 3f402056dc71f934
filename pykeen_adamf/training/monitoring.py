"""What can be seen of adversarial training while it runs, and what to change if it goes wrong."""

import logging
import math
from collections.abc import Mapping
from typing import Any, Final

import torch

from ..typing import SyntheticEmbeddings

__all__ = ["GeneratorMonitor", "LossMeter", "explain_non_finite_loss", "mean_modality_weights"]

logger = logging.getLogger(__name__)

#: Of how many entities, evenly spaced, the weights of modalities are averaged after each epoch.
NUM_TRACKED_ENTITIES: Final = 512


class LossMeter:
    """Mean losses over batches, accumulated on the device: nobody waits for their values until they are read."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._weights: dict[str, float] = {}

    def add(self, weight: float, **losses: torch.Tensor) -> None:
        """Add losses by name, each of shape ``()``, weighted by the share of the batch that they are from."""
        for name, loss in losses.items():
            value = weight * loss.detach()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._weights[name] = self._weights.get(name, 0.0) + weight

    def means(self) -> Mapping[str, float]:
        """Return the weighted means since the last reset."""
        return {name: value.item() / self._weights[name] for name, value in self._sums.items()}

    def reset(self) -> None:
        """Forget everything."""
        self._sums.clear()
        self._weights.clear()


class GeneratorMonitor:
    """Looks whether generators still generate anything different."""

    def __init__(self, threshold: float) -> None:
        """Initialize the monitor with the threshold below which a generator has collapsed, cf. :meth:`statistics`."""
        self.threshold = threshold
        self._latest: list[SyntheticEmbeddings] = []
        self._collapsed: set[str] = set()

    def reset(self) -> None:
        """Forget everything."""
        self._latest.clear()
        self._collapsed.clear()

    def begin(self) -> None:
        """Forget the output of the previous batch."""
        self._latest.clear()

    def observe(self, *synthetic: SyntheticEmbeddings) -> None:
        """Remember synthetic embeddings of the current batch; nothing is calculated here."""
        self._latest += [{name: x.detach() for name, x in part.items()} for part in synthetic]

    def statistics(self) -> dict[str, float]:
        """Return statistics of the latest batch, and warn once of each generator that has collapsed.

        :returns: For each modality, ``generator.NAME.variance`` and ``generator.NAME.relative_variance``: the variance
            over entities and noise, averaged over dimensions, and the same divided by the mean of the squares.
        """
        result: dict[str, float] = {}
        for name in self._latest[0] if self._latest else ():
            x = torch.cat([part[name].flatten(end_dim=-2) for part in self._latest])
            if len(x) < 2:
                continue
            variance = x.var(dim=0).mean().item()
            relative = variance / max(x.square().mean().item(), torch.finfo(x.dtype).tiny)
            result[f"generator.{name}.variance"] = variance
            result[f"generator.{name}.relative_variance"] = relative
            if relative < self.threshold and name not in self._collapsed:
                self._collapsed.add(name)
                logger.warning(
                    "The generator of %s embeddings has collapsed: the variance of its output is %.2g of its mean "
                    "square, i.e., whatever the entity and the noise, it generates nearly the same. Try a smaller "
                    "generator_lr, or a smaller adversarial_weight; collapse_threshold=0 turns this warning off.",
                    name,
                    relative,
                )
        return result


def mean_modality_weights(model: Any, num_entities: int = NUM_TRACKED_ENTITIES) -> dict[str, float]:
    """Return the mean weight of each modality over some entities as ``modality_weight.NAME``, if there are weights."""
    if not hasattr(model, "modality_weights"):
        return {}
    step = max(1, math.ceil(model.num_entities / num_entities))
    weights = model.modality_weights(torch.arange(0, model.num_entities, step, device=model.device))
    if weights is None:
        return {}
    return {
        f"modality_weight.{name}": x for name, x in zip(model.modalities, weights.mean(dim=0).tolist(), strict=True)
    }


def explain_non_finite_loss(losses: Mapping[str, float], epoch: int | None = None) -> str:
    """Tell which loss is not finite, in which epoch if this is known, and what to change."""
    broken = [name for name, value in losses.items() if not math.isfinite(value)]
    when = "" if epoch is None else f" in epoch {epoch}"
    values = ", ".join(f"{name}={value:.3g}" for name, value in losses.items())
    if broken == ["generator_loss"]:
        return f"The generators' loss is not finite{when} ({values}). Try a smaller generator_lr."
    return (
        f"The loss is not finite{when}{f' ({values})' if values else ''}. Try a smaller learning rate, gradient "
        f"clipping (gradient_clipping_max_norm), or a smaller adversarial_weight; and look at the features, if some of "
        f"them are very large."
    )
