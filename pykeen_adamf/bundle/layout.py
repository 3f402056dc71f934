"""The files of a bundle, what they are checked with, and what is raised if they cannot be used."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pykeen.triples import CoreTriplesFactory, TriplesFactory

from ..digests import add_rows
from ..features import ModalityFeatures

__all__ = [
    "CONFIGURATION_NAME",
    "FORMAT",
    "FORMAT_VERSION",
    "TRIPLES_NAME",
    "WEIGHTS_NAME",
    "BundleError",
    "digest_features",
    "digest_file",
    "digest_labels",
    "digest_triples",
    "discard",
]

#: What tells the configuration of a bundle from other JSON files.
FORMAT: Final = "pykeen-adamf bundle"

#: Bundles of other versions are refused.
FORMAT_VERSION: Final = 1

#: The configuration; it is written last, and has the digests of everything else.
CONFIGURATION_NAME: Final = "model.json"

#: The parameters and buffers of the model.
WEIGHTS_NAME: Final = "model.safetensors"

#: The directory with the training triples, under the name that PyKEEN gives it.
TRIPLES_NAME: Final = "training_triples"


class BundleError(ValueError):
    """Raised for bundles which cannot be written or read; the message names the reason and the fix."""


def discard(directory: Path) -> None:
    """Remove the model of a bundle, if there is one, and leave everything else."""
    try:
        configuration = json.loads((directory / CONFIGURATION_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if isinstance(configuration, dict) and configuration.get("format") == FORMAT:
        # without the configuration there is no bundle, also if this is interrupted
        (directory / CONFIGURATION_NAME).unlink()
        (directory / WEIGHTS_NAME).unlink(missing_ok=True)


def digest_file(path: Path) -> str:
    """Return the SHA-256 digest of a file."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            state.update(block)
    return state.hexdigest()


def digest_triples(factory: CoreTriplesFactory) -> str:
    """Return the digest of the triples, in their order."""
    state = hashlib.sha256()
    add_rows(state, factory.mapped_triples)
    return state.hexdigest()


def digest_labels(factory: TriplesFactory) -> dict[str, str]:
    """Return the digests of the labels of entities and relations, and of their IDs."""
    return {
        name: _digest_mapping(labels)
        for name, labels in (("entities", factory.entity_to_id), ("relations", factory.relation_to_id))
    }


def _digest_mapping(label_to_id: Mapping[str, int]) -> str:
    pairs = sorted((int(i), label) for label, i in label_to_id.items())
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def digest_features(features: ModalityFeatures) -> str:
    """Return the digest of the features and of who has them, whatever kind of file they are stored in."""
    state = hashlib.sha256()
    add_rows(state, features.presence.unsqueeze(dim=-1))
    add_rows(state, features.matrix)
    return state.hexdigest()
