"""Time of a training step: AdaMF-MAT and RotatE on our path against PyKEEN's RotatE.

``python benchmarks/training_step.py --json benchmarks/results/training_step.json``
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import torch
import workloads
from timing import matmul_rate, memory_rate, peak_gb, ratios, report, summarize, take_turns

REFERENCE = "PyKEEN RotatE"
CONTENDERS = {
    "rotate": "RotatE, our path",
    "adamf_mat_frozen": "AdaMF-MAT, frozen features",
    "adamf_mat_trainable": "AdaMF-MAT, trainable features",
}

#: The same, with features multiplied in half precision.
HALF = "_bfloat16"
HALF_CONTENDERS = {
    f"{name}{HALF}": f"{label}, bfloat16 products" for name, label in CONTENDERS.items() if name != "rotate"
}


def count(name: str) -> tuple[float, float]:
    """Count the floating-point operations of matrix products, and the bytes between memory and processor, of a step.

    An estimate: each row of a pair is read once forth and once back, and each gradient is read and written once for
    each pair; anchors stay in the cache. Features are read once forth and once back. What is left of a large cache
    from one pair to another may make it less.
    """
    num_entities, batch, dim = workloads.DB15K_SHAPE[0], workloads.BATCH_SIZE, 2 * workloads.EMBEDDING_DIM
    moved = 4.0 * batch * workloads.NUM_NEGATIVES * dim * 4
    if name == "rotate":
        return 0.0, moved
    trainable = name.endswith("trainable")
    width = sum(workloads.DB15K_DIMS.values())
    # forth, back to the weights, and back to the features; and forth for the generators' entities, at most two each
    projections = 2.0 * width * dim * ((3 if trainable else 2) * num_entities + min(2 * batch, num_entities))
    # both layers, modalities and entities; four times, as each step goes forth and back twice
    layers = 2.0 * batch * (512 * (64 + dim) + 512 * dim) * 2 * 2
    table = 4.0 * num_entities * width
    # parameter, gradient and moments are read, and all but the gradient are written, which has been written before
    return projections + 4 * layers, moved + table * (2 + (8 if trainable else 0))


def make(name: str, directory: Path | None) -> Callable[[], None]:
    """Return the step of a contender."""
    factory, _ = workloads.load_triples(directory)
    if name == REFERENCE:
        return workloads.make_step(workloads.pykeen_rotate(factory), factory)
    if name == "rotate":
        return workloads.make_step(workloads.lp_rotate(factory), factory, negative_sampler="filteredbernoulli")
    multimodal = workloads.with_features(factory, workloads.DB15K_DIMS)
    compute_dtype = "bfloat16" if name.endswith(HALF) else None
    model = workloads.adamf(multimodal, trainable_features="trainable" in name, compute_dtype=compute_dtype)
    return workloads.make_step(model, multimodal, workloads.MATTrainingLoop, negative_sampler="filteredbernoulli")


def measure_peak(name: str, directory: Path | None) -> float:
    """Measure the memory of a process that only trains one contender, in GB."""
    arguments = [] if directory is None else ["--directory", str(directory)]
    command = [sys.executable, __file__, "--peak-of", name, "--threads", str(torch.get_num_threads()), *arguments]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return float(json.loads(output.splitlines()[-1]))


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True, help="How often each is timed.")
@click.option("--directory", type=click.Path(exists=True, file_okay=False, path_type=Path), help="DB15K's triples.")
@click.option("--threads", type=click.IntRange(min=1), help="The number of threads.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the results.")
@click.option("--peak-of", hidden=True)
def main(rounds: int, directory: Path | None, threads: int | None, path: Path | None, peak_of: str | None) -> None:
    """Time the training steps."""
    if threads:
        torch.set_num_threads(threads)
    if peak_of:
        step = make(peak_of, directory)
        for _ in range(3):
            step()
        click.echo(json.dumps(peak_gb()))
        return
    steps = {REFERENCE: make(REFERENCE, directory)} | {
        label: make(name, directory) for name, label in {**CONTENDERS, **HALF_CONTENDERS}.items()
    }
    seconds = take_turns(steps, rounds)
    click.echo(summarize(seconds, REFERENCE))
    relative = ratios(seconds, REFERENCE)
    rates = {"flop_per_second": matmul_rate(), "bytes_per_second": memory_rate()}
    bounds = {}
    for name, label in CONTENDERS.items():
        operations, moved = count(name)
        bounds[name] = operations / rates["flop_per_second"] + moved / rates["bytes_per_second"]
        click.echo(
            f"{label}: {operations / 1e9:.0f} GFLOP of matrix products, {moved / 1e9:.2f} GB moved; at this machine's "
            f"{rates['flop_per_second'] / 1e9:.0f} GFLOP/s and {rates['bytes_per_second'] / 1e9:.0f} GB/s "
            f"{1e3 * bounds[name]:.0f} ms, i.e., {bounds[name] / statistics.median(seconds[label]):.0%} of the time"
        )
    peaks = {name: measure_peak(name, directory) for name in CONTENDERS}
    click.echo("Peak memory of a process: " + ", ".join(f"{CONTENDERS[k]} {v:.2f} GB" for k, v in peaks.items()))
    report(
        path,
        {
            "ratios": {name: relative[label] for name, label in CONTENDERS.items()},
            "ratios_bfloat16": {name: relative[label] for name, label in HALF_CONTENDERS.items()},
            "peak_gb": peaks["adamf_mat_trainable"],
            "peaks_gb": peaks,
            "seconds": seconds,
            "bounds": bounds,
            "rates": rates,
            "triples": "DB15K" if directory else "synthetic, of DB15K's shape",
        },
    )


if __name__ == "__main__":
    main()
