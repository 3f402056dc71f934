"""What changes in PyKEEN's hyper-parameter optimization for models, datasets and the training loops of this package."""

from collections.abc import Callable, Mapping
from typing import Any

import click
from click.core import ParameterSource
from pykeen.hpo.hpo import HpoPipelineResult
from pykeen.models import model_resolver
from pykeen.training import training_loop_resolver

from ..training import MATTrainingLoop
from ..training.step import StepTrainingLoop
from .negative_sampler import fix_options, move_negative_sampler
from .ranges import add_default_ranges, is_ours
from .validation import refuse_leaking_validation

__all__ = ["adapt_hpo_pipeline"]


def adapt_hpo_pipeline(
    wrapped: Callable[..., HpoPipelineResult], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> HpoPipelineResult:
    """Run a study such that each of its trials uses what it reports, and searches the paper's grids by default.

    - Datasets whose published validation split leaks are refused unless the user has chosen a split, whichever model
      is tuned, cf. :func:`pykeen_adamf.hpo.validation.refuse_leaking_validation`.
    - Margin, temperature and learning rates of this package's models come from the paper's grids by default, cf.
      :func:`pykeen_adamf.hpo.ranges.add_default_ranges`. The numbers of negatives and of groups, the adversarial
      weight, the generators' learning rate and the batch size are those of
      :data:`pykeen_adamf.training.options.HPO_RANGES`. The number of epochs is PyKEEN's, i.e., from 100 to 1,000.
    - The negative sampler of modality adversarial training, which PyKEEN would drop, is used, cf.
      :func:`pykeen_adamf.hpo.negative_sampler.move_negative_sampler`. Its name is an attribute of the study, as for
      PyKEEN's own training loop.

    Nothing else is changed for models and training loops of others.

    :param wrapped: PyKEEN's :func:`pykeen.hpo.hpo_pipeline`.
    :param args: Its positional arguments, of which there are none.
    :param kwargs: Its keyword arguments.
    :returns: Its result.
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
    if not issubclass(training_loop, MATTrainingLoop):
        if issubclass(training_loop, StepTrainingLoop):
            fix_options(kwargs)
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
