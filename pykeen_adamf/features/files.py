"""Features in files: read without executing anything stored there, and written completely or not at all."""

import dataclasses
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy
import pandas
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..atomic import written_atomically
from ..limits import FileError, SizeLimit, check_regular
from ..typing import FloatTensor, NumpyArray
from .content import KEY_FEATURES, KEY_LABELS, KEY_PRESENCE, Content, from_mapping, needed_keys
from .frames import read_frame, split_frame
from .hdf5 import read_hdf5
from .modality import FeatureError, ModalityFeatures
from .numpy_files import read_npy, read_npz
from .torch_files import read_torch

__all__ = ["FEATURE_SUFFIXES", "FeatureSource", "as_features", "read_features", "write_features"]

#: Where the features of one modality may come from.
FeatureSource: TypeAlias = (
    ModalityFeatures
    | FloatTensor
    | NumpyArray
    | pandas.DataFrame
    | pandas.Series
    | Sequence[Any]
    | str
    | Path
    | Mapping[str, FloatTensor | NumpyArray | Sequence[float] | float]
)

#: How many bytes of labels a file of safetensors may always have.
MIN_LABELS: Final = 2**24


def _read_safetensors(path: Path, labels: Sequence[str] | None, limit: SizeLimit) -> Content:
    with path.open("rb") as file:
        num_bytes = int.from_bytes(file.read(8), "little")
    # otherwise the file is damaged, as is found out below
    if num_bytes < path.stat().st_size:
        # there may be more labels than numbers
        limit.check_header(num_bytes - MIN_LABELS)
    with safe_open(path, framework="pt") as file:
        keys = list(file.keys())
        ndim = len(file.get_slice(KEY_FEATURES).get_shape()) if KEY_FEATURES in keys else None
        data = {key: file.get_tensor(key) for key in needed_keys(keys, ndim)}
        stored = (file.metadata() or {}).get(KEY_LABELS)
    if stored is not None:
        data[KEY_LABELS] = json.loads(stored)
    return from_mapping(data, limit)


_READERS: Mapping[str, Callable[[Path, Sequence[str] | None, SizeLimit], Content]] = {
    ".pth": read_torch,
    ".pt": read_torch,
    ".npy": read_npy,
    ".npz": read_npz,
    ".safetensors": _read_safetensors,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".csv": read_frame,
    ".tsv": read_frame,
    ".parquet": read_frame,
}

#: The supported file formats.
FEATURE_SUFFIXES = tuple(_READERS)


