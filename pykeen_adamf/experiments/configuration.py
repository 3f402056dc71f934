"""Configurations of runs: files with everything that decides about a result.

A configuration is what ``pykeen experiments run`` reads: a dictionary with ``metadata``, and with ``pipeline``, the
parameters of :func:`pykeen.pipeline.pipeline`. A third entry, ``data``, is this package's: what is done to the dataset,
cf. :class:`pykeen_adamf.experiments.data.DataOptions`.
"""

import inspect
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Final

from ..presets import list_presets, preset_path
from ..signatures import constructor_parameters
from ..suggestions import suggest

__all__ = ["check_configuration", "check_sections", "describe_differences", "flatten", "merge", "read_configuration"]

SECTIONS: Final = ("metadata", "data", "pipeline")

#: Values of parameters that all runs have in common, since metrics and ranks would be something else with others.
FIXED: Final[Mapping[str, Any]] = {
    "training": None,
    "validation": None,
    "testing": None,
    "metadata": None,
    "use_testing_data": True,
    "filter_validation_when_testing": True,
    "evaluation_fallback": False,
}

#: What may be said about the evaluation, since it changes nothing but the time that it takes.
EVALUATION_OPTIONS: Final = frozenset({"batch_size", "slice_size", "use_tqdm"})


def read_configuration(what: str | Path) -> dict[str, Any]:
    """Read a configuration, and check it.

    :param what: The path of a file (JSON or YAML), or the name of a preset.
    :returns: The configuration, in which relative paths of the dataset's files are those beside it.
    :raises ValueError: if there is no such file or preset, or it cannot be read, or anything in it is unknown
    """
    from pykeen.utils import load_configuration

    path = Path(what)
    if not path.is_file():
        known = list_presets()
        if path.suffix or str(what).lower() not in map(str.lower, known):
            hint = suggest(str(what), known)
            raise ValueError(f"There is no file {path}, and no preset of that name: {', '.join(known)}.{hint}")
        path = preset_path(str(what))
    try:
        content = load_configuration(path)
    # YAML's errors are none of Python's own
    except Exception as error:
        raise ValueError(f"{path} cannot be read: {error}. Correct the file.") from error
    check_configuration(content, path)
    content = {name: value for name, value in deepcopy(dict(content)).items() if value is not None}
    pipeline = content["pipeline"]
    if pipeline.get("dataset_kwargs"):
        pipeline["dataset_kwargs"] = _resolve_paths(pipeline["dataset_kwargs"], path.absolute().parent)
    return content


def check_configuration(content: Any, path: str | Path) -> None:
    """Check a configuration, rather than find out after hours.

    :param content: The configuration.
    :param path: Where it is from, for messages.
    :raises ValueError: if anything in it is unknown, or changes what is measured; the message names the nearest
    """
    from .data import DataOptions

    check_sections(content, path)
    pipeline = content["pipeline"]
    if pipeline.get("dataset") is None:
        raise ValueError(
            f"{path} has no 'dataset' under 'pipeline'. Add its name; for own files, it is MultimodalPath."
        )
    for name, value in FIXED.items():
        if pipeline.get(name, value) != value:
            fix = (
                'The data are a "dataset", of own files, e.g., MultimodalPath.'
                if value is None
                else "It would change what is measured: remove it."
            )
            raise ValueError(f"{path} has {name}: {pipeline[name]} under 'pipeline'. {fix}")
    for name in pipeline.get("training_kwargs") or {}:
        if name.startswith("checkpoint"):
            raise ValueError(f"{path} has training_kwargs with {name!r}, but a run has its own checkpoint. Remove it.")
    _check_evaluation(path, pipeline)
    _check_names(path, content.get("data") or {}, DataOptions.__dataclass_fields__, "the section 'data'")
    _check_classes(path, pipeline)


