"""Directories with small graphs of families, in which much can be inferred."""

from pathlib import Path

import numpy

from ..encoders.cases import make_bert, save_image

#: The number of families; each has two parents, their two children, and a town.
NUM_FAMILIES = 12


def make_rows(symmetric: bool = False) -> list[tuple[str, str, str]]:
    """Make triples; some of them twice, in both directions."""
    rows = []
    for i in range(NUM_FAMILIES):
        parents, children, town = (f"Ann {i}", f"Bob {i}"), (f"Cleo {i}", f"Dan {i}"), f"town {i % 4}"
        rows += [(parent, "parent of", child) for parent in parents for child in children]
        rows += [(person, "lives in", town) for person in (*parents, *children)]
        if symmetric:
            rows += [(parents[0], "married to", parents[1]), (parents[1], "married to", parents[0])]
    return rows


def write_rows(path: Path, rows, separator: str = "\t") -> Path:
    """Write rows without a header."""
    path.write_text("".join(f"{separator.join(map(str, row))}\n" for row in rows), encoding="utf-8")
    return path


def people() -> list[str]:
    """Return who has a picture and a text."""
    return sorted({row[0] for row in make_rows()})


def make_directory(path: Path, images: bool = True, texts: bool = True, **kwargs) -> Path:
    """Make a directory: pictures of a few, texts of all people, numbers of some; and features of some towns."""
    path.mkdir(parents=True)
    write_rows(path / "triples.tsv", make_rows(**kwargs))
    if images:
        for seed, name in enumerate(people()[:8]):
            save_image(path / "images" / f"{name}.png", seed=seed, width=8, height=8)
    if texts:
        write_rows(path / "texts.tsv", [(name, f"{name} of the family") for name in people()])
        rows = [(name, i, f"19{50 + i}-01-01") for i, name in enumerate(people()[::2])]
        write_rows(path / "numbers.csv", [("entity", "height", "born"), *rows], ",")
    numpy.savez(path / "audio.npz", features=numpy.eye(3, dtype="float32"), labels=["town 0", "town 1", "town 2"])
    return path


def make_model(path: Path) -> str:
    """Make a tiny model of texts, and return its directory."""
    return str(make_bert(path))
