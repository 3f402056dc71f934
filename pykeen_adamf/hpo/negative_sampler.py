"""The negative sampler of this package's training loops, where PyKEEN's hyper-parameter optimization keeps it.

PyKEEN tells whether a training loop has a negative sampler by ``training_loop is SLCWATrainingLoop``, and drops the
negative sampler, its options and their ranges for all others, silently. What it keeps are ``training_loop_kwargs``, and
``training_kwargs`` with their ranges. Thus, the sampler's name goes to the former, its options to the latter:
:meth:`pykeen_adamf.training.slcwa.SamplingTrainingLoop.train` takes the options of the negative sampler, too.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from class_resolver import HintOrType
from pykeen.hpo.hpo import ExtraKeysError
from pykeen.sampling import NegativeSampler, negative_sampler_resolver

from ..sampling import FilteredBernoulliNegativeSampler
from ..training.options import split_sampler_options
from ..training.slcwa import SamplingTrainingLoop
from ..training.step import StepTrainingLoop

__all__ = ["fix_options", "move_negative_sampler"]

Options = Mapping[str, Any]

#: Where options are given, and the options
Place = tuple[str, Options]


def move_negative_sampler(training_loop: type[SamplingTrainingLoop], kwargs: MutableMapping[str, Any]) -> str:
    """Move the negative sampler to where it is kept, and let options given to the training loop be fixed in all trials.

    An option which is given twice must have the same value, and none can be both fixed and tuned. The keyword arguments
    of :func:`pykeen.hpo.hpo_pipeline` are changed.

    :returns: The name of the negative sampler.
    :raises ValueError: if options contradict each other, or the negative sampler is not registered with PyKEEN
    :raises ExtraKeysError: if the negative sampler has no such options
    """
    loop_kwargs = dict(kwargs.get("training_loop_kwargs") or {})
    sampler = _resolve(kwargs.pop("negative_sampler", None), loop_kwargs.get("negative_sampler"))
    sampler_places: list[Place] = [
        ("negative_sampler_kwargs", kwargs.pop("negative_sampler_kwargs", None) or {}),
        ("training_loop_kwargs['negative_sampler_kwargs']", loop_kwargs.pop("negative_sampler_kwargs", None) or {}),
    ]
    sampler_ranges: Place = ("negative_sampler_kwargs_ranges", kwargs.pop("negative_sampler_kwargs_ranges", None) or {})
    for _, options in (*sampler_places, sampler_ranges):
        if unknown := split_sampler_options(sampler, options)[1]:
            raise ExtraKeysError(unknown)

    training: Place = ("training_kwargs", kwargs.get("training_kwargs") or {})
    training_ranges: Place = ("training_kwargs_ranges", kwargs.get("training_kwargs_ranges") or {})
    moved = [*sampler_places, ("training_loop_kwargs", _trained_options(training_loop, loop_kwargs))]
    _check_either(moved, [sampler_ranges, training_ranges])
    _check_either([training], [sampler_ranges])
    fixed, ranges = _merge([training, *moved]), _merge([training_ranges, sampler_ranges])
    for key, value in sampler.hpo_default.items():
        # those that both have are in the paper's grid, and hence the loop's
        if key not in training_loop.hpo_default and key not in fixed:
            ranges.setdefault(key, value)

    name = negative_sampler_resolver.normalize_cls(sampler)
    kwargs["training_loop_kwargs"] = {**loop_kwargs, "negative_sampler": name}
    kwargs["training_kwargs"], kwargs["training_kwargs_ranges"] = fixed, ranges
    return name


def fix_options(training_loop: type[StepTrainingLoop], kwargs: MutableMapping[str, Any]) -> None:
    """Let options given to a training loop be fixed in all trials, where its method ``train`` has ranges of them.

    This changes the keyword arguments, as :func:`move_negative_sampler` does, and raises the same errors.
    """
    options = _trained_options(training_loop, kwargs.get("training_loop_kwargs") or {})
    fixed: Place = ("training_loop_kwargs", options)
    _check_either([fixed], [("training_kwargs_ranges", kwargs.get("training_kwargs_ranges") or {})])
    kwargs["training_kwargs"] = _merge([("training_kwargs", kwargs.get("training_kwargs") or {}), fixed])


def _resolve(*hints: HintOrType[NegativeSampler]) -> type[NegativeSampler]:
    """Resolve the negative sampler, and check that saved configurations can name it."""
    for hint in hints:
        if isinstance(hint, NegativeSampler):
            raise ValueError(
                f"Each trial has a negative sampler of its own: pass the name or the class of {type(hint).__name__} "
                f"rather than an instance, and its options as negative_sampler_kwargs."
            )
    classes = {negative_sampler_resolver.lookup(hint) for hint in hints if hint is not None}
    if len(classes) > 1:
        raise ValueError(
            f"The negative sampler is given twice, as negative_sampler={hints[0]!r} and as "
            f"training_loop_kwargs=dict(negative_sampler={hints[1]!r}). Leave one of them out."
        )
    cls = classes.pop() if classes else FilteredBernoulliNegativeSampler
    if negative_sampler_resolver.lookup_dict.get(negative_sampler_resolver.normalize_cls(cls)) is not cls:
        raise ValueError(
            f"{cls.__name__} is unknown to PyKEEN, and a saved configuration could not name it. Register it first: "
            f"pykeen.sampling.negative_sampler_resolver.register({cls.__name__})."
        )
    return cls


def _trained_options(training_loop: type[StepTrainingLoop], loop_kwargs: Options) -> dict[str, Any]:
    """Return those options of the training loop that its method ``train`` could change, by their names there."""
    options = {key: loop_kwargs[key] for key in ("adversarial_weight", "num_groups", "n3_weight") if key in loop_kwargs}
    optimizer_kwargs = loop_kwargs.get("generator_optimizer_kwargs") or {}
    if "lr" in optimizer_kwargs and "generator_lr" in training_loop.hpo_default:
        options["generator_lr"] = optimizer_kwargs["lr"]
    return options


def _check_either(fixed: Iterable[Place], tuned: Iterable[Place]) -> None:
    """Check that nothing is both fixed and tuned."""
    for place, options in fixed:
        for other, ranges in tuned:
            for key in options.keys() & ranges.keys():
                raise ValueError(
                    f"{key} is fixed to {options[key]!r} in {place}, and tuned in {other}. Leave one of them out."
                )


def _merge(places: Iterable[Place]) -> dict[str, Any]:
    """Merge options that are given in several places."""
    merged: dict[str, tuple[Any, str]] = {}
    for place, options in places:
        for key, value in options.items():
            first, origin = merged.setdefault(key, (value, place))
            if first != value:
                raise ValueError(
                    f"{key} is given twice, as {first!r} in {origin} and as {value!r} in {place}. Leave one of them "
                    f"out."
                )
    return {key: value for key, (value, _) in merged.items()}
