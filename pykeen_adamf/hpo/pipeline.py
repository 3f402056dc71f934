"""What changes in PyKEEN's hyper-parameter optimization for models, datasets and the training loops of this package."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import click
from click.core import ParameterSource
from pykeen.datasets import dataset_resolver
from pykeen.hpo.hpo import HpoPipelineResult
from pykeen.models import model_resolver
from pykeen.training import training_loop_resolver

from ..datasets.base import MultimodalBenchmark
from ..datasets.published import BENCHMARKS
from ..training.slcwa import SamplingTrainingLoop
from ..training.step import StepTrainingLoop
from .negative_sampler import fix_options, move_negative_sampler
from .ranges import add_default_ranges, is_ours

__all__ = ["adapt_hpo_pipeline", "refuse_leaking_validation"]


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

    :raises ValueError: if the dataset is refused, or options contradict each other
    :raises ExtraKeysError: if the negative sampler has no such options
    """
    kwargs = dict(kwargs)
    refuse_leaking_validation(kwargs.get("dataset"), kwargs.get("dataset_kwargs"))
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
                f"tune on the published split all the same.",
            )
    elif (dataset_kwargs or {}).get("validation") is None:
        raise ValueError(
            f"{warning} To tune on the published split all the same, pass dataset_kwargs=dict(validation='published').",
        )
