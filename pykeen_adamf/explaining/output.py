"""Explanations as text, and as files."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

import pandas

from ..atomic import written_atomically

__all__ = ["TABLE_SUFFIXES", "check_path", "format_table", "write_table"]

#: The suffixes of files that tables are written to.
TABLE_SUFFIXES: Final = (".tsv", ".csv", ".json")

#: What a row of each kind of table is about, from its first column.
KEYS: Final = {"entity": ["entity"], "head": ["head", "relation", "tail"], "relation": ["relation", "num_triples"]}


def check_path(path: str | Path, suffixes: Collection[str]) -> Path:
    """Check that a file can be written, before anything takes long, and return its path.

    :raises ValueError: if it has none of the suffixes
    :raises OSError: if there is no such directory, or it may not be written to
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"{path} must end in {' or '.join(suffixes)}.")
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise OSError(f"Cannot write {path}: choose a file in a directory that exists and that you may write to.")
    return path


def write_table(table: pandas.DataFrame, path: str | Path) -> Path:
    """Write a table to a file, which appears at its place only once it is complete, and return its path.

    It is tab-separated (``.tsv``), comma-separated (``.csv``), or a list with an object for each row (``.json``). What
    cannot be written raises the errors of :func:`check_path`.
    """
    path = check_path(path, TABLE_SUFFIXES)
    suffix = path.suffix.lower()
    with written_atomically(path) as temporary:
        if suffix == ".json":
            table.to_json(temporary, orient="records", indent=2, force_ascii=False, double_precision=15)
        else:
            table.to_csv(temporary, sep="\t" if suffix == ".tsv" else ",", index=False, encoding="utf-8")
    return path


def format_table(table: pandas.DataFrame) -> str:
    """Format an explanation as text: the same label in consecutive rows once, and no columns without any number."""
    keys = [*KEYS[table.columns[0]], "modality"]
    table = table.set_index(keys).dropna(axis="columns", how="all").rename_axis([key.replace("_", " ") for key in keys])
    table.columns = table.columns.str.replace("_", " ")
    formats = {
        name: "{:,.1f}".format if "rank" in name else "{:+.3f}".format if name.endswith("change") else "{:.3f}".format
        for name in map(str, table.select_dtypes("float"))
    }
    return table.to_string(formatters=formats)
