"""A directory with an own graph: which of its files are what."""

import csv
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy
import pandas
from pykeen.triples import TriplesFactory

from ..constants import NUMERIC, TEXTUAL, VISUAL
from ..datasets import MultimodalPathDataset, openke
from ..datasets.path import SPLITS
from ..features import FEATURE_SUFFIXES, FeatureSource, ModalityFeatures, as_features, write_features
from ..labeled_triples import read_labeled_triples
from ..suggestions import suggest
from ..tables import has_suffix
from ..triples import check_modality_name, labels_by_id
from .local_models import find_text_model

__all__ = ["LAYOUT", "Project", "read_project"]

#: The suffixes of files of triples, which may be followed by that of compression.
TABLE_SUFFIXES: Final = (".tsv", ".csv", ".txt", ".nt", ".parquet")

#: What is to be encoded may be called, by modality.
SOURCES: Final[Mapping[str, Sequence[str]]] = {
    VISUAL: ("images", "images.tsv"),
    TEXTUAL: ("texts", "texts.tsv"),
    NUMERIC: ("numbers.csv", "numbers.tsv", "numbers.parquet"),
}

#: The files of a graph as OpenKE has it, by split.
OPENKE: Final = {"training": "train2id.txt", "testing": "test2id.txt", "validation": "valid2id.txt"}

#: What is read from a directory, for messages.
LAYOUT: Final = (
    "triples.tsv (or train.tsv and test.tsv, or the files of OpenKE), images/ENTITY.png or images.tsv, texts.tsv or "
    "texts/ENTITY.txt, numbers.csv, and features such as audio.safetensors"
)


@dataclasses.dataclass(frozen=True)
class Project:
    """What is in a directory."""

    directory: Path
    #: the triples by split, as :class:`pykeen_adamf.datasets.MultimodalPathDataset` divides or reads them
    splits: Mapping[str, TriplesFactory]
    #: by file, how many rows it has, and how many distinct triples; none of OpenKE, whose files are numbered
    num_rows: Mapping[Path, tuple[int, int]]
    #: the option ``triples`` of the dataset, or ``None`` if they have to be written anew, cf. :meth:`write`
    triples: str | dict[str, str] | None
    #: by modality, the path of features, or the option of the dataset with what is to be encoded
    features: Mapping[str, Path | Mapping[str, Any]]
    #: the entities of the rows of features without labels
    row_labels: Sequence[str]
    #: what is there and not used, by name
    unused: Sequence[str]

    @property
    def training(self) -> TriplesFactory:
        """Return the training triples."""
        return self.splits["training"]

    def read_features(self, name: str) -> ModalityFeatures:
        """Read the features of a modality that need not be encoded."""
        source: FeatureSource = str(self.features[name])
        return as_features(source, self.row_labels, name)

    def dataset_kwargs(self, folder: Path) -> dict[str, Any]:
        """Return the options of the dataset, for a run in a folder."""
        features: dict[str, Any] = {
            name: given if isinstance(given, Mapping) else str(self._path_of(name, folder))
            for name, given in self.features.items()
        }
        written = {split: str((folder / "data" / f"{split}.tsv").absolute()) for split in self.splits}
        # rows of what is no entity are reported, and left out
        return {"triples": self.triples or written, "features": features, "unknown_labels": "ignore"}

    def _path_of(self, name: str, folder: Path) -> Path:
        path = self.features[name]
        assert isinstance(path, Path)
        return path if self.triples else (folder / "data" / f"{name}.safetensors").absolute()

    def write(self, folder: Path) -> None:
        """Write what the dataset cannot read as it is: OpenKE's triples, and features in the order of its numbers."""
        if self.triples:
            return
        (folder / "data").mkdir(exist_ok=True)
        for split, factory in self.splits.items():
            labels = pandas.DataFrame(factory.label_triples(factory.mapped_triples))
            # all in quotation marks, such that those of labels are kept
            labels.to_csv(folder / "data" / f"{split}.tsv", sep="\t", header=False, index=False, quoting=csv.QUOTE_ALL)
        for name, given in self.features.items():
            if isinstance(given, Path):
                write_features(self._path_of(name, folder), self.read_features(name))


