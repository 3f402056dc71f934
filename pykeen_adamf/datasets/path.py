"""An own graph from files: triples, and features, or the images and texts to make them of."""

import hashlib
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy
import pandas
from pykeen.triples import TriplesFactory

from ..features import FEATURE_SUFFIXES
from ..limits import FileError, SizeLimit, check_regular, explain_not_unicode, read_decompressed
from ..suggestions import suggest
from ..triples import UnknownLabels
from ..typing import NumpyArray
from .derived import LazyMultimodalDataset

__all__ = ["MultimodalPathDataset", "read_labeled_triples"]

logger = logging.getLogger(__name__)

COLUMNS: Final = ("head", "relation", "tail")
SPLITS: Final = ("training", "testing", "validation")

#: How to read a table, by the suffix of its name.
SEPARATORS: Final[Mapping[str, str]] = {".tsv": "\t", ".txt": "\t", ".csv": ","}

#: What a value takes at least in memory, in bytes.
POINTER: Final = 8

#: The entries of a modality that is to be encoded.
ENCODING: Final = ("source", "encoder", "encoder_kwargs", "dim")


def read_labeled_triples(path: str | Path) -> NumpyArray:
    """Read triples of labels.

    :param path: The path of a file: tab-separated (``.tsv``, ``.txt``), comma-separated (``.csv``), Parquet
        (``.parquet``, needs ``pyarrow``), or N-Triples (``.nt``, needs ``rdflib``; literals are left out); all but
        Parquet may be compressed (``.gz``). A header of *head, relation, tail* is recognized; a table may have further
        columns if it has one.
    :returns: shape: ``(num_triples, 3)``
        The labels.
    :raises ValueError: if there is no such file, it is of another kind, or it has no triples
    """
    path = Path(path)
    check_regular(path, "Correct the path of the triples.")
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix not in {*SEPARATORS, ".nt", ".parquet"}:
        raise ValueError(f"{path} ends with {suffix!r}. Name it .tsv, .csv, .parquet or .nt, with .gz if compressed.")
    frame = _read_ntriples(path) if suffix == ".nt" else _read_table(path, SEPARATORS.get(suffix))
    names = {str(name).strip().lower(): name for name in frame.columns}
    chosen = [names[name] for name in COLUMNS] if all(name in names for name in COLUMNS) else list(frame.columns)
    if len(chosen) != len(COLUMNS):
        raise ValueError(
            f"{path} has {len(chosen)} columns. Triples have three, or a header with {', '.join(COLUMNS)}."
        )
    texts = frame[chosen].fillna("").astype(str)
    # NumPy gives the room of the longest label to each of them
    longest = max(int(texts.iloc[:, i].str.len().max()) for i in range(len(chosen))) if len(texts) else 0
    SizeLimit(path).check_content(4 * longest * texts.size)
    result: NumpyArray = texts.to_numpy(dtype=str)
    incomplete = numpy.flatnonzero((result == "").any(axis=1))
    if len(incomplete):
        found = ", ".join(repr(str(label)) for label in result[incomplete[0]] if label) or "none"
        raise ValueError(
            f"{path}, triple {incomplete[0] + 1}: this row has not three labels, but {found}. Complete or remove it."
        )
    if not len(result):
        raise ValueError(f"{path} has no triples.")
    if problem := explain_not_unicode(result.ravel().tolist(), str(path)):
        raise ValueError(problem)
    return result


def _read_table(path: Path, separator: str | None) -> pandas.DataFrame:
    """Read a table of text, with or without a header, or, without a separator, a Parquet file."""
    try:
        if separator is None:
            return _read_parquet(path)
        # with tabulators, quotation marks are part of labels
        frame = pandas.read_csv(
            BytesIO(read_decompressed(path)),
            sep=separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            quoting=0 if separator == "," else 3,
        )
    except FileError:
        raise
    except ImportError as error:
        raise ValueError(f"{path} needs pyarrow to be read: pip install pyarrow") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not in UTF-8. Convert it, e.g.: iconv -f LATIN1 -t UTF-8") from error
    # those of pandas and PyArrow are ValueErrors or OSErrors
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a table: {error}") from error
    first = [name.strip().lower() for name in frame.iloc[0]]
    return frame.iloc[1:].set_axis(first, axis=1) if set(COLUMNS).issubset(first) else frame