def read_features(
    path: str | Path, labels: Sequence[str] | None = None, *, max_bytes: int | None = None
) -> ModalityFeatures:
    """Read the features of one modality from a file, which somebody else may have made: nothing in it is executed.

    What does not fit to its checksums or to its headers is refused, and so is, before it is read, what would take more
    memory than its limit, or what is stored outside of the file.

    =================== =========================================================================================
    ``.pth``, ``.pt``   a tensor; or a dictionary with ``features`` and optionally ``labels`` and ``presence``; or a
                        dictionary from label to vector. Loaded with ``weights_only=True``.
    ``.npy``            an array
    ``.npz``            an array; or arrays named ``features`` and optionally ``labels`` and ``presence``
    ``.safetensors``    a tensor ``features``, optionally ``presence``, and the labels as JSON in the metadata
    ``.h5``, ``.hdf5``  one dataset for each entity, as released by MMRNS, or one matrix
    ``.csv``, ``.tsv``  a table with an entity in each row: its label, and then its numbers, with or without a header
    ``.parquet``        the same, or the labels are its index, or its only other column has vectors; needs ``pyarrow``
    =================== =========================================================================================

    Large ``.npy`` files and ``.safetensors`` are mapped to memory rather than read: frozen features stay there, if the
    file's rows are in the order of the entities, and no entity misses the modality, or the file has zeros for those
    which do and none is to be replaced by random features. Do not write to such a file while it is in use; to replace
    it, as :func:`write_features` does, is fine.

    :param path: The path of the file.
    :param labels: The labels of the rows, in row order. Required for files without labels, and ignored for files with
        labels, except for one-dataset-per-entity HDF5 files, whose names are looked up by these labels.
    :param max_bytes: How many bytes the features may take in memory. Defaults to the environment variable
        ``PYKEEN_ADAMF_MAX_BYTES``, or else to 256 MiB, or 32 times the size of the file if that is more. Only
        compressed files, and those that name one vector many times, take more than their size.
    :returns: The features.
    :raises FeatureError: if the file is missing or damaged, has an unknown format, contains arbitrary Python objects,
        or its content is invalid, cf. :meth:`ModalityFeatures.from_matrix`
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise FeatureError(f"Cannot read features from {path}: use one of the formats {', '.join(FEATURE_SUFFIXES)}.")
    try:
        check_regular(path)
        limit = SizeLimit(path, len(labels or ()), max_bytes)
        matrix, stored_labels, presence = reader(path, labels, limit)
        if getattr(matrix, "layout", torch.strided) == torch.strided:
            limit.check_content(getattr(matrix, "nbytes", 0))
        row_labels = labels if stored_labels is None else stored_labels
        if row_labels is None:
            raise FeatureError(f"{path} has no labels. Pass the labels of its rows, in row order.")
        features = ModalityFeatures.from_matrix(matrix, row_labels, presence=presence, source=str(path))
        # those of entities that miss the modality are zeros
        limit.check_content(max(1, len(features.matrix)) * features.dim * features.matrix.itemsize)
    except FeatureError:
        raise
    except FileError as error:
        raise FeatureError(str(error)) from error
    except pickle.UnpicklingError as error:
        raise FeatureError(
            f"{path} contains arbitrary Python objects, which are not loaded because they could run any code. Save a "
            f"plain tensor (torch.save(tensor, path)) instead, or the file is damaged ({error.__class__.__name__})."
        ) from error
    except Exception as error:
        # readers of damaged files raise almost anything
        raise FeatureError(f"{path} cannot be read; it may be truncated or damaged: {error!r}") from error
    return dataclasses.replace(features, path=str(path.absolute()))


def as_features(source: FeatureSource, labels: Sequence[str] | None, name: str) -> ModalityFeatures:
    """Convert anything that may hold features.

    :param source: Features; a path of a file; a matrix, or one number for each entity, as a tensor, array or list; a
        data frame or series whose index or first column has labels; or a vector, or a number, for each label.
    :param labels: The labels of the rows of matrices and files without labels, in row order. Others need none.
    :param name: The name of the modality, for messages.
    :returns: The features, not yet aligned.
    :raises FeatureError: if the source is invalid
    """
    if isinstance(source, ModalityFeatures):
        return source
    if isinstance(source, str | Path):
        return read_features(source, labels=labels)
    if isinstance(source, pandas.DataFrame | pandas.Series):
        frame = source.to_frame() if isinstance(source, pandas.Series) else source
        matrix, stored = split_frame(frame, f"the {name} data frame")
        return ModalityFeatures.from_matrix(matrix, stored or labels or (), source=f"the {name} data frame")
    if isinstance(source, list | tuple):
        try:
            source = numpy.asarray(source, dtype=numpy.float32)
        except (TypeError, ValueError) as error:
            raise FeatureError(f"The {name} list must have numbers, or rows of equal length: {error}") from error
    if isinstance(source, torch.Tensor | numpy.ndarray):
        return ModalityFeatures.from_matrix(source, labels or (), source=f"the {name} matrix")
    if isinstance(source, Mapping):
        vectors = {str(label): torch.atleast_1d(torch.as_tensor(vector)) for label, vector in source.items()}
        shapes = {tuple(vector.shape) for vector in vectors.values()}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            found = ", ".join(map(str, sorted(shapes))) or "none"
            raise FeatureError(f"The {name} features must be vectors of equal length, but their shapes are: {found}.")
        return ModalityFeatures.from_matrix(torch.stack(list(vectors.values())), vectors, source=f"the {name} vectors")
    raise FeatureError(
        f"Cannot use a {type(source).__name__} as {name} features: pass a path, a matrix, a data frame, vectors by "
        f"label, or ModalityFeatures."
    )


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
        header[KEY_LABELS] = json.dumps(list(features.labels), ensure_ascii=False)
    tensors = {KEY_FEATURES: features.matrix.contiguous(), KEY_PRESENCE: features.presence}
    # several processes may prepare the same dataset
    with written_atomically(path, concurrently=True) as temporary:
        # where this cannot be written, safetensors would raise an error of its own
        temporary.touch()
        try:
            save_file(tensors, temporary, metadata=header)
        except SafetensorError as error:
            raise OSError(f"{path} cannot be written: {error}. Free some space, and try again.") from error
        # a temporary file of safetensors is private
        temporary.chmod(0o644)
    return path
