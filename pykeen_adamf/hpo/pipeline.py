"""What changes in PyKEEN's hyper-parameter optimization and ablation studies for what is of this package."""

import inspect
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from pykeen.datasets import dataset_resolver
from pykeen.hpo.hpo import HpoPipelineResult
from pykeen.models import model_resolver
from pykeen.training import SLCWATrainingLoop, training_loop_resolver
from pykeen.utils import upgrade_to_sequence

from ..datasets.base import MultimodalBenchmark
from ..datasets.published import BENCHMARKS
from ..pipeline_checks import check_arguments
from ..training.slcwa import SamplingTrainingLoop
from ..training.step import StepTrainingLoop
from .negative_sampler import fix_options, move_negative_sampler
from .ranges import add_default_ranges, is_ours

__all__ = ["adapt_hpo_pipeline", "adapt_prepare_ablation", "refuse_leaking_validation"]

Directories = list[tuple[Path, Path]]


def adapt_hpo_pipeline(
    wrapped: Callable[..., HpoPipelineResult], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> HpoPipelineResult:
    """Run a study such that each of its trials uses what it reports, and searches the paper's grids by default.

    - Datasets whose published validation split leaks are refused unless the user has chosen a split, whichever model
      is tuned, cf. :func:`refuse_leaking_validation`.
    - Margin, temperature and learning rates of this package's models come from the paper's grids by default, cf.
      :func:`pykeen_adamf.hpo.ranges.add_default_ranges`. The numbers of negatives and of groups, the adversarial
      weight, the generators' learning rate and the batch size are those of
      :data:`pykeen_adamf.training.options.HPO_RANGES`. The number of epochs is PyKEEN's, i.e., from 100 to 1,000.
    - The negative sampler of this package's training loops, which PyKEEN would drop, is used, cf.
      :func:`pykeen_adamf.hpo.negative_sampler.move_negative_sampler`. Its name is an attribute of the study, as for
      PyKEEN's own training loop.

    Nothing else is changed for models and training loops of others.

    :raises TypeError: if a model or a training loop of this package has no such option, be it fixed or tuned
    :raises ValueError: if the dataset is refused, or options contradict each other
    :raises ExtraKeysError: if the negative sampler has no such options
    """
    kwargs = dict(kwargs)
    refuse_leaking_validation(kwargs.get("dataset"), kwargs.get("dataset_kwargs"))
    # rather than in each trial, which would only fail
    check_arguments(kwargs)
    if "model" not in kwargs:
        # PyKEEN says so
        return wrapped(*args, **kwargs)
    model = model_resolver.lookup(kwargs["model"])
    if is_ours(model):
        if _is_default_of_command_line("loss"):
            kwargs["loss"] = None
        add_default_ranges(model, kwargs)
    training_loop = training_loop_resolver.lookup(kwargs.get("training_loop"))
    if not issubclass(training_loop, SamplingTrainingLoop):
        if issubclass(training_loop, StepTrainingLoop):
            fix_options(training_loop, kwargs)
        return wrapped(*args, **kwargs)
    negative_sampler = move_negative_sampler(training_loop, kwargs)
    result = wrapped(*args, **kwargs)
    result.study.set_user_attr("negative_sampler", negative_sampler)
    return result


def _is_default_of_command_line(parameter: str) -> bool:
    """Return whether ``pykeen optimize`` is running, and nobody has given a parameter to it.

    It passes a default of its own, which is not the model's.
    """
    context = click.get_current_context(silent=True)
    if context is None or getattr(context.command.callback, "__module__", None) != "pykeen.hpo.cli":
        return False
    return context.get_parameter_source(parameter) is ParameterSource.DEFAULT


def refuse_leaking_validation(dataset: Any, dataset_kwargs: Mapping[str, Any] | None) -> None:
    """Refuse a dataset whose validation triples are in part training or test triples.

    Only datasets with such a published split are refused, and only if nobody has chosen the split. To choose is to
    pass ``validation``, be it ``"holdout"`` or ``"published"``: in ``dataset_kwargs`` for a dataset given by its name
    or its class, or to the constructor of an instance. Triples factories, and datasets made from others, e.g., by
    :meth:`pykeen.datasets.Dataset.remix`, are not refused, since nothing is known of where they come from.

    :raises ValueError: if the dataset is refused
    """
    cls = type(dataset) if isinstance(dataset, MultimodalBenchmark) else dataset
    if isinstance(cls, str):
        # or a file, of which nothing is known either
        with suppress(KeyError):
            cls = dataset_resolver.lookup(cls)
    if not isinstance(cls, type) or not issubclass(cls, MultimodalBenchmark):
        return
    warning = BENCHMARKS[cls.benchmark_name].validation_warning
    if warning is None:
        return
    if isinstance(dataset, MultimodalBenchmark):
        # PyKEEN does not use dataset_kwargs then
        if not dataset.validation_chosen:
            name = cls.__name__
            raise ValueError(
                f"{warning} For an instance that is {name}(validation='holdout'), or {name}(validation='published') to "
                f"tune on the published split all the same."
            )
    elif (dataset_kwargs or {}).get("validation") is None:
        raise ValueError(
            f"{warning} To tune on the published split all the same, pass dataset_kwargs=dict(validation='published')."
        )


def adapt_prepare_ablation(
    wrapped: Callable[..., Directories], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Directories:
    """Write the configurations of an ablation study, with the negative sampler.

    PyKEEN writes one for each combination, with the options of the negative sampler, but without the negative sampler
    itself: a study is run with the default one, whatever was asked for.

    All configurations of a study get it, such that its models and training loops can be compared, if one of these is
    of this package. All other studies are left as they are.

    :raises ValueError: if there are options of a negative sampler, but it is not named
    """
    arguments = inspect.signature(wrapped).bind(*args, **kwargs).arguments
    if not any(
        is_ours(resolver.lookup(name))
        for key, resolver in (("models", model_resolver), ("training_loops", training_loop_resolver))
        for name in upgrade_to_sequence(arguments[key])
    ):
        return wrapped(*args, **kwargs)
    negative_sampler = arguments.get("negative_sampler")
    for name in ("model_to_neg_sampler_to_neg_sampler_kwargs", "model_to_neg_sampler_to_neg_sampler_kwargs_ranges"):
        if negative_sampler is None and arguments.get(name):
            raise ValueError(
                f"The ablation study has options of negative samplers, {arguments[name]!r}, but does not say which "
                f"sampler to use. Pass its name as negative_sampler."
            )
    directories = wrapped(*args, **kwargs)
    for _, path in directories if negative_sampler is not None else ():
        config = json.loads(path.read_text(encoding="utf-8"))
        if issubclass(training_loop_resolver.lookup(config["pipeline"]["training_loop"]), SLCWATrainingLoop):
            config["pipeline"]["negative_sampler"] = negative_sampler
            path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    return directories