def _read_parquet(path: Path) -> pandas.DataFrame:
    """Read a table, in which one label may be stored once for any number of rows."""
    from pyarrow.parquet import ParquetFile

    # from memory, such that the file is closed
    file = ParquetFile(BytesIO(path.read_bytes()))
    limit = SizeLimit(path)
    limit.check_content(file.metadata.num_rows * file.metadata.num_columns * POINTER)
    batches, num_bytes = [], 0
    for batch in file.iter_batches():
        num_bytes += batch.nbytes
        limit.check_content(num_bytes)
        batches.append(batch.to_pandas())
    result: pandas.DataFrame = pandas.concat(batches, ignore_index=True) if batches else file.read().to_pandas()
    return result


def _read_ntriples(path: Path) -> pandas.DataFrame:
    """Read N-Triples, of which those with literals are no links."""
    try:
        from rdflib import Graph, Literal
    except ImportError as error:
        raise ValueError(f'{path} needs rdflib to be read: pip install "pykeen-adamf[rdf]"') from error
    content = read_decompressed(path)
    try:
        graph = Graph().parse(data=content, format="nt")
    except Exception as error:
        # its errors are of many kinds
        raise ValueError(f"{path} cannot be read as N-Triples: {error}") from error
    # a graph is a set, without an order of its own
    rows = sorted((str(s), str(p), str(o)) for s, p, o in graph if not isinstance(o, Literal))
    if len(rows) < len(graph):
        logger.info("%s has %d triples with literals, which are left out.", path, len(graph) - len(rows))
    return pandas.DataFrame(rows, columns=list(COLUMNS))


