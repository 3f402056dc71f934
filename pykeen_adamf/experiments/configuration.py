"""Configurations of runs: files with everything that decides about a result.

A configuration is what ``pykeen experiments run`` reads: a dictionary with ``metadata``, and with ``pipeline``, the
parameters of :func:`pykeen.pipeline.pipeline`. A third entry, ``data``, is this package's: what is done to the dataset,
cf. :data:`pykeen_adamf.experiments.data.OPTIONS`.
"""

import inspect
import os
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from class_resolver import ClassResolver
from pykeen.nn import interaction_resolver
from pykeen.pipeline import api
from pykeen.utils import flatten_dictionary

from ..pipeline_checks import training_parameters
from ..plain_files import read_json, read_yaml
from ..presets import list_presets, preset_path
from ..signatures import constructor_parameters
from ..suggestions import lookup, suggest
from .data import OPTIONS

__all__ = ["check_configuration", "describe_differences", "merge", "read_configuration", "read_sections"]

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

#: How a configuration is read, by its suffix.
READERS: Final[Mapping[str, Callable[..., Any]]] = {".json": read_json, ".yaml": read_yaml, ".yml": read_yaml}

#: How many values a configuration may have; one in YAML may refer to itself again and again.
MAX_VALUES: Final = 100_000

#: The whole numbers, by where they are under ``pipeline``, and the smallest that each may be.
WHOLE_NUMBERS: Final[Mapping[tuple[str, ...], int]] = {
    ("random_seed",): 0,
    ("epochs",): 0,
    ("training_kwargs", "num_epochs"): 0,
    ("training_kwargs", "batch_size"): 1,
    ("training_kwargs", "sub_batch_size"): 1,
}

#: The parameters of datasets that name files, which may be relative to a configuration.
FILES: Final = ("directory", "features", "triples")

#: What makes the objects of the pipeline, with the options in others of the same name and ``_kwargs``; PyKEEN is
#: bounded above in the dependencies, since these are no public names.
RESOLVERS: Final[Mapping[str, ClassResolver[Any]]] = {"interaction": interaction_resolver} | {
    name: getattr(api, f"{name}_resolver")
    for name in (
        *("model", "loss", "regularizer", "optimizer", "lr_scheduler"),
        *("training_loop", "negative_sampler", "stopper"),
    )
}


def read_configuration(what: str | Path) -> dict[str, Any]:
    """Read a configuration, and check it.

    :param what: The path of a file (JSON or YAML), or the name of a preset.
    :returns: The configuration, in which relative paths of the dataset's files are those beside it.
    :raises ValueError: if there is no such file or preset, or it cannot be read, or anything in it is unknown
    """
    path = Path(what)
    # unlike the method of a path, this takes names of any length
    if not os.path.isfile(path):  # noqa: PTH113
        known = list_presets()
        if str(what).lower() not in map(str.lower, known):
            hint = suggest(str(what), known)
            raise ValueError(f"There is no file {path}, and no preset of that name: {', '.join(known)}.{hint}")
        path = preset_path(str(what))
    content = read_sections(path)
    try:
        check_configuration(content, path)
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(
            f"{path} has something of another type than it should be: {error}. Correct the file."
        ) from error
    kwargs = content["pipeline"].get("dataset_kwargs") or {}
    for key in kwargs.keys() & FILES:
        kwargs[key] = _resolve_paths(kwargs[key], path.absolute().parent)
    return {name: value for name, value in content.items() if value is not None}


def _resolve_paths(value: Any, directory: Path) -> Any:
    """Make relative paths those of a directory, as far as there are any."""
    if isinstance(value, Mapping):
        names = {"encoder", "encoder_kwargs"}
        return {key: x if key in names else _resolve_paths(x, directory) for key, x in value.items()}
    if isinstance(value, list):
        return [_resolve_paths(x, directory) for x in value]
    is_there = isinstance(value, str) and os.path.exists(directory / value)  # noqa: PTH110
    return str((directory / value).resolve()) if is_there else value


def check_configuration(content: Mapping[str, Any], path: str | Path) -> None:
    """Check a configuration from a path, rather than find out after hours.

    :raises ValueError: if anything in it is unknown, or changes what is measured; the message names the nearest
    """
    pipeline = content["pipeline"]
    if pipeline.get("dataset") is None:
        raise ValueError(
            f"{path} has no 'dataset' under 'pipeline'. Add its name; for own files, it is MultimodalPath."
        )
    for name, value in FIXED.items():
        if pipeline.get(name, value) != value:
            of_data = 'The data are a "dataset", of own files, e.g., MultimodalPath.'
            fix = of_data if value is None else "It would change what is measured: remove it."
            raise ValueError(f"{path} has {name}: {pipeline[name]} under 'pipeline'. {fix}")
    for name in pipeline.get("training_kwargs") or {}:
        if name.startswith("checkpoint"):
            raise ValueError(f"{path} has training_kwargs with {name!r}, but a run has its own checkpoint. Remove it.")
    # these write to files of any name
    for name in ("result_tracker", "result_tracker_kwargs"):
        if pipeline.get(name):
            raise ValueError(f"{path} has {name} under 'pipeline', but a run has its own record. Remove it.")
    if "best_model_path" in (pipeline.get("stopper_kwargs") or {}):
        raise ValueError(f"{path} has stopper_kwargs with 'best_model_path', but a run has its own. Remove it.")
    if not isinstance(pipeline["dataset"], str):
        raise ValueError(f"{path} has the dataset {pipeline['dataset']!r}, which is no name. Correct the file.")
    _check_numbers(path, pipeline)
    _check_evaluation(path, pipeline)
    _check_names(path, content.get("data"), OPTIONS, "the section 'data'")
    if pipeline.get("model") is None and pipeline.get("interaction") is None:
        raise ValueError(f"{path} has no model. Add its name.")
    _check_parts(path, pipeline)


