"""The tables of results: what there is, what it is, and what it took."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ....evaluation.measuring import METRICS
from ..published import CITED, PAPER, find_published, is_cited
from .blocks import Block, Table
from .numbers import format_mean
from .points import Experiment, Point

__all__ = ["describe_progress", "format_failures", "format_machines", "format_results"]


def describe_progress(experiment: Experiment) -> str:
    """Say how many runs are finished, and what is not."""
    points = experiment.points
    total, finished, failed = (
        sum(point.num_runs for point in points),
        sum(len(point.results) for point in points),
        sum(len(point.failures) for point in points),
    )
    if finished == total:
        return f"All {total} runs are finished." if total > 1 else "The only run is finished."
    text = f"**This is incomplete: of {total} runs, {finished} are finished, {failed} have failed, and "
    return f"{text}{total - finished - failed} are missing.** Averages are over those that are finished."


def format_results(experiment: Experiment, dataset: str) -> list[Block]:
    """Format the results on a dataset, beside the published figures if there are any.

    :param experiment: The experiment.
    :param dataset: The name of the dataset.
    :returns: A table, and what its columns are.
    """
    points = [point for point in experiment.points if point.dataset == dataset]
    published = [find_published(experiment.name, point.variant, dataset) for point in points]
    header = ["", "seeds", *METRICS]
    if any(published):
        header += [f"published {metric}" for metric in METRICS]
    rows = []
    for point, figures in zip(points, published, strict=True):
        row = [point.label, _count(point)]
        row += [format_mean(*point.summarize(metric)) if point.results else "-" for metric in METRICS]
        if any(published):
            row += ["-"] * len(METRICS) if figures is None else [f"{figures.by_metric()[x]:.2f}" for x in METRICS]
        rows.append(row)
    text = (
        "Realistic metrics of heads and tails in percent, filtered by all triples for training, validation and test; "
        "mean ± standard deviation (with n - 1) over random seeds. Without a standard deviation, there is one seed."
    )
    if any(published):
        text += f" The published figures ({PAPER}) are of other features and budgets, and no target of these results."
        cited = [point.variant for point in points if is_cited(experiment.name, point.variant)]
        if cited:
            text += f" Those of {', '.join(dict.fromkeys(cited))} are not the paper's own, but from {CITED}."
    elif experiment.name in {"table2", "table3"}:
        text += f" The paper has no figures of {dataset} for this."
    return [text, Table(header, rows)]


def _count(point: Point) -> str:
    """Return the number of finished runs, and of all if these are more."""
    finished = len(point.results)
    return f"{finished}" if finished == point.num_runs else f"{finished} of {point.num_runs}"


def format_failures(points: Sequence[Point]) -> Table | None:
    """Format the messages of failed runs, or return ``None`` if there are none."""
    rows = [(point.dataset, point.label, seed, message) for point in points for seed, message in point.failures.items()]
    return Table(["dataset", "", "seed", "error"], rows) if rows else None


def format_machines(points: Sequence[Point]) -> list[Block]:
    """Format what runs took, and on which machines and versions: all that differs from one execution to the next.

    :param points: The points with results.
    :returns: Two tables.
    """
    machines: dict[str, str] = {}
    rows = []
    for point in points:
        numbers = []
        for result in point.results.values():
            machine = _describe_machine(result["environment"])
            numbers.append(machines.setdefault(machine, str(len(machines) + 1)))
        seconds = [result["seconds"] for result in point.results.values()]
        means = [f"{fmean(float(x[kind]) for x in seconds):.1f}" for kind in ("training", "evaluation")]
        rows.append((point.dataset, point.label, *means, ", ".join(sorted(set(numbers), key=int))))
    header = ["dataset", "", "training [s]", "evaluation [s]", "machine"]
    machine_rows = [(number, machine) for machine, number in machines.items()]
    return [Table(header, rows), Table(["machine", ""], machine_rows)]


def _describe_machine(environment: Mapping[str, Any]) -> str:
    """Describe a machine, and what is installed there."""
    first = [str(environment[name]) for name in ("cpu", "machine", "device", "cuda") if environment.get(name)]
    others = [
        f"{name} {value}"
        for name, value in environment.items()
        if value is not None and name not in {"cpu", "machine", "device", "cuda"}
    ]
    return "; ".join([*first, *others])
