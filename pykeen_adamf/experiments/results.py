"""What all experiments write down, and how."""

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
from pykeen.pipeline import PipelineResult

from ..atomic import written_atomically

__all__ = [
    "METRICS",
    "describe_environment",
    "format_table",
    "summarize",
    "write_json",
]

#: The reported metrics by their names in PyKEEN.
METRICS: Final[Mapping[str, str]] = {
    "MRR": "inverse_harmonic_mean_rank",
    "Hits@1": "hits_at_1",
    "Hits@3": "hits_at_3",
    "Hits@10": "hits_at_10",
}


def describe_environment() -> dict[str, Any]:
    """Describe what this runs on."""
    return {
        **{name: version(name) for name in ("pykeen-adamf", "pykeen", "torch", "numpy")},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "num_threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


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


def format_table(results: Mapping[str, Any]) -> str:
    """Format results as a Markdown table.

    :param results: Summaries by name, under the key ``results``.
    :returns: The table.
    """
    header = ["model", *METRICS, "training", "evaluation"]
    rows = [
        [
            name,
            *(f"{value['both'][metric]:.3f}" for metric in METRICS),
            f"{value['training_seconds']:.0f} s",
            f"{value['evaluation_seconds']:.0f} s",
        ]
        for name, value in results["results"].items()
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])
