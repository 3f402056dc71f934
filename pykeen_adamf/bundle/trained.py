"""A trained model by one path: the folder of a run, a bundle, or an ensemble of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import torch
from pykeen.models import Model
from pykeen.triples import TriplesFactory
from pykeen.typing import DeviceHint

from ..checks import ScoreError
from ..features.numpy_files import read_arrays
from ..limits import SizeLimit, check_regular
from ..models import Ensemble
from ..typing import LongTensor, NumpyArray
from .ensembles import read_ensemble, write_ensemble
from .layout import ENSEMBLE_NAME, RUN_BUNDLE_NAME, BundleError, find_bundle
from .loading import load
from .training_triples import are_ids

__all__ = ["HELD_OUT_NAME", "TrainedModel", "combine", "open_trained", "read_held_out", "save_ensemble"]

#: The test and validation triples of a run, in its folder, by the IDs of the bundle.
HELD_OUT_NAME: Final = "held_out.npz"

#: What to do about parts of an ensemble that do not fit together.
SAME_TRIPLES: Final = "Train all parts of an ensemble on the same dataset, with the same validation and test triples."


class TrainedModel(NamedTuple):
    """A model, the triples that it was trained on, and those that its run has held out, if it is a run's."""

    #: where it is from
    path: Path
    model: Model
    training: TriplesFactory
    #: shape: ``(n, 3)`` each, by the name of the split: ``"testing"``, and ``"validation"`` if there was any
    held_out: Mapping[str, NumpyArray]

    @property
    def name(self) -> str:
        """Return what to call it."""
        place = self.path.absolute()
        return f"{type(self.model).__name__} in {(place.parent if place.name == RUN_BUNDLE_NAME else place).name}"

    def known(self) -> LongTensor:
        """Return all triples that were held out, shape: ``(n, 3)``."""
        return torch.cat([torch.zeros(0, 3, dtype=torch.long), *map(torch.as_tensor, self.held_out.values())])

    @contextmanager
    def blaming(self) -> Iterator[None]:
        """Let errors of scores that are no numbers say which model it is."""
        try:
            yield
        except ScoreError as error:
            raise ScoreError(f"{self.path} cannot be used. {error}") from error


def open_trained(directory: str | Path, device: DeviceHint = None) -> TrainedModel:
    """Load the model of a run, with the triples that the run has held out, or of a bundle, which has none.

    :param directory: The folder of the run, or the bundle, or what :func:`save_ensemble` has written.
    :param device: The device. Defaults to a GPU, if there is one.
    :raises BundleError: if there is no bundle, or it cannot be used
    :raises ValueError: if its triples have no labels, or what was held out cannot be read
    """
    path = Path(directory)
    if not (path / ENSEMBLE_NAME).is_file():
        return _open(path, device)
    parts, rows = read_ensemble(path)
    trained, weights = combine(parts, device), torch.tensor(rows)
    assert isinstance(trained.model, Ensemble)
    if weights.shape != trained.model.part_weights.shape:
        raise BundleError(
            f"{path / ENSEMBLE_NAME} has weights for {len(rows):,} relations, but there are "
            f"{len(trained.model.part_weights):,}. Make the ensemble anew."
        )
    trained.model.part_weights.copy_(weights)
    return trained._replace(path=path)


def combine(directories: Sequence[str | Path], device: DeviceHint = None) -> TrainedModel:
    """Make an ensemble of the models of runs or bundles, all with the same weight.

    :param directories: The folders of the runs, or the bundles. What the first of them that is a run has held out is
        taken as that of the ensemble.
    :param device: The device. Defaults to a GPU, if there is one.
    :returns: The ensemble, whose weights :func:`pykeen_adamf.ensembles.fit_ensemble` finds.
    :raises BundleError: if there is no bundle, or it cannot be used
    :raises ValueError: if there are none, or they were not trained on the same triples
    """
    opened = [_open(Path(directory), device) for directory in directories]
    for one in opened[1:]:
        first, training = opened[0].training, one.training
        for name in ("entity_to_id", "relation_to_id"):
            if getattr(training, name) != getattr(first, name):
                raise ValueError(f"{one.path} has other {name} than {opened[0].path}. {SAME_TRIPLES}")
        if not torch.equal(training.mapped_triples.unique(dim=0), first.mapped_triples.unique(dim=0)):
            raise ValueError(f"{one.path} was trained on other triples than {opened[0].path}. {SAME_TRIPLES}")
        splits = (opened[0].held_out, one.held_out)
        # bundles have nothing held out
        if all(splits) and {k: x.tolist() for k, x in splits[0].items()} != {
            k: x.tolist() for k, x in splits[1].items()
        }:
            raise ValueError(f"{one.path} has held out other triples than {opened[0].path}. {SAME_TRIPLES}")
    model = Ensemble([one.model for one in opened])
    held_out = next((one.held_out for one in opened if one.held_out), {})
    return TrainedModel(opened[0].path, model, opened[0].training, held_out)


def save_ensemble(model: Ensemble, directories: Sequence[str | Path], directory: str | Path) -> Path:
    """Save an ensemble as a directory that refers to its parts, and which :func:`open_trained` opens.

    :param model: The ensemble.
    :param directories: The folders of runs, or the bundles, that it was made of by :func:`combine`.
    :param directory: The directory, which is created if necessary. An ensemble which is there is replaced.
    :returns: The directory.
    :raises ValueError: if there are other parts than the ensemble has
    """
    if len(directories) != model.num_parts:
        raise ValueError(f"The ensemble has {model.num_parts} parts, but there are {len(directories)} directories.")
    return write_ensemble(directory, [Path(x) for x in directories], model.part_weights.cpu().numpy())


def _open(path: Path, device: DeviceHint) -> TrainedModel:
    """Open a run or a bundle."""
    bundle = load(path, device=device)
    training = bundle.training
    if not isinstance(training, TriplesFactory):
        raise ValueError(f"The triples in {path} have no labels by which entities and relations could be named.")
    sizes = training.num_entities, training.real_num_relations
    held_out = {} if find_bundle(path) == path else read_held_out(path, *sizes)
    return TrainedModel(path, bundle.model, training, held_out)


def read_held_out(folder: Path, num_entities: int, num_relations: int) -> dict[str, NumpyArray]:
    """Read the triples that a run has held out.

    :param folder: The folder of the run.
    :param num_entities: The number of the bundle's entities.
    :param num_relations: The number of its relations.
    :raises ValueError: if there are none, or they are damaged, or of others
    """
    path = folder / HELD_OUT_NAME
    try:
        check_regular(path)
        splits = read_arrays(path, SizeLimit(path))
        for name, triples in splits.items():
            if triples.shape != (len(triples), 3) or not are_ids(
                torch.from_numpy(triples), num_entities, num_relations
            ):
                raise ValueError(f"{name} has no triples of the bundle.")
    except Exception as error:
        # readers of damaged files raise almost anything
        raise ValueError(
            f"The triples that {folder} has held out cannot be read: {error} Pass {folder / RUN_BUNDLE_NAME} to do "
            f"without them, or repeat the run in another folder."
        ) from error
    return splits
