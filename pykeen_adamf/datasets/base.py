"""The shared logic of multi-modal benchmarks."""

import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pykeen.triples import TriplesFactory
from pykeen.triples.splitting import split
from pykeen.utils import isin_many_dim

from ..constants import DATA_ENVIRONMENT_VARIABLE
from ..features import FEATURE_SUFFIXES, FeatureError, FeatureSource, ModalityFeatures
from ..triples import UnknownLabels
from ..typing import LongTensor
from .derived import LazyMultimodalDataset
from .download import ensure_from_google_drive, ensure_from_url
from .openke import DatasetFormatError, read_mapping, read_triples
from .published import BENCHMARKS, FEATURES_FOLDER_ID, TRIPLES_URL, PublishedBenchmark

__all__ = ["MultimodalBenchmark"]

logger = logging.getLogger(__name__)


class MultimodalBenchmark(LazyMultimodalDataset):
    """A published multi-modal benchmark: triples and features are downloaded and checked, or read from a directory.

    Entity and relation IDs are those of the published files, and hence the rows of the published features.
    """

    #: the name of the benchmark, its folder, and the prefix of its feature files
    benchmark_name: ClassVar[str]

    def __init__(
        self,
        directory: str | Path | None = None,
        features: Literal["published"] | Collection[str] | Mapping[str, FeatureSource | None] = "published",
        validation: Literal["published", "holdout"] | None = None,
        validation_seed: int = 0,
        unknown_labels: UnknownLabels = "raise",
        create_inverse_triples: bool = False,
        eager: bool = False,
        cache_root: str | Path | None = None,
    ) -> None:
        """Initialize the dataset.

        :param directory: A directory with the benchmark's files, to be used instead of downloading them. If ``None``,
            the folder with the benchmark's name in the directory given by the environment variable
            ``PYKEEN_ADAMF_DATA`` is used, if there is one.
        :param features: Which features to use.

            - ``"published"``: all published modalities. In a directory they are files such as ``DB15K-visual.pth`` or
              ``visual.npy``; a modality without a file there is missing for every entity, with a warning.
            - names of modalities, e.g., ``["textual"]``: only those, and each must be there.
            - a mapping from the modality's name to a file (also by its name in the directory), a matrix, or
              :class:`pykeen_adamf.features.ModalityFeatures`: exactly those. ``None`` stands for a published modality
              that is missing for every entity, such that a model has only random features for it.
        :param validation: ``"published"`` for the published validation triples, or ``"holdout"`` for as many triples
            carved out of the training triples, disjoint from all others. Defaults to the published ones; but where
            these leak, hyper-parameter optimization wants the choice to be made.
        :param validation_seed: The random seed of ``validation="holdout"``.
        :param unknown_labels: What to do with feature rows whose label is no entity: ``"raise"`` or ``"ignore"``.
        :param create_inverse_triples: Whether to create inverse triples for training.
        :param eager: Whether to load immediately rather than when first used.
        :param cache_root: Where to store downloads. Defaults to PyKEEN's dataset directory.
        :raises ValueError: if an option has an unknown value
        """
        if validation not in {"published", "holdout", None}:
            raise ValueError(f"validation must be 'published' or 'holdout', but is {validation!r}")
        if isinstance(features, str) and features != "published":
            raise ValueError(f"features must be 'published', names, or a mapping, but is {features!r}")
        self.directory = self._find_directory(directory)
        self.feature_selection = features
        self.validation_split = validation or "published"
        self.validation_chosen = validation is not None
        self.validation_seed = validation_seed
        self.unknown_labels = unknown_labels
        self._create_inverse_triples = create_inverse_triples
        self.cache_root = self.directory or self._help_cache(cache_root)
        if eager:
            self._load()

    @classmethod
    def _find_directory(cls, directory: str | Path | None) -> Path | None:
        if directory is not None:
            directory = Path(directory)
            if not directory.is_dir():
                raise DatasetFormatError(f"The directory {directory} of {cls.benchmark_name} does not exist.")
            return directory
        if root := os.environ.get(DATA_ENVIRONMENT_VARIABLE):
            directory = Path(root) / cls.benchmark_name
            if directory.is_dir():
                return directory
            logger.warning("There is no %s, although $%s is set.", directory, DATA_ENVIRONMENT_VARIABLE)
        return None

    @property
    def published(self) -> PublishedBenchmark:
        """Return what is known of the published files."""
        return BENCHMARKS[self.benchmark_name]

    def _triples_path(self, name: str) -> Path:
        """Return the path of one of the published triple files, downloading it if necessary."""
        if self.directory is not None:
            return self.directory / name
        url = f"{TRIPLES_URL}/{self.benchmark_name}/{name}"
        return ensure_from_url(self.cache_root / name, url, self.published.triples[name])

    def _feature_path(self, modality: str) -> Path | None:
        """Return the path of a modality's features, downloading them if necessary, or None if there are none."""
        name = f"{self.benchmark_name}-{modality}"
        if self.directory is not None:
            candidates = (
                self.directory / f"{stem}{suffix}" for stem in (name, modality) for suffix in FEATURE_SUFFIXES
            )
            return next((path for path in candidates if path.is_file()), None)
        if modality not in self.published.features:
            return None
        sha256 = self.published.features[modality].sha256
        return ensure_from_google_drive(self.cache_root / f"{name}.pth", FEATURES_FOLDER_ID, sha256)

    def _resolve_features(self, labels: Collection[str]) -> Mapping[str, FeatureSource]:
        """Find the features to use."""
        selection, place = self.feature_selection, self.directory or "the published files"
        if isinstance(selection, Mapping):
            return {name: self._resolve_source(name, source, labels) for name, source in selection.items()}
        features: dict[str, FeatureSource] = {}
        for name in self.published.features if selection == "published" else selection:
            path = self._feature_path(name)
            if path is None and selection != "published":
                raise FeatureError(
                    f"{self.benchmark_name} has no {name} features in {place}. Put a file {self.benchmark_name}-{name}"
                    f".pth (or {', '.join(FEATURE_SUFFIXES[1:])}) there, or pass features={{{name!r}: PATH}}."
                )
            if path is None:
                message = "%s has no %s features in %s: the modality is missing for every entity."
                logger.warning(message, self.benchmark_name, name, place)
            features[name] = path or self._resolve_source(name, None, labels)
        return features

    def _resolve_source(self, name: str, source: FeatureSource | None, labels: Collection[str]) -> FeatureSource:
        """Resolve what a user has given as the features of a modality."""
        if source is None:
            if name not in (known := self.published.features):
                raise FeatureError(
                    f"Only a published modality can be missing for every entity, i.e., one of {list(known)}; leave "
                    f"{name!r} out instead."
                )
            return ModalityFeatures.missing(labels, dim=known[name].dim, source=name)
        if not isinstance(source, str | Path) or self.directory is None or Path(source).exists():
            return source
        # the name of a file in the dataset's directory
        inside = self.directory / source
        if not inside.exists():
            raise FeatureError(
                f"The {name} feature file {source} does not exist, neither as {Path(source).absolute()} nor as "
                f"{inside}. Check the path."
            )
        return inside

    def _load(self) -> None:
        entity_to_id, relation_to_id = (read_mapping(self._triples_path(f"{x}2id.txt")) for x in ("entity", "relation"))
        found, published = (len(entity_to_id), len(relation_to_id)), self.docdata("statistics")
        if found != (expected := (published["entities"], published["relations"])):
            # subsets are fine, but a directory may hold another benchmark
            message = "%s has %s entities and %s relations, but the published %s has %s and %s."
            logger.warning(message, self.directory, *found, self.benchmark_name, *expected)
        training, testing, validation = (
            read_triples(self._triples_path(f"{name}2id.txt"), *found) for name in ("train", "test", "valid")
        )
        if self.validation_split == "holdout":
            training, validation = carve_out(training, len(validation), exclude=testing, seed=self.validation_seed)
        elif self.published.validation_warning:
            logger.warning(self.published.validation_warning)
        self._set_splits(
            TriplesFactory(training, entity_to_id, relation_to_id),
            testing,
            validation,
            self._resolve_features(entity_to_id),
            self.unknown_labels,
        )


def carve_out(triples: LongTensor, num: int, exclude: LongTensor, seed: int) -> tuple[LongTensor, LongTensor]:
    """Carve a holdout out of triples, such that all entities and relations remain in the rest.

    :returns: The remaining triples, and the holdout of about that many others, of which none is to be excluded. They
        are disjoint, and neither has duplicates.
    :raises ValueError: if there are too few triples
    """
    triples = triples.unique(dim=0)
    if not num:
        return triples, triples[:0]
    try:
        ratio = num / len(triples)
        # a generator, since PyKEEN would use an integer to seed the global random state
        random_state = torch.Generator().manual_seed(seed)
        remaining, holdout = split(triples, ratios=[1 - ratio, ratio], random_state=random_state)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(
            f"Cannot carve a holdout of {num:,} validation triples out of {len(triples):,} training triples, such that "
            f"all entities and relations remain. Use validation='published'."
        ) from error
    return remaining, holdout[~isin_many_dim(holdout, exclude, dim=0)]
