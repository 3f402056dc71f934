"""Tables in files, as they come: separated by tabs, commas or spaces, compressed, or Parquet."""

import csv
import re
from collections.abc import Callable, Sequence
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, Final, Literal, TextIO, cast

import pandas

from .limits import FileError, SizeLimit, check_regular, read_decompressed

__all__ = ["TABLE_SUFFIXES", "has_suffix", "is_number", "read_table"]

#: The suffixes that tell how a table is stored; others are read as text, whose separator is found.
TABLE_SUFFIXES: Final = (".tsv", ".csv", ".parquet")

#: What may separate columns where there is no tab, in the order in which it is tried.
SEPARATORS: Final = (",", ";", r"\s+")

#: What a value takes at least in memory, in bytes.
POINTER: Final = 8

#: How many columns a table of text may have; pandas takes a millisecond for each of them, however short it is.
MAX_COLUMNS: Final = 2**13

#: How many rows are made before their bytes are counted.
BATCH_SIZE: Final = 1024


def has_suffix(path: Path, *suffixes: str) -> bool:
    """Return whether a name ends with one of the suffixes, beside that of compression."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower() in suffixes


def read_table(
    source: str | Path | TextIO, is_row: Callable[[Sequence[str]], bool], limit: SizeLimit | None = None
) -> pandas.DataFrame:
    """Read a table.

    Text is in UTF-8, with or without a byte order mark. A field in quotation marks may have the separator in it, and
    doubled quotation marks; others are part of the field (``12" pizza``).

    :param source: The path of a file, compressed if it ends with ``.gz``, or an open file.
    :param is_row: Whether the fields may be those of the first line. Columns are separated by tabs if there are any in
        it; else by the first of commas, semicolons or whitespace for which the fields are; ``.csv`` by the first of
        commas, semicolons or tabs.
    :param limit: How much may be read. Defaults to what its size allows, cf. :class:`pykeen_adamf.limits.SizeLimit`.
    :returns: The table. That of a Parquet file has its names of columns; those of others are numbers, their first line
        is the first row, all values are texts, and fields that are not there are empty.
    :raises ValueError: if there is no such file, it is none of these, or pyarrow is needed and not there
    """
    name = str(getattr(source, "name", "The table")) if not isinstance(source, str | Path) else str(source)
    path = Path(name)
    is_path = isinstance(source, str | Path)
    if is_path:
        check_regular(path, "Correct the path.")
    try:
        if is_path and has_suffix(path, ".parquet"):
            return _read_parquet(path, limit or SizeLimit(path))
        content = read_decompressed(path) if is_path else b""
        file = BytesIO(content) if is_path else cast(TextIO, source)
        first = _first_line(file)
        separators: Sequence[str]
        if has_suffix(path, ".csv"):
            separators, default = (",", ";", "\t"), ","
        else:
            separators, default = () if "\t" in first else SEPARATORS, "\t"
        separator = next((x for x in separators if is_row(_split(first, x))), default)
        # with tabs, quotation marks are part of labels more often than not: see below
        quoting: Literal[0, 3] = csv.QUOTE_NONE if separator in ("\t", r"\s+") else csv.QUOTE_MINIMAL
        if is_path:
            width = len(_split(first, separator) if quoting == csv.QUOTE_NONE else _first_row(content, separator))
            if width > MAX_COLUMNS:
                raise FileError(
                    f"{name} has {width:,} columns, but {MAX_COLUMNS:,} are the limit of text. If they are right, save "
                    f"the table as an array, e.g., .npz."
                )
            # each row gets the width of the first one, and ends in one way or another
            num_values = width * (content.count(b"\n") + content.count(b"\r") + 1)
            (limit or SizeLimit(path)).check_content(POINTER * num_values)
        frame: pandas.DataFrame = pandas.read_csv(
            # the stubs of pandas know no open files of text
            cast(Any, file),
            sep=separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            quoting=quoting,
            skipinitialspace=separator in (",", ";"),
            encoding="utf-8-sig",
        ).fillna("")
    except FileError:
        raise
    except ImportError as error:
        raise ValueError(f"{name} needs pyarrow to be read: pip install pyarrow") from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is not in UTF-8. Convert it, e.g.: iconv -f LATIN1 -t UTF-8; or, if it is no text, save it as "
            f"{', '.join(TABLE_SUFFIXES)}."
        ) from error
    # those of pandas and PyArrow are ValueErrors or OSErrors, damaged archives raise EOFError, and damaged metadata of
    # pandas in a Parquet file anything
    except (OSError, ValueError, EOFError, MemoryError, LookupError, TypeError, AttributeError, csv.Error) as error:
        raise ValueError(f"{name} cannot be read as a table, or is damaged: {error}") from error
    return frame if quoting == csv.QUOTE_MINIMAL or (is_path and b'"' not in content) else frame.apply(_unquote)


def is_number(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_parquet(path: Path, limit: SizeLimit) -> pandas.DataFrame:
    """Read a table in which one value may be stored once for any number of rows."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    # from memory, such that the file is closed
    file = ParquetFile(BytesIO(path.read_bytes()))
    limit.check_content(file.metadata.num_rows * file.metadata.num_columns * POINTER)
    # a value may be stored once for many rows
    limit.check_content(sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)))
    batches, num_bytes = [], 0
    for batch in file.iter_batches(batch_size=BATCH_SIZE):
        num_bytes += batch.nbytes
        limit.check_content(num_bytes)
        # texts are said to be in UTF-8, and are not looked at
        batch.validate(full=True)
        batches.append(batch)
    result: pandas.DataFrame = pyarrow.Table.from_batches(batches, schema=file.schema_arrow).to_pandas()
    return result


def _first_line(file: BytesIO | TextIO) -> str:
    """Return the first line that is not blank, and leave the file as it is."""
    start = file.tell()
    line: str | bytes = next((line for line in file if line.strip()), "")
    file.seek(start)
    return (line.decode("utf-8-sig") if isinstance(line, bytes) else line).strip("\r\n")


def _split(line: str, separator: str) -> list[str]:
    """Split a line as pandas does."""
    # a carriage return ends a line, too, unless it is quoted
    if separator == r"\s+":
        return line.partition("\r")[0].split()
    if separator == "\t":
        return line.partition("\r")[0].split("\t")
    lines = (match.group() for match in re.finditer(r"[^\r]*\r?", line))
    return next(csv.reader(lines, delimiter=separator, skipinitialspace=True), [])


def _first_row(content: bytes, separator: str) -> list[str]:
    """Return the first row, in which there may be quoted line breaks."""
    lines = TextIOWrapper(BytesIO(content), encoding="utf-8-sig", newline="")
    return next(filter(None, csv.reader(lines, delimiter=separator, skipinitialspace=True)), [])


def _unquote(column: "pandas.Series[str]") -> "pandas.Series[str]":
    """Remove the quotation marks around fields that have been quoted: those inside are doubled then."""
    quoted = column.str.fullmatch(r'"(?:[^"]|"")*"')
    if quoted.any():
        column = column.mask(quoted, column.str.slice(1, -1).str.replace('""', '"', regex=False))
    return column