def _check_numbers(path: str | Path, pipeline: Mapping[str, Any]) -> None:
    for names, smallest in WHOLE_NUMBERS.items():
        value: Any = pipeline
        for name in names:
            value = (value or {}).get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < smallest):
            raise ValueError(
                f"{path} has {names[-1]}: {value!r}, which is no whole number of at least {smallest}. Correct the file."
            )


def _check_parts(path: str | Path, pipeline: Mapping[str, Any]) -> None:
    """Check that classes exist, and have the parameters that they are to be made with, or trained."""
    for name, resolver in RESOLVERS.items():
        hint = pipeline.get(name)
        # one of model and interaction is enough
        if hint is None and (resolver.default is None or name in {"model", "interaction"}):
            continue
        try:
            cls = lookup(resolver, hint)
        except ValueError as error:
            raise ValueError(f"{path} has the {name} {hint!r}. {error}") from error
        if options := pipeline.get(f"{name}_kwargs"):
            _check_names(path, options, constructor_parameters(cls), f"{cls.__name__}, the {name},")
        if name == "training_loop":
            known = training_parameters(cls)
            _check_names(path, pipeline.get("training_kwargs"), known, f"the training of {cls.__name__}")


def read_sections(path: Path) -> dict[str, Any]:
    """Read a configuration, of which only the form is checked.

    :raises ValueError: if it cannot be read, anything is of another type, or PyKEEN's pipeline does not have it
    """
    try:
        if path.suffix not in READERS:
            raise ValueError(f"configurations end with {', '.join(READERS)}")
        content = READERS[path.suffix](path, numbers="infinite", max_values=MAX_VALUES)
    # YAML's errors are none of Python's own
    except Exception as error:
        raise ValueError(f"{path} cannot be read: {error}. Correct the file.") from error
    if not isinstance(content, Mapping) or not isinstance(content.get("pipeline"), Mapping):
        raise ValueError(f"{path} has no 'pipeline', a dictionary with the parameters of PyKEEN's pipeline. Add it.")
    sections, pipeline = ("metadata", "data", "pipeline"), content["pipeline"]
    _check_names(path, content, sections, "a configuration")
    _check_names(path, pipeline, inspect.signature(api.pipeline).parameters, "PyKEEN's pipeline")
    for name, value in [*pipeline.items(), *content.items()]:
        if (name.endswith("_kwargs") or name in sections) and not isinstance(value, Mapping | None):
            raise ValueError(f"{path} has {name!r}, which is no dictionary. Correct the file.")
    return dict(content)


def _check_names(path: str | Path, given: Mapping[str, Any] | None, known: Collection[str], owner: str) -> None:
    for name in given or {}:
        if name not in known:
            hint = suggest(name, known)
            raise ValueError(f"{path} has {name!r}, which {owner} does not have.{hint} Correct the file.")


def _check_evaluation(path: str | Path, pipeline: Mapping[str, Any]) -> None:
    """Check that results are those of PyKEEN's rank-based evaluator, filtered."""
    # these change nothing but the time that it takes
    unknown = sorted((pipeline.get("evaluation_kwargs") or {}).keys() - {"batch_size", "slice_size", "use_tqdm"})
    is_filtered = (pipeline.get("evaluator_kwargs") or {}) in ({}, {"filtered": True})
    name = str(pipeline.get("evaluator") or "rankbased").lower().removesuffix("evaluator").replace("-", "")
    if name not in {"rankbased", "rankkeeping"} or not is_filtered or unknown:
        what = f"evaluation_kwargs with {unknown[0]!r}" if unknown else "another evaluator"
        raise ValueError(f"{path} has {what}, but results are filtered ranks by the RankBasedEvaluator. Remove it.")


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested dictionaries into a new one, which shares nothing with them; everything else is replaced."""
    result = deepcopy(dict(base))
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merge(result[key], value) if both else deepcopy(value)
    return result


def describe_differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Say what is different between two nested configurations, or nothing."""
    old, new = flatten_dictionary(there), flatten_dictionary(here)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return "; ".join(f"{name}: {old.get(name, 'none')} there, {new.get(name, 'none')} here" for name in names)
