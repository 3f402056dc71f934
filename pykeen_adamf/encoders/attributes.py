"""Reading tables of attributes: numbers, dates and categories, with holes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pandas

from ..tables import is_number, read_table
from .items import Item
from .problems import EncodingError

__all__ = ["read_attributes"]

#: What stands for a value that is not there, in any case.
NOTHING: Final = frozenset({"", "-", "?", "n/a", "na", "nan", "nat", "none", "null", "<na>"})

#: What the second column of a table with a value in each row may be called, in any case.
LONG_COLUMNS: Final = ("attribute", "property", "predicate", "relation", "key")


def read_attributes(source: str | Path | pandas.DataFrame) -> list[Item]:
    """Read the attributes of entities from a table, whose first line names the columns.

    It is wide, with an entity in each row, its label first, and an attribute in each other column; or long, with an
    entity, an attribute and a value in each row. It is long if it has three columns, and the second one is called
    *attribute* or *property*, or an entity has several rows; then it needs no header. Holes are empty, or *NA*, *NaN*,
    *null*, *None*, ``?`` or ``-``.

    :param source: The path of a file, cf. :func:`pykeen_adamf.tables.read_table`, or a data frame, whose index may have
        the labels.
    :returns: One item for each entity, in the order of their first rows, with its attributes in JSON, for
        :class:`pykeen_adamf.encoders.NumericEncoder`.
    :raises EncodingError: if there is no such file, or it has no entities and attributes
    """
    if isinstance(source, pandas.DataFrame):
        name, has_header = "The data frame", True
        is_counted = isinstance(source.index, pandas.RangeIndex)
        frame = source if is_counted else source.rename_axis("entity").reset_index()
    else:
        name = str(source)
        try:
            frame = read_table(source, lambda fields: len(fields) > 1)
        except ValueError as error:
            raise EncodingError(str(error)) from error
        has_header = Path(source).suffix.lower() == ".parquet"
    if frame.shape[1] < 2:
        raise EncodingError(f"{name} needs a column with entities, and at least one with an attribute.")
    if not has_header:
        first = [str(field).strip() for field in frame.iloc[0]]
        if len(first) == 3 and first[1].lower() not in LONG_COLUMNS and is_number(first[2]):
            first = ["entity", LONG_COLUMNS[0], "value"]
        else:
            frame = frame.iloc[1:]
        frame = frame.set_axis(first, axis=1)
    values: dict[str, dict[str, list[str]]] = {}
    cells = _iterate_long if _is_long(frame) else _iterate_wide
    for entity, attribute, value in cells(frame, name):
        known = values.setdefault(entity, {})
        text = value.isoformat() if hasattr(value, "isoformat") else str(value).strip()
        if text.lower() not in NOTHING:
            known.setdefault(attribute, []).append(text)
    if not values:
        raise EncodingError(f"{name} has no entities. Each row must have one, after a line that names the columns.")
    return [
        Item(entity, [json.dumps(known, sort_keys=True, ensure_ascii=False)] if known else [])
        for entity, known in values.items()
    ]


def _is_long(frame: pandas.DataFrame) -> bool:
    """Return whether each row has a value, rather than an entity."""
    if frame.shape[1] != 3:
        return False
    if str(frame.columns[1]).strip().lower() in LONG_COLUMNS:
        return True
    # attributes are called by names: numbers in their place are those of a wide table with a repeated row
    names = frame.iloc[:, 1].map(str)
    return bool(frame.iloc[:, 0].duplicated().any()) and not names.map(is_number).any()


def _iterate_long(frame: pandas.DataFrame, name: str) -> Iterator[tuple[str, str, Any]]:
    for number, (entity, attribute, value) in enumerate(frame.itertuples(index=False, name=None), start=1):
        if _is_nothing(entity) or _is_nothing(attribute):
            raise EncodingError(f"{name}, row {number}: there is no entity or attribute. Complete or remove it.")
        yield str(entity), str(attribute), value


def _iterate_wide(frame: pandas.DataFrame, name: str) -> Iterator[tuple[str, str, Any]]:
    attributes = [str(column) for column in frame.columns[1:]]
    strange = [x for x in attributes if is_number(x) or not x.strip() or attributes.count(x) > 1]
    if strange:
        raise EncodingError(
            f"{name} must begin with a line that names its columns, each differently, but there is {strange[0]!r}."
        )
    seen = set()
    for number, (entity, *cells) in enumerate(frame.itertuples(index=False, name=None), start=1):
        if _is_nothing(entity):
            raise EncodingError(f"{name}, row {number}: there is no entity. Complete or remove it.")
        if entity in seen:
            raise EncodingError(
                f"{name} has more than one row for {entity!r}. Keep one; or, if each row has a value rather than an "
                f"entity, let there be three columns: entity, attribute, value."
            )
        seen.add(entity)
        for attribute, value in zip(attributes, cells, strict=True):
            yield str(entity), attribute, value


def _is_nothing(value: Any) -> bool:
    return value is None or value != value or not str(value).strip()
