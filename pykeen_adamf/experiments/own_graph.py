"""An own graph in a directory, from its files to a trained model and a page about it."""

import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

import numpy
import pandas
import torch
from jinja2 import Environment, PackageLoader
from pykeen.triples import TriplesFactory

from ..atomic import written_atomically
from ..bundle import load
from ..constants import TEXTUAL, VISUAL
from ..evaluation import METRICS, rank_metrics, read_ranks
from ..typing import NumpyArray
from .checks import Findings, check_project, find_leaks
from .choosing import configure
from .folder import RunFolder
from .links import find_new_links
from .paper.reporting.rendering import tabulate
from .project import Project, read_project
from .quiet import quiet
from .recording import VALIDATION
from .run import run

__all__ = ["REPORT_NAME", "run_directory"]

#: The page about the graph, in the run's folder.
REPORT_NAME: Final = "report.md"


def run_directory(
    directory: str | Path,
    output: str | Path,
    *,
    preset: str | None = None,
    text_model: str | None = None,
    image_model: str | None = None,
    without: Collection[str] = (),
    epochs: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    validate_every: int | None = None,
    report: Callable[[str], object] = lambda _: None,
    **kwargs: Any,
) -> dict[str, Any]:
    """Check, train and evaluate an own graph, or continue where an earlier call was interrupted.

    :param directory: The directory, cf. :func:`pykeen_adamf.experiments.project.read_project`, also for `text_model`,
        `image_model` and `without`.
    :param output: The folder of the run. Beside its files, it has a page, :data:`REPORT_NAME`.
    :param preset: The settings, cf. :func:`pykeen_adamf.experiments.choosing.configure`. If ``None``, those that suit
        the graph.
    :param epochs: The number of epochs, if not that of the settings.
    :param seed: The random seed. Defaults to 0.
    :param device: The device. If ``None``, a GPU if there is one.
    :param validate_every: After how many epochs to measure the validation MRR. Defaults to the end.
    :param report: Called with what is to be printed.
    :param kwargs: Further parameters of :func:`pykeen_adamf.experiments.run.run`.
    :returns: The content of ``result.json``.
    :raises OSError: if the folder cannot be written to
    :raises ValueError: if the directory has nothing that could be learned from, the folder is another run's, or another
        process works there
    """
    folder = RunFolder(output)
    with quiet():
        project = read_project(directory, text_model=text_model, image_model=image_model, without=without)
        findings = check_project(project)
    report(str(findings))
    configuration = configure(
        project.dataset_kwargs(folder.path),
        list(project.features),
        project.training.num_triples,
        project.training.num_entities,
        preset=preset,
        epochs=epochs,
        seed=seed or 0,
    )
    notes = _describe_reading(project)
    for text in notes:
        report(text)
    metadata, training = configuration["metadata"], configuration["pipeline"]["training_kwargs"]
    report(f"Settings {metadata['preset']}: {metadata['reason']}.")
    with folder.locked():
        folder.plan(configuration)
        project.write(folder.path)
    if validate_every is None and "validation" in project.splits:
        validate_every = training["num_epochs"]
    result = run(
        configuration,
        output,
        bundle=True,
        device=device,
        validate_every=validate_every,
        report=report,
        **kwargs,
    )
    for name, given in result["data"]["features"].items():
        if given["num_present"] < findings.coverage[name]:
            notes.append(
                f"{name}: only {given['num_present']:,} of {findings.coverage[name]:,} could be encoded, see "
                f"{folder.log.name}"
            )
            report(notes[-1])
    path = folder.path / REPORT_NAME
    if not path.exists():
        with quiet(folder.log):
            text = _write_page(project, findings, notes, configuration, folder, result, device)
        with written_atomically(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    report(f"Read {path}")
    return result


def _describe_reading(project: Project) -> list[str]:
    """Say how each modality is read."""
    notes = []
    for name, given in project.features.items():
        if isinstance(given, Mapping):
            model = (given.get("encoder_kwargs") or {}).get("model")
            by = f"{given['encoder']}{f' ({model})' if model else ''}"
            notes.append(f"{name}: {Path(given['source']).name}, encoded by {by}, once")
        else:
            notes.append(f"{name}: {given.name}, as it is")
    return notes


def _write_page(
    project: Project,
    findings: Findings,
    notes: Collection[str],
    configuration: Mapping[str, Any],
    folder: RunFolder,
    result: Mapping[str, Any],
    device: str | None,
) -> str:
    """Return the page in Markdown."""
    bundle = load(folder.bundle, device=device)
    training = bundle.training
    assert isinstance(training, TriplesFactory)
    others = [factory.triples for name, factory in project.splits.items() if name != "training"]
    known = numpy.concatenate(others)
    links = find_new_links(bundle.model, training, known)
    pipeline, seconds = configuration["pipeline"], result["seconds"]
    options = result["effective"]["options"]
    metrics, relations = _tabulate_metrics(folder, project, training)
    first = links.iloc[0] if len(links) else None
    context = {
        "title": project.directory.name,
        "summary": f"{findings.counts['entities']:,} entities, {findings.counts['relations']:,} relations. Trained in "
        f"{seconds['training']:.0f} seconds, evaluated in {seconds['evaluation']:.0f}.",
        "coverage": tabulate(findings.rows(), ["", "number"]),
        "warnings": findings.warnings,
        **{name: configuration["metadata"][name] for name in ("preset", "reason")},
        "settings": f"{pipeline['model']} with {pipeline['model_kwargs']['interaction']}, trained by "
        f"{pipeline['training_loop']} for {pipeline['training_kwargs']['num_epochs']} epochs, "
        f"{', '.join(f'{name} {value}' for name, value in options.items())}.",
        "reading": notes,
        "random": f"{_guess(project.training.num_entities):.4f}",
        "metrics": metrics,
        "relations": relations,
        "links": tabulate(links.assign(share=links["share"].map("{:.2f}".format))) if len(links) else "There are none.",
        "commands": _commands(project, folder, first, "validation" in project.splits),
    }
    environment = Environment(  # noqa: S701 - Markdown has no scripts
        loader=PackageLoader(__package__), trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.get_template(f"{REPORT_NAME}.j2").render(context)


def _guess(num_entities: int) -> float:
    """Return the expected MRR of random ranks."""
    return float((1 / numpy.arange(1, num_entities + 1)).mean())


def _tabulate_metrics(folder: RunFolder, project: Project, training: TriplesFactory) -> tuple[str, str]:
    """Return tables of metrics: all of them, and those of test triples by relation."""
    ranks = read_ranks(folder.ranks)
    metrics = rank_metrics(ranks)
    rows = [["test", len(metrics), *_format(metrics)]]
    testing = project.splits["testing"]
    leaked = set()
    for mask in find_leaks(project.training, testing).values():
        leaked |= {tuple(x) for x in testing.triples[mask.numpy()].tolist()}
    labels = training.label_triples(torch.as_tensor(ranks.triples))
    is_leaked = numpy.array([tuple(x) in leaked for x in labels.tolist()], dtype=bool)
    if is_leaked.any() and not is_leaked.all():
        rows.append(
            ["test, without those that training triples give away", (~is_leaked).sum(), *_format(metrics[~is_leaked])]
        )
    curve = pandas.read_csv(folder.curve)
    if VALIDATION in curve and not numpy.isnan(last := curve[VALIDATION].iloc[-1]):
        rows.append(["validation", project.splits["validation"].num_triples, f"{last:.3f}", "", "", ""])
    frame = pandas.DataFrame({"relation": labels[:, 1], "MRR": metrics[:, 0], "Hits@10": metrics[:, -1]})
    grouped = frame.groupby("relation")
    table = grouped.mean().assign(triples=grouped.size()).sort_values("triples", ascending=False).head(20)
    by_relation = [[x, int(row.triples), f"{row.MRR:.3f}", f"{row['Hits@10']:.3f}"] for x, row in table.iterrows()]
    return (
        tabulate(rows, ["", "triples", *METRICS]),
        tabulate(by_relation, ["relation", "triples", "MRR", "Hits@10"]) if len(by_relation) > 1 else "",
    )


def _format(metrics: NumpyArray) -> list[str]:
    return [f"{x:.3f}" for x in metrics.mean(axis=0)]


def _commands(project: Project, folder: RunFolder, link: Any, can_calibrate: bool) -> list[str]:
    """Return the commands to go on with."""
    path = shlex.quote(str(folder.path))
    commands = [f"pykeen-adamf explain {path}", f"pykeen-adamf explore {path}"]
    for name, option in ((VISUAL, "--images"), (TEXTUAL, "--texts")):
        given = project.features.get(name)
        if isinstance(given, Mapping):
            commands[-1] += f" {option} {shlex.quote(str(given['source']))}"
    if link is not None:
        head, relation = shlex.quote(str(link["head"])), shlex.quote(str(link["relation"]))
        question = f"pykeen-adamf predict {path} --head {head} --relation {relation}"
        commands = [question, *[f"{question} --calibrate validation"] * can_calibrate, *commands]
    return commands