class MultimodalPathDataset(LazyMultimodalDataset):
    """A dataset from files: triples, and features, or folders of images and texts.

    ::

        pipeline(
            dataset="MultimodalPath",
            dataset_kwargs=dict(
                triples="triples.tsv",
                features={
                    "visual": {"source": "images/", "encoder": "descriptor"},
                    "textual": "texts.safetensors",
                },
            ),
            model="AdaMF",
        )
    """

    def __init__(
        self,
        triples: str | Path | Sequence[str | Path] | Mapping[str, str | Path],
        features: Mapping[str, str | Path | Mapping[str, Any]] | None = None,
        *,
        ratios: Sequence[float] = (0.8, 0.1, 0.1),
        random_state: int = 0,
        create_inverse_triples: bool = False,
        unknown_labels: UnknownLabels = "raise",
        cache_root: str | None = None,
    ) -> None:
        """Initialize the dataset.

        :param triples: The path of a file, cf. :func:`read_labeled_triples`, or of several, which are divided at
            random; or a mapping with the paths for ``training``, ``testing``, and optionally ``validation``.
        :param features: By modality, the path of a file with features, cf. :func:`pykeen_adamf.features.read_features`;
            or, for images and texts, a mapping with their ``source`` (a folder or a table), the ``encoder``, and
            optionally ``encoder_kwargs`` and ``dim``, cf. :func:`pykeen_adamf.encoders.encode_source`. What is encoded
            is kept, and encoded anew only if anything about it has changed.
        :param ratios: The shares of training, test and validation triples, where triples are divided.
        :param random_state: The random seed of the division.
        :param create_inverse_triples: Whether the training triples get inverse ones.
        :param unknown_labels: What to do with features of what is no entity: ``"raise"`` or ``"ignore"``.
        :param cache_root: Where to keep what is encoded. Defaults to PyKEEN's directory of datasets.
        :raises ValueError: if files are missing, or not what they should be
        """
        if isinstance(triples, Mapping):
            _check_keys("triples", triples, SPLITS, SPLITS[:2])
        for name, given in (features or {}).items():
            if isinstance(given, Mapping):
                _check_keys(f"{name} features", given, ENCODING, ENCODING[:2])
            elif Path(given).suffix not in FEATURE_SUFFIXES:
                raise ValueError(
                    f"The {name} features {given} are no file with features ({', '.join(FEATURE_SUFFIXES)}). For "
                    f"images or texts, pass a dictionary with their 'source' and an 'encoder'."
                )
        self.triples = triples
        self.features = dict(features or {})
        self.ratios = ratios
        self.random_state = random_state
        self.unknown_labels: UnknownLabels = unknown_labels
        self._create_inverse_triples = create_inverse_triples
        self.cache_root = self._help_cache(cache_root)

    def _load(self) -> None:
        if isinstance(self.triples, Mapping):
            labels = [read_labeled_triples(self.triples[name]) for name in SPLITS if name in self.triples]
            training = TriplesFactory.from_labeled_triples(labels[0])
            ids: dict[str, Any] = dict(entity_to_id=training.entity_to_id, relation_to_id=training.relation_to_id)
            parts = [training, *(TriplesFactory.from_labeled_triples(x, **ids) for x in labels[1:])]
        else:
            paths = [self.triples] if isinstance(self.triples, str | Path) else self.triples
            whole = TriplesFactory.from_labeled_triples(numpy.concatenate([read_labeled_triples(x) for x in paths]))
            parts = whole.split(list(self.ratios), random_state=self.random_state)
        # there need not be validation triples
        _, testing, validation, *_ = [x.mapped_triples for x in parts] + [parts[0].mapped_triples[:0]]
        entities = parts[0].entity_to_id
        features = {name: self._get_path(name, given, entities) for name, given in self.features.items()}
        self._set_splits(parts[0], testing, validation, features, self.unknown_labels)

    def _get_path(self, name: str, given: str | Path | Mapping[str, Any], entities: Collection[str]) -> Path:
        """Return the path of the features of a modality, which are encoded if necessary."""
        if not isinstance(given, Mapping):
            return Path(given)
        from ..encoders import encode_source
        from ..encoders.items import checksum_of_items
        from ..encoders.resolver import find_encoder
        from ..encoders.sources import read_source

        source, encoder, dim = Path(given["source"]), given["encoder"], given.get("dim")
        options = dict(given.get("encoder_kwargs") or {})
        items = read_source(source, find_encoder(encoder).modality)
        unknown = [item.entity for item in items if item.entity not in entities]
        if len(unknown) == len(items) or (unknown and self.unknown_labels == "raise"):
            raise ValueError(
                f"{source} has {len(unknown)} of {len(items)} labels that are no entities, e.g., {unknown[:1]}. "
                f"Entities are, e.g., {sorted(entities)[:3]}. Correct or remove them, or leave them out by "
                f"unknown_labels='ignore' in dataset_kwargs."
            )
        key = json.dumps([str(source.absolute()), checksum_of_items(items), str(encoder), options, dim], sort_keys=True)
        path = self.cache_root / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
        if not path.is_file():
            report = encode_source(source, path, encoder, options, dim=dim)
            if report.problems:
                logger.warning("%s", report)
        return path


def _check_keys(name: str, given: Mapping[str, Any], known: Sequence[str], needed: Sequence[str]) -> None:
    """Check the entries of a mapping."""
    for key in given:
        if key not in known:
            raise ValueError(f"The {name} have no {key!r}, but {', '.join(known)}.{suggest(key, known)}")
    for key in needed:
        if key not in given:
            raise ValueError(f"The {name} need {' and '.join(map(repr, needed))}, but have only {', '.join(given)}.")
