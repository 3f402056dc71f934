"""Targets that are data: features, triples, images and texts."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pandas
import torch

from pykeen_adamf.constants import TEXTUAL
from pykeen_adamf.datasets.openke import read_mapping, read_triples
from pykeen_adamf.datasets.path import read_labeled_triples
from pykeen_adamf.encoders.base import Source, TextualEncoder
from pykeen_adamf.encoders.folders import read_archive, read_folder
from pykeen_adamf.encoders.images import load_image
from pykeen_adamf.encoders.problems import UnusableInputError
from pykeen_adamf.encoders.sources import read_table
from pykeen_adamf.features import read_features

from ..features.cases import LABELS, make_features, save, suffix_of
from .target import Target

__all__ = ["FeatureTarget", "OpenKETarget", "SourceTarget", "TriplesTarget"]


class FeatureTarget(Target):
    """A file with features."""

    def __init__(self, way: str) -> None:
        super().__init__(f"features {way}")
        self.way = way
        self.has_checksums = suffix_of(way) in {".npz", ".pt", ".pth"}

    def make(self, directory: Path) -> Path:
        return save(self.way, directory, make_features(missing=[2]))

    def read(self, path: Path) -> Any:
        return read_features(path, labels=LABELS)

    def check(self, result: Any) -> str | None:
        if result.matrix.shape != (len(result.labels), result.dim) or result.presence.shape != (len(result.labels),):
            return "another shape"
        if not bool(torch.isfinite(result.matrix).all()):
            return "values that are not finite"
        if bool((result.matrix == 1234.5).any()):
            return "values from elsewhere"
        result.align(LABELS, unknown="ignore")
        return None


class TriplesTarget(Target):
    """A file with triples of labels."""

    triples = pandas.DataFrame([[f"e{i % 5}", f"r{i % 2}", f"e{i % 7}"] for i in range(20)])

    def __init__(self, suffix: str) -> None:
        super().__init__(f"triples {suffix}")
        self.suffix = suffix

    def make(self, directory: Path) -> Path:
        path = directory / f"triples{self.suffix}"
        if self.suffix == ".parquet":
            self.triples.set_axis(["head", "relation", "tail"], axis=1).to_parquet(path)
        elif self.suffix.startswith(".nt"):
            lines = self.triples.map("<http://x/{}>".format).agg(" ".join, axis=1) + " ."
            lines.to_csv(path, index=False, header=False, quoting=3, sep="\t")
        else:
            self.triples.to_csv(path, index=False, header=False, sep="," if ".csv" in self.suffix else "\t")
        return path

    def read(self, path: Path) -> Any:
        return read_labeled_triples(path)

    def check(self, result: Any) -> str | None:
        if result.ndim != 2 or result.shape[1] != 3 or (result == "").any():
            return "no triples"
        "".join(result.ravel().tolist()).encode()
        return None


class OpenKETarget(Target):
    """Numbered labels, or triples of numbers."""

    def __init__(self, of_triples: bool) -> None:
        super().__init__("triples OpenKE" if of_triples else "labels OpenKE")
        self.of_triples = of_triples

    def make(self, directory: Path) -> Path:
        path = directory / "x2id.txt"
        lines = [f"{i} {i + 1} 0" if self.of_triples else f"label {i} {i}" for i in range(9)]
        path.write_text("\n".join(["9", *lines]))
        return path

    def read(self, path: Path) -> Any:
        return read_triples(path, 10, 1) if self.of_triples else read_mapping(path)


class _Length(TextualEncoder):
    """Knows how long texts are."""

    dim = 1

    def encode(self, inputs: Sequence[str]) -> torch.Tensor:
        return torch.tensor([[float(len(x))] for x in inputs])

    def provenance(self) -> dict[str, str]:
        return {"encoder": "length"}


class SourceTarget(Target):
    """A folder, table or archive of images or texts; those that cannot be used are named, and do not stop anything."""

    def __init__(self, modality: str, kind: str) -> None:
        super().__init__(f"{modality} {kind}")
        self.modality = modality
        self.kind = kind

    def make(self, directory: Path) -> Path:
        if self.kind == ".tsv":
            path = directory / "texts.tsv"
            path.write_text("a\tsome text\nb\tanother text\n")
            return path
        folder = directory / "folder"
        folder.mkdir()
        if self.modality == TEXTUAL:
            (folder / "a.txt").write_text("some text")
        else:
            from PIL import Image

            # what is no image of a usual kind lets Pillow import all others
            Image.init()

            pixels = numpy.random.default_rng(0).integers(0, 255, (9, 7, 3), dtype=numpy.uint8)
            Image.fromarray(pixels).save(folder / f"a{'.png' if self.kind == '.zip' else self.kind}")
        if self.kind == ".zip":
            archive = shutil.make_archive(str(directory / "pictures"), "zip", folder)
            shutil.rmtree(folder)
            return Path(archive)
        return folder

    def read(self, path: Path) -> Any:
        read = {".tsv": read_table, ".zip": read_archive}.get(self.kind, read_folder)
        return [(x.entity, self._load(source)) for x in read(path, self.modality) for source in x.sources]

    def _load(self, source: Source) -> Any:
        try:
            return _Length().load(source) if isinstance(source, str) else load_image(source)
        except UnusableInputError:
            return None

    def check(self, result: Any) -> str | None:
        return None if all(entity.strip() for entity, _ in result) else "an entity without a name"
