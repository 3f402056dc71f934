"""The DB15K benchmark."""

from typing import ClassVar

from docdata import parse_docdata

from .base import MultimodalBenchmark

__all__ = ["DB15K"]


@parse_docdata
class DB15K(MultimodalBenchmark):
    """The DB15K benchmark, a part of DBpedia with images and descriptions, in the version of AdaMF-MAT.

    Its published validation split contains training and test triples; use ``validation="holdout"`` whenever something
    is chosen on validation triples.

    ---
    name: DB15K
    citation:
        author: Liu
        year: 2019
        link: https://arxiv.org/abs/1903.05485
        github: zjukg/AdaMF-MAT
    statistics:
        entities: 12842
        relations: 279
        training: 79222
        testing: 9902
        validation: 9904
        triples: 99028
    """

    benchmark_name: ClassVar[str] = "DB15K"


if __name__ == "__main__":
    DB15K.cli()
