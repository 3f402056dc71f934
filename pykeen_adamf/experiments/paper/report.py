"""The report of an experiment, from the files of its runs."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pandas

from ...evaluation import RankFileError
from ...evaluation.comparison import DEFAULT_RESAMPLES
from ...explaining.output import write_table
from .published import CITED, NOTES, PAPER
from .reporting.comparisons import MIN_TRIPLES, compare, compare_tuning, find_pairs
from .reporting.plots import PICTURE_SUFFIX, plot
from .reporting.rendering import FILE_NAMES, render
from .reporting.runs import read_runs
from .reporting.settings import describe_settings
from .reporting.tables import average_weights, format_machines, format_results, format_weights

__all__ = ["write_report"]

#: The relations with the most test triples in the report; the others are in a file.
MAX_RELATIONS: Final = 10

#: What the names of files beside the report end with.
RELATIONS: Final = "-relations.tsv"
WEIGHTS: Final = "-weights.tsv"

#: How often to begin anew because runs have been finished in the meantime.
MAX_ATTEMPTS: Final = 5


def write_report(directory: str | Path) -> Path:
    """Write the report of an experiment: tables, comparisons, and plots.

    The same results make the same report, but for its last section, about times and machines.

    :param directory: The directory of the experiment, with the folders of runs in ``runs/``.
    :returns: The path of ``report.md``; plots, weights and the comparisons by relation are beside it.
    :raises ValueError: if there is no experiment, or a file in it is not readable
    :raises OSError: if the report cannot be written
    """
    directory = Path(directory)
    newest = read_runs(directory)
    # several machines may be ready at the same time, and report the same
    with TemporaryDirectory(dir=directory, prefix=".report-") as temporary:
        for attempt in range(MAX_ATTEMPTS):
            # files are complete there before they replace others
            runs, draft = newest, Path(temporary) / str(attempt)
            draft.mkdir()
            for name, text in render(_describe(runs, draft)).items():
                (draft / name).write_text(text, encoding="utf-8")
            # with what is finished by now, another process may have written a newer report
            newest = read_runs(directory)
            if newest[["folder", "status"]].equals(runs[["folder", "status"]]):
                break
        _publish(draft, directory, {_get_stem(part) for _, part in runs.groupby("dataset")})
    return directory / FILE_NAMES[0]


def _publish(draft: Path, directory: Path, stems: Iterable[str]) -> None:
    """Replace the files of an earlier report, and remove those that the new one does not have."""
    # the report last, since it refers to the others
    names = sorted((path.name for path in draft.iterdir()), key=lambda name: (name in FILE_NAMES, name))
    for name in names:
        (draft / name).replace(directory / name)
    # earlier versions had plots in another format
    for stale in {f"{x}{y}" for x in stems for y in (RELATIONS, WEIGHTS, PICTURE_SUFFIX, ".svg")}.difference(names):
        (directory / stale).unlink(missing_ok=True)


def _get_stem(runs: pandas.DataFrame) -> str:
    """Return what the names of files about a dataset begin with."""
    return f"{runs['experiment'].iloc[0]}-{runs['dataset'].iloc[0]}"


def _describe(runs: pandas.DataFrame, draft: Path) -> dict[str, Any]:
    """Return what the templates show, and write the files beside the report to a directory."""
    links = runs.sort_values("folder").to_dict(orient="records")
    runs = runs.drop_duplicates(["dataset", "label", "seed"], keep="last")
    finished = runs[runs["status"] == "finished"]
    failures = runs.loc[runs["status"] == "failed", ["dataset", "label", "seed", "error"]]
    context: dict[str, Any] = {
        "experiment": runs["experiment"].iloc[0],
        "links": links,
        "counts": {status: (runs["status"] == status).sum() for status in ("finished", "failed", "missing")},
        "datasets": {},
        "failures": failures.to_numpy().tolist(),
        "machines": format_machines(finished),
        **{"paper": PAPER, "source": CITED, "num_resamples": DEFAULT_RESAMPLES, "min_triples": MIN_TRIPLES},
    }
    for dataset, part in runs.groupby("dataset", sort=False):
        done, stem = finished[finished["dataset"] == dataset], draft / _get_stem(part)
        if done.empty:
            context["datasets"][dataset] = None
            continue
        results, cited = format_results(part)
        context["datasets"][dataset] = {
            **{"results": results, "cited": cited},
            "notes": {name: NOTES[name] for name in part["variant"].unique() if name in NOTES},
            **describe_settings(done),
            **_draw(done, stem),
            **_compare(done, stem),
        }
    return context


def _draw(runs: pandas.DataFrame, stem: Path) -> dict[str, Any]:
    """Plot the results on a dataset, and write down what is plotted of the weights of modalities."""
    context: dict[str, Any] = {}
    try:
        figure = plot(runs)
    except ImportError as error:
        figure, context["plot_problem"] = None, error
    if figure is not None:
        context["plot"] = f"{stem.name}{PICTURE_SUFFIX}"
        figure.savefig(stem.with_name(context["plot"]), dpi=150)
    weights = average_weights(runs)
    if len(weights) and runs["experiment"].iloc[0] == "figure5":
        context["weights_file"] = write_table(weights, f"{stem}{WEIGHTS}").name
        context["weights"] = format_weights(weights, MAX_RELATIONS)
    return context


def _compare(runs: pandas.DataFrame, stem: Path) -> dict[str, Any]:
    """Compare models, and write down how they compare by relation."""
    pairs, overall, problems = [], [], []
    for pair in find_pairs(runs):
        try:
            overall.append(compare(pair))
            pairs.append(pair)
        except RankFileError as error:  # noqa: PERF203 - there are few pairs
            problems.append(f"{pair.label}: {error}")
    context: dict[str, Any] = {"comparisons": overall, "problems": problems, "tuning": compare_tuning(pairs)}
    # by relation, there are too many pairs of figure 3
    groups = ["coverage"] if runs["experiment"].iloc[0] == "figure3" else ["coverage", "relation"]
    frames = {by: [compare(pair, ["MRR"], by) for pair in pairs] for by in groups}
    has_modalities = any(result["data"]["features"] for result in runs["result"])
    context["without_groups"] = [
        pair.label
        for i, pair in enumerate(pairs)
        if any(frames[by][i].empty for by in groups if by == "relation" or has_modalities)
    ]
    context["coverage"], by_relation = ([x for x in frames.get(by, []) if len(x)] for by in ("coverage", "relation"))
    if by_relation:
        context["relations_file"] = write_table(pandas.concat(by_relation), f"{stem}{RELATIONS}").name
        context["relations"] = [frame.head(MAX_RELATIONS) for frame in by_relation]
    return context
