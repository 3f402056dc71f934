"""The fixed split of EmojiKG."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from .graph import Triple

__all__ = ["split_triples"]


def split_triples(
    triples: Iterable[Triple], ratios: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0
) -> tuple[list[Triple], list[Triple], list[Triple]]:
    """Split triples into training, validation and testing.

    A triple and its reverse stay together. Every entity and relation has a training triple; of each relation, about
    the same share is held out.

    :param triples: The triples.
    :param ratios: The shares of training, validation and testing.
    :param seed: The random seed.
    :returns: The three parts, each sorted.
    """
    pairs: dict[tuple[str, frozenset[str]], list[Triple]] = {}
    for head, relation, tail in sorted(triples):
        pairs.setdefault((relation, frozenset({head, tail})), []).append((head, relation, tail))
    remaining = Counter(entity for unit in pairs.values() for head, _, tail in unit for entity in (head, tail))
    parts: tuple[list[Triple], list[Triple], list[Triple]] = ([], [], [])
    generator = random.Random(seed)  # noqa: S311 - a split is no secret
    for relation in sorted({relation for relation, _ in pairs}):
        units = [unit for (name, _), unit in pairs.items() if name == relation]
        generator.shuffle(units)
        total = sum(map(len, units))
        targets = [round(total * sum(ratios[1 : k + 1])) for k in range(1, len(ratios))]
        # something remains, even if there is but one pair
        limit = min(targets[-1], total - 1)
        held_out = 0
        for unit in units:
            uses = Counter(entity for head, _, tail in unit for entity in (head, tail))
            if held_out + len(unit) <= limit and all(remaining[entity] > count for entity, count in uses.items()):
                remaining -= uses
                parts[1 if held_out < targets[0] else 2].extend(unit)
                held_out += len(unit)
            else:
                parts[0].extend(unit)
    return tuple(sorted(part) for part in parts)  # type: ignore[return-value]
