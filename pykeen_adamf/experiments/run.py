"""One run: a configuration in, one folder out."""

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from pykeen.pipeline import pipeline
from pykeen.training import TrainingLoop, training_loop_resolver

from ..encoders.weights import resolve_device
from ..evaluation.measuring import RankKeepingEvaluator, collect_metrics, weight_modalities
from ..training.resumable import ResumableTrainingLoop
from .configuration import FIXED, read_configuration
from .data import describe_data, load_data
from .folder import OtherDataError, RunFolder
from .quiet import quiet
from .recording import Recorder
from .results import describe_environment

__all__ = ["run"]

#: How often a checkpoint is written, in minutes; at the end of an epoch.
CHECKPOINT_MINUTES = 1


def run(
    what: str | Path | Mapping[str, Any],
    output: str | Path,
    *,
    seed: int | None = None,
    device: str | None = None,
    bundle: bool = False,
    checkpoint_minutes: int = CHECKPOINT_MINUTES,
    validate_every: int | None = None,
    progress: bool = True,
    report: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Train and evaluate once, or continue where an earlier call was interrupted.

    :param what: The path of a configuration, the name of a preset, or what
        :func:`pykeen_adamf.experiments.configuration.read_configuration` returns.
    :param output: The folder of the run, cf. :class:`pykeen_adamf.experiments.folder.RunFolder`.
    :param seed: The random seed. Defaults to the configuration's, or 0.
    :param device: The device. If ``None``, a GPU if there is one.
    :param bundle: Whether to save the trained model as a bundle, too.
    :param checkpoint_minutes: How often to write a checkpoint, in minutes; 0 for each epoch.
    :param validate_every: After how many epochs to measure the MRR of the validation triples for the learning curve,
        which decides nothing. If ``None``, never.
    :param progress: Whether to show a progress bar.
    :param report: Called with what is to be printed.
    :returns: The content of ``result.json``.
    :raises OSError: if the folder cannot be written to
    :raises ValueError: if the configuration, the data or the device are invalid, the folder is another run's, or
        another process works there
    """
    configuration = deepcopy(dict(what)) if isinstance(what, Mapping) else read_configuration(what)
    given = configuration["pipeline"].get("random_seed")
    configuration["pipeline"]["random_seed"] = seed if seed is not None else 0 if given is None else given
    # PyKEEN would use the CPU instead
    device = str(resolve_device(device or configuration["pipeline"].get("device")))
    if bundle:
        _check_bundle(configuration)
    folder = RunFolder(output)
    with folder.locked():
        result = folder.begin(configuration)
        if result is not None and _is_complete(folder, bundle):
            report(f"{folder.path} is finished.")
            return result
        try:
            with quiet(), _logged_to(folder.log):
                return _run(configuration, folder, device, bundle, checkpoint_minutes, validate_every, progress, report)
        except OtherDataError:
            # which is not the folder's fault
            raise
        except Exception as error:
            folder.fail(f"{type(error).__name__}: {error}", traceback.format_exc())
            raise


def _run(
    configuration: Mapping[str, Any],
    folder: RunFolder,
    device: str,
    bundle: bool,
    checkpoint_minutes: int,
    validate_every: int | None,
    progress: bool,
    report: Callable[[str], object],
) -> dict[str, Any]:
    """Train, evaluate, and write everything down."""
    kwargs = deepcopy(dict(configuration["pipeline"]))
    seed = kwargs["random_seed"]
    data = load_data(configuration)
    folder.check_data(data.digest)
    finished = folder.read_result()
    if finished is not None and _is_complete(folder, bundle):
        report(f"{folder.path} is finished.")
        return finished
    if validate_every and (data.dataset.validation is None or not data.dataset.validation.num_triples):
        raise ValueError("The dataset has no validation triples: leave out validate_every, or name some.")
    report(f"{'Continuing' if folder.checkpoint.exists() else 'Training'} in {folder.path} on {device} ...")
    evaluator = RankKeepingEvaluator()
    recorder = Recorder(
        folder,
        {
            "data_digest": data.digest,
            "data": describe_data(data.dataset, data.testing),
            "environment": describe_environment(device),
        },
        data.dataset,
        validate_every,
    )
    arguments = dict(kwargs.pop("training_kwargs", None) or {})
    callbacks = arguments.pop("callbacks", None) or []
    arguments |= {
        "callbacks": [*(callbacks if isinstance(callbacks, list) else [callbacks]), recorder],
        "checkpoint_directory": str(folder.path),
        "checkpoint_name": folder.checkpoint.name,
        "checkpoint_frequency": checkpoint_minutes,
        "use_tqdm": progress,
        "use_tqdm_batch": False,
    }
    for name in (*FIXED, "dataset", "dataset_kwargs", "evaluator", "evaluator_kwargs"):
        kwargs.pop(name, None)
    result = pipeline(
        **kwargs
        | {
            "training": data.dataset.training,
            "validation": data.dataset.validation,
            "testing": data.testing,
            "training_loop": make_resumable(kwargs.get("training_loop")),
            "training_kwargs": arguments,
            "evaluator": evaluator,
            # against the test triples that are not part of a sample, too
            "evaluation_kwargs": {
                **(kwargs.get("evaluation_kwargs") or {}),
                "additional_filter_triples": [data.dataset.testing.mapped_triples],
            },
            "metadata": dict(configuration.get("metadata") or {}),
            "device": device,
            "use_tqdm": progress,
        }
    )
    content = {
        "configuration": dict(configuration),
        "seed": seed,
        **recorder.content,
        "metrics": collect_metrics(result.metric_results),
        "losses": result.losses,
        "adversarial_losses": getattr(result.training_loop, "adversarial_losses_per_epoch", None),
        "num_parameters": result.model.num_parameters,
        "seconds": {"training": recorder.seconds, "evaluation": result.evaluate_seconds},
        "modality_weights": weight_modalities(result.model, data.testing),
    }
    if bundle:
        from ..bundle import save

        save(result.model, data.dataset.training, folder.bundle)
    folder.finish(content, {"triples": data.testing.mapped_triples.numpy(), **evaluator.get_ranks()})
    metrics = content["metrics"]["both"]["realistic"]
    report(f"{'; '.join(f'{name} {metrics[name]:.4f}' for name in ('MRR', 'Hits@1', 'Hits@10'))} in {folder.path}")
    return content


def _check_bundle(configuration: Mapping[str, Any]) -> None:
    """Check that there can be a bundle, before hours of training."""
    from pykeen.models import model_resolver

    from ..models import QueryScoringModel

    name = configuration["pipeline"].get("model")
    cls = None if name is None else model_resolver.lookup(name)
    if cls is None or not issubclass(cls, QueryScoringModel):
        what = f"{cls.__name__} is none" if cls else "an interaction is none"
        raise ValueError(f"There are bundles of this package's models only, and {what}. Leave out the bundle.")


def _is_complete(folder: RunFolder, bundle: bool) -> bool:
    """Return whether a finished run has all that is asked for."""
    from ..bundle.layout import CONFIGURATION_NAME

    return not bundle or (folder.bundle / CONFIGURATION_NAME).is_file()


def make_resumable(hint: Any) -> type[TrainingLoop[Any]]:
    """Return a training loop that can be interrupted at any time, and continued with the same result.

    :param hint: The training loop, its class or name, or ``None`` for PyKEEN's default.
    :returns: The class itself if it can be, or a subclass.
    """
    cls = training_loop_resolver.lookup(hint)
    if issubclass(cls, ResumableTrainingLoop):
        return cls
    return type(f"Resumable{cls.__name__}", (ResumableTrainingLoop, cls), {"__doc__": cls.__doc__})


@contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """Write down what PyKEEN and this package say about each step, instead of printing it."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in ("pykeen", "pykeen_adamf")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    try:
        for logger in loggers:
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            logger.propagate = False
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        handler.close()
