"""The ranks of test triples, as runs leave them behind."""

import dataclasses
import zipfile
import zlib
from pathlib import Path
from typing import Final

import numpy
from numpy.lib.npyio import NpzFile
from typing_extensions import Self

from ..typing import NumpyArray

__all__ = ["RankFileError", "Ranks", "read_ranks"]


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

    @classmethod
    def from_arrays(
        cls, triples: NumpyArray, head_rank: NumpyArray, tail_rank: NumpyArray, source: str = "The ranks"
    ) -> Self:
        """Check and sort ranks.

        :param triples: shape: ``(num_triples, 3)``
            The IDs of the triples.
        :param head_rank: shape: ``(num_triples,)``
            The ranks of their heads.
        :param tail_rank: shape: ``(num_triples,)``
            The ranks of their tails.
        :param source: Where they are from, for messages.
        :returns: The ranks, such that those of any two models on the same triples have the same order.
        :raises RankFileError: if shapes do not fit together, there are no triples, or ranks are less than one
        """
        num = len(triples)
        if triples.shape != (num, 3) or head_rank.shape != (num,) or tail_rank.shape != (num,) or not num:
            raise RankFileError(
                f"{source} must be of at least one triple, with the shapes (n, 3), (n,) and (n,), but have "
                f"{triples.shape}, {head_rank.shape} and {tail_rank.shape}. {FIX}"
            )
        # so is NaN
        if not (numpy.isfinite([head_rank, tail_rank]).all() and min(head_rank.min(), tail_rank.min()) >= 1):
            raise RankFileError(f"{source} must be at least one, and finite. {FIX}")
        order = numpy.lexsort(triples.T[::-1])
        return cls(triples[order], head_rank[order].astype(float), tail_rank[order].astype(float))

    @property
    def num_triples(self) -> int:
        """Return the number of triples."""
        return len(self.triples)


def read_ranks(path: str | Path) -> Ranks:
    """Read the ranks of a run.

    :param path: The path of the ``.npz`` file with the arrays ``triples``, ``head_rank`` and ``tail_rank``.
    :returns: The ranks.
    :raises RankFileError: if there is no such file, or it is not readable as such
    """
    path = Path(path)
    names = ("triples", "head_rank", "tail_rank")
    try:
        # numpy.load would take anything else for a pickle
        with path.open("rb") as stream, NpzFile(stream) as file:
            arrays = {name: file[name] for name in names if name in file}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise RankFileError(f"{path} cannot be read ({error}). {FIX}") from error
    missing = [name for name in names if name not in arrays]
    if missing:
        raise RankFileError(f"{path} has no {', '.join(missing)}. {FIX}")
    return Ranks.from_arrays(**arrays, source=str(path))
