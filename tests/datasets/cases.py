"""A small benchmark in the OpenKE format."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch

from pykeen_adamf.datasets import DB15K, MKGW, MKGY

DATASETS = [DB15K, MKGW, MKGY]

#: Not in alphabetical order, and such that something on the way may take them for something else.
ENTITIES = (
    "<http://dbpedia.org/resource/Zürich>",
    "Q42",
    "NA",
    "1984",
    "two words",
    "null",
    "A/B",
    "'quoted'",
    "h",
    "g",
    "f",
    "e",
)
RELATIONS = ("<http://dbpedia.org/ontology/country>", "NA", "a relation")

Lines = Sequence[tuple[int, int, int]]


def _ring(offset: int, heads: Iterable[int]) -> Lines:
    """Return lines of the form HEAD TAIL RELATION."""
    n = len(ENTITIES)
    return [(h, (h + offset + r) % n, r) for h in heads for r in range(len(RELATIONS))]


#: As in the files, i.e., with the tail before the relation. The last entity and relation occur everywhere.
TRAIN = _ring(1, range(12))
VALID = _ring(5, [11, 3])
TEST = _ring(8, [11, 4, 7])

NAMES = ("entity2id.txt", "relation2id.txt", "train2id.txt", "valid2id.txt", "test2id.txt")


def content_of(
    entities: Sequence[str] | Mapping[str, int] = ENTITIES,
    relations: Sequence[str] | Mapping[str, int] = RELATIONS,
    train: Lines = TRAIN,
    valid: Lines = VALID,
    test: Lines = TEST,
) -> dict[str, str]:
    """Return the content of a benchmark's files."""

    def as_text(lines: Sequence[str]) -> str:
        return "".join(f"{line}\n" for line in [len(lines), *lines])

    content = {}
    for name, labels in (("entity2id.txt", entities), ("relation2id.txt", relations)):
        numbers = labels if isinstance(labels, Mapping) else {label: i for i, label in enumerate(labels)}
        content[name] = as_text([f"{label} {i}" for label, i in numbers.items()])
    for name, triples in (("train2id.txt", train), ("valid2id.txt", valid), ("test2id.txt", test)):
        content[name] = as_text([" ".join(map(str, line)) for line in triples])
    return content


def write_benchmark(directory: Path, **kwargs) -> Path:
    """Write a benchmark's files, cf. :func:`content_of`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in content_of(**kwargs).items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def in_pykeens_order(lines: Lines) -> list[list[int]]:
    """Return triples as PyKEEN has them."""
    return [[h, r, t] for h, t, r in lines]


def as_set(triples: torch.Tensor) -> set[tuple[int, ...]]:
    """Return triples as a set."""
    return {tuple(triple) for triple in triples.tolist()}


def make_matrix(dim: int = 4, seed: int = 0) -> torch.Tensor:
    """Return features of all entities, in the order of their IDs."""
    return torch.randn(len(ENTITIES), dim, generator=torch.Generator().manual_seed(seed))


def sha256(content: bytes) -> str:
    """Return a checksum."""
    return hashlib.sha256(content).hexdigest()


def listing(directory: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return all files below a directory, with what changes whenever somebody touches them."""
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
