"""The options of models and training: what runs were configured with, beside what the paper says of them.

What a configuration leaves out has the default of the constructor that it would have been passed to.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from class_resolver.contrib.torch import optimizer_resolver
from pykeen.losses import loss_resolver
from pykeen.models import model_resolver
from pykeen.sampling import negative_sampler_resolver
from pykeen.training import training_loop_resolver

from ....models import AdaMFRotatE
from ....sampling import FilteredBernoulliNegativeSampler
from ....signatures import constructor_parameters
from ....training import MATTrainingLoop
from ..published import PAPER_EMBEDDING_DIM
from .points import Point

__all__ = [
    "BUDGET",
    "MODEL_OPTIONS",
    "NOT_STATED",
    "TUNED",
    "Option",
    "collect",
    "describe_options",
    "format_value",
    "get_values",
]

#: The parameters of :func:`pykeen.pipeline.pipeline`, as in JSON.
Pipeline: TypeAlias = Mapping[str, Any]

#: What the paper does not say is not said to be the same.
NOT_STATED: Final = "not stated"

#: The learning rates that the paper searches, of the model and of the generators alike.
LEARNING_RATES: Final = "one of 0.001, 0.0001, 1e-05"


class Option(NamedTuple):
    """An option of a configuration."""

    name: str

    #: returns the value, or ``None`` if a configuration has no such option
    get: Callable[[Pipeline], Any]

    #: what the paper says
    paper: str


def _get_default(cls: type, name: str) -> Any:
    """Return the default of a parameter of a constructor, or of those of the base classes that it passes it to."""
    parameter = constructor_parameters(cls).get(name)
    return None if parameter is None or parameter.default is parameter.empty else parameter.default


def _get_model_option(pipeline: Pipeline, name: str) -> Any:
    """Return a parameter of the model."""
    default = _get_default(model_resolver.lookup(pipeline["model"]), name)
    return pipeline.get("model_kwargs", {}).get(name, default)


def _get_loss_option(pipeline: Pipeline, name: str) -> Any:
    """Return a parameter of the loss."""
    model = model_resolver.lookup(pipeline["model"])
    default = None
    if pipeline.get("loss") is not None:
        default = _get_default(loss_resolver.lookup(pipeline["loss"]), name)
    elif model.__module__.startswith(f"{__name__.partition('.')[0]}."):
        # the pipeline uses the defaults of these models only
        default = (model.loss_default_kwargs or {}).get(name)
    else:
        default = _get_default(loss_resolver.lookup(None), name)
    return pipeline.get("loss_kwargs", {}).get(name, default)


def _get_learning_rate(pipeline: Pipeline) -> Any:
    """Return the learning rate of the model."""
    default = _get_default(optimizer_resolver.lookup(pipeline.get("optimizer")), "lr")
    return pipeline.get("optimizer_kwargs", {}).get("lr", default)


def _get_num_negatives(pipeline: Pipeline) -> Any:
    """Return the number of negatives for each positive triple."""
    name, sampler = "num_negs_per_pos", pipeline.get("negative_sampler")
    if sampler is None and _is_adversarial(pipeline):
        sampler = FilteredBernoulliNegativeSampler
    default = _get_default(negative_sampler_resolver.lookup(sampler), name)
    # PyKEEN's samplers take none for one
    configured = pipeline.get("negative_sampler_kwargs", {}).get(name, 1 if default is None else default)
    return pipeline.get("training_kwargs", {}).get(name, configured)


def _is_adversarial(pipeline: Pipeline) -> bool:
    """Return whether there is modality adversarial training."""
    return issubclass(training_loop_resolver.lookup(pipeline.get("training_loop")), MATTrainingLoop)


def _get_adversarial_option(pipeline: Pipeline, name: str) -> Any:
    """Return a parameter of modality adversarial training."""
    if not _is_adversarial(pipeline):
        return None
    configured = pipeline.get("training_loop_kwargs", {}).get(name, _get_default(MATTrainingLoop, name))
    # where it is also a parameter of the training, it wins there
    given = pipeline.get("training_kwargs", {}).get(name)
    return configured if given is None else given


def _get_generator_learning_rate(pipeline: Pipeline) -> Any:
    """Return the learning rate of the generators."""
    if not _is_adversarial(pipeline):
        return None
    options = pipeline.get("training_loop_kwargs", {}).get("generator_optimizer_kwargs") or {}
    given = pipeline.get("training_kwargs", {}).get("generator_lr")
    return options.get("lr", _get_learning_rate(pipeline)) if given is None else given


def _get_attention(pipeline: Pipeline) -> Any:
    """Return the kind of attention, which equal weights do without."""
    if not issubclass(model_resolver.lookup(pipeline["model"]), AdaMFRotatE):
        return None
    return _get_model_option(pipeline, "attention") if _get_model_option(pipeline, "fusion") == "adaptive" else None


def _get_training_option(pipeline: Pipeline, name: str, default: int) -> Any:
    """Return a parameter of the training, for which the pipeline itself has a default."""
    return pipeline.get("training_kwargs", {}).get(name, default)


#: What training costs.
BUDGET: Final = (
    Option("epochs", lambda x: x.get("epochs") or _get_training_option(x, "num_epochs", 5), NOT_STATED),
    Option("embedding dimension", lambda x: _get_model_option(x, "embedding_dim"), f"{PAPER_EMBEDDING_DIM}"),
    Option("batch size", lambda x: _get_training_option(x, "batch_size", 256), "1024"),
    Option("negatives", _get_num_negatives, "one of 32, 64, 128"),
)

#: What is tuned for each model.
TUNED: Final = (
    Option("learning rate", _get_learning_rate, LEARNING_RATES),
    Option("margin", lambda x: _get_loss_option(x, "margin"), "one of 1, 2, 4, 8, 12"),
    Option("temperature", lambda x: _get_loss_option(x, "adversarial_temperature"), "one of 0.5, 1, 2"),
)

#: What only some models have.
MODEL_OPTIONS: Final = (
    Option("attention", _get_attention, "per-modality (eq. 4); shared is the reference code's"),
    Option("trained features", lambda x: _get_model_option(x, "trainable_features"), NOT_STATED),
    Option(
        "learning rate of the generators",
        _get_generator_learning_rate,
        LEARNING_RATES,
    ),
    Option(
        "weight λ of the adversarial loss",
        lambda x: _get_adversarial_option(x, "adversarial_weight"),
        "one of 0.1, 0.01, 0.001",
    ),
    Option("groups L of synthetic triples", lambda x: _get_adversarial_option(x, "num_groups"), "1"),
    Option("dimension of the noise", lambda x: _get_adversarial_option(x, "noise_dim"), "64"),
    Option("hidden dimension of the generators", lambda x: _get_adversarial_option(x, "hidden_dim"), NOT_STATED),
    Option(
        "weighting of synthetic triples",
        lambda x: _get_adversarial_option(x, "adversarial_weighting"),
        "uniform (eq. 10); self-adversarial is the reference code's",
    ),
    Option(
        "objective of the generators",
        lambda x: _get_adversarial_option(x, "generator_objective"),
        "minimax (eq. 11); non-saturating is the reference code's",
    ),
    # set only if they are others than those of the model's loss
    Option("margin of the adversarial loss", lambda x: _get_adversarial_option(x, "margin"), "the model's (eq. 10)"),
    Option(
        "temperature of the adversarial loss",
        lambda x: _get_adversarial_option(x, "adversarial_temperature"),
        "none (eq. 10)",
    ),
)


def format_value(value: Any) -> str:
    """Format the value of an option: the same number has the same text."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    # 15 digits: no number that somebody would write is rounded
    return f"{value:.15g}" if isinstance(value, int | float) else str(value)


