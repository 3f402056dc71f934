"""Features, and all the ways to store them in files."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy
import pandas
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st

from pykeen_adamf.features import FeatureError, ModalityFeatures, read_features, write_features

#: Labels that something on the way may take for a path, for a number, or for nothing.
LABELS = (
    "http://example.org/resource/Ada_Lovelace",
    "<http://example.org/resource/Charles_Babbage>",
    "NA",
    "1984",
    "null",
    "two words",
    "naïve, \"quoted\" 'label'",
)

#: For machines that are busy with something else.
relaxed = settings(deadline=None, max_examples=50)

#: Control characters and halves of surrogate pairs do not occur in labels.
label_texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@st.composite
def modality_features(draw, min_size=0, max_size=7):
    """Generate features of arbitrary entities, some of which are missing."""
    labels = draw(st.lists(label_texts, min_size=min_size, max_size=max_size, unique=True))
    dim = draw(st.integers(1, 3))
    dtype = draw(st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]))
    values = draw(
        st.lists(
            st.lists(st.floats(-100, 100, width=16), min_size=dim, max_size=dim),
            min_size=len(labels),
            max_size=len(labels),
        )
    )
    presence = draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels)))
    return ModalityFeatures.from_matrix(
        torch.as_tensor(values, dtype=dtype).view(len(labels), dim),
        labels,
        presence=torch.as_tensor(presence, dtype=torch.bool),
    )


def make_features(
    labels: Sequence[str] = LABELS, dim: int = 3, missing: Sequence[int] = (), dtype=torch.float32, seed: int = 0
) -> ModalityFeatures:
    """Make features in which the given rows are missing."""
    presence = torch.ones(len(labels), dtype=torch.bool)
    presence[list(missing)] = False
    matrix = torch.randn(len(labels), dim, generator=torch.Generator().manual_seed(seed)).to(dtype)
    return ModalityFeatures.from_matrix(matrix, labels, presence=presence)


def matrix_with_nan(features: ModalityFeatures) -> torch.Tensor:
    """Return the matrix with rows of NaN where the modality is missing."""
    matrix = features.matrix.clone()
    matrix[~features.presence] = float("nan")
    return matrix


def present_vectors(features: ModalityFeatures) -> dict[str, torch.Tensor]:
    """Return the vectors of those who have one, by label."""
    return {
        label: row.clone()
        for label, row, present in zip(features.labels, features.matrix, features.presence, strict=True)
        if present
    }


def _save_h5_matrix(path: Path, features: ModalityFeatures) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["features"] = matrix_with_nan(features).numpy()


def _save_h5_entities(path: Path, features: ModalityFeatures) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for label, vector in present_vectors(features).items():
            file[label] = vector.numpy()


def _npz_vectors(features: ModalityFeatures) -> dict[str, numpy.ndarray]:
    return {label: vector.numpy() for label, vector in present_vectors(features).items()}


def _make_frame(features: ModalityFeatures) -> pandas.DataFrame:
    return pandas.DataFrame(matrix_with_nan(features).numpy(), index=features.labels).rename(columns=str)


#: Ways to store rows in the order of entities; missing ones are NaN. The part before the colon is the file's suffix.
BY_ROW: dict[str, Callable[[Path, ModalityFeatures], object]] = {
    ".pth: tensor": lambda path, f: torch.save(matrix_with_nan(f), path),
    ".pt: tensor": lambda path, f: torch.save(matrix_with_nan(f), path),
    ".pth: part": lambda path, f: torch.save(torch.cat([matrix_with_nan(f)] * 2)[: len(f.labels)], path),
    ".pth: one entry": lambda path, f: torch.save({"embeddings": matrix_with_nan(f)}, path),
    ".pth: parameter": lambda path, f: torch.save(torch.nn.Parameter(matrix_with_nan(f)), path),
    ".npy: array": lambda path, f: numpy.save(path, matrix_with_nan(f).numpy()),
    ".npy: Fortran order": lambda path, f: numpy.save(path, numpy.asfortranarray(matrix_with_nan(f).numpy())),
    ".npz: one array": lambda path, f: numpy.savez(path, matrix_with_nan(f).numpy()),
    ".npz: compressed": lambda path, f: numpy.savez_compressed(path, features=matrix_with_nan(f).numpy()),
    ".safetensors: no labels": lambda path, f: write_features(path, f, with_labels=False),
    ".h5: matrix": _save_h5_matrix,
    ".hdf5: matrix": _save_h5_matrix,
    ".parquet: numbers": lambda path, f: _make_frame(f).reset_index(drop=True).to_parquet(path),
}

#: Ways to store rows beside their labels.
BY_LABEL: dict[str, Callable[[Path, ModalityFeatures], object]] = {
    ".pth: features, labels, presence": lambda path, f: torch.save(
        {"features": f.matrix, "labels": list(f.labels), "presence": f.presence}, path
    ),
    ".pt: features, labels": lambda path, f: torch.save(
        {"features": matrix_with_nan(f), "labels": list(f.labels)}, path
    ),
    ".pth: vectors": lambda path, f: torch.save(present_vectors(f), path),
    ".npz: features, labels, presence": lambda path, f: numpy.savez(
        path, features=f.matrix.numpy(), labels=numpy.array(f.labels), presence=f.presence.numpy()
    ),
    ".npz: labels first": lambda path, f: numpy.savez(
        path, labels=numpy.array(f.labels), features=matrix_with_nan(f).numpy()
    ),
    ".npz: vectors": lambda path, f: numpy.savez(path, **_npz_vectors(f)),
    ".safetensors: labels": write_features,
    ".h5: entities": _save_h5_entities,
    ".csv: table": lambda path, f: _make_frame(f).add_prefix("x").to_csv(path),
    ".tsv: no header": lambda path, f: _make_frame(f).to_csv(path, sep="\t", header=False),
    ".parquet: index": lambda path, f: _make_frame(f).to_parquet(path),
    ".parquet: first column": lambda path, f: _make_frame(f).rename_axis("entity").reset_index().to_parquet(path),
}


#: Files of text have no data type but single precision, and nobody can see that their end is missing.
TEXT = (".csv", ".tsv")


def suffix_of(way: str) -> str:
    """Return the file suffix of a way to store features."""
    return way.partition(":")[0]


def save(way: str, directory: Path, features: ModalityFeatures) -> Path:
    """Store features in a way of :data:`BY_ROW` or :data:`BY_LABEL`."""
    path = directory / f"features{suffix_of(way)}"
    {**BY_ROW, **BY_LABEL}[way](path, features)
    return path


def refuse(path: Path, labels=("a", "b"), **kwargs) -> str:
    """Return the message with which a file is refused."""
    with pytest.raises(FeatureError) as info:
        read_features(path, labels=labels, **kwargs)
    assert str(path) in str(info.value)
    return str(info.value)
