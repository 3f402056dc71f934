"""A triples factory that carries the features of its entities."""

import json
import re
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, Literal, TextIO

import pandas
from pykeen.triples import CoreTriplesFactory, TriplesFactory
from pykeen.triples.triples_factory import TripleCondenser
from pykeen.triples.utils import EXTENSION_IMPORTER_RESOLVER, load_triples
from pykeen.typing import EntityMapping, MappedTriples, RelationMapping
from torch import nn
from typing_extensions import Self

from .constants import STRUCTURAL
from .features import (
    CoverageReport,
    FeatureError,
    FeatureSource,
    ModalityFeatures,
    as_features,
    read_features,
    write_features,
)
from .labeled_triples import LabeledTriplesSource, read_labeled_triples
from .limits import explain_not_unicode, read_decompressed
from .plain_files import read_json
from .suggestions import LabelIds, suggest

__all__ = [
    "MultimodalTriplesFactory",
    "check_modality_name",
    "labels_by_id",
    "read_label_ids",
    "select_features",
    "without_features",
]

UnknownLabels = Literal["raise", "ignore"]


class MultimodalTriplesFactory(TriplesFactory):
    """A triples factory with features for any number of named modalities.

    It is to features what :class:`pykeen.triples.TriplesNumericLiteralsFactory` is to numeric literals: the features
    stay with the triples wherever PyKEEN hands a factory on, i.e., when it is split, cloned, condensed, relabeled,
    merged, pickled, or saved and loaded.

    >>> import numpy, torch
    >>> triples = numpy.array([["berlin", "capital_of", "germany"], ["paris", "capital_of", "france"]])
    >>> factory = MultimodalTriplesFactory.from_labeled_triples(
    ...     triples=triples,
    ...     features={"visual": ModalityFeatures.from_matrix(torch.rand(2, 8), labels=["berlin", "paris"])},
    ... )
    >>> factory.coverage().per_modality
    {'visual': 2}
    """

    #: the file name of a modality's features in the directory of a saved factory
    file_name_features: ClassVar[str] = "features-{name}.safetensors"
    #: the file name of the modalities' names, in order
    file_name_modalities: ClassVar[str] = "modalities.json"
    #: the features of each modality, with one row for each entity, in the order of the entities' IDs
    features: Mapping[str, ModalityFeatures]

    def __init__(
        self,
        mapped_triples: MappedTriples,
        entity_to_id: EntityMapping,
        relation_to_id: RelationMapping,
        *,
        features: Mapping[str, FeatureSource],
        unknown_labels: UnknownLabels = "raise",
        **kwargs: Any,
    ) -> None:
        """Initialize the factory.

        :param mapped_triples: shape: ``(n, 3)``, the ID-based triples.
        :param entity_to_id: The mapping from entity labels to IDs.
        :param relation_to_id: The mapping from relation labels to IDs.
        :param features: The features of each modality by the modality's name, cf.
            :func:`pykeen_adamf.features.as_features`: a path, a matrix with one row for each entity in the order of the
            entities' IDs, a data frame, a vector for each label, or :class:`pykeen_adamf.features.ModalityFeatures`.
            Entities without a row, or with a row of NaN, are missing the modality.
        :param unknown_labels: What to do with rows whose label is no entity: ``"raise"`` or ``"ignore"``. At least one
            must be an entity.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.triples.TriplesFactory`.
        :raises FeatureError: if the features are invalid
        """
        super().__init__(
            mapped_triples=mapped_triples,
            # PyKEEN's predictions look labels up there
            entity_to_id=LabelIds.of("entity", entity_to_id),
            relation_to_id=LabelIds.of("relation", relation_to_id),
            **kwargs,
        )
        for kind, known in (("entity", entity_to_id), ("relation", relation_to_id)):
            if problem := explain_not_unicode(known, f"The {kind}_to_id mapping"):
                raise ValueError(problem)
        # the only place where labels are turned into rows
        labels = labels_by_id(self.entity_to_id)
        self.features = {
            check_modality_name(name): _align(as_features(source, labels, name), labels, unknown_labels)
            for name, source in features.items()
        }

    @classmethod
    def from_triples_factory(
        cls, factory: CoreTriplesFactory, features: Mapping[str, FeatureSource], unknown_labels: UnknownLabels = "raise"
    ) -> Self:
        """Add features to a factory.

        :param factory: The factory. If it knows no labels, the IDs, as texts, become the labels.
        :param features: The features, cf. :meth:`__init__`.
        :param unknown_labels: What to do with rows whose label is no entity: ``"raise"`` or ``"ignore"``.
        :returns: A new factory, sharing everything else with the given one.
        """
        if not isinstance(factory, TriplesFactory):
            counts = factory.num_entities, factory.real_num_relations
            factory = factory.with_labels(*({str(i): i for i in range(count)} for count in counts))
        return cls(
            mapped_triples=factory.mapped_triples,
            entity_to_id=factory.entity_to_id,
            relation_to_id=factory.relation_to_id,
            create_inverse_triples=factory.create_inverse_triples,
            metadata=factory.metadata,
            features=features,
            unknown_labels=unknown_labels,
        )

    @classmethod
    def from_labeled_triples(  # type: ignore[override]
        cls,
        triples: LabeledTriplesSource,
        *,
        features: Mapping[str, FeatureSource],
        unknown_labels: UnknownLabels = "raise",
        **kwargs: Any,
    ) -> Self:
        """Make a factory from triples of labels.

        :param triples: shape: ``(n, 3)``, the labels, as an array, a data frame, or a list of triples, cf.
            :func:`pykeen_adamf.labeled_triples.read_labeled_triples`.
        :param features: The features, cf. :meth:`__init__`.
        :param unknown_labels: What to do with rows whose label is no entity: ``"raise"`` or ``"ignore"``.
        :param kwargs: Additional keyword-based parameters passed to
            :meth:`pykeen.triples.TriplesFactory.from_labeled_triples`.
        :returns: The factory.
        :raises ValueError: if the triples or features are invalid
        """
        base = TriplesFactory.from_labeled_triples(triples=read_labeled_triples(triples), **kwargs)
        return cls.from_triples_factory(base, features=features, unknown_labels=unknown_labels)

    @classmethod
    def from_path(  # type: ignore[override]
        cls,
        path: str | Path | TextIO,
        *,
        features: Mapping[str, FeatureSource],
        unknown_labels: UnknownLabels = "raise",
        load_triples_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Make a factory from a file with triples.

        :param path: The path of a file, or an open one, cf.
            :func:`pykeen_adamf.labeled_triples.read_labeled_triples`.
        :param features: The features, cf. :meth:`__init__`.
        :param unknown_labels: What to do with rows whose label is no entity: ``"raise"`` or ``"ignore"``.
        :param load_triples_kwargs: If given, the file is read by :func:`pykeen.triples.utils.load_triples` with these
            parameters, e.g., a ``column_remapping``. So are files which PyKEEN has an importer for.
        :param kwargs: Additional keyword-based parameters passed to
            :meth:`pykeen.triples.TriplesFactory.from_labeled_triples`.
        :returns: The factory.
        :raises ValueError: if the triples or features are invalid
        """
        triples: Any = path
        if load_triples_kwargs is not None or str(path).endswith(
            tuple(f".{extension}" for extension in EXTENSION_IMPORTER_RESOLVER.lookup_dict)
        ):
            triples = load_triples(path, **(load_triples_kwargs or {}))
        if isinstance(path, str | Path):
            kwargs["metadata"] = {"path": Path(path).resolve(), **(kwargs.get("metadata") or {})}
        return cls.from_labeled_triples(triples, features=features, unknown_labels=unknown_labels, **kwargs)

    def coverage(self) -> CoverageReport:
        """Return how many entities have each modality, all of them, or none."""
        return CoverageReport.from_features(self.features, num_entities=self.num_entities)

    def clone_and_exchange_triples(  # noqa: D102
        self,
        mapped_triples: MappedTriples,
        extra_metadata: dict[str, Any] | None = None,
        keep_metadata: bool = True,
        create_inverse_triples: bool | None = None,
    ) -> Self:
        base = super().clone_and_exchange_triples(mapped_triples, extra_metadata, keep_metadata, create_inverse_triples)
        return self.from_triples_factory(base, features=self.features)

    def apply_condenser(self, condenser: TripleCondenser) -> Self:  # noqa: D102
        if not condenser:
            return self
        base = TriplesFactory.apply_condenser(without_features(self), condenser)
        # condensing drops entities, and with them their features
        return self.from_triples_factory(base, features=select_features(self.features, base))

    def with_labels(  # noqa: D102
        self, entity_to_id: Mapping[str, int], relation_to_id: Mapping[str, int]
    ) -> Self:
        base = super().with_labels(entity_to_id=entity_to_id, relation_to_id=relation_to_id)
        labels = labels_by_id(base.entity_to_id, num=self.num_entities)
        # entities that do not get a label are dropped on purpose
        renamed = {name: modality.rename(labels) for name, modality in self.features.items()}
        return self.from_triples_factory(base, features=select_features(renamed, base))

    def merge(self, *others: Self) -> Self:  # noqa: D102
        for i, other in enumerate(others):
            if getattr(other, "features", None) != self.features:
                raise ValueError(f"The features do not match for others[{i}]: {self.coverage()} vs. {other}")
        return super().merge(*others)

    def iter_extra_repr(self) -> Iterable[str]:  # noqa: D102
        yield from super().iter_extra_repr()
        for name, modality in self.features.items():
            yield f"{name}=({modality.num_present}/{self.num_entities}, {modality.dim})"

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and self.features == getattr(other, "features", None)

    __hash__ = None  # type: ignore[assignment]

    def to_path_binary(self, path: str | Path | TextIO) -> Path:  # noqa: D102
        directory = super().to_path_binary(path)
        for name, modality in self.features.items():
            # the labels are stored with the triples
            write_features(directory / self.file_name_features.format(name=name), modality, with_labels=False)
        # The order of modalities matters: models number them. It has a file of its own, such that other factories can
        # read the rest.
        (directory / self.file_name_modalities).write_text(json.dumps(list(self.features)))
        return directory

    @classmethod
    def _from_path_binary(cls, path: Path) -> MutableMapping[str, Any]:
        data = super()._from_path_binary(path)
        for name in (cls.file_name_entity_to_id, cls.file_name_relation_to_id):
            data[name] = read_label_ids(path / f"{name}.tsv.gz")
        modalities = path / cls.file_name_modalities
        if not modalities.is_file():
            raise FeatureError(f"{path} was saved without features. Load it with TriplesFactory.from_path_binary.")
        labels = labels_by_id(data[cls.file_name_entity_to_id])
        data["features"] = {
            name: read_features(path / cls.file_name_features.format(name=name), labels=labels)
            for name in _read_modality_names(modalities)
        }
        return data


def _align(features: ModalityFeatures, labels: Sequence[str], unknown: UnknownLabels) -> ModalityFeatures:
    """Align features to labels, of which at least one must have a row, or else something is wrong with all of them."""
    if features.labels and unknown == "ignore" and set(labels).isdisjoint(features.labels):
        first = features.labels[0]
        raise FeatureError(
            f"None of the {features.num_entities:,} labels of {features.source} is an entity of this graph: there is, "
            f"e.g., {first!r}, but entities are, e.g., {labels[0]!r}. Spell them as in the triples."
            f"{suggest(first, labels)}"
        )
    return features.align(labels, unknown=unknown)


def select_features(features: Mapping[str, ModalityFeatures], factory: TriplesFactory) -> dict[str, ModalityFeatures]:
    """Return the features of a factory's entities, of which there may be fewer, or none of them may have any."""
    labels = labels_by_id(factory.entity_to_id)
    return {name: modality.align(labels, unknown="ignore") for name, modality in features.items()}


def _read_modality_names(path: Path) -> list[str]:
    """Read the names of modalities, which are parts of names of files: they must not lead elsewhere."""
    try:
        names = read_json(path)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("it is no list of names")
        return list(map(check_modality_name, names))
    except (OSError, ValueError) as error:
        raise FeatureError(f"{path} has no names of modalities: {error} Save the triples factory again.") from error


def read_label_ids(path: Path) -> dict[str, int]:
    """Read the ID of each label from a file of a saved factory."""
    # PyKEEN lets pandas guess: a label such as "NA" would come back as NaN, and "1984" as a number
    content = BytesIO(read_decompressed(path))
    df = pandas.read_csv(content, sep="\t", dtype={"label": str}, keep_default_na=False, lineterminator="\n")
    ids = dict(zip(df["label"], df["id"].tolist(), strict=True))
    return LabelIds.of("relation" if "relation" in path.name else "entity", ids)


def labels_by_id(entity_to_id: Mapping[str, int], num: int | None = None) -> list[str]:
    """Return labels in the order of IDs, of which there may be fewer or more than are known.

    IDs without an entity get a name that no entity has.
    """
    if num is None:
        num = max(entity_to_id.values()) + 1
    labels = [f"\0{i}" for i in range(num)]
    for label, i in entity_to_id.items():
        if i < num:
            labels[i] = label
    return labels


def check_modality_name(name: str) -> str:
    """Return a name, or raise a :class:`FeatureError` if it cannot be one of a modality."""
    # models keep modalities in a ModuleDict, whose own attributes cannot be keys, nor anything with a dot
    is_text = isinstance(name, str) and re.fullmatch(r"[\w-]+( [\w-]+)*", name)
    if not is_text or name == STRUCTURAL or hasattr(nn.ModuleDict(), name):
        usable = re.sub(r"[^\w-]+", "_", str(name)).strip("_")
        hint = f" For example, call it {usable!r}." if usable not in ("", name) else ""
        raise FeatureError(
            f"{name!r} cannot be the name of a modality: use letters, digits, '_', '-' and single spaces, and neither "
            f"the name of the learned modality of every entity, {STRUCTURAL!r}, nor one that PyTorch reserves.{hint}"
        )
    return name


def without_features(factory: TriplesFactory) -> TriplesFactory:
    """Return the same factory without features."""
    return TriplesFactory.clone_and_exchange_triples(factory, factory.mapped_triples)
