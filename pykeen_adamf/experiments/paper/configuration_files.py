"""Files with configurations: reading them, and what they must not change, or results could not be compared."""

import inspect
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from ...signatures import constructor_parameters
from ...suggestions import suggest

__all__ = ["read_configuration"]

#: Parameters of PyKEEN's pipeline that the experiment decides about, whatever a file has.
DECIDED: Final = frozenset(
    {"dataset", "dataset_kwargs", "device", "metadata", "random_seed", "training", "validation", "testing", "use_tqdm"}
)

#: Values of parameters that all runs have in common, since metrics and ranks would be something else with others.
FIXED: Final[Mapping[str, Any]] = {
    "use_testing_data": True,
    "filter_validation_when_testing": True,
    "evaluation_fallback": False,
}

#: What may be said about the evaluation, since it changes nothing but the time that it takes.
EVALUATION_OPTIONS: Final = frozenset({"batch_size", "slice_size", "use_tqdm"})


def read_configuration(path: Path, expected: Path) -> dict[str, Any]:
    """Read the configuration of a model.

    :param path: The path of the file.
    :param expected: The path of another one with the same model and training loop.
    :returns: The configuration, with ``metadata`` and ``pipeline``, without what an experiment decides about.
    :raises ValueError: if it cannot be read, PyKEEN does not know what is in it, it is of another model, or it changes
        what is measured
    """
    content = _read(path)
    pipeline: Mapping[str, Any] = content["pipeline"]
    for name in ("training", "validation", "testing"):
        if pipeline.get(name) is not None:
            raise ValueError(f"{path} has {name!r}, but the triples are those of the dataset. Remove it from the file.")
    for name, value in FIXED.items():
        if pipeline.get(name, value) != value:
            raise ValueError(
                f"{path} has {name}: {pipeline[name]}, but all results are of test triples, filtered by all known "
                f"ones. Remove it from the file."
            )
    _check_evaluation(path, pipeline)
    for name in pipeline.get("training_kwargs", {}):
        if name.startswith("checkpoint"):
            raise ValueError(
                f"{path} has training_kwargs with {name!r}, but all runs would share one checkpoint. Remove it from "
                f"the file; an interrupted run starts anew."
            )
    classes = _look_up(path, pipeline)
    for name, cls in classes.items():
        _check_options(path, pipeline, name, cls)
    others = _look_up(expected, _read(expected)["pipeline"])
    for name in ("model", "training_loop"):
        if classes[name] is not others[name]:
            raise ValueError(
                f"{path} has the {name} {classes[name].__name__}, but a file of that name must have "
                f"{others[name].__name__}. Correct the file, or give it the name of its model."
            )
    kept = {name: value for name, value in pipeline.items() if name not in DECIDED}
    return {"metadata": dict(content["metadata"]), "pipeline": kept}


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Read a file, and check its form."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}. Correct the file.") from error
    pipeline = content.get("pipeline") if isinstance(content, dict) else None
    if not isinstance(pipeline, dict):
        raise ValueError(f"{path} has no 'pipeline', a dictionary with the parameters of PyKEEN's pipeline. Add it.")
    metadata = content.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise ValueError(f"{path} has 'metadata' which are no dictionary. Correct the file.")
    unknown = sorted(pipeline.keys() - _get_parameters())
    if unknown:
        raise ValueError(f"{path} has {unknown[0]!r}, which PyKEEN's pipeline does not have. Correct the file.")
    for name, value in pipeline.items():
        if name.endswith("_kwargs") and not isinstance(value, dict | None):
            raise ValueError(f"{path} has {name!r}, which is no dictionary. Correct the file.")
    return {"metadata": metadata, "pipeline": {name: value for name, value in pipeline.items() if value is not None}}


def _check_evaluation(path: Path, pipeline: Mapping[str, Any]) -> None:
    """Check that results are those of PyKEEN's rank-based evaluator, filtered."""
    from pykeen.evaluation import RankBasedEvaluator, evaluator_resolver

    try:
        evaluator = evaluator_resolver.lookup(pipeline.get("evaluator"))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} has an evaluator that PyKEEN does not have. Remove it from the file.") from error
    unknown = sorted(pipeline.get("evaluation_kwargs", {}).keys() - EVALUATION_OPTIONS)
    is_filtered = pipeline.get("evaluator_kwargs", {}) in ({}, {"filtered": True})
    if evaluator is not RankBasedEvaluator or not is_filtered or unknown:
        what = f"evaluation_kwargs with {unknown[0]!r}" if unknown else "another evaluator"
        raise ValueError(
            f"{path} has {what}, but all results are filtered ranks by PyKEEN's RankBasedEvaluator. Remove it from the "
            f"file."
        )


def _look_up(path: Path, pipeline: Mapping[str, Any]) -> dict[str, type]:
    """Look up what is given by name."""
    from pykeen.losses import loss_resolver
    from pykeen.models import model_resolver
    from pykeen.optimizers import optimizer_resolver
    from pykeen.sampling import negative_sampler_resolver
    from pykeen.stoppers import stopper_resolver
    from pykeen.training import training_loop_resolver

    if "model" not in pipeline:
        raise ValueError(f"{path} has no model. Add its name.")
    resolvers: dict[str, Any] = {
        "model": model_resolver,
        "training_loop": training_loop_resolver,
        "loss": loss_resolver,
        "optimizer": optimizer_resolver,
        "negative_sampler": negative_sampler_resolver,
        "stopper": stopper_resolver,
    }
    found: dict[str, type] = {}
    for name, resolver in resolvers.items():
        if name in pipeline or resolver.default is not None:
            try:
                found[name] = resolver.lookup(pipeline.get(name))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path} has the {name} {pipeline.get(name)!r}, which PyKEEN does not have. Correct the file."
                ) from error
    return found


def _check_options(path: Path, pipeline: Mapping[str, Any], name: str, cls: type) -> None:
    """Check that a class has the parameters that it is to be made with, rather than find out after hours."""
    known = constructor_parameters(cls)
    for option in pipeline.get(f"{name}_kwargs", {}):
        if option not in known:
            hint = suggest(option, known) or " Correct the file."
            raise ValueError(f"{path} has {name}_kwargs with {option!r}, which {cls.__name__} does not have.{hint}")


@cache
def _get_parameters() -> frozenset[str]:
    """Return the names of the parameters of PyKEEN's pipeline."""
    # importing PyKEEN takes seconds, which the names of models alone do not need
    from pykeen.pipeline import pipeline

    return frozenset(inspect.signature(pipeline).parameters)