def get_values(option: Option, points: Iterable[Point]) -> dict[str, list[str]]:
    """Return the values of an option in the order of size, each with the models that have it.

    :param option: The option.
    :param points: The points, of which all finished runs are looked at.
    :returns: The names of models by value, without those that have no such option.
    """
    found: dict[Any, dict[str, None]] = {}
    for point in points:
        for configuration in point.configurations:
            value = option.get(configuration["pipeline"])
            if value is not None:
                found.setdefault(value, {})[point.variant] = None
    # numbers by size, then texts
    order = sorted(found, key=lambda x: (isinstance(x, str), str(x) if isinstance(x, str) else x))
    return {format_value(value): list(found[value]) for value in order}


def collect(option: Option, points: Iterable[Point]) -> str:
    """Return the values of an option as text."""
    return ", ".join(get_values(option, points))


def describe_options(points: Iterable[Point]) -> list[tuple[str, str, str]]:
    """Describe the options that only some models have.

    :param points: The points with results.
    :returns: For each option that any of them has: its name, its values, and what the paper says. If there are several
        values, each with its models.
    """
    rows = []
    points = list(points)
    for option in MODEL_OPTIONS:
        values = get_values(option, points)
        # the points of a figure have the same name
        distinct = len({tuple(names) for names in values.values()}) > 1
        texts = [f"{value} ({', '.join(names)})" if distinct else value for value, names in values.items()]
        if texts:
            rows.append((option.name, ", ".join(texts), option.paper))
    return rows
