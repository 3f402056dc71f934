"""Writing bundles."""

import json
import logging
import tempfile
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
from pykeen.models import model_resolver
from pykeen.pipeline import PipelineResult
from pykeen.triples import CoreTriplesFactory
from pykeen.utils import normalize_path
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from .. import __version__
from ..digests import digest_file
from ..models import GCOTE, Ensemble, QueryScoringModel
from ..nn import ProjectedFeatureRepresentation
from ..plain_files import read_json
from ..triples import MultimodalTriplesFactory, without_features
from .arguments import describe_arguments, describe_instance
from .layout import CONFIGURATION_NAME, FORMAT, FORMAT_VERSION, TRIPLES_NAME, WEIGHTS_NAME, BundleError
from .training_triples import FeatureStorage, describe_triples

__all__ = ["save", "save_result"]

logger = logging.getLogger(__name__)

#: How many training triples are scored, to see whether a loaded model does the same.
NUM_PROBES: Final = 8


def save(
    model: nn.Module, triples_factory: CoreTriplesFactory, directory: str | Path, *, features: FeatureStorage = "copy"
) -> Path:
    """Save a model with all that it needs to predict.

    ::

        directory/
            model.json            the configuration, versions, and digests of everything else
            model.safetensors     parameters and buffers
            training_triples/     triples, labels and features, as by PyKEEN's ``to_path_binary``

    Nothing of it has to be unpickled, cf. :func:`pykeen_adamf.bundle.load`. Frozen features are stored once. The bundle
    can be loaded only if it is complete, and all of its files belong together.

    :param model: The model. Generators of modality adversarial training are no part of it.
    :param triples_factory: The training triples.
    :param directory: The directory, which is created if necessary. A bundle which is there is replaced.
    :param features: ``"copy"`` to store the features in the bundle, or ``"reference"`` to store only the paths of the
        files that they were read from, and digests.
    :returns: The directory.
    :raises BundleError: if the model or its arguments cannot be described, the triples factory is not the one that the
        model was created with, or features are to be referred to that do not come from a file
    :raises OSError: if there is no space for it; a bundle which is there is kept
    """
    if features not in {"copy", "reference"}:
        raise BundleError(f"features must be 'copy' or 'reference', but is {features!r}")
    try:
        _write(model, triples_factory, normalize_path(directory, mkdir=True), features)
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        # the system does not say which file there is no space for
        raise OSError(error.errno, error.strerror, str(directory)) from error
    except SafetensorError as error:
        raise OSError(f"The bundle {directory} cannot be written: {error}. Free some space.") from error
    return Path(directory)


def save_result(
    save_to_directory: Callable[..., None],
    result: PipelineResult,
    directory: str | Path,
    *,
    save_replicates: bool = True,
    save_training: bool = True,
    **kwargs: Any,
) -> None:
    """Save a pipeline's result as PyKEEN does; and if its model is of this package, make a bundle of it.

    Whatever happens, PyKEEN's files are written first, and no error keeps a program from going on after a long
    training: problems are logged, and there is no bundle then; nor if the model, by ``save_replicates``, or the
    training triples, by ``save_training``, are not saved.
    """
    if save_replicates:
        # what may be there is of another model than the one that is about to be written
        _discard(normalize_path(directory))
    save_to_directory(directory, save_replicates=save_replicates, save_training=save_training, **kwargs)
    if not save_replicates or not isinstance(result.model, QueryScoringModel):
        return
    if not save_training:
        logger.info("No bundle in %s: it would need the training triples, i.e., save_training=True.", directory)
        return
    try:
        _write(result.model, result.training, normalize_path(directory), None)
    except BundleError as error:
        logger.error("No bundle in %s, but everything else was saved: %s", directory, error)
    except Exception:
        logger.exception("No bundle in %s, but everything else was saved.", directory)


def _discard(directory: Path) -> None:
    """Remove the model of a bundle, if there is one, and leave everything else."""
    try:
        configuration = read_json(directory / CONFIGURATION_NAME)
    except (OSError, ValueError):
        return
    if isinstance(configuration, dict) and configuration.get("format") == FORMAT:
        # without the configuration there is no bundle, also if this is interrupted
        (directory / CONFIGURATION_NAME).unlink()
        (directory / WEIGHTS_NAME).unlink(missing_ok=True)


