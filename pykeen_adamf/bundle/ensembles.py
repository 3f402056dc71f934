"""Opening runs and bundles, and ensembles of them, whose files name their parts and have the weights."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy
import torch
from pykeen.typing import DeviceHint

from .. import __version__
from ..atomic import written_atomically
from ..checks import is_finite
from ..features import ModalityFeatures
from ..models import Ensemble
from ..plain_files import read_json
from ..triples import MultimodalTriplesFactory
from ..typing import FloatTensor, NumpyArray
from .layout import CONFIGURATION_NAME, ENSEMBLE_NAME, BundleError, find_bundle, naming
from .trained import TrainedModel, open_single

__all__ = ["check_output", "combine", "open_trained", "save_ensemble"]

#: What tells the file of an ensemble from other JSON files.
FORMAT: Final = "pykeen-adamf ensemble"

#: What to do about a file of an ensemble that cannot be used.
ANEW: Final = "Make the ensemble anew."

#: What to do about parts that do not fit together.
SAME_TRIPLES: Final = "Train all parts of an ensemble on the same dataset, with the same validation and test triples."


def open_trained(directory: str | Path, device: DeviceHint = None) -> TrainedModel:
    """Load the model of a run, with the triples that the run has held out, or of a bundle, which has none.

    :param directory: The folder of the run, or the bundle, or what :func:`save_ensemble` has written.
    :param device: The device. Defaults to a GPU, if there is one.
    :raises BundleError: if there is no bundle, or it cannot be used, or a part of an ensemble is missing, or another
        one than it was
    :raises ValueError: if its triples have no labels, or what was held out cannot be read
    """
    path = Path(directory)
    if not (path / ENSEMBLE_NAME).is_file():
        return open_single(path, device)
    paths, digests, weights = _read(path)
    try:
        trained = combine(paths, device)
    except BundleError:
        raise
    except ValueError as error:
        raise BundleError(f"{path / ENSEMBLE_NAME} cannot be used: {error}") from error
    if changed := [part for part, digest in zip(trained.parts, digests, strict=True) if part.digest != digest]:
        raise BundleError(f"The model in {changed[0].path} has changed since the ensemble {path} was made. {ANEW}")
    assert isinstance(trained.model, Ensemble)
    if weights.shape != trained.model.part_weights.shape:
        raise BundleError(
            f"{path / ENSEMBLE_NAME} has weights for {len(weights):,} relations, but there are "
            f"{len(trained.model.part_weights):,}. {ANEW}"
        )
    trained.model.part_weights.copy_(weights)
    return trained._replace(path=path)


def combine(directories: Sequence[str | Path], device: DeviceHint = None) -> TrainedModel:
    """Make an ensemble of the models of runs or bundles, all with the same weight.

    :param directories: The folders of the runs, or the bundles; at least two. What any of them has held out is that of
        the ensemble.
    :param device: The device. Defaults to a GPU, if there is one.
    :returns: The ensemble, whose weights :func:`pykeen_adamf.ensembles.fit_ensemble` finds.
    :raises BundleError: if there is no bundle, or it cannot be used
    :raises ValueError: if there are less than two, or one is there twice, or they were not trained on the same triples
    """
    given = [] if isinstance(directories, str | Path) else [find_bundle(Path(x)).resolve() for x in directories]
    if len(set(given)) < max(2, len(given)):
        raise ValueError(f"An ensemble is made of two or more different runs or bundles, not of {directories!r}.")
    parts = tuple(open_single(Path(directory), device) for directory in directories)
    first, held_out = parts[0], dict[str, NumpyArray]()
    features: dict[str, ModalityFeatures] = {}
    for part in parts:
        if isinstance(part.training, MultimodalTriplesFactory):
            features = {**part.training.features, **features}
        for name in ("entity_to_id", "relation_to_id"):
            if getattr(part.training, name) != getattr(first.training, name):
                raise ValueError(f"{part.path} has other {name} than {first.path}. {SAME_TRIPLES}")
        if not torch.equal(*[x.training.mapped_triples.unique(dim=0) for x in (part, first)]):
            raise ValueError(f"{part.path} was trained on other triples than {first.path}. {SAME_TRIPLES}")
        for name, triples in part.held_out.items():
            before = held_out.setdefault(name, triples)
            if not numpy.array_equal(numpy.unique(triples, axis=0), numpy.unique(before, axis=0)):
                raise ValueError(f"{part.path} has held out other {name} triples than those before. {SAME_TRIPLES}")
    model = Ensemble([part.model for part in parts], names=[str(part.path) for part in parts])
    training = first.training
    if features and features.keys() != getattr(training, "features", {}).keys():
        training = MultimodalTriplesFactory.from_triples_factory(training, features)
    return TrainedModel(first.path, model, training, held_out, parts=parts)


def save_ensemble(trained: TrainedModel, directory: str | Path) -> Path:
    """Save an ensemble as a file that refers to its parts, and which :func:`open_trained` opens.

    :param trained: The ensemble, as :func:`combine` has made it. Its parts stay where they are.
    :param directory: The directory, which is created if necessary, and is for this alone. An ensemble which is there is
        replaced.
    :returns: The directory.
    :raises ValueError: if it is no ensemble, or the directory has anything else
    :raises OSError: if it cannot be written
    """
    directory = check_output(directory)
    if not isinstance(trained.model, Ensemble) or not trained.parts:
        raise ValueError(f"{trained.name} is no ensemble of runs or bundles: make one by combine.")
    parts = [
        {"path": os.path.relpath(x.path.resolve(), directory.resolve()), "weights_sha256": x.digest}
        for x in trained.parts
    ]
    content = {"format": FORMAT, "format_version": 1, "versions": {"pykeen-adamf": __version__}, "parts": parts}
    content["weights"] = trained.model.part_weights.tolist()
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with written_atomically(directory / ENSEMBLE_NAME) as path:
            path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    except BaseException:
        # unless there was something
        with suppress(OSError):
            directory.rmdir()
        raise
    return directory


def check_output(directory: str | Path) -> Path:
    """Check that there is nothing but an ensemble, lest the folder of a run becomes one of both.

    :raises ValueError: if there is anything else
    """
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"{directory} is a file. Choose a new directory for the ensemble.")
    # also what a killed process may have left of it
    own = {ENSEMBLE_NAME, f".{ENSEMBLE_NAME}.part"}
    if directory.is_dir() and (others := {x.name for x in directory.iterdir()} - own):
        raise ValueError(f"{directory} has {min(others)}. Choose a new directory for the ensemble.")
    return directory


def _read(directory: Path) -> tuple[list[Path], list[Any], FloatTensor]:
    """Read the file of an ensemble: the paths of parts, digests, and weights by relation and part."""
    path = directory / ENSEMBLE_NAME
    if find_bundle(directory) != directory or (directory / CONFIGURATION_NAME).is_file():
        raise BundleError(f"{directory} has both an ensemble and a model. Remove {ENSEMBLE_NAME}, or the model.")
    with naming(path):
        content = read_json(path)
        if not isinstance(content, dict) or (content.get("format"), content.get("format_version")) != (FORMAT, 1):
            raise BundleError(f"{path} describes no ensemble that this version of pykeen-adamf, {__version__}, reads.")
        paths = [directory / x["path"] for x in content["parts"]]
        rows = content["weights"]
        if not all(isinstance(row, list) and all(map(is_finite, row)) for row in rows):
            raise BundleError(f"{path} is damaged: its weights are no numbers. {ANEW}")
        weights = torch.tensor(rows, dtype=torch.float32)
        if weights.ndim != 2 or weights.shape[1] != len(paths) or not len(weights):
            raise BundleError(f"{path} is damaged: its weights are not those of its {len(paths)} parts. {ANEW}")
        # also numbers that are too large or too small
        if not bool((weights >= 0).all() and weights.isfinite().all() and weights.any(dim=1).all()):
            raise BundleError(f"{path} is damaged: weights must not be negative, nor all zero. {ANEW}")
        for part in paths:
            if not (find_bundle(part) / CONFIGURATION_NAME).is_file():
                raise BundleError(
                    f"{part}, a part of the ensemble {directory}, is no run or bundle. Was it moved? Move it back, or "
                    f"make the ensemble anew."
                )
        return paths, [x["weights_sha256"] for x in content["parts"]], weights