def read_project(
    directory: str | Path,
    *,
    text_model: str | None = None,
    image_model: str | None = None,
    without: Collection[str] = (),
) -> Project:
    """Find out what is in a directory; nothing is encoded.

    :param directory: The directory, with the files of :data:`LAYOUT`.
    :param text_model: The model for texts: a directory, or a name, from which it is downloaded. Defaults to
        all-MiniLM-L6-v2, if it is on this machine.
    :param image_model: A model of timm for images, which is downloaded. Defaults to descriptors, without any model.
    :param without: Modalities to leave out.
    :raises ValueError: if there are no triples, several files could be the same thing, or a model is not there
    """
    directory = Path(directory).absolute()
    entries = sorted(x for x in directory.iterdir() if not x.name.startswith("."))
    if any(x.name == "configuration.json" for x in entries):
        raise ValueError(f"{directory} is the folder of a run. Pass its configuration.json, or a directory with data.")
    sources = _find_sources(directory, entries)
    left = [x for x in entries if x not in sources.values()]
    ready: dict[str, Path] = {}
    for path in [x for x in left if x.suffix.lower() in FEATURE_SUFFIXES and not _is_table(x)]:
        other = sources.get(check_modality_name(path.stem)) or ready.setdefault(path.stem, path)
        if other != path:
            raise ValueError(f"Both {other.name} and {path.name} are {path.stem} features. Keep one of them.")
        left.remove(path)
    for name in without:
        if name not in {**sources, **ready}:
            known = [*sources, *ready]
            raise ValueError(f"There is no modality {name!r} in {directory}, only {known}.{suggest(name, known)}")
    features: dict[str, Path | Mapping[str, Any]] = {
        name: _encoding(name, path, text_model, image_model) for name, path in sources.items() if name not in without
    }
    features |= {name: path for name, path in ready.items() if name not in without}
    triples, paths = _find_triples(directory, left)
    used = set(paths)
    if triples is None:
        splits, num_rows, row_labels = _read_openke(directory)
        used = {directory / name for name in (*OPENKE.values(), "entity2id.txt", "relation2id.txt")}
    else:
        # before they are divided, since they may not be readable
        num_rows = {path: _count(path) for path in paths}
        splits = _divide(triples, num_rows)
        row_labels = labels_by_id(splits["training"].entity_to_id)
    unused = [x.name for x in left if x not in used and not (x / "configuration.json").exists()]
    return Project(directory, splits, num_rows, triples, features, row_labels, unused)


def _is_table(path: Path) -> bool:
    return path.is_file() and has_suffix(path, *TABLE_SUFFIXES)


def _stem(path: Path) -> str:
    return path.name.lower().partition(".")[0]


def _find_sources(directory: Path, entries: Collection[Path]) -> dict[str, Path]:
    """Find what is to be encoded, by modality."""
    found = {}
    for modality, names in SOURCES.items():
        paths = [directory / name for name in names if directory / name in entries]
        if len(paths) > 1:
            raise ValueError(f"{directory} has both {paths[0].name} and {paths[1].name}. Keep one of them.")
        if paths:
            found[modality] = paths[0]
    return found


def _encoding(modality: str, path: Path, text_model: str | None, image_model: str | None) -> dict[str, Any]:
    """Return how the dataset shall encode what is at a path."""
    if modality == TEXTUAL:
        model = text_model or find_text_model(path)
        return {"source": str(path), "encoder": "sentence-transformers", "encoder_kwargs": {"model": model}}
    if modality == VISUAL:
        if image_model is not None:
            return {"source": str(path), "encoder": "timm", "encoder_kwargs": {"model": image_model}}
        return {"source": str(path), "encoder": "descriptor"}
    return {"source": str(path), "encoder": "numeric"}


