"""What all experiments write down, and how."""

import json
import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas
import torch

from ..atomic import written_atomically
from ..evaluation import METRICS

__all__ = ["describe_environment", "format_table", "write_json"]


def describe_environment(device: str | None = None) -> dict[str, Any]:
    """Describe what this runs on: versions and hardware, with the device in use if it is known."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    return {
        **{name: version(name) for name in ("pykeen-adamf", "pykeen", "torch", "numpy")},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu": found[1].strip() if found else platform.processor(),
        "num_cpus": os.cpu_count(),
        "device": device,
        "num_threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a file such that it is always complete."""
    with written_atomically(path, concurrently=True) as temporary:
        temporary.write_text(json.dumps(data, indent=2))


def format_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Format results of runs, cf. :func:`pykeen_adamf.experiments.run.run`, by name, as a Markdown table."""
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
