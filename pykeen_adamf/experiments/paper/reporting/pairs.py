"""Which rows of an experiment are compared with which."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from .points import Point

__all__ = ["UNIMODAL", "Pair", "find_pairs"]

#: The models of table 2 without features.
UNIMODAL: Final = frozenset(
    {"TransE", "TransD", "DistMult", "ComplEx", "PairRE", "RotatE", "RotatE (PyKEEN)"},
)

#: The references of table 3: the full model for all, and AdaMF in full for what is left out of it.
FULL_MODEL: Final = "AdaMF-MAT"
FULL_ADAMF: Final = "AdaMF (S+V+T, adaptive)"


class Pair(NamedTuple):
    """Two points to compare."""

    first: Point

    #: the reference
    second: Point

    @property
    def label(self) -> str:
        """Return what is compared with what."""
        if self.first.place == self.second.place != "":
            return f"{self.first.variant} vs. {self.second.variant}, {self.first.place}"
        return f"{self.first.label} vs. {self.second.label}"

    @property
    def seeds(self) -> list[int]:
        """Return the seeds with which there are results of both."""
        return [seed for seed in self.first.results if seed in self.second.results]


def find_pairs(experiment: str, points: Sequence[Point]) -> list[Pair]:
    """Find what to compare.

    :param experiment: The name of the experiment.
    :param points: The points of one dataset that have results.
    :returns: For table 2, the best multi-modal model with RotatE; for table 3, each variant with the full one, and each
        variant of AdaMF with AdaMF; for figure 4, each number of groups with the smallest; and always, models that are
        trained with MAT with the same ones without.
    """
    pairs: list[Pair] = []
    if experiment == "table2":
        pairs += _best_and_rotate(points)
    if experiment == "table3":
        pairs += _ablations(points)
    if experiment == "figure4" and points:
        reference = min(points, key=lambda point: float(point.parameters["num_groups"]))
        pairs += [Pair(point, reference) for point in points if point is not reference]
    return [*pairs, *_with_and_without(points)]


def _best_and_rotate(points: Sequence[Point]) -> Iterator[Pair]:
    """Compare the best multi-modal model with RotatE."""
    rotate = next((point for point in points if point.variant == "RotatE"), None)
    others = [point for point in points if point.variant not in UNIMODAL]
    if rotate is not None and others:
        yield Pair(max(others, key=lambda point: point.summarize("MRR")[0]), rotate)


def _ablations(points: Sequence[Point]) -> Iterator[Pair]:
    """Compare each variant with what it lacks nothing of."""
    by_name = {point.variant: point for point in points}
    for name, point in by_name.items():
        if name != FULL_MODEL and FULL_MODEL in by_name:
            yield Pair(point, by_name[FULL_MODEL])
    for name, point in by_name.items():
        if name.startswith("AdaMF (") and name != FULL_ADAMF and FULL_ADAMF in by_name:
            yield Pair(point, by_name[FULL_ADAMF])


def _with_and_without(points: Sequence[Point]) -> Iterator[Pair]:
    """Compare models that are trained with MAT with the same ones without."""
    without = {_get_key(point.variant, point.parameters): point for point in points}
    for point in points:
        name = point.variant.removesuffix("-MAT")
        partner = without.get(_get_key(name, point.parameters))
        if name != point.variant and partner is not None:
            yield Pair(point, partner)


def _get_key(variant: str, parameters: Mapping[str, object]) -> tuple[str, str]:
    """Return what models with and without MAT have in common."""
    rest = {name: value for name, value in parameters.items() if name != "mat"}
    return variant, json.dumps(rest, sort_keys=True)
