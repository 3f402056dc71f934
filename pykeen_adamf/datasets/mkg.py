"""The MKG-W and MKG-Y benchmarks."""

from typing import ClassVar

from docdata import parse_docdata

from .base import MultimodalBenchmark

__all__ = ["MKGW", "MKGY"]


@parse_docdata
class MKGW(MultimodalBenchmark):
    """The MKG-W benchmark, a part of Wikidata with images and descriptions.

    ---
    name: MKG-W
    citation:
        author: Xu
        year: 2022
        link: https://github.com/quqxui/MMRNS
        github: quqxui/MMRNS
    statistics:
        entities: 15000
        relations: 169
        training: 34196
        testing: 4274
        validation: 4276
        triples: 42746
    """

    benchmark_name: ClassVar[str] = "MKG-W"


@parse_docdata
class MKGY(MultimodalBenchmark):
    """The MKG-Y benchmark, a part of YAGO with images and descriptions.

    ---
    name: MKG-Y
    citation:
        author: Xu
        year: 2022
        link: https://github.com/quqxui/MMRNS
        github: quqxui/MMRNS
    statistics:
        entities: 15000
        relations: 28
        training: 21310
        testing: 2663
        validation: 2665
        triples: 26638
    """

    benchmark_name: ClassVar[str] = "MKG-Y"
