"""Reading bundles, without executing anything stored in them."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from pykeen.losses import loss_resolver
from pykeen.models import model_resolver
from pykeen.triples import CoreTriplesFactory
from pykeen.typing import DeviceHint
from pykeen.utils import NoRandomSeedNecessary, resolve_device
from safetensors.torch import load_file

from .. import __version__
from ..digests import digest_file
from ..features import FeatureSource
from ..models import QueryScoringModel
from ..nn import ProjectedFeatureRepresentation
from ..plain_files import read_json
from ..triples import MultimodalTriplesFactory
from .arguments import restore_arguments, restore_instance
from .layout import (
    CONFIGURATION_NAME,
    ENSEMBLE_NAME,
    FORMAT,
    FORMAT_VERSION,
    TRIPLES_NAME,
    WEIGHTS_NAME,
    BundleError,
    find_bundle,
    naming,
)
from .training_triples import are_ids, read_triples
from .weights import limited_allocations, read_shapes

__all__ = ["Bundle", "load"]

#: How far scores may be from those when the bundle was written, relative to the largest. Other processors and versions
#: of PyTorch round differently; an option that was not restored makes a much larger difference.
TOLERANCE: Final = 1e-2

#: The parts of a configuration.
PARTS: Final[Mapping[str, type]] = {
    **dict.fromkeys(("versions", "model_kwargs", "loss", "tables_of_features", "triples", "probes"), dict),
    **dict.fromkeys(("model", "weights_sha256"), str),
    "frozen": list,
}


@dataclasses.dataclass(frozen=True, eq=False)
class Bundle:
    """A model that predicts, with the labels and features that it was trained with.

    >>> from pykeen.predict import predict_target
    >>> bundle = load("directory")  # doctest: +SKIP
    >>> predict_target(
    ...     model=bundle.model, head="berlin", relation="capital_of", triples_factory=bundle.training
    ... ).df  # doctest: +SKIP
    """

    #: the model, in evaluation mode
    model: QueryScoringModel
    #: the training triples with labels and features
    training: CoreTriplesFactory
    #: what the bundle's ``model.json`` says
    configuration: Mapping[str, Any]

    @property
    def versions(self) -> Mapping[str, str]:
        """Return the versions of the packages that the bundle was written by."""
        return dict(self.configuration["versions"])


def load(
    directory: str | Path, device: DeviceHint = None, *, features: Mapping[str, FeatureSource] | None = None
) -> Bundle:
    """Load a model that was saved by :func:`save`, or by PyKEEN's ``PipelineResult.save_to_directory``.

    Nothing is unpickled, and everything is checked against the digests from when it was written.

    :param directory: The directory of the bundle, or the folder of a run that has one.
    :param device: The device. Defaults to a GPU, if there is one.
    :param features: Where to read the features of modalities from, if they are not where they were: paths, matrices, or
        features. They must be the same as those that the model was trained with.
    :returns: The model, in evaluation mode, and what it was trained with.
    :raises BundleError: if there is no bundle, it is incomplete or damaged, its features have changed, or it was
        written by a version that is not compatible with this one
    """
    directory = find_bundle(Path(directory))
    configuration = _read_configuration(directory)
    weights, described = directory / WEIGHTS_NAME, directory / CONFIGURATION_NAME
    if not weights.is_file():
        raise BundleError(f"The bundle {directory} is incomplete: {weights} is missing.")
    with naming(weights):
        if digest_file(weights) != configuration["weights_sha256"]:
            raise BundleError(f"{weights} is damaged, or does not belong to {CONFIGURATION_NAME}: its digest differs.")
        shapes = read_shapes(weights)
    with naming(directory / TRIPLES_NAME):
        training = read_triples(directory, configuration["triples"], features or {})
    with naming(described):
        numbers = sum(map(math.prod, shapes.values())) + sum(map(math.prod, _feature_shapes(training)))
        with limited_allocations(weights, numbers, len(shapes)):
            model = _create(configuration, training)
        _set_weights(model, weights, configuration)
        model.eval()
        _check_probes(model, training, configuration, directory)
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return Bundle(model=model.to(resolve_device(device)), training=training, configuration=configuration)


def _feature_shapes(training: CoreTriplesFactory) -> list[tuple[int, ...]]:
    features = training.features.values() if isinstance(training, MultimodalTriplesFactory) else ()
    return [tuple(x.matrix.shape) for x in features]


def _read_configuration(directory: Path) -> dict[str, Any]:
    """Read the configuration, and check whether this version understands it."""
    path = directory / CONFIGURATION_NAME
    try:
        configuration = read_json(path)
    except OSError as error:
        if (directory / ENSEMBLE_NAME).is_file():
            raise BundleError(
                f"{directory} is an ensemble, and no bundle: pass its parts, or open it by open_trained."
            ) from error
        if (directory / "effective.json").is_file():
            raise BundleError(
                f"{directory} is the folder of a run that has no bundle. Repeat its command with --bundle."
            ) from error
        raise BundleError(
            f"{directory} has no {CONFIGURATION_NAME}, i.e., is neither a bundle nor the folder of a run that has one. "
            f"Was the model saved by an earlier version of pykeen-adamf, without its training triples, or is it not of "
            f"pykeen-adamf?"
        ) from error
    except ValueError as error:
        raise BundleError(f"{path} is damaged: {error}") from error
    if not isinstance(configuration, dict) or configuration.get("format") != FORMAT:
        raise BundleError(f"{path} does not describe a model of pykeen-adamf.")
    if configuration.get("format_version") != FORMAT_VERSION:
        raise BundleError(
            f"{directory} has the format version {configuration.get('format_version')!r}, but this version of "
            f"pykeen-adamf reads {FORMAT_VERSION}. {_compare_versions(configuration)}"
        )
    for name, cls in PARTS.items():
        if not isinstance(configuration.get(name), cls):
            raise BundleError(f"{path} is damaged: its {name!r} is missing, or no {cls.__name__}.")
    return configuration


def _compare_versions(configuration: Mapping[str, Any]) -> str:
    """Tell by which version a bundle was written."""
    versions = configuration.get("versions")
    there = versions.get("pykeen-adamf") if isinstance(versions, dict) else None
    return f"It was written by pykeen-adamf {there}, and this is {__version__}."


def _create(configuration: Mapping[str, Any], training: CoreTriplesFactory) -> QueryScoringModel:
    """Create a model, whatever its parameters."""
    cls = model_resolver.lookup_dict.get(configuration["model"])
    if cls is None or not issubclass(cls, QueryScoringModel):
        raise BundleError(
            f"There is no model of pykeen-adamf named {configuration['model']!r} here. "
            f"{_compare_versions(configuration)} If it is a class of your own, register it with "
            f"pykeen.models.model_resolver before."
        )
    kwargs = restore_arguments(configuration["model_kwargs"])
    seed = kwargs.pop("random_seed", None)
    loss = restore_instance(configuration["loss"], loss_resolver, "loss")
    # neither is the state of the random number generator ours to change
    with torch.random.fork_rng(devices=[]):
        try:
            model = cls(triples_factory=training, loss=loss, random_seed=NoRandomSeedNecessary, **kwargs)
        except (TypeError, ValueError) as error:
            raise BundleError(
                f"{cls.__name__} cannot be created with the arguments of the bundle: {error} "
                f"{_compare_versions(configuration)}"
            ) from error
    model._random_seed = seed
    model.creation_kwargs = {**(model.creation_kwargs or {}), "random_seed": seed}
    return model


def _set_weights(model: QueryScoringModel, path: Path, configuration: Mapping[str, Any]) -> None:
    """Set parameters and buffers, with their data types."""
    state = load_file(path)
    for name, dtype in configuration["tables_of_features"].items():
        module = model.get_submodule(name.rpartition(".")[0])
        if not isinstance(module, ProjectedFeatureRepresentation):
            raise TypeError(f"{name} is no table of features")
        state[name] = module.features.matrix.to(getattr(torch, dtype))
    for name, x in model.state_dict(keep_vars=True).items():
        dtype = state.get(name, x).dtype
        if dtype.is_floating_point != x.dtype.is_floating_point:
            raise BundleError(f"{path} does not fit the model: {name} is of {dtype}, but the model's of {x.dtype}.")
        x.data = x.data.to(dtype)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise BundleError(f"{path} does not fit the model: {error} {_compare_versions(configuration)}") from error
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in configuration["frozen"])


def _check_probes(
    model: QueryScoringModel, training: CoreTriplesFactory, configuration: Mapping[str, Any], directory: Path
) -> None:
    """Check that the model scores as it did when the bundle was written."""
    probes = configuration["probes"]
    if not probes["triples"]:
        # training has diverged; but nothing else goes wrong
        model.predict_hrt(training.mapped_triples[:1])
        return
    before, triples = torch.tensor(probes["scores"]), torch.tensor(probes["triples"])
    if triples.shape != (len(before), 3) or not are_ids(triples, model.num_entities, model.num_relations):
        raise BundleError(f"{directory / CONFIGURATION_NAME} is damaged: its probes are no scored triples.")
    after = model.predict_hrt(triples).flatten().to(before)
    if not bool((after - before).abs().max() <= TOLERANCE * before.abs().max()):
        raise BundleError(
            f"The model in {directory} does not score as it did when it was saved. {_compare_versions(configuration)}"
        )
