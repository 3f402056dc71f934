"""What all experiments write down, and how."""

import json
import os
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas
import torch
from pykeen.pipeline import PipelineResult

from ..atomic import written_atomically
from ..evaluation.measuring import METRICS

__all__ = [
    "describe_environment",
    "format_table",
    "summarize",
    "write_json",
]


def describe_environment(device: str | None = None) -> dict[str, Any]:
    """Describe what this runs on.

    :param device: The device in use, if it is known.
    :returns: Versions and hardware.
    """
    return {
        **{name: version(name) for name in ("pykeen-adamf", "pykeen", "torch", "numpy")},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu": _describe_cpu(),
        "num_cpus": os.cpu_count(),
        "device": device,
        "num_threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


@cache
def _describe_cpu() -> str:
    """Return the name of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def summarize(result: PipelineResult) -> dict[str, Any]:
    """Summarize the result of a pipeline: metrics of both sides, losses, times.

    :param result: The result.
    :returns: A summary that can be written as JSON.
    """
    summary: dict[str, Any] = {
        side: {name: result.get_metric(f"{side}.realistic.{key}") for name, key in METRICS.items()}
        for side in ("both", "head", "tail")
    }
    summary["num_parameters"] = result.model.num_parameters
    summary["losses"] = result.losses
    summary["adversarial_losses"] = getattr(result.training_loop, "adversarial_losses_per_epoch", None)
    summary["training_seconds"] = result.train_seconds
    summary["evaluation_seconds"] = result.evaluate_seconds
    return summary


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a file such that it is always complete.

    :param path: The path of the file.
    :param data: What to write.
    """
    with written_atomically(path, concurrently=True) as temporary:
        temporary.write_text(json.dumps(data, indent=2))


def format_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Format results as a Markdown table.

    :param results: The results of runs, cf. :func:`pykeen_adamf.experiments.run.run`, by name.
    :returns: The table.
    """
    rows = [
        [
            name,
            *(f"{result['metrics']['both']['realistic'][metric]:.3f}" for metric in METRICS),
            *(f"{result['seconds'][kind]:.0f} s" for kind in ("training", "evaluation")),
        ]
        for name, result in results.items()
    ]
    frame = pandas.DataFrame(rows, columns=["model", *METRICS, "training", "evaluation"])
    return str(frame.to_markdown(index=False, disable_numparse=True))
