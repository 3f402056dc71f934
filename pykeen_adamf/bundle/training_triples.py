"""Training triples with labels and features: written as PyKEEN does, and read without PyKEEN's pickle."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import pandas
import torch
from pykeen.triples import CoreTriplesFactory, TriplesFactory

from ..digests import digest_rows
from ..features import FeatureError, FeatureSource, ModalityFeatures, as_features, read_features
from ..limits import FileError, read_decompressed
from ..triples import MultimodalTriplesFactory, check_modality_name, labels_by_id, read_label_ids
from ..typing import LongTensor
from .layout import TRIPLES_NAME, BundleError

__all__ = ["FeatureStorage", "are_ids", "describe_triples", "digest_labels", "read_triples"]

#: Whether a bundle has the features, or only says where they are.
FeatureStorage: TypeAlias = Literal["copy", "reference"]

#: How many IDs there may be for each label: those without one get a name each.
MAX_RATIO: Final = 100

#: The kinds of triples factories: with labels and features, with labels, and without.
KINDS: Final[Mapping[str, type[CoreTriplesFactory]]] = {
    "features": MultimodalTriplesFactory,
    "labels": TriplesFactory,
    "ids": CoreTriplesFactory,
}


def describe_triples(factory: CoreTriplesFactory, features: FeatureStorage) -> dict[str, Any]:
    """Describe a triples factory as JSON, such that it can be checked that what is read is what was written.

    :raises BundleError: if features are to be referred to, and are not those of a file
    """
    description: dict[str, Any] = {
        "kind": next(kind for kind, cls in KINDS.items() if isinstance(factory, cls)),
        "num_entities": factory.num_entities,
        "num_relations": factory.real_num_relations,
        "create_inverse_triples": factory.create_inverse_triples,
        "num_triples": factory.num_triples,
        "sha256": digest_rows(factory.mapped_triples),
    }
    if isinstance(factory, TriplesFactory):
        description["labels_sha256"] = digest_labels(factory)
    if isinstance(factory, MultimodalTriplesFactory):
        description["features"] = [
            {
                "name": name,
                "file": _name_copy(name) if features == "copy" else _check_reference(name, modality),
                "stored": features,
                "dim": modality.dim,
                "num_present": modality.num_present,
                "sha256": modality.digest(),
            }
            for name, modality in factory.features.items()
        ]
    return description


def _name_copy(name: str) -> str:
    """Return the name of the file in a bundle that has the features of a modality."""
    return f"{TRIPLES_NAME}/{MultimodalTriplesFactory.file_name_features}".format(name=name)


def digest_labels(factory: TriplesFactory) -> dict[str, str]:
    """Return the digests of the labels of entities and relations, and of their IDs."""
    return {
        name: hashlib.sha256(json.dumps(sorted((int(i), label) for label, i in ids.items())).encode()).hexdigest()
        for name, ids in (("entities", factory.entity_to_id), ("relations", factory.relation_to_id))
    }


def _check_reference(name: str, modality: ModalityFeatures) -> str:
    """Return the path of the file that features are from, if they can be read from it again."""
    if modality.path is None:
        raise BundleError(f"The {name} features do not come from a file. Save with features='copy'.")
    try:
        read = read_features(modality.path, labels=modality.labels).align(modality.labels, unknown="ignore")
    except FeatureError as error:
        raise BundleError(f"The {name} features cannot be referred to: {error}") from error
    if read.digest() != modality.digest():
        raise BundleError(
            f"The {name} features are no longer those of {modality.path}: the file has changed, or entities have got "
            f"other IDs or labels. Save with features='copy'."
        )
    return modality.path


def read_triples(
    directory: Path, description: Mapping[str, Any], features: Mapping[str, FeatureSource]
) -> CoreTriplesFactory:
    """Read a triples factory, and check that it is what was described by :func:`describe_triples`.

    :param features: Where to read features from, by modality, if not from where the description says.
    :raises BundleError: if something is missing, damaged, or has changed
    """
    factory = _read_factory(directory, description)
    if digest_rows(factory.mapped_triples) != description["sha256"]:
        raise BundleError(f"The training triples in {directory} have changed since the bundle was written.")
    if isinstance(factory, TriplesFactory) and digest_labels(factory) != description["labels_sha256"]:
        raise BundleError(f"The labels or their IDs in {directory} have changed since the bundle was written.")
    modalities = {part["name"]: part for part in description.get("features", ())}
    if unknown := sorted(set(features).difference(modalities)):
        raise BundleError(f"There are no modalities {unknown} in the bundle, but {list(modalities)}.")
    if not isinstance(factory, TriplesFactory) or KINDS[description["kind"]] is not MultimodalTriplesFactory:
        return factory
    for name, part in modalities.items():
        if part["stored"] == "copy" and part["file"] != _name_copy(check_modality_name(name)):
            expected = _name_copy(name)
            raise BundleError(
                f"The {name} features of the bundle are in {part['file']!r} instead of {expected!r}. Save it again."
            )
    labels = labels_by_id(factory.entity_to_id)
    read = {
        name: _read_modality(part, features.get(name, directory / part["file"]), labels)
        for name, part in modalities.items()
    }
    return MultimodalTriplesFactory.from_triples_factory(factory, features=read)


def _read_factory(directory: Path, description: Mapping[str, Any]) -> CoreTriplesFactory:
    """Read a triples factory without features; PyKEEN would unpickle the file beside them."""
    path = directory / TRIPLES_NAME
    kwargs: dict[str, Any] = {"create_inverse_triples": description["create_inverse_triples"]}
    sizes = {name: description[name] for name in ("num_entities", "num_relations")}
    try:
        numbers = path / CoreTriplesFactory.triples_file_name
        content = BytesIO(read_decompressed(numbers))
        data = torch.from_numpy(pandas.read_csv(content, sep="\t", dtype="int64").to_numpy(copy=True))
        if data.shape != (description["num_triples"], 3) or not are_ids(data, *sizes.values()):
            raise BundleError(
                f"The training triples in {numbers} have changed since the bundle was written: those were "
                f"{description['num_triples']} of {sizes['num_entities']} entities and {sizes['num_relations']} "
                f"relations."
            )
        if description["kind"] == "ids":
            return CoreTriplesFactory(data, **sizes, **kwargs)
        names = (TriplesFactory.file_name_entity_to_id, TriplesFactory.file_name_relation_to_id)
        entities, relations = (
            _read_labels(path / f"{name}.tsv.gz", size) for name, size in zip(names, sizes.values(), strict=True)
        )
        return TriplesFactory(data, entities, relations, **kwargs)
    except BundleError:
        raise
    except FileError as error:
        raise BundleError(f"The bundle {directory} is incomplete or damaged: {error}") from error
    except Exception as error:
        # readers of damaged files raise almost anything
        raise BundleError(f"The training triples in {path} are damaged: {error!r}") from error


def _read_labels(path: Path, num: int) -> dict[str, int]:
    """Read the IDs of labels, and check that they are all below a number, and the last one is there."""
    labels = read_label_ids(path)
    ids = set(labels.values())
    if len(ids) < len(labels) or min(ids) < 0 or max(ids) != num - 1 or num > MAX_RATIO * (len(ids) + MAX_RATIO):
        raise BundleError(f"The labels or their IDs in {path} have changed since the bundle was written.")
    return labels


def are_ids(triples: LongTensor, num_entities: int, num_relations: int) -> bool:
    """Return whether triples, shape: ``(num, 3)``, are of so many entities and relations."""
    limits = torch.tensor([num_entities, num_relations, num_entities])
    return not triples.is_floating_point() and bool(((triples >= 0) & (triples < limits)).all())


def _read_modality(description: Mapping[str, Any], source: FeatureSource, labels: list[str]) -> ModalityFeatures:
    """Read the features of a modality, and check that they are the same."""
    name = check_modality_name(description["name"])
    where = source if isinstance(source, str | Path) else f"the given {type(source).__name__}"
    hint = f"If the file was moved, pass features={{{name!r}: PATH}}." if description["stored"] == "reference" else ""
    try:
        # the file may have more entities, and an order of its own
        result = as_features(source, labels, name).align(labels, unknown="ignore")
    except FeatureError as error:
        raise BundleError(f"The {name} features of the bundle cannot be read: {error} {hint}".strip()) from error
    if result.digest() != description["sha256"]:
        raise BundleError(f"{where} has not the {name} features that the model was trained with. {hint}".strip())
    return dataclasses.replace(result, source=f"{where}")
