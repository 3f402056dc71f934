"""What each experiment of the paper trains: its variants of models, as changes to their configurations."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from ...constants import SYNTHETIC_KINDS, TEXTUAL, VISUAL
from ...features.dropping import DROPPING_ORDERS, DroppingOrder
from .contenders import CONTENDERS, choose

__all__ = [
    "EXPERIMENTS",
    "GROUPS",
    "MISSING_RATIOS",
    "Variant",
    "check_modalities",
    "get_dropping_order",
    "get_variants",
]

#: The modality-missing ratios of figure 3.
MISSING_RATIOS: Final = (0.0, 0.2, 0.4, 0.6, 0.8)

#: The numbers of groups of synthetic triples of figure 4.
GROUPS: Final = (1, 2, 4, 8)


@dataclasses.dataclass(frozen=True)
class Variant:
    """One row of a table, or one point of a figure."""

    #: what it is called in the report; the points of a line in a figure share it
    name: str

    #: one of :data:`CONTENDERS`
    contender: str

    #: what is different from the contender's configuration: parameters of PyKEEN's pipeline
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    #: what distinguishes the points of a figure
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    #: the modalities that the dataset must have
    modalities: tuple[str, ...] = ()

    @property
    def missing_ratio(self) -> float:
        """Return which share of the existing features is dropped."""
        return float(self.parameters.get("missing_ratio", 0.0))

    @property
    def missing_by(self) -> DroppingOrder:
        """Return what is dropped first."""
        return get_dropping_order(self.parameters)


def _compared() -> list[Variant]:
    return [Variant(name, name) for name in CONTENDERS]


def _ablated() -> list[Variant]:
    both = (VISUAL, TEXTUAL)
    kinds = dict(zip(SYNTHETIC_KINDS, ("(h*, r, t)", "(h, r, t*)", "(h*, r, t*)"), strict=True))
    models: dict[str, dict[str, Any]] = {
        "S+V+T, adaptive": dict(fusion="adaptive"),
        "S+V+T, mean": dict(fusion="mean"),
        "S+V": dict(modalities=[VISUAL]),
        "S+T": dict(modalities=[TEXTUAL]),
        "V+T": dict(use_structural=False),
    }
    return [
        Variant("AdaMF-MAT", "AdaMF-MAT", modalities=both),
        *(
            Variant(f"AdaMF ({name})", "AdaMF", dict(model_kwargs=kwargs), modalities=both)
            for name, kwargs in models.items()
        ),
        *(
            Variant(
                f"AdaMF-MAT w/o {symbol}",
                "AdaMF-MAT",
                dict(training_loop_kwargs=dict(synthetic_kinds=[other for other in kinds if other != kind])),
                modalities=both,
            )
            for kind, symbol in kinds.items()
        ),
    ]


def _with_and_without(model: str, **parameters: Any) -> list[Variant]:
    """Return a model that is trained without and with modality adversarial training."""
    return [
        Variant(name, name, parameters=dict(model=model, mat=mat, **parameters))
        for name, mat in ((model, False), (f"{model}-MAT", True))
    ]


#: The variants of each experiment.
EXPERIMENTS: Final[Mapping[str, Sequence[Variant]]] = {
    "table2": _compared(),
    "table3": _ablated(),
    "figure3": [
        variant
        for model in ("AdaMF", "TBKGC", "IKRL")
        for ratio in MISSING_RATIOS
        for variant in _with_and_without(model, missing_ratio=ratio)
    ],
    "figure4": [
        Variant(
            "AdaMF-MAT",
            "AdaMF-MAT",
            dict(training_loop_kwargs=dict(num_groups=number)),
            dict(model="AdaMF", mat=True, num_groups=number),
        )
        for number in GROUPS
    ],
    "figure5": _with_and_without("AdaMF"),
}


def get_dropping_order(parameters: Mapping[str, Any]) -> DroppingOrder:
    """Return which features are dropped first, from what distinguishes the points of a figure."""
    order: DroppingOrder = parameters.get("missing_by", "uniform")
    return order


def get_variants(
    experiment: str, names: Collection[str] | None = None, missing_by: DroppingOrder = "uniform"
) -> list[Variant]:
    """Return the variants of an experiment.

    :param experiment: One of :data:`EXPERIMENTS`.
    :param names: The names of some of its variants, or ``None`` for all.
    :param missing_by: Which features are dropped first, if the experiment drops any: ``"uniform"`` for random ones, or
        ``"degree"`` for those of rare entities.
    :returns: The variants, in the experiment's order.
    :raises ValueError: if there is no such experiment, or no such variant of it, or it drops nothing
    """
    choose("experiment", [experiment], EXPERIMENTS)
    choose("order of dropping", [missing_by], DROPPING_ORDERS)
    variants = EXPERIMENTS[experiment]
    if missing_by != "uniform":
        if not any("missing_ratio" in variant.parameters for variant in variants):
            raise ValueError(f"{experiment} drops no features, neither by {missing_by} nor otherwise. Choose figure3.")
        variants = [
            # without anything dropped, there is no order
            dataclasses.replace(variant, parameters={**variant.parameters, "missing_by": missing_by})
            if variant.missing_ratio
            else variant
            for variant in variants
        ]
    if names is None:
        return list(variants)
    chosen = choose(f"model of {experiment}", names, dict.fromkeys(variant.name for variant in variants))
    return [variant for variant in variants if variant.name in chosen]


def check_modalities(variant: Variant, dataset: str, available: Collection[str]) -> None:
    """Check that a dataset has the features that a variant is about.

    :param variant: The variant.
    :param dataset: The name of the dataset.
    :param available: The names of the modalities of the dataset, without the structural one.
    :raises ValueError: if it has not
    """
    there = f"the modalities {', '.join(sorted(available))}" if available else "no modality at all"
    model = variant.contender.removesuffix("-MAT")
    needed = variant.modalities or ((VISUAL,) if model == "IKRL" else ())
    if not set(needed).issubset(available):
        raise ValueError(
            f"{variant.name} needs the modalities {' and '.join(needed)}, but {dataset} has {there}. Use another "
            f"dataset, or give its modalities these names."
        )
    if model in {"AdaMF", "TBKGC"} and not available:
        raise ValueError(f"{variant.name} needs features of entities, but {dataset} has {there}. Leave the model out.")
