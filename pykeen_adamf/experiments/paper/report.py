"""The report of an experiment, from the files of its runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import pandas

from ...datasets import DownloadError
from ...explaining.output import write_table
from ...explaining.plotting import PICTURE_SUFFIXES
from .reporting.comparisons import compare, compare_by_coverage, compare_by_relation, format_comparisons, format_groups
from .reporting.configurations import describe_tuning, format_configurations
from .reporting.entities import load_for
from .reporting.pairs import Pair, find_pairs
from .reporting.plots import plot, write_figure
from .reporting.points import Experiment, Point, read_points
from .reporting.settings import describe_differences, describe_settings
from .reporting.tables import describe_progress, format_failures, format_machines, format_results
from .reporting.weights import format_weights, summarize_weights

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


#: What the names of files beside the report end with.
RELATIONS: Final = "-relations.tsv"
WEIGHTS: Final = "-weights.tsv"
SUFFIXES: Final = (RELATIONS, WEIGHTS, *PICTURE_SUFFIXES)

#: How often to begin anew because runs have been finished in the meantime.
MAX_ATTEMPTS: Final = 5


class Draft(NamedTuple):
    """What a report is written from, and where to."""

    experiment: Experiment

    #: where its files are complete before they replace others
    directory: Path

    #: the keyword-based parameters of the dataset to try first
    dataset_kwargs: Mapping[str, Any] | None

    def get_path(self, dataset: str, suffix: str) -> Path:
        """Return the path of a file beside the report."""
        return self.directory / f"{self.experiment.name}-{dataset}{suffix}"


def write_report(directory: str | Path, dataset_kwargs: Mapping[str, Any] | None = None) -> Path:
    """Write the report of an experiment: tables, comparisons, and plots.

    The same results make the same report, but for its last section, about times and machines.

    :param directory: The directory of the experiment, with ``experiment.json`` and ``runs/``.
    :param dataset_kwargs: The keyword-based parameters of the dataset, if its files are elsewhere by now. Where they do
        not make the dataset of the runs, those are tried that the runs were configured with.
    :returns: The path of ``report.md``; plots, weights and the comparisons by relation are beside it.
    :raises ValueError: if there is no experiment, or a file in it is not readable
    :raises OSError: if the report cannot be written
    """
    directory = Path(directory)
    experiment = read_points(directory)
    # several machines may be ready at the same time, and report the same
    with TemporaryDirectory(dir=directory, prefix=".report-") as temporary:
        for attempt in range(MAX_ATTEMPTS):
            draft = Draft(experiment, Path(temporary) / str(attempt), dataset_kwargs)
            draft.directory.mkdir()
            text = "\n\n".join(_compose(draft)) + "\n"
            (draft.directory / FILE_NAME).write_text(text, encoding="utf-8")
            # with what is finished by now, another process may have written a newer report
            experiment = read_points(directory)
            if experiment.progress == draft.experiment.progress:
                break
        _publish(draft, directory)
    return directory / FILE_NAME


def _publish(draft: Draft, directory: Path) -> None:
    """Replace the files of an earlier report, and remove those that the new one does not have."""
    # the report last, since it refers to the others
    paths = sorted(draft.directory.iterdir(), key=lambda path: (path.name == FILE_NAME, path.name))
    for path in paths:
        path.replace(directory / path.name)
    for dataset in draft.experiment.datasets:
        for path in (draft.get_path(dataset, suffix) for suffix in SUFFIXES):
            if path not in paths:
                (directory / path.name).unlink(missing_ok=True)


def _compose(draft: Draft) -> list[str]:
    """Return the paragraphs of the report, and write the files beside it."""
    experiment = draft.experiment
    text = [
        f"# {TITLES.get(experiment.name, experiment.name)}",
        describe_progress(experiment),
        "An experiment as in the paper, with the data and the budget below. As far as these are not the paper's, this "
        "is no reproduction of its figures.",
    ]
    for dataset in experiment.datasets:
        text += [f"## {dataset}", *_report_dataset(draft, dataset)]
    failures = format_failures(experiment.points)
    if failures is not None:
        text += ["## Failed runs", failures]
    finished = [point for point in experiment.points if point.results]
    if finished:
        text += ["## Times and machines", format_machines(finished)]
    return text


def _report_dataset(draft: Draft, dataset: str) -> list[str]:
    """Return the paragraphs about a dataset, and write the files beside them."""
    experiment = draft.experiment
    points = experiment.on(dataset)
    if not points:
        return ["No run is finished."]
    text = ["### Setting", *describe_differences(points), describe_settings(points), format_configurations(points)]
    text += ["### Results", format_results(experiment, dataset), *_draw(draft, points)]
    if experiment.name == "figure5":
        text += _tabulate_weights(draft, points)
    pairs = [pair for pair in find_pairs(experiment.name, points) if pair.seeds]
    if pairs:
        text += ["### Comparisons", *_compare(draft, pairs)]
    return text


def _draw(draft: Draft, points: Sequence[Point]) -> list[str]:
    """Plot the results on a dataset."""
    name, dataset = draft.experiment.name, points[0].dataset
    try:
        figure = plot(name, points)
    except ImportError as error:
        return [f"There is no plot. {error}"]
    if figure is None:
        return ["There is no plot, since none of these models weights its modalities."]
    path = write_figure(figure, draft.directory, f"{name}-{dataset}")[0]
    return [f"![{TITLES.get(name, name)}: {dataset}]({path.name})"]


def _tabulate_weights(draft: Draft, points: Sequence[Point]) -> list[str]:
    """Write down what is plotted of the weights of modalities."""
    frame = summarize_weights(points)
    if frame.empty:
        return []
    path = write_table(frame, draft.get_path(points[0].dataset, WEIGHTS))
    return [
        "#### Weights of modalities",
        "In percent, the average over the heads and tails of a relation's test triples; mean ± standard deviation over "
        "random seeds. Where an entity has no such modality, it is the weight of what the model has in its place. "
        f"The relations with most test triples; {path.name} has all of them.",
        format_weights(frame, limit=MAX_RELATIONS),
    ]


def _compare(draft: Draft, pairs: Sequence[Pair]) -> list[str]:
    """Compare models."""
    comparisons, compared, problems = compare(pairs)
    if not compared:
        return [f"There are no comparisons: {' '.join(problems)}"]
    tuning = describe_tuning(compared)
    text = [] if tuning is None else [tuning]
    text += [format_comparisons(comparisons), *(f"**There is no comparison of {problem}**" for problem in problems)]
    if draft.experiment.name == "table2":
        text += ["RotatE is compared with the multi-modal model that has the best MRR on these very test triples."]
    return [*text, *_break_down(draft, compared)]


def _break_down(draft: Draft, pairs: Sequence[Pair]) -> list[str]:
    """Break comparisons down by what there is of modalities, and by relation."""
    points = list({id(point): point for pair in pairs for point in pair}.values())
    try:
        dataset = load_for(points, draft.dataset_kwargs)
        coverage = compare_by_coverage(pairs, dataset)
    except (DownloadError, OSError, ValueError) as error:
        return [f"There is no comparison by modalities and relations, which need the dataset: {error}"]
    text = ["#### By what there is of modalities", _format_coverage(coverage)]
    # by relation, there are too many of these
    if draft.experiment.name != "figure3":
        relations = compare_by_relation(pairs, dataset)
        path = write_table(relations, draft.get_path(points[0].dataset, RELATIONS))
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