def _find_triples(directory: Path, paths: Sequence[Path]) -> tuple[str | dict[str, str] | None, list[Path]]:
    """Return the option of the dataset, or ``None`` for OpenKE, and the files."""
    tables = [x for x in paths if _is_table(x)]
    if directory / "train2id.txt" in tables:
        return None, []
    whole = [x for x in tables if _stem(x) == "triples"]
    splits: dict[str, Path] = {}
    for path in tables:
        for split, stems in SPLITS.items():
            if _stem(path) in stems and splits.setdefault(split, path) != path:
                raise ValueError(f"Both {splits[split].name} and {path.name} could be the {split} triples. Keep one.")
    if len(whole) + bool(splits) > 1:
        names = ", ".join(x.name for x in [*whole, *splits.values()])
        raise ValueError(f"{directory} has several files with all triples: {names}. Keep one, or train and test.")
    if whole:
        return str(whole[0]), whole
    if "training" in splits and len(splits) == 1:
        return str(splits["training"]), [splits["training"]]
    if splits:
        if not {"training", "testing"} <= splits.keys():
            names = ", ".join(x.name for x in splits.values())
            raise ValueError(f"{directory} needs both train and test triples, but has only {names}. Rename or add one.")
        return {split: str(path) for split, path in splits.items()}, [*splits.values()]
    candidates = [x for x in tables if _has_triples(x)]
    if len(candidates) != 1:
        names = ", ".join(x.name for x in candidates or paths) or "nothing"
        what = "no file with triples" if not candidates else "several files that could be the triples"
        raise ValueError(f"{directory} has {what}: {names}. Call the one with head, relation and tail triples.tsv.")
    return str(candidates[0]), candidates


def _has_triples(path: Path) -> bool:
    try:
        return len(read_labeled_triples(path)) > 1
    except ValueError:
        return False


def _count(path: Path) -> tuple[int, int]:
    labels = read_labeled_triples(path)
    return len(labels), len(numpy.unique(labels.astype(str), axis=0))


def _divide(triples: str | dict[str, str], num_rows: Mapping[Path, tuple[int, int]]) -> dict[str, TriplesFactory]:
    dataset = MultimodalPathDataset(triples)
    try:
        parts = {"training": dataset.training, "testing": dataset.testing, "validation": dataset.validation}
    except ValueError as error:
        num = sum(x for _, x in num_rows.values())
        raise ValueError(
            f"{num:,} triples cannot be divided into those for training and others: {error} Add some tens at least, or "
            f"divide them into train and test."
        ) from error
    return {split: x for split, x in parts.items() if isinstance(x, TriplesFactory) and x.num_triples}


def _read_openke(directory: Path) -> tuple[dict[str, TriplesFactory], dict[Path, tuple[int, int]], list[str]]:
    """Read a graph as OpenKE has it: splits, numbers of rows, and the entities in its order.

    Those without training triples are left out.
    """
    ids = [openke.read_mapping(directory / f"{kind}2id.txt") for kind in ("entity", "relation")]
    labels = [numpy.array(labels_by_id(x), dtype=object) for x in ids]
    splits: dict[str, TriplesFactory] = {}
    kwargs: dict[str, Any] = {}
    num_rows: dict[Path, tuple[int, int]] = {}
    for split, name in OPENKE.items():
        if split == "validation" and not (directory / name).is_file():
            continue
        rows = openke.read_triples(directory / name, len(ids[0]), len(ids[1]))
        num_rows[directory / name] = len(rows), len(rows.unique(dim=0))
        h, r, t = rows.T.numpy()
        triples = numpy.stack([labels[0][h], labels[1][r], labels[0][t]], axis=-1).astype(str)
        splits[split] = factory = TriplesFactory.from_labeled_triples(triples, **kwargs)
        kwargs = kwargs or {"entity_to_id": factory.entity_to_id, "relation_to_id": factory.relation_to_id}
    return splits, num_rows, labels[0].tolist()
