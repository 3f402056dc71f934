"""The report of an experiment, from the files of its runs."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pandas

from ...evaluation import RankFileError
from ...evaluation.comparison import DEFAULT_RESAMPLES
from ...explaining.output import write_table
from ..folder import RunFolder
from .published import CITED, NOTES, PAPER
from .reporting.comparisons import MIN_TRIPLES, compare, compare_tuning, find_pairs
from .reporting.plots import plot
from .reporting.rendering import FILE_NAMES, render
from .reporting.runs import list_folders, read_runs
from .reporting.settings import describe_settings
from .reporting.tables import average_weights, format_machines, format_results, format_weights

__all__ = ["write_report"]

#: The relations with the most test triples in the report; the others are in a file.
MAX_RELATIONS: Final = 10

#: What the names of files beside the report end with.
RELATIONS: Final = "-relations.tsv"
WEIGHTS: Final = "-weights.tsv"
PLOT: Final = ".png"


def write_report(directory: str | Path) -> Path:
    """Write the report of an experiment: tables, comparisons, and plots.

    The same results make the same report, but for its last section, about times and machines.

    :param directory: The directory of the experiment, with the folders of runs in ``runs/``.
    :returns: The path of ``report.md``; plots, weights and the comparisons by relation are beside it.
    :raises ValueError: if there is no experiment, or a file in it is not readable
    :raises OSError: if the report cannot be written
    """
    directory = Path(directory)
    if not list_folders(directory):
        raise ValueError(f"{directory} has no runs. Run the experiment there first.")
    # Several machines may be ready at the same time: one after the other reports what is finished by then.
    with RunFolder(directory).locked(timeout=-1), TemporaryDirectory(dir=directory, prefix=".report-") as temporary:
        # files are complete there before they replace others
        runs, draft = read_runs(directory), Path(temporary)
        for name, text in render(_describe(runs, draft)).items():
            (draft / name).write_text(text, encoding="utf-8")
        # the report last, since it refers to the others
        names = sorted((path.name for path in draft.iterdir()), key=lambda name: (name in FILE_NAMES, name))
        for name in names:
            (draft / name).replace(directory / name)
        # what an earlier report had; earlier versions had plots in another format
        stale = {f"{stem}{suffix}" for stem in runs["stem"] for suffix in (RELATIONS, WEIGHTS, PLOT, ".svg")}
        for name in stale.difference(names):
            (directory / name).unlink(missing_ok=True)
    return directory / FILE_NAMES[0]


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
        **{"paper": PAPER, "source": CITED, "notes": NOTES},
        **{"num_resamples": DEFAULT_RESAMPLES, "min_triples": MIN_TRIPLES},
    }
    for dataset, part in runs.groupby("dataset", sort=False):
        done, stem = finished[finished["dataset"] == dataset], draft / part["stem"].iloc[0]
        context["datasets"][dataset] = None
        if not done.empty:
            described = {**describe_settings(done), **_draw(done, stem), **_compare(done, stem)}
            context["datasets"][dataset] = {**format_results(part), "variants": set(part["variant"]), **described}
    return context


def _draw(runs: pandas.DataFrame, stem: Path) -> dict[str, Any]:
    """Plot the results on a dataset, and write down what is plotted of the weights of modalities."""
    context: dict[str, Any] = {}
    try:
        figure = plot(runs)
    except ImportError as error:
        context["plot_problem"] = error
    else:
        if figure is not None:
            figure.savefig(f"{stem}{PLOT}", dpi=150)
            context["plot"] = f"{stem.name}{PLOT}"
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
    # by relation, there are too many pairs of figure 3
    names = ["coverage"] if runs["experiment"].iloc[0] == "figure3" else ["coverage", "relation"]
    groups = {by: [compare(pair, by) for pair in pairs] for by in names}
    context: dict[str, Any] = {"comparisons": overall, "problems": problems, "tuning": compare_tuning(pairs)}
    by_relation = [frame for frame in groups.get("relation", []) if len(frame)]
    if by_relation:
        context["relations_file"] = write_table(pandas.concat(by_relation), f"{stem}{RELATIONS}").name
        context["relations"] = [frame.head(MAX_RELATIONS) for frame in by_relation]
    has_modalities = any(result["data"]["features"] for result in runs["result"])
    needed = [frames for by, frames in groups.items() if by == "relation" or has_modalities]
    context["without_groups"] = [
        pair.label for pair, *frames in zip(pairs, *needed, strict=True) if any(frame.empty for frame in frames)
    ]
    return {**context, "coverage": [frame for frame in groups["coverage"] if len(frame)]}
