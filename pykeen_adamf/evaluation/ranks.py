"""The ranks of test triples, as runs leave them behind, and the metrics of each triple."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy
from typing_extensions import Self

from ..features.numpy_files import read_arrays
from ..limits import SizeLimit, check_regular
from ..typing import NumpyArray

__all__ = ["METRICS", "RankFileError", "Ranks", "rank_metrics", "read_ranks"]

#: The metrics that are reported and compared, with their names in PyKEEN.
METRICS: Final[Mapping[str, str]] = {
    "MRR": "inverse_harmonic_mean_rank",
    "Hits@1": "hits_at_1",
    "Hits@3": "hits_at_3",
    "Hits@10": "hits_at_10",
}

#: What triples may be grouped by: what there is of modalities, cf. :func:`.classify_coverage`, and their relations.
GROUPS: Final = ("coverage", "relation")

FIX: Final = "Remove the files of this run, and run it again."


class RankFileError(ValueError):
    """Raised for ranks that cannot be used; the message names the file and the fix."""


@dataclasses.dataclass(frozen=True, eq=False)
class Ranks:
    """The filtered, realistic ranks of test triples, sorted by triple."""

    #: shape: ``(num_triples, 3)``, the IDs
    triples: NumpyArray
    #: shape of both: ``(num_triples,)``
    head_rank: NumpyArray
    tail_rank: NumpyArray
    #: by one of :data:`GROUPS`, as far as it is known, shape: ``(num_triples,)``
    groups: Mapping[str, NumpyArray] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_arrays(
        cls,
        triples: NumpyArray,
        head_rank: NumpyArray,
        tail_rank: NumpyArray,
        source: str = "The ranks",
        **groups: NumpyArray,
    ) -> Self:
        """Check and sort ranks, such that those of any two models on the same triples have the same order.

        :param triples: shape: ``(num_triples, 3)``, the IDs of the triples.
        :param head_rank: shape: ``(num_triples,)``, the ranks of their heads.
        :param tail_rank: shape: ``(num_triples,)``, the ranks of their tails.
        :param source: Where they are from, for messages.
        :param groups: shape: ``(num_triples,)``, to which group of each of some :data:`GROUPS` triples belong.
        :returns: The ranks.
        :raises RankFileError: if shapes do not fit together, there are no triples, or ranks are less than one
        """
        num = len(triples)
        of_triples = (head_rank, tail_rank, *groups.values())
        if triples.shape != (num, 3) or any(x.shape != (num,) for x in of_triples) or not num:
            raise RankFileError(
                f"{source} must be of at least one triple, with the shapes (n, 3), (n,) and (n,), but have "
                f"{', '.join(str(x.shape) for x in (triples, *of_triples))}. {FIX}"
            )
        # so is NaN
        if not (numpy.isfinite([head_rank, tail_rank]).all() and min(head_rank.min(), tail_rank.min()) >= 1):
            raise RankFileError(f"{source} must be at least one, and finite. {FIX}")
        order = numpy.lexsort(triples.T[::-1])
        head_rank, tail_rank = (x[order].astype(float) for x in (head_rank, tail_rank))
        return cls(triples[order], head_rank, tail_rank, {name: x[order] for name, x in groups.items()})

    @property
    def num_triples(self) -> int:
        """Return the number of triples."""
        return len(self.triples)


def read_ranks(path: str | Path) -> Ranks:
    """Read the ranks of a run.

    :param path: The path of the ``.npz`` file with the arrays ``triples``, ``head_rank`` and ``tail_rank``, and some of
        :data:`GROUPS`, if they are to be compared by these.
    :returns: The ranks.
    :raises RankFileError: if there is no such file, or it is not readable as such
    """
    names = ("triples", "head_rank", "tail_rank")
    try:
        check_regular(Path(path))
        known = (*names, *GROUPS)
        arrays = read_arrays(Path(path), SizeLimit(Path(path)), lambda keys, _: [x for x in known if x in keys])
    except Exception as error:
        # readers of damaged files raise almost anything
        raise RankFileError(f"{path} cannot be read ({error}). {FIX}") from error
    missing = [name for name in names if name not in arrays]
    if missing:
        raise RankFileError(f"{path} has no {', '.join(missing)}. {FIX}")
    return Ranks.from_arrays(**arrays, source=str(path))


def rank_metrics(ranks: Ranks, metrics: Iterable[str] = METRICS) -> NumpyArray:
    """Calculate metrics of each triple, as averages of both sides.

    Their averages over triples are PyKEEN's filtered, realistic metrics of both sides.

    :param ranks: The ranks.
    :param metrics: The names of the metrics: ``MRR``, or ``Hits@k`` for any k.
    :returns: shape: ``(num_triples, num_metrics)``, the metrics of each triple.
    :raises ValueError: if a metric is unknown
    """
    both = numpy.stack([ranks.head_rank, ranks.tail_rank])
    columns = []
    for metric in metrics:
        name, _, k = metric.partition("@")
        if metric == "MRR":
            values = 1 / both
        elif name == "Hits" and k.isdecimal():
            values = (both <= int(k)).astype(float)
        else:
            raise ValueError(f"{metric!r} is no metric of ranks. Choose MRR, or Hits@k, e.g., Hits@10.")
        columns.append(values.mean(axis=0))
    return numpy.stack(columns, axis=1)
