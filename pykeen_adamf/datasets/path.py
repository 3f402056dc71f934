"""An own graph from files: triples, and features, or the images and texts to make them of."""

import hashlib
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy
from pykeen.triples import TriplesFactory

from ..features import FEATURE_SUFFIXES, FeatureSource
from ..labeled_triples import LabeledTriplesSource, read_labeled_triples
from ..suggestions import suggest
from ..triples import UnknownLabels
from .derived import LazyMultimodalDataset

__all__ = ["MultimodalPathDataset"]

logger = logging.getLogger(__name__)

#: The splits, with the names that their files may have in a folder, beside the suffix.
SPLITS: Final = {
    "training": ("training", "train"),
    "testing": ("testing", "test"),
    "validation": ("validation", "valid", "val", "dev"),
}


#: The entries of a modality that is to be encoded.
ENCODING: Final = ("source", "encoder", "encoder_kwargs", "dim")


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
        triples: LabeledTriplesSource | Sequence[str | Path] | Mapping[str, LabeledTriplesSource],
        features: Mapping[str, FeatureSource | Mapping[str, Any]] | None = None,
        *,
        ratios: Sequence[float] = (0.8, 0.1, 0.1),
        random_state: int = 0,
        create_inverse_triples: bool = False,
        unknown_labels: UnknownLabels = "raise",
        cache_root: str | None = None,
        progress: bool = True,
    ) -> None:
        """Initialize the dataset.

        :param triples: The path of a file, a data frame, or a list of triples, cf.
            :func:`pykeen_adamf.labeled_triples.read_labeled_triples`, or the paths of several files, which are divided
            at random; or a mapping with one of these for ``training``, ``testing``, and optionally ``validation``; or a
            folder with files of these names (or ``train``, ``test``, ``valid``).
        :param features: By modality, features of any kind, cf. :func:`pykeen_adamf.features.as_features`; or, for
            images, texts and tables of attributes, a mapping with their ``source`` (a folder or a table), the
            ``encoder``, and optionally ``encoder_kwargs`` and ``dim``, cf.
            :func:`pykeen_adamf.encoders.encode_source`. What is encoded is kept, and encoded anew only if anything
            about it has changed.
        :param ratios: The shares of training, test and validation triples, where triples are divided.
        :param random_state: The random seed of the division.
        :param create_inverse_triples: Whether the training triples get inverse ones.
        :param unknown_labels: What to do with features of what is no entity: ``"raise"`` or ``"ignore"``.
        :param cache_root: Where to keep what is encoded. Defaults to PyKEEN's directory of datasets.
        :param progress: Whether to show progress bars where something is encoded.
        :raises ValueError: if files are missing, or not what they should be
        """
        if isinstance(triples, str | Path) and Path(triples).is_dir():
            triples = _find_splits(Path(triples))
        if isinstance(triples, Mapping):
            _check_keys("triples", triples, list(SPLITS), ("training", "testing"))
        for name, given in (features or {}).items():
            if _is_encoding(given):
                _check_keys(f"{name} features", given, ENCODING, ENCODING[:2])
            elif isinstance(given, str | Path) and Path(given).suffix.lower() not in FEATURE_SUFFIXES:
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
        self.progress = progress

    def _load(self) -> None:
        if isinstance(self.triples, Mapping):
            labels = [read_labeled_triples(self.triples[name]) for name in SPLITS if name in self.triples]
            training = TriplesFactory.from_labeled_triples(labels[0])
            ids: dict[str, Any] = dict(entity_to_id=training.entity_to_id, relation_to_id=training.relation_to_id)
            parts = [training, *(TriplesFactory.from_labeled_triples(x, **ids) for x in labels[1:])]
        else:
            several = isinstance(self.triples, list | tuple) and all(isinstance(x, str | Path) for x in self.triples)
            sources: Sequence[Any] = self.triples if several else [self.triples]  # type: ignore[assignment]
            whole = TriplesFactory.from_labeled_triples(numpy.concatenate([read_labeled_triples(x) for x in sources]))
            parts = whole.split(list(self.ratios), random_state=self.random_state)
        # there need not be validation triples
        _, testing, validation, *_ = [x.mapped_triples for x in parts] + [parts[0].mapped_triples[:0]]
        entities = parts[0].entity_to_id
        features = {
            name: self._encode(name, given, entities) if _is_encoding(given) else given
            for name, given in self.features.items()
        }
        self._set_splits(parts[0], testing, validation, features, self.unknown_labels)

    def _encode(self, name: str, given: Mapping[str, Any], entities: Collection[str]) -> Path:
        """Return the path of the features of a modality, which are encoded if necessary."""
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
                f"unknown_labels='ignore' in dataset_kwargs.{suggest(unknown[0], entities)}"
            )
        key = json.dumps([str(source.absolute()), checksum_of_items(items), str(encoder), options, dim], sort_keys=True)
        path = self.cache_root / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
        if not path.is_file():
            report = encode_source(source, path, encoder, options, dim=dim, progress=self.progress)
            if report.problems:
                logger.warning("%s", report)
        return path


def _is_encoding(given: Any) -> TypeGuard[Mapping[str, Any]]:
    """Return whether this says what is to be encoded, rather than that it has vectors by label."""
    return isinstance(given, Mapping) and any(isinstance(given.get(key), str | Path) for key in ENCODING[:2])


def _find_splits(folder: Path) -> dict[str, Path]:
    """Find the files with triples in a folder."""
    found: dict[str, Path] = {}
    for path in sorted(x for x in folder.iterdir() if x.is_file()):
        for split, names in SPLITS.items():
            if path.name.lower().partition(".")[0] in names and found.setdefault(split, path) != path:
                raise ValueError(
                    f"Both {found[split]} and {path} may be the {split} triples. Pass triples={{'training': PATH, "
                    f"'testing': PATH}}."
                )
    if not {"training", "testing"} <= found.keys():
        there = ", ".join(sorted(x.name for x in folder.iterdir())[:5]) or "nothing"
        raise ValueError(
            f"The folder {folder} needs files with training and test triples, e.g., train.txt and test.txt, but has "
            f"{there}. Rename them, or pass the path of one file."
        )
    return found


def _check_keys(name: str, given: Mapping[str, Any], known: Sequence[str], needed: Sequence[str]) -> None:
    """Check the entries of a mapping."""
    for key in given:
        if key not in known:
            raise ValueError(f"The {name} have no {key!r}, but {', '.join(known)}.{suggest(key, known)}")
    for key in needed:
        if key not in given:
            raise ValueError(f"The {name} need {' and '.join(map(repr, needed))}, but have only {', '.join(given)}.")
