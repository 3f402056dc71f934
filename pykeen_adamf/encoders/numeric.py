"""Attributes of entities: numbers, dates and categories, with holes."""

import dataclasses
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy
import torch

from ..constants import NUMERIC
from ..typing import FloatTensor, NumpyArray
from .base import Encoder, Source
from .problems import EncodingError, UnusableInputError

__all__ = ["NumericEncoder"]

#: Which part of an attribute's values must be numbers or dates, or else they are categories; the others are holes.
MIN_SHARE: Final = 0.95

#: The interquartile range of a normal distribution with unit variance.
NORMAL_RANGE: Final = 1.349

#: A number with one and the same sign between thousands, at least once: a comma, an apostrophe, or a space of any kind.
GROUPED: Final = re.compile(r"[+-]?[1-9]\d{0,2}([,' \u00a0\u2009\u202f\u2019])\d{3}(?:\1\d{3})*(?:\.\d+)?")

#: What was probably meant as a number: one with a decimal comma, or with a unit; not 3D and 1st.
MEASURE: Final = re.compile(r"[€$£]?[+-]?\d[\d.,' \u00a0\u2009\u202f\u2019]*(?:\s[^\d\s]{1,4}|\s?[%°€$£])?")

DATE: Final = re.compile(r"([+-]?\d{1,6})-(\d{1,2})(?:-(\d{1,2}))?(?:[T ].*)?")


@dataclasses.dataclass(frozen=True)
class _Quantity:
    """How the numbers of an attribute are standardised: two columns, the number, and whether there is one."""

    name: str
    is_log: bool
    center: float
    scale: float
    mean: float
    std: float

    @property
    def columns(self) -> list[str]:
        return [self.name, f"{self.name} is known"]

    def encode(self, values: Sequence[str]) -> list[float]:
        numbers = [x for x in map(_parse, values) if not math.isnan(x) and (x > 0 or not self.is_log)]
        if not numbers:
            return [0.0, 0.0]
        x = numpy.log(numbers) if self.is_log else numpy.asarray(numbers)
        y = (numpy.arcsinh((x - self.center) / self.scale) - self.mean) / self.std
        return [float(y.mean()), 1.0]


@dataclasses.dataclass(frozen=True)
class _Category:
    """The categories of an attribute: a column for each, and one for all that are rarer, if there are any."""

    name: str
    values: Sequence[str]
    has_others: bool

    @property
    def columns(self) -> list[str]:
        return [f"{self.name} = {value}" for value in self.values] + [f"{self.name}: another"] * self.has_others

    def encode(self, values: Sequence[str]) -> list[float]:
        others = [float(any(x not in self.values for x in values))] * self.has_others
        return [float(x in values) for x in self.values] + others


