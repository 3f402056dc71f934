"""Writing features to files: atomically, and readable without executing anything."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file

from ..atomic import written_atomically
from .modality import ModalityFeatures
from .reading import KEY_FEATURES, KEY_LABELS, KEY_PRESENCE

__all__ = ["write_features"]


def write_features(
    path: str | Path, features: ModalityFeatures, *, metadata: Mapping[str, str] | None = None, with_labels: bool = True
) -> Path:
    """Write features to a ``.safetensors`` file.

    The file appears at its place only once it is complete: an interrupted call leaves neither a part of it, nor
    damages a file which has been there before.

    :param path: The path of the file, ending in ``.safetensors``.
    :param features: The features.
    :param metadata: Provenance to store in the file's header, e.g., the encoder's name.
    :param with_labels: Whether to store the labels, too. Can be disabled if they are stored elsewhere, in row order.
    :returns: The path.
    :raises ValueError: if the path has another suffix, or the metadata has an entry named ``labels``
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"Features are written as .safetensors files, but the path is {path}.")
    header = dict(metadata or {})
    if KEY_LABELS in header:
        raise ValueError(f"The metadata entry {KEY_LABELS!r} is reserved for the labels.")
    if with_labels:
        header[KEY_LABELS] = json.dumps(list(features.labels))
    tensors = {KEY_FEATURES: features.matrix.contiguous(), KEY_PRESENCE: features.presence}
    # several processes may prepare the same dataset
    with written_atomically(path, concurrently=True) as temporary:
        save_file(tensors, temporary, metadata=header)
        # a temporary file of safetensors is private
        temporary.chmod(0o644)
    return path
