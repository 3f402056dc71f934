"""The report of an experiment, from the files of its runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import pandas

from ...datasets import DownloadError
from ...explaining.output import write_table
from ...explaining.plotting import PICTURE_SUFFIXES
from ..folder import RunFolder
from .reporting.blocks import TEMPLATES, Block, Figure, Heading, render
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

#: The report in Markdown, and as a page.
FILE_NAMES: Final = ("report.md", "report.html")

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
            blocks = _compose(draft)
            for kind, path in zip(TEMPLATES, FILE_NAMES, strict=True):
                text = render(kind, blocks, runs=_list_runs(directory))
                (draft.directory / path).write_text(text, encoding="utf-8")
            # with what is finished by now, another process may have written a newer report
            experiment = read_points(directory)
            if experiment.progress == draft.experiment.progress:
                break
        _publish(draft, directory)
    return directory / FILE_NAMES[0]


def _publish(draft: Draft, directory: Path) -> None:
    """Replace the files of an earlier report, and remove those that the new one does not have."""
    # the report last, since it refers to the others
    paths = sorted(draft.directory.iterdir(), key=lambda path: (path.name in FILE_NAMES, path.name))
    for path in paths:
        path.replace(directory / path.name)
    for dataset in draft.experiment.datasets:
        for path in (draft.get_path(dataset, suffix) for suffix in SUFFIXES):
            if path not in paths:
                (directory / path.name).unlink(missing_ok=True)


def _compose(draft: Draft) -> list[Block]:
    """Return the paragraphs of the report, and write the files beside it."""
    experiment = draft.experiment
    text: list[Block] = [
        Heading(1, TITLES.get(experiment.name, experiment.name)),
        describe_progress(experiment),
        "An experiment as in the paper, with the data and the budget below. As far as these are not the paper's, this "
        "is no reproduction of its figures.",
    ]
    for dataset in experiment.datasets:
        text += [Heading(2, dataset), *_report_dataset(draft, dataset)]
    failures = format_failures(experiment.points)
    if failures is not None:
        text += [Heading(2, "Failed runs"), failures]
    finished = [point for point in experiment.points if point.results]
    if finished:
        text += [Heading(2, "Times and machines"), *format_machines(finished)]
    return text


def _report_dataset(draft: Draft, dataset: str) -> list[Block]:
    """Return the paragraphs about a dataset, and write the files beside them."""
    experiment = draft.experiment
    points = experiment.on(dataset)
    if not points:
        return ["No run is finished."]
    text: list[Block] = [Heading(3, "Setting"), *describe_differences(points), describe_settings(points)]
    text += format_configurations(points)
    text += [Heading(3, "Results"), *format_results(experiment, dataset), *_draw(draft, points)]
    if experiment.name == "figure5":
        text += _tabulate_weights(draft, points)
    pairs = [pair for pair in find_pairs(experiment.name, points) if pair.seeds]
    if pairs:
        text += [Heading(3, "Comparisons"), *_compare(draft, pairs)]
    return text


def _draw(draft: Draft, points: Sequence[Point]) -> list[Block]:
    """Plot the results on a dataset."""
    name, dataset = draft.experiment.name, points[0].dataset
    try:
        figure = plot(name, points)
    except ImportError as error:
        return [f"There is no plot. {error}"]
    if figure is None:
        return ["There is no plot, since none of these models weights its modalities."]
    path = write_figure(figure, draft.directory, f"{name}-{dataset}")[0]
    return [Figure(f"{TITLES.get(name, name)}: {dataset}", path.name)]


def _tabulate_weights(draft: Draft, points: Sequence[Point]) -> list[Block]:
    """Write down what is plotted of the weights of modalities."""
    frame = summarize_weights(points)
    if frame.empty:
        return []
    path = write_table(frame, draft.get_path(points[0].dataset, WEIGHTS))
    return [
        Heading(4, "Weights of modalities"),
        "In percent, the average over the heads and tails of a relation's test triples; mean ± standard deviation over "
        "random seeds. Where an entity has no such modality, it is the weight of what the model has in its place. "
        f"The relations with most test triples; {path.name} has all of them.",
        format_weights(frame, limit=MAX_RELATIONS),
    ]


def _compare(draft: Draft, pairs: Sequence[Pair]) -> list[Block]:
    """Compare models."""
    comparisons, compared, problems = compare(pairs)
    if not compared:
        return [f"There are no comparisons: {' '.join(problems)}"]
    tuning = describe_tuning(compared)
    text: list[Block] = [] if tuning is None else [tuning]
    text += format_comparisons(comparisons)
    text += [f"**There is no comparison of {problem}**" for problem in problems]
    if draft.experiment.name == "table2":
        text += ["RotatE is compared with the multi-modal model that has the best MRR on these very test triples."]
    return [*text, *_break_down(draft, compared)]


def _break_down(draft: Draft, pairs: Sequence[Pair]) -> list[Block]:
    """Break comparisons down by what there is of modalities, and by relation."""
    points = list({id(point): point for pair in pairs for point in pair}.values())
    try:
        dataset = load_for(points, draft.dataset_kwargs)
        coverage = compare_by_coverage(pairs, dataset)
    except (DownloadError, OSError, ValueError) as error:
        return [f"There is no comparison by modalities and relations, which need the dataset: {error}"]
    text: list[Block] = [Heading(4, "By what there is of modalities"), *_format_coverage(coverage)]
    # by relation, there are too many of these
    if draft.experiment.name != "figure3":
        relations = compare_by_relation(pairs, dataset)
        path = write_table(relations, draft.get_path(points[0].dataset, RELATIONS))
        text += [
            Heading(4, "By relation"),
            f"The relations with most test triples; {path.name} has all of them.",
            format_groups(relations, "relation", limit=MAX_RELATIONS),
        ]
    return text


def _format_coverage(frame: pandas.DataFrame) -> list[Block]:
    """Format comparisons by what there is of modalities."""
    if frame.empty:
        return ["The dataset has no modalities."]
    text = (
        "Test triples by what there is of the features of their two entities: *all* modalities of both; *none* of at "
        "least one of the two; or *some*, i.e., anything in between. Where modalities are dropped by random seed, a "
        "triple may be in several classes, and counts in each with the seeds for which it is there."
    )
    return [text, format_groups(frame, "modalities")]


def _list_runs(directory: Path) -> list[dict[str, Any]]:
    """List the folders of runs, for links to their files."""
    runs = []
    for path in sorted((directory / "runs").glob("*/configuration.json")):
        folder = RunFolder(path.parent)
        result = folder.read_result()
        mrr = "-" if result is None else f"{100 * result['metrics']['both']['realistic']['MRR']:.2f}"
        names = ("result.json", "curve.csv", "configuration.json", "effective.json", "log.txt", "error.json")
        files = [
            {"name": name, "path": f"runs/{path.parent.name}/{name}"} for name in names if (path.parent / name).exists()
        ]
        runs.append({"name": path.parent.name, "mrr": mrr, "files": files})
    return runs
