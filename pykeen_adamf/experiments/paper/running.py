"""One run: from a configuration to the files that the report reads."""

import json
import os
import platform
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy
from pykeen.pipeline import pipeline

from ...atomic import written_atomically
from ...garbage_collection import cheap_garbage_collection
from ...typing import NumpyArray
from ..demo.quiet import quiet
from ..results import describe_environment, write_json
from .data import describe_data, drop_features, load_dataset, sample
from .measuring import check_metrics, collect_metrics, rank_triples, weight_modalities
from .planning import Run

__all__ = ["RunFiles", "describe_failure", "execute", "read_result"]

FORMAT: Final = 1


class RunFiles(NamedTuple):
    """Where the files of a run are."""

    #: the directory of the experiment
    directory: Path

    #: the run's ID
    id: str

    @property
    def result(self) -> Path:
        """Return the path of the result, which is written last."""
        return self.directory / "runs" / f"{self.id}.json"

    @property
    def ranks(self) -> Path:
        """Return the path of the ranks."""
        return self.directory / "runs" / f"{self.id}.ranks.npz"

    @property
    def lock(self) -> Path:
        """Return the path of the lock."""
        return self.directory / "runs" / f"{self.id}.lock"

    def write(self, result: Mapping[str, Any], ranks: Mapping[str, Any] | None) -> None:
        """Write what has come out.

        :param result: The result.
        :param ranks: The arrays of ranks, or ``None`` if the run has failed.
        :raises OSError: if they cannot be written
        """
        if ranks is not None:
            with written_atomically(self.ranks) as path, path.open("wb") as file:
                numpy.savez(file, **ranks)
        write_json(self.result, result)


def read_result(path: Path) -> dict[str, Any] | None:
    """Read the result of a run.

    :param path: The path of the file.
    :returns: The result, or ``None`` if there is none yet.
    :raises ValueError: if it is none of ours, or of another run
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is not the result of a run: {error}. Remove it, and run it again.") from error
    if not isinstance(result, dict) or result.get("format") != FORMAT or result.get("id") != path.stem:
        raise ValueError(f"{path} is not the result of this run. Remove it, and run it again.")
    return result


@cache
def _describe_cpu() -> str:
    """Return the name of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _describe(run: Run, device: str) -> dict[str, Any]:
    """Describe what was to be done, with nothing that comes out."""
    return {
        "format": FORMAT,
        "id": run.id,
        "experiment": run.experiment,
        "variant": run.variant,
        "dataset": run.dataset,
        "seed": run.seed,
        "parameters": dict(run.parameters),
        "configuration": run.configuration,
        "environment": {
            **describe_environment(),
            "cpu": _describe_cpu(),
            "num_cpus": os.cpu_count(),
            "device": device,
        },
        "data": None,
        "metrics": None,
        "losses": None,
        "adversarial_losses": None,
        "num_parameters": None,
        "seconds": None,
        "modality_weights": None,
        "error": None,
        "traceback": None,
    }


def describe_failure(run: Run, device: str, message: str, traceback: str | None = None) -> dict[str, Any]:
    """Return the result of a run that has failed.

    :param run: The run.
    :param device: The device.
    :param message: What has happened.
    :param traceback: Where it has happened.
    :returns: The content of the run's file.
    """
    return {**_describe(run, device), "error": message, "traceback": traceback}


def execute(run: Run, device: str) -> tuple[dict[str, Any], dict[str, NumpyArray]]:
    """Train and evaluate.

    :param run: What to train.
    :param device: The device.
    :returns: The content of the run's file, and the arrays of ranks.
    :raises RuntimeError: if metrics are not those of the ranks
    """
    kwargs = deepcopy(dict(run.configuration["pipeline"]))
    dataset = load_dataset(kwargs.pop("dataset"), kwargs.pop("dataset_kwargs", {}))
    dataset = drop_features(dataset, run.missing_ratio, run.seed, run.missing_by)
    testing = sample(dataset.testing, run.num_test_triples)
    # no results change by this
    kwargs["training_kwargs"] = {**kwargs.get("training_kwargs", {}), "use_tqdm_batch": False}
    # rank also against the test triples that are not part of the sample
    filters = [dataset.testing.mapped_triples]
    kwargs["evaluation_kwargs"] = {**kwargs.get("evaluation_kwargs", {}), "additional_filter_triples": filters}
    with quiet(), cheap_garbage_collection():
        result = pipeline(
            training=dataset.training,
            testing=testing,
            validation=dataset.validation,
            metadata=dict(run.configuration["metadata"]),
            device=device,
            use_tqdm=False,
            **kwargs,
        )
        ranked = rank_triples(result.model, dataset, testing)
    metrics = collect_metrics(result)
    check_metrics(metrics, ranked)
    content = {
        **_describe(run, device),
        "data": describe_data(dataset, testing),
        "metrics": metrics,
        "losses": result.losses,
        "adversarial_losses": getattr(result.training_loop, "adversarial_losses_per_epoch", None),
        "num_parameters": result.model.num_parameters,
        "seconds": {"training": result.train_seconds, "evaluation": result.evaluate_seconds},
        "modality_weights": weight_modalities(result.model, testing),
    }
    ranks = {
        "triples": testing.mapped_triples.numpy(),
        "head_rank": ranked.head_ranks.numpy(),
        "tail_rank": ranked.tail_ranks.numpy(),
    }
    return content, ranks
