"""A trained model by one path: the folder of a run, or a bundle."""

from collections.abc import Iterator, Mapping
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
from ..typing import LongTensor, NumpyArray
from .layout import RUN_BUNDLE_NAME, find_bundle
from .loading import load
from .training_triples import are_ids

__all__ = ["HELD_OUT_NAME", "TrainedModel", "open_single", "read_held_out"]

#: The test and validation triples of a run, in its folder, by the IDs of the bundle.
HELD_OUT_NAME: Final = "held_out.npz"


class TrainedModel(NamedTuple):
    """A model, the triples that it was trained on, and those that its run has held out, if it is a run's."""

    #: where it is from
    path: Path
    model: Model
    training: TriplesFactory
    #: shape: ``(n, 3)`` each, by the name of the split: ``"testing"``, and ``"validation"`` if there was any
    held_out: Mapping[str, NumpyArray]
    #: the digest of the weights, and, instead of it, the parts of an ensemble
    digest: str = ""
    parts: "tuple[TrainedModel, ...]" = ()

    @property
    def name(self) -> str:
        """Return what to call it."""
        if self.parts and self.path == self.parts[0].path:
            return f"Ensemble of {', '.join(part.name for part in self.parts)}"
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
            if self.parts:
                # these say which of them it is
                raise
            raise ScoreError(f"{self.path} cannot be used. {error}") from error


def open_single(path: Path, device: DeviceHint = None) -> TrainedModel:
    """Load the model of a run, with the triples that the run has held out, or of a bundle, which has none."""
    bundle = load(path, device=device)
    training = bundle.training
    if not isinstance(training, TriplesFactory):
        raise ValueError(f"The triples in {path} have no labels by which entities and relations could be named.")
    sizes = training.num_entities, training.real_num_relations
    held_out = {} if find_bundle(path) == path else read_held_out(path, *sizes)
    return TrainedModel(path, bundle.model, training, held_out, bundle.configuration["weights_sha256"])


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
