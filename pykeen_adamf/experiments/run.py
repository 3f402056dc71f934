"""One run: a configuration in, one folder out."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pykeen.models import model_resolver
from pykeen.pipeline import pipeline
from pykeen.training import TrainingLoop, training_loop_resolver

from ..bundle import save
from ..bundle.layout import CONFIGURATION_NAME
from ..encoders.weights import resolve_device
from ..evaluation.measuring import RankKeepingEvaluator, collect_metrics, group_triples, weight_modalities
from ..models import QueryScoringModel
from ..training.resumable import ResumableTrainingLoop
from .configuration import FIXED, read_configuration
from .data import Data, load_data
from .folder import RunFolder
from .quiet import quiet
from .recording import Recorder

__all__ = ["make_resumable", "run"]


def run(
    what: str | Path | Mapping[str, Any],
    output: str | Path,
    *,
    seed: int | None = None,
    device: str | None = None,
    bundle: bool = False,
    checkpoint_minutes: int = 1,
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
    :param checkpoint_minutes: How often to write a checkpoint, in minutes, at the end of an epoch; 0 for each epoch.
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
        _check_bundle(configuration["pipeline"].get("model"))
    folder = RunFolder(output)
    with folder.locked():
        is_same = folder.plan(configuration)
        finished = folder.read_result()
        if bundle and not (folder.bundle / CONFIGURATION_NAME).is_file():
            finished = None
        if finished is None or not is_same:
            with folder.attempt(), quiet(folder.log):
                data = load_data(configuration, progress=progress)
            folder.check_data(data.digest)
        if finished is not None:
            report(f"{folder.path} is finished.")
            return finished
        with folder.attempt(), quiet(folder.log):
            recorder, evaluator = Recorder(folder, data, device, validate_every), RankKeepingEvaluator()
            report(f"{'Continuing' if folder.checkpoint.exists() else 'Training'} in {folder.path} on {device} ...")
            if features := recorder.content["data"]["features"]:
                present = ", ".join(f"{name} {x['num_present']:,}" for name, x in features.items())
                report(f"Features of {data.dataset.training.num_entities:,} entities: {present}")
            kwargs = _adapt(configuration, data)
            kwargs["training_kwargs"]["callbacks"].append(recorder)
            kwargs["training_kwargs"] |= {
                "checkpoint_directory": str(folder.path),
                "checkpoint_name": folder.checkpoint.name,
                "checkpoint_frequency": checkpoint_minutes,
                "use_tqdm": progress,
                "use_tqdm_batch": False,
            }
            result = pipeline(**{**kwargs, "evaluator": evaluator, "device": device, "use_tqdm": progress})
            content = {
                "configuration": configuration,
                "seed": configuration["pipeline"]["random_seed"],
                **recorder.content,
                "metrics": collect_metrics(result.metric_results),
                "losses": result.losses,
                "adversarial_losses": getattr(result.training_loop, "adversarial_losses_per_epoch", None),
                "num_parameters": result.model.num_parameters,
                "seconds": {
                    "training": sum(row["seconds"] for row in recorder.rows),
                    "evaluation": result.evaluate_seconds,
                },
                "modality_weights": weight_modalities(result.model, data.testing),
            }
            if bundle:
                held_out = {"testing": data.dataset.testing, "validation": data.dataset.validation}
                folder.write_held_out({name: x.mapped_triples.numpy() for name, x in held_out.items() if x is not None})
                save(result.model, data.dataset.training, folder.bundle)
            groups = group_triples(data.testing, data.dataset.training)
            folder.finish(content, {"triples": data.testing.mapped_triples.numpy(), **evaluator.get_ranks(), **groups})
    metrics = content["metrics"]["both"]["realistic"]
    report(f"{'; '.join(f'{name} {metrics[name]:.4f}' for name in ('MRR', 'Hits@1', 'Hits@10'))} in {folder.path}")
    return content


def _adapt(configuration: Mapping[str, Any], data: Data) -> dict[str, Any]:
    """Return the arguments of PyKEEN's pipeline for a configuration, with the data that are loaded."""
    ours = {*FIXED, "dataset", "dataset_kwargs", "evaluator", "evaluator_kwargs"}
    kwargs = deepcopy({name: x for name, x in configuration["pipeline"].items() if name not in ours})
    training_kwargs, evaluation_kwargs = (kwargs.get(f"{name}_kwargs") or {} for name in ("training", "evaluation"))
    callbacks = training_kwargs.get("callbacks") or []
    return {
        **kwargs,
        "training": data.dataset.training,
        "validation": data.dataset.validation,
        "testing": data.testing,
        "training_loop": make_resumable(kwargs.get("training_loop")),
        "training_kwargs": {**training_kwargs, "callbacks": callbacks if isinstance(callbacks, list) else [callbacks]},
        # against the test triples that are not part of a sample, too
        "evaluation_kwargs": {**evaluation_kwargs, "additional_filter_triples": [data.dataset.testing.mapped_triples]},
        "metadata": dict(configuration.get("metadata") or {}),
    }


def _check_bundle(model: str | None) -> None:
    """Check that there can be a bundle, before hours of training."""
    cls = None if model is None else model_resolver.lookup(model)
    if cls is None or not issubclass(cls, QueryScoringModel):
        what = f"{cls.__name__} is none" if cls else "an interaction is none"
        raise ValueError(f"There are bundles of this package's models only, and {what}. Leave out the bundle.")


def make_resumable(hint: Any) -> type[TrainingLoop[Any]]:
    """Return a training loop, given by its class or name, or PyKEEN's default for ``None``, as one that can be resumed.

    It is the class itself if that can be interrupted at any time, and continued with the same result, or a subclass.
    """
    cls = training_loop_resolver.lookup(hint)
    if issubclass(cls, ResumableTrainingLoop):
        return cls
    # the module would be that of the metaclass
    namespace = {"__doc__": cls.__doc__, "__module__": __name__}
    return type(f"Resumable{cls.__name__}", (ResumableTrainingLoop, cls), namespace)
