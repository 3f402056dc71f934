"""Paired timing: contenders take turns in one process, so that a machine that slows down slows down all of them."""

import gc
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import torch

from pykeen_adamf.experiments.folder import write_json
from pykeen_adamf.experiments.recording import describe_environment


def take_turns(contenders: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """Time the contenders in turn.

    :param contenders: What to call, by name.
    :param rounds: How many times each is timed.
    :param warmup: How many times each is called before.
    :returns: The seconds of each call.
    """
    # what was imported is no garbage; looking through it again and again is not what is to be measured
    gc.collect()
    gc.freeze()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    with click.progressbar(range(warmup + rounds), label="rounds", file=sys.stderr) as progress:
        for turn in progress:
            # everybody comes after everybody else
            names = list(contenders)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                function = contenders[name]
                start = time.perf_counter()
                function()
                if turn >= warmup:
                    seconds[name].append(time.perf_counter() - start)
    return seconds


def ratios(seconds: Mapping[str, list[float]], reference: str) -> dict[str, float]:
    """Return the median over rounds of each contender's time relative to the reference's in the same round."""
    return {
        name: statistics.median(a / b for a, b in zip(times, seconds[reference], strict=True))
        for name, times in seconds.items()
        if name != reference
    }


def summarize(seconds: Mapping[str, list[float]], reference: str) -> str:
    """Return a Markdown table of medians, extremes and ratios."""
    relative = ratios(seconds, reference)
    lines = ["| what | median | min | max | ratio |", "| --- | --- | --- | --- | --- |"]
    for name, times in seconds.items():
        cells = [f"{1e3 * value:,.1f} ms" for value in (statistics.median(times), min(times), max(times))]
        lines.append(f"| {name} | {' | '.join(cells)} | {relative.get(name, 1.0):.2f} |")
    return "\n".join(lines)


def peak_gb() -> float:
    """Return the largest amount of memory that this process has used so far, in GB (10^9 bytes)."""
    status = Path("/proc/self/status")
    if status.is_file():
        # what getrusage tells includes what the parent used before it started this process
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def matmul_rate() -> float:
    """Measure the floating-point operations per second of a matrix product like the projections'."""
    left, right = torch.randn(1024, 4096), torch.randn(4096, 500)
    return 2 * 1024 * 4096 * 500 / _best_of(lambda: left @ right)


def memory_rate() -> float:
    """Measure the bytes per second, read or written, of a copy that is too large for any cache."""
    source = torch.randn(2**26)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _best_of(lambda: target.copy_(source))


def _best_of(function: Callable[[], object], times: int = 7) -> float:
    function()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def describe_machine() -> dict[str, Any]:
    """Describe the machine and the versions."""
    processor = platform.processor()
    if Path("/proc/cpuinfo").is_file():
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    return {**describe_environment(), "processor": processor}


def report(path: Path | None, results: Mapping[str, Any]) -> None:
    """Tell the machine, and write the results if they are wanted."""
    machine = describe_machine()
    click.echo(
        f"\nPeak memory of this process: {peak_gb():.1f} GB. {machine['processor']}, {machine['num_threads']} threads, "
        f"PyTorch {machine['torch']}, PyKEEN {machine['pykeen']}, Python {machine['python']}."
    )
    if path is not None:
        write_json(path, {**results, "process_peak_gb": peak_gb(), "environment": machine})