def _write(model: nn.Module, factory: CoreTriplesFactory, directory: Path, features: FeatureStorage | None) -> None:
    """Write everything beside its place, and put it there when it is complete.

    If ``features`` is ``None``, the directory has the training triples with their features already.
    """
    names = [WEIGHTS_NAME, CONFIGURATION_NAME]
    configuration = _describe(model, factory, features or "copy")
    with tempfile.TemporaryDirectory(dir=directory, prefix=".bundle-") as name:
        temporary = Path(name)
        if features is not None:
            names.insert(0, TRIPLES_NAME)
            if isinstance(factory, MultimodalTriplesFactory) and features == "reference":
                factory = without_features(factory)
            factory.to_path_binary(temporary / TRIPLES_NAME)
        weights = temporary / WEIGHTS_NAME
        save_file(_collect_weights(model, configuration["tables_of_features"]), weights)
        configuration["weights_sha256"] = digest_file(weights)
        (temporary / CONFIGURATION_NAME).write_text(json.dumps(configuration, indent=2), encoding="utf-8")
        (temporary / "old").mkdir()
        # if this is interrupted, there is no configuration, i.e., no bundle; and a killed process leaves the old one
        for name in reversed(names):
            if (directory / name).exists():
                (directory / name).rename(temporary / "old" / name)
        for name in names:
            (temporary / name).rename(directory / name)


def _describe(model: nn.Module, factory: CoreTriplesFactory, features: FeatureStorage) -> dict[str, Any]:
    """Describe everything but the weights."""
    if isinstance(model, Ensemble):
        raise BundleError("An ensemble is no bundle: save its parts, and then the ensemble by save_ensemble.")
    if not isinstance(model, QueryScoringModel):
        raise BundleError(
            f"Only models of pykeen-adamf and their subclasses can be saved as bundles, but this is a "
            f"{type(model).__name__}. Use PyKEEN's PipelineResult.save_to_directory, or save its state_dict."
        )
    cls = type(model)
    projections = {key: x for key, x in model.named_modules() if isinstance(x, ProjectedFeatureRepresentation)}
    _check_fit(model, factory, projections)
    name: str = model_resolver.normalize_cls(cls)
    if model_resolver.lookup_dict.get(name) is not cls:
        raise BundleError(
            f"PyKEEN does not know {cls.__name__} by name. Register it with "
            f"pykeen.models.model_resolver.register({cls.__name__}), also before loading."
        )
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "versions": {"pykeen-adamf": __version__, "pykeen": version("pykeen"), "torch": torch.__version__},
        "model": name,
        "model_kwargs": describe_arguments(model),
        "loss": describe_instance(model.loss, "the loss"),
        "frozen": [key for key, parameter in model.named_parameters() if not parameter.requires_grad],
        # by name in the state, the data types of those that are still the features, which are stored already
        "tables_of_features": {
            f"{key}.table": str(x.table.dtype).removeprefix("torch.")
            for key, x in projections.items()
            if x.table.data_ptr() == x.features.matrix.data_ptr()
            or bool(torch.equal(x.table.detach().cpu(), x.features.matrix.to(x.table.dtype)))
        },
        "triples": describe_triples(factory, features),
        "probes": _probe(model, factory),
    }


def _check_fit(
    model: QueryScoringModel, factory: CoreTriplesFactory, projections: Mapping[str, ProjectedFeatureRepresentation]
) -> None:
    """Check that a factory is the one that the model was created with, as far as the model depends on it."""
    for name in ("num_entities", "num_relations"):
        if getattr(model, name) != getattr(factory, name):
            raise BundleError(
                f"The model has {name}={getattr(model, name)}, but the triples factory "
                f"{name}={getattr(factory, name)}. Use the factory which the model was created with."
            )
    if isinstance(model, GCOTE):
        edges = factory._add_inverse_triples_if_necessary(factory.mapped_triples)
        if not torch.equal(model.contexts.edges.cpu(), edges[edges[:, 1].argsort(stable=True)]):
            raise BundleError(
                "The triples factory has other triples than the model's graph. Use the factory which the model was "
                "created with."
            )
    available = factory.features.values() if isinstance(factory, MultimodalTriplesFactory) else ()
    for key, module in projections.items():
        if not any(module.features is features or module.features == features for features in available):
            raise BundleError(
                f"The triples factory has not the features of the model's {key}. Use the factory which the model was "
                f"created with."
            )


def _probe(model: QueryScoringModel, factory: CoreTriplesFactory) -> dict[str, Any]:
    """Score some triples, as for predictions."""
    triples, training = factory.mapped_triples[:NUM_PROBES], model.training
    scores = model.predict_hrt(triples).flatten().cpu()
    model.train(training)
    # training may have diverged
    finite = scores.isfinite()
    return {"triples": triples[finite].tolist(), "scores": scores[finite].tolist()}


def _collect_weights(model: nn.Module, without: Collection[str]) -> dict[str, torch.Tensor]:
    """Return the parameters and buffers to store."""
    weights: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, x in model.state_dict().items():
        if name not in without:
            x = x.detach().cpu().contiguous()
            # each tensor has to have memory of its own, all of it
            storage = x.untyped_storage()
            weights[name] = x.clone() if storage.nbytes() > x.nbytes or storage.data_ptr() in seen else x
            seen.add(storage.data_ptr())
    return weights