class NumericEncoder(Encoder):
    r"""Standardises the attributes of entities, and says which of them are known.

    An attribute is a quantity if at least 95 % of its values are numbers (``1234.5``, ``1,234.5``) or dates in ISO 8601
    (``1912-06-23``, ``1912-06``, years before Christ are negative), which become years; others are categories.
    Attributes are in alphabetical order.

    A quantity has two columns, the number, and whether there is one. A hole has the mean, 0. Numbers are standardised
    in three steps, as quantities such as populations have heavy tails, and tables have wrong entries:

    1. the logarithm, if all are positive and it makes quartiles more symmetric (of the quartiles :math:`q`, less
       :math:`|q_1 + q_3 - 2 q_2| / (q_3 - q_1)`)
    2. :math:`\operatorname{arsinh}((x - q_2) / s)` with :math:`s = (q_3 - q_1) / 1.349`, the standard deviation of a
       normal distribution: neither depends on outliers, and arsinh is linear in the middle and logarithmic in the
       tails. Where the quartiles are equal, :math:`s` is the standard deviation, and 1 if that is 0.
    3. mean 0 and variance 1 over all values

    A category has a column of zeros and ones for each of its most frequent values, and one for all others. Several
    values of an attribute are averaged if it is a quantity, and are all marked if it is a category.
    """

    modality = NUMERIC
    synonyms = ("numbers", "attributes")

    def __init__(self, max_categories: int = 32) -> None:
        """Initialize the encoder.

        :param max_categories: >0, how many values of a category have a column of their own; of equally frequent ones,
            those that are first in the alphabet.
        :raises EncodingError: if this is not positive
        """
        if max_categories < 1:
            raise EncodingError(f"The number of categories must be positive, but is {max_categories}.")
        self.max_categories = max_categories
        self.attributes: Sequence[_Quantity | _Category] = ()
        self.dim = 0

    @property
    def columns(self) -> list[str]:
        """Return what the columns are."""
        return [column for attribute in self.attributes for column in attribute.columns]

    def fit(self, sources: Sequence[Source]) -> None:
        """Learn which attributes there are, and how their values are distributed.

        :param sources: The attributes of each entity, in JSON.
        :raises EncodingError: if there are none
        """
        values: dict[str, list[str]] = {}
        for source in sources:
            try:
                loaded = self.load(source)
            except UnusableInputError:
                # it is reported when it is encoded
                continue
            for name, given in loaded.items():
                values.setdefault(name, []).extend(given)
        if not values:
            raise EncodingError("There are no attributes with any values. Check the table.")
        self.attributes = [self._learn(name, values[name]) for name in sorted(values)]
        self.dim = len(self.columns)
        categories = [x.name for x in self.attributes if isinstance(x, _Category)]
        self.doubts = [doubt for name in categories if (doubt := _doubt(name, values[name]))]

    def _learn(self, name: str, values: Sequence[str]) -> _Quantity | _Category:
        numbers = numpy.array([_parse(x) for x in values])
        numbers = numbers[~numpy.isnan(numbers)]
        if len(numbers) < MIN_SHARE * len(values):
            counts = sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0]))
            chosen = [value for value, _ in counts[: self.max_categories]]
            return _Category(name, chosen, has_others=len(counts) > len(chosen))
        is_log = bool((numbers > 0).all()) and _asymmetry(numpy.log(numbers)) < _asymmetry(numbers)
        x = numpy.log(numbers) if is_log else numbers
        low, center, high = numpy.quantile(x, [0.25, 0.5, 0.75])
        scale = (high - low) / NORMAL_RANGE or x.std() or 1.0
        y = numpy.arcsinh((x - center) / scale)
        return _Quantity(name, is_log, float(center), float(scale), float(y.mean()), float(y.std()) or 1.0)

    def provenance(self) -> dict[str, str]:  # noqa: D102
        learned = json.dumps([dataclasses.asdict(x) for x in self.attributes], sort_keys=True)
        return {
            "encoder": "numeric",
            "model": "none",
            "weights": f"sha256:{hashlib.sha256(learned.encode()).hexdigest()}",
            "preprocessing": f"log, arsinh, mean 0, variance 1; max_categories={self.max_categories}",
            "columns": json.dumps(self.columns, ensure_ascii=False),
            "versions": f"numpy=={numpy.__version__}",
        }

    def load(self, source: Source) -> dict[str, list[str]]:
        """Load the attributes of an entity.

        :param source: JSON, an object with a value, or a list of values, of each attribute that is known.
        :raises UnusableInputError: if it is something else, or has none
        """
        try:
            content = json.loads(str(source))
        except ValueError as error:
            raise UnusableInputError(f"is no JSON ({error})") from error
        if not isinstance(content, dict) or not content:
            raise UnusableInputError("has no attributes")
        return {
            name: [str(x) for x in (given if isinstance(given, list) else [given])] for name, given in content.items()
        }

    def encode(self, inputs: Sequence[Any]) -> FloatTensor:  # noqa: D102
        rows = [
            [number for attribute in self.attributes for number in attribute.encode(loaded.get(attribute.name, ()))]
            for loaded in inputs
        ]
        return torch.tensor(rows, dtype=torch.float32)


def _doubt(name: str, values: Sequence[str]) -> str:
    """Return what is to be said of categories, if most of them look like numbers, or nothing."""
    others = [x for x in values if math.isnan(_parse(x))]
    alike = [x for x in others if MEASURE.fullmatch(x)]
    if len(values) - len(others) + len(alike) < len(values) / 2:
        return ""
    return (
        f"The attribute {name!r} is read as categories, since {len(others):,} of its {len(values):,} values are no "
        f"numbers, e.g., {(alike or others)[0]!r}. If it is to be a number, write values like 1234.5, without units, "
        f"and leave out those that are not known."
    )


def _asymmetry(x: NumpyArray) -> float:
    """Return how asymmetric quartiles are (Bowley): 0 if they are not, and at most 1."""
    low, center, high = numpy.quantile(x, [0.25, 0.5, 0.75])
    return float(abs(low + high - 2 * center) / ((high - low) or 1))


def _parse(text: str) -> float:
    """Return a number, or the year of a date with its fraction, or NaN."""
    if grouped := GROUPED.fullmatch(text):
        text = text.replace(grouped[1], "")
    try:
        number = float(text)
    except ValueError:
        match = DATE.fullmatch(text)
        if match is None:
            return math.nan
        year, month, day = int(match[1]), int(match[2]), int(match[3] or 1)
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return math.nan
        return year + (month - 1 + (day - 1) / 31) / 12
    return number if math.isfinite(number) else math.nan
