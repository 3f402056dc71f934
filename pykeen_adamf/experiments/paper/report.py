"""The report of an experiment, from the files of its runs."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pandas

from ...datasets import DownloadError
from ...explaining.output import write_table
from ..statistics import RankFileError
from .reporting.comparisons import compare, compare_by_coverage, compare_by_relation, format_comparisons, format_groups
from .reporting.entities import load_for
from .reporting.pairs import Pair, find_pairs
from .reporting.plots import plot, write_figure
from .reporting.points import Experiment, Point, read_points
from .reporting.settings import describe_differences, describe_settings, format_configurations
from .reporting.tables import describe_progress, format_failures, format_machines, format_results

__all__ = ["write_report"]

FILE_NAME: Final = "report.md"

#: The relations with the most test triples in the report; the others are in a file.
MAX_RELATIONS: Final = 10

TITLES: Final = {
    "table2": "Link prediction (table 2)",
    "table3": "Ablations (table 3)",
    "figure3": "Missing modalities (figure 3)",
    "figure4": "Groups of synthetic triples (figure 4)",
    "figure5": "Weights of modalities by relation (figure 5)",
}


def write_report(directory: str | Path) -> Path:
    """Write the report of an experiment: tables, comparisons, and plots.

    The same results make the same report, but for its last section, about times and machines.

    :param directory: The directory of the experiment, with ``experiment.json`` and ``runs/``.
    :returns: The path of ``report.md``; plots and the comparisons by relation are beside it.
    :raises ValueError: if there is no experiment, or a file in it is not readable
    :raises OSError: if the report cannot be written
    """
    directory = Path(directory)
    experiment = read_points(directory)
    # several machines may be ready at the same time, and report the same
    with TemporaryDirectory(dir=directory, prefix=".report-") as temporary:
        draft = Path(temporary)
        text = "\n\n".join(_compose(experiment, draft)) + "\n"
        (draft / FILE_NAME).write_text(text, encoding="utf-8")
        # the report last, since it refers to the others
        for path in sorted(draft.iterdir(), key=lambda path: (path.name == FILE_NAME, path.name)):
            path.replace(directory / path.name)
    return directory / FILE_NAME


def _compose(experiment: Experiment, directory: Path) -> list[str]:
    """Return the paragraphs of the report, and write the files beside it."""
    text = [
        f"# {TITLES.get(experiment.name, experiment.name)}",
        describe_progress(experiment),
        "An experiment as in the paper, with the data and the budget below. As far as these are not the paper's, this "
        "is no reproduction of its figures.",
    ]
    for dataset in experiment.datasets:
        text += [f"## {dataset}", *_report_dataset(experiment, dataset, directory)]
    failures = format_failures(experiment.points)
    if failures is not None:
        text += ["## Failed runs", failures]
    finished = [point for point in experiment.points if point.results]
    if finished:
        text += ["## Times and machines", format_machines(finished)]
    return text


def _report_dataset(experiment: Experiment, dataset: str, directory: Path) -> list[str]:
    """Return the paragraphs about a dataset, and write the files beside them."""
    points = experiment.on(dataset)
    if not points:
        return ["No run is finished."]
    text = ["### Setting", *describe_differences(points), describe_settings(points), format_configurations(points)]
    text += ["### Results", format_results(experiment, dataset), *_draw(experiment, points, directory)]
    pairs = [pair for pair in find_pairs(experiment.name, points) if pair.seeds]
    if pairs:
        text += ["### Comparisons", *_compare(experiment, pairs, directory)]
    return text


def _draw(experiment: Experiment, points: Sequence[Point], directory: Path) -> list[str]:
    """Plot the results on a dataset."""
    name = f"{experiment.name}-{points[0].dataset}"
    try:
        figure = plot(experiment.name, points)
    except ImportError as error:
        return [f"There is no plot. {error}"]
    if figure is None:
        return ["There is no plot, since none of these models weights its modalities."]
    path = write_figure(figure, directory, name)[0]
    return [f"![{TITLES.get(experiment.name, experiment.name)}: {points[0].dataset}]({path.name})"]


def _compare(experiment: Experiment, pairs: Sequence[Pair], directory: Path) -> list[str]:
    """Compare models."""
    try:
        comparisons = compare(pairs)
    except RankFileError as error:
        return [f"There are no comparisons: {error}"]
    text = [format_comparisons(comparisons)]
    if experiment.name == "table2":
        text += ["RotatE is compared with the multi-modal model that has the best MRR on these very test triples."]
    return [*text, *_break_down(experiment, pairs, directory)]


def _break_down(experiment: Experiment, pairs: Sequence[Pair], directory: Path) -> list[str]:
    """Break comparisons down by what there is of modalities, and by relation."""
    points = list({id(point): point for pair in pairs for point in pair}.values())
    try:
        dataset = load_for(points)
        coverage = compare_by_coverage(pairs, dataset)
    except (DownloadError, OSError, ValueError) as error:
        return [f"There is no comparison by modalities and relations, which need the dataset: {error}"]
    text = ["#### By what there is of modalities", _format_coverage(coverage)]
    # by relation, there are too many of these
    if experiment.name != "figure3":
        relations = compare_by_relation(pairs, dataset)
        path = write_table(relations, directory / f"{experiment.name}-{points[0].dataset}-relations.tsv")
        text += [
            "#### By relation",
            f"The relations with most test triples; {path.name} has all of them.",
            format_groups(relations, "relation", limit=MAX_RELATIONS),
        ]
    return text


def _format_coverage(frame: pandas.DataFrame) -> str:
    """Format comparisons by what there is of modalities."""
    if frame.empty:
        return "The dataset has no modalities."
    return (
        "Test triples by what there is of the features of their two entities: *all* modalities of both; *none* of at "
        "least one of the two; or *some*, i.e., anything in between. Where modalities are dropped by random seed, a "
        "triple may be in several classes, and counts in each with the seeds for which it is there.\n\n"
        + format_groups(frame, "modalities")
    )
