"""Checks of the training loop's options."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from class_resolver import HintOrType
from pykeen.losses import BCEWithLogitsLoss, CrossEntropyLoss, Loss, NSSALoss
from pykeen.sampling import NegativeSampler, negative_sampler_resolver

from ..checks import is_finite
from ..constants import SYNTHETIC_KINDS
from ..signatures import constructor_parameters
from ..typing import SyntheticKind

__all__ = [
    "HPO_RANGES",
    "check_kinds",
    "from_loss",
    "split_sampler_options",
]

#: The ranges of the options of :meth:`MATTrainingLoop.train`: the paper's grid (section 4.1), and the numbers of groups
#: of its figure 4. The paper's batch size is always 1,024. PyKEEN's range is from 16, which takes long, to 4,096, which
#: with 128 negatives needs more memory than many machines have.
HPO_RANGES: Final[dict[str, dict[str, object]]] = {
    "batch_size": dict(type="categorical", choices=[256, 512, 1024]),
    "adversarial_weight": dict(type="categorical", choices=[0.001, 0.01, 0.1]),
    "generator_lr": dict(type="categorical", choices=[1.0e-5, 1.0e-4, 1.0e-3]),
    "num_groups": dict(type=int, low=1, high=4),
    "num_negs_per_pos": dict(type="categorical", choices=[32, 64, 128]),
}


def check_kinds(kinds: Collection[SyntheticKind]) -> tuple[SyntheticKind, ...]:
    """Check kinds of synthetic triples, and return them in a fixed order without duplicates."""
    if isinstance(kinds, str) or not kinds or not set(kinds).issubset(SYNTHETIC_KINDS):
        raise ValueError(f"synthetic_kinds must be some of {SYNTHETIC_KINDS}, but is {kinds!r}")
    return tuple(kind for kind in SYNTHETIC_KINDS if kind in kinds)


def from_loss(name: str, value: float | None, loss: Loss, attribute: str, of_logits: float) -> float:
    """Return an option, which defaults to an attribute of self-adversarial losses, or to a value for those of logits.

    :raises ValueError: if there is neither a value nor a default, or it is not finite
    """
    if value is None:
        if isinstance(loss, NSSALoss):
            value = getattr(loss, attribute)
        elif type(loss) in {CrossEntropyLoss, BCEWithLogitsLoss}:
            value = of_logits
        else:
            # e.g., the margin of a ranking loss is between two scores, and says nothing about a single one
            raise ValueError(
                f"Modality adversarial training takes its {name} from the model's loss, but {loss.__class__.__name__} "
                f"has no such {name}. Use loss='NSSA', or pass {name} to the training loop."
            )
    if not is_finite(value):
        raise ValueError(f"{name} must be finite, but is {value!r}")
    return float(value)


def split_sampler_options(
    negative_sampler: HintOrType[NegativeSampler], options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split keyword-based parameters into those of the negative sampler, and others.

    :raises ValueError: if there are any of the former, but the negative sampler is there already
    """
    created = isinstance(negative_sampler, NegativeSampler)
    cls = type(negative_sampler) if created else negative_sampler_resolver.lookup(negative_sampler)
    names = constructor_parameters(cls).keys() - {"mapped_triples", "num_entities", "num_relations"}
    ours = {name: value for name, value in options.items() if name in names}
    if ours and created:
        raise ValueError(
            f"{sorted(ours)} cannot be set for a negative sampler which has been created already. Pass its name or "
            f"its class instead."
        )
    return ours, {name: value for name, value in options.items() if name not in names}