def check_sections(content: Any, path: str | Path) -> None:
    """Check the form of a configuration.

    :param content: The configuration.
    :param path: Where it is from, for messages.
    :raises ValueError: if anything is of another type, or PyKEEN's pipeline does not have it
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("pipeline"), Mapping):
        raise ValueError(f"{path} has no 'pipeline', a dictionary with the parameters of PyKEEN's pipeline. Add it.")
    _check_names(path, content, SECTIONS, "a configuration")
    pipeline = content["pipeline"]
    _check_names(path, pipeline, _pipeline_parameters(), "PyKEEN's pipeline")
    for name, value in [*pipeline.items(), ("metadata", content.get("metadata")), ("data", content.get("data"))]:
        if (name.endswith("_kwargs") or name in {"metadata", "data"}) and not isinstance(value, Mapping | None):
            raise ValueError(f"{path} has {name!r}, which is no dictionary. Correct the file.")


def _check_names(path: str | Path, given: Mapping[str, Any], known: Any, owner: str) -> None:
    """Check that names are known."""
    for name in given:
        if name not in known:
            raise ValueError(
                f"{path} has {name!r}, which {owner} does not have.{suggest(name, known)} Correct the file."
            )


def _check_evaluation(path: str | Path, pipeline: Mapping[str, Any]) -> None:
    """Check that results are those of PyKEEN's rank-based evaluator, filtered."""
    unknown = sorted((pipeline.get("evaluation_kwargs") or {}).keys() - EVALUATION_OPTIONS)
    is_filtered = (pipeline.get("evaluator_kwargs") or {}) in ({}, {"filtered": True})
    name = str(pipeline.get("evaluator") or "rankbased").lower().removesuffix("evaluator").replace("-", "")
    if name not in {"rankbased", "rankkeeping"} or not is_filtered or unknown:
        what = f"evaluation_kwargs with {unknown[0]!r}" if unknown else "another evaluator"
        raise ValueError(f"{path} has {what}, but results are filtered ranks by the RankBasedEvaluator. Remove it.")


def _check_classes(path: str | Path, pipeline: Mapping[str, Any]) -> None:
    """Check that classes exist, and have the parameters that they are to be made with."""
    from pykeen.losses import loss_resolver
    from pykeen.lr_schedulers import lr_scheduler_resolver
    from pykeen.models import model_resolver
    from pykeen.nn import interaction_resolver
    from pykeen.optimizers import optimizer_resolver
    from pykeen.regularizers import regularizer_resolver
    from pykeen.sampling import negative_sampler_resolver
    from pykeen.stoppers import stopper_resolver
    from pykeen.training import training_loop_resolver

    from ..suggestions import lookup

    if pipeline.get("model") is None and pipeline.get("interaction") is None:
        raise ValueError(f"{path} has no model. Add its name.")
    resolvers: dict[str, Any] = {
        "model": model_resolver,
        "interaction": interaction_resolver,
        "loss": loss_resolver,
        "regularizer": regularizer_resolver,
        "optimizer": optimizer_resolver,
        "lr_scheduler": lr_scheduler_resolver,
        "training_loop": training_loop_resolver,
        "negative_sampler": negative_sampler_resolver,
        "stopper": stopper_resolver,
    }
    for name, resolver in resolvers.items():
        if pipeline.get(name) is None and (resolver.default is None or name in {"model", "interaction"}):
            continue
        try:
            cls = lookup(resolver, pipeline.get(name))
        except ValueError as error:
            raise ValueError(f"{path} has the {name} {pipeline.get(name)!r}. {error}") from error
        options = pipeline.get(f"{name}_kwargs") or {}
        _check_names(path, options, constructor_parameters(cls), f"{cls.__name__}, the {name},") if options else None


@cache
def _pipeline_parameters() -> frozenset[str]:
    # importing PyKEEN takes seconds, which the names of models alone do not need
    from pykeen.pipeline import pipeline

    return frozenset(inspect.signature(pipeline).parameters)


def _resolve_paths(kwargs: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Make relative paths of the dataset's files those beside the configuration, as far as there are any."""

    def resolve(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: x if key in {"encoder", "encoder_kwargs"} else resolve(x) for key, x in value.items()}
        if isinstance(value, list):
            return [resolve(x) for x in value]
        is_there = isinstance(value, str) and (directory / value).exists()
        return str((directory / value).resolve()) if is_there else value

    return {key: resolve(x) if key in {"directory", "features", "triples"} else x for key, x in kwargs.items()}


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested dictionaries.

    :param base: A dictionary.
    :param changes: What is different. Dictionaries in it are merged, everything else is replaced.
    :returns: A new dictionary, which shares nothing with the others.
    """
    result = deepcopy(dict(base))
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merge(result[key], value)
        else:
            result[key] = deepcopy(value)
    return result


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by the names of all levels, joined by dots."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        result |= flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return result


def describe_differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Say what is different between two configurations, or nothing."""
    old, new = flatten(there), flatten(here)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return "; ".join(f"{name}: {old.get(name, 'none')} there, {new.get(name, 'none')} here" for name in names)
