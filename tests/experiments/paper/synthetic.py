"""Directories of experiments, as the runner leaves them, with made-up numbers; and what is in a report."""

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy

from pykeen_adamf.experiments.paper.contenders import Overrides
from pykeen_adamf.experiments.paper.data import describe_data, drop_features, load_dataset, sample
from pykeen_adamf.experiments.paper.planning import Run, plan
from pykeen_adamf.experiments.paper.record import record_experiment
from pykeen_adamf.experiments.paper.report import write_report
from pykeen_adamf.experiments.paper.running import RunFiles, describe_failure
from pykeen_adamf.experiments.statistics import METRICS, Ranks, rank_metrics

#: Changes the content of a run's file.
Change = Callable[[Run, dict[str, Any]], None]


def write_experiment(
    directory: Path,
    experiment: str = "table2",
    dataset: str = "EmojiKG",
    seeds: int = 2,
    models: Collection[str] | None = ("RotatE", "IKRL", "AdaMF", "IKRL-MAT", "AdaMF-MAT"),
    better: Collection[str] = ("AdaMF-MAT",),
    failed: Collection[tuple[str, int]] = (),
    missing: Collection[tuple[str, int]] = (),
    change: Change | None = None,
    **kwargs: Any,
) -> list[Run]:
    """Write the files of an experiment's runs, in which some models have better ranks."""
    runs = plan(experiment, datasets=[dataset], seeds=seeds, models=models, **kwargs)
    record_experiment(directory, experiment, runs)
    for run in runs:
        files = RunFiles(directory, run.id)
        if (run.variant, run.seed) in failed:
            files.write(describe_failure(run, "cpu", "NonFiniteLossError: the loss is | not finite"), None)
        elif (run.variant, run.seed) not in missing:
            result, ranks = make_result(run, is_better=run.variant in better)
            if change is not None:
                change(run, result)
            files.write(result, {name: getattr(ranks, name) for name in ("triples", "head_rank", "tail_rank")})
    return runs


def make_result(run: Run, is_better: bool) -> tuple[dict[str, Any], Ranks]:
    """Make the content of a run's file, and ranks that fit to it."""
    pipeline = run.configuration["pipeline"]
    dataset = load_dataset(pipeline["dataset"], pipeline.get("dataset_kwargs", {}))
    dropped = drop_features(dataset, run.missing_ratio, run.seed, run.missing_by)
    testing = sample(dataset.testing, run.num_test_triples)
    # the same triples are hard for all
    hardness = numpy.random.default_rng(0).integers(2, 40, size=(2, testing.num_triples))
    noise = numpy.random.default_rng(run.seed).integers(0, 3, size=hardness.shape)
    head, tail = numpy.maximum(1, hardness // (3 if is_better else 1) - noise).astype(float)
    ranks = Ranks.from_arrays(testing.mapped_triples.numpy(), head, tail)
    metrics = dict(zip(METRICS, rank_metrics(ranks).mean(axis=0).tolist(), strict=True))
    content = {
        **describe_failure(run, "cpu", ""),
        "error": None,
        "data": describe_data(dropped, testing),
        "metrics": {"both": {"realistic": metrics}},
        "losses": [1.0],
        "num_parameters": 1_234,
        "seconds": {"training": 1.0, "evaluation": 0.5},
        "modality_weights": make_weights(run) if run.variant.startswith("AdaMF") else None,
    }
    return content, ranks


def make_weights(run: Run) -> list[dict[str, Any]]:
    """Make weights of modalities."""
    return [
        {"relation": relation, "modality": modality, "weight": (1 + row + run.seed) / 9, "num_triples": num}
        for relation, num in (("has_keyword", 312), ("in_subgroup", 162))
        for row, modality in enumerate(("structural", "visual", "textual"))
    ]


def tiny(**kwargs: Any) -> Overrides:
    """Return what makes runs take no time."""
    return Overrides(**{"epochs": 1, "embedding_dim": 4, **kwargs})


def report(directory: Path) -> str:
    """Return the text of a report."""
    return write_report(directory).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """Return the text below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}$\n(.*?)(?=^#|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found.group(1)


def table(text: str, number: int = 0) -> list[list[str]]:
    """Return one of the tables as a list of rows, the header first."""
    tables = re.findall(r"(?:^\|.*\|\n)+", text + "\n", flags=re.MULTILINE)
    rows = [[cell.strip() for cell in line[1:-1].split(" | ")] for line in tables[number].splitlines()]
    assert len({len(row) for row in rows}) == 1
    return rows[:1] + rows[2:]
