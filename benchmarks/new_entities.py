"""Predictions for entities that have features, but no triples: EmojiKG, with a tenth of its emoji held out.

All triples of the held-out emoji are removed from training, validation and test triples. For each of them that has
one held-out emoji, the known entity is ranked among all known ones, given the features of the emoji alone; its other
true answers are filtered. ``python benchmarks/new_entities.py --json benchmarks/results/new_entities.json``
"""

import dataclasses
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy
import torch
from emojikg_methods import read_configuration
from pykeen.datasets import Dataset
from pykeen.pipeline import pipeline
from timing import describe_machine

from pykeen_adamf.datasets import EagerMultimodalDataset, EmojiKG
from pykeen_adamf.evaluation import METRICS
from pykeen_adamf.evaluation.measuring import collect_metrics
from pykeen_adamf.experiments.folder import write_json
from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.new_entities import represent_new_entities, score_new_entities
from pykeen_adamf.triples import MultimodalTriplesFactory

MODELS = ("AdaMF", "AdaMF-MAT")

#: Which features are given, and what becomes of what is absent.
WAYS = {
    "image and text": (("visual", "textual"), "average"),
    "image": (("visual",), "average"),
    "text": (("textual",), "average"),
    "image and text, the rest left out": (("visual", "textual"), "left-out"),
    "image, the rest left out": (("visual",), "left-out"),
    "text, the rest left out": (("textual",), "left-out"),
}


class Query(NamedTuple):
    """A new entity and a relation, with the known entities that are right."""

    new: str
    relation: int
    target: str
    answers: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Split:
    """A dataset without some entities, and what is to be predicted for these."""

    dataset: Dataset
    new: Mapping[str, ModalityFeatures]
    queries: Sequence[Query]
    counts: Mapping[str, int]


def hold_out(dataset: Dataset, share: float, seed: int) -> Split:
    """Hold out emoji that have all modalities, with all of their triples."""
    training: MultimodalTriplesFactory = dataset.training
    complete = torch.stack([features.presence for features in training.features.values()]).all(dim=0).nonzero().view(-1)
    order = torch.randperm(len(complete), generator=torch.Generator().manual_seed(seed))
    held_out = torch.zeros(training.num_entities, dtype=torch.bool)
    held_out[complete[order[: round(share * len(complete))]]] = True
    factories = {name: getattr(dataset, name) for name in ("training", "testing", "validation")}
    # which of head and tail are held out
    masks = {name: held_out[factory.mapped_triples[:, [0, 2]]] for name, factory in factories.items()}
    kept = {name: f.mapped_triples[~masks[name].any(dim=-1)] for name, f in factories.items()}
    # whoever is not in a training triple any more, is not known either
    known = torch.zeros_like(held_out)
    known[kept["training"][:, [0, 2]]] = True
    labels = [training.entity_id_to_label[i] for i in known.nonzero().view(-1).tolist()]
    new_ids = known.cumsum(dim=0) - 1
    parts = {}
    for name, triples in kept.items():
        triples = triples[known[triples[:, [0, 2]]].all(dim=-1)].clone()
        triples[:, [0, 2]] = new_ids[triples[:, [0, 2]]]
        parts[name] = MultimodalTriplesFactory(
            triples,
            {label: i for i, label in enumerate(labels)},
            training.relation_to_id,
            features=training.features,
            unknown_labels="ignore",
        )
    answers: dict[tuple[str, int, str], list[int]] = defaultdict(list)
    num_left_out = 0
    for name, factory in factories.items():
        for (h, r, t), (new_head, new_tail) in zip(factory.mapped_triples.tolist(), masks[name].tolist(), strict=True):
            if new_head == new_tail:
                num_left_out += new_head
                continue
            new, other, target = (h, t, "tail") if new_head else (t, h, "head")
            if not known[other]:
                num_left_out += 1
                continue
            answers[training.entity_id_to_label[new], r, target].append(int(new_ids[other]))
    queries = [Query(*key, tuple(values)) for key, values in answers.items()]
    names = sorted({query.new for query in queries})
    return Split(
        EagerMultimodalDataset(*parts.values()),
        {name: x.align(names, unknown="ignore") for name, x in training.features.items()},
        queries,
        {
            "held-out emoji": int(held_out.sum()),
            "of them with a triple to predict": len(names),
            "known entities": len(labels),
            "training triples": parts["training"].num_triples,
            "triples to predict": sum(len(query.answers) for query in queries),
            "triples with two unknown entities": num_left_out,
        },
    )


def rank(query: Query, scores: torch.Tensor) -> list[float]:
    """Return the filtered rank of each answer; of equal scores, the mean rank."""
    right = torch.tensor(query.answers)
    others = torch.ones(len(scores), dtype=torch.bool)
    others[right] = False
    rest = scores[others]
    return [1 + float((rest > x).sum()) + float((rest == x).sum()) / 2 for x in scores[right]]


def average(ranks: Sequence[float]) -> dict[str, float]:
    """Return metrics."""
    x = numpy.asarray(ranks)
    return {"MRR": float((1 / x).mean()), **{f"Hits@{k}": float((x <= k).mean()) for k in (1, 3, 10)}}


def average_by_relation(split: Split, ranks: Mapping[Query, list[float]]) -> dict[str, Any]:
    """Return metrics over all triples, and the MRR of each relation and side."""
    parts = defaultdict(list)
    for query, values in ranks.items():
        relation = split.dataset.training.relation_id_to_label[query.relation]
        sides = f"(new, {relation}, ?)" if query.target == "tail" else f"(?, {relation}, new)"
        parts[sides].extend(values)
    every = [value for values in ranks.values() for value in values]
    by_side = {name: {"triples": len(x), "MRR": average(x)["MRR"]} for name, x in sorted(parts.items())}
    return {**average(every), "by relation": by_side}


def score_randomly(split: Split) -> dict[str, float]:
    """Return the expected metrics of a random order."""
    num_known = split.dataset.training.num_entities
    parts = []
    for query in split.queries:
        ranks = numpy.arange(1, num_known - len(query.answers) + 2)
        parts += [{"MRR": (1 / ranks).mean(), **{f"Hits@{k}": k / len(ranks) for k in (1, 3, 10)}}] * len(query.answers)
    return {name: float(numpy.mean([part[name] for part in parts])) for name in METRICS}


def count(split: Split) -> dict[tuple[int, str], torch.Tensor]:
    """Return how often each entity is the head, or tail, of each relation in training."""
    training = split.dataset.training
    size = (training.num_relations, training.num_entities)
    counts = {}
    for target, column in (("head", 0), ("tail", 2)):
        index = training.mapped_triples[:, 1] * size[1] + training.mapped_triples[:, column]
        table = index.bincount(minlength=size[0] * size[1]).view(size).float()
        counts.update({(relation, target): table[relation] for relation in range(size[0])})
    return counts


def compare_texts(split: Split) -> torch.Tensor:
    """Return the cosine of the texts of new and known entities, shape: ``(num_new, num_known)``."""
    new, known = (x["textual"].matrix.float() for x in (split.new, split.dataset.training.features))
    return torch.nn.functional.normalize(new) @ torch.nn.functional.normalize(known).T


def copy_triples(split: Split) -> dict[Query, list[float]]:
    """Rank by the most similar text among the known entities that have this triple: nothing is learned."""
    similarity, triples = compare_texts(split), split.dataset.training.mapped_triples
    row = {label: i for i, label in enumerate(split.new["textual"].labels)}
    ranks = {}
    for query in split.queries:
        mine, theirs = (0, 2) if query.target == "tail" else (2, 0)
        relevant = triples[triples[:, 1] == query.relation]
        scores = torch.full((similarity.shape[1],), -2.0)
        scores.scatter_reduce_(0, relevant[:, theirs], similarity[row[query.new], relevant[:, mine]], "amax")
        ranks[query] = rank(query, scores)
    return ranks


def evaluate(split: Split, model: AdaMFRotatE) -> dict[str, Any]:
    """Evaluate all ways to represent the new entities."""
    row = {label: i for i, label in enumerate(split.new["visual"].labels)}
    representations = {
        name: represent_new_entities(model, {x: split.new[x].matrix for x in modalities}, absent=absent)
        for name, (modalities, absent) in WAYS.items()
    }
    emoji = split.dataset.training.features["visual"].presence
    nearest = compare_texts(split).masked_fill(~emoji, -2.0).argmax(dim=-1)
    with torch.no_grad():
        representations["as the known emoji with the most similar text"] = model.entity_representations[0](nearest)
    return {
        name: average_by_relation(
            split,
            {
                query: rank(query, score_new_entities(model, x[[row[query.new]]], query.relation, query.target)[0])
                for query in split.queries
            },
        )
        for name, x in representations.items()
    }


def evaluate_known(split: Split, model: AdaMFRotatE) -> dict[str, Any]:
    """Rank tails of test triples of known emoji with all that is known of these, and as if they were new."""
    training = split.dataset.training
    known = torch.cat([x.mapped_triples for x in (training, split.dataset.validation, split.dataset.testing)])
    triples = split.dataset.testing.mapped_triples
    triples = triples[training.features["visual"].presence[triples[:, 0]]]
    heads = triples[:, 0].unique()
    features = {name: x.matrix[heads] for name, x in training.features.items()}
    with torch.no_grad():
        representations = {"all that is known": model.entity_representations[0](heads)}
    for absent in ("average", "left-out"):
        representations[f"as if new, {absent}"] = represent_new_entities(model, features, absent=absent)
    results: dict[str, list[float]] = {name: [] for name in representations}
    for h, r, t in triples.tolist():
        answers = known[(known[:, 0] == h) & (known[:, 1] == r), 2].unique()
        for name, x in representations.items():
            scores = score_new_entities(model, x[heads == h], r, "tail")[0]
            ranks = rank(Query("", r, "tail", tuple(answers.tolist())), scores)
            results[name].append(ranks[answers.tolist().index(t)])
    return {"test triples": len(triples), **{name: average(x) for name, x in results.items()}, **describe(split, model)}


def describe(split: Split, model: AdaMFRotatE) -> dict[str, Any]:
    """Return the weights and lengths of the modalities of emoji, and how much of the length all have in common."""
    emoji = split.dataset.training.features["visual"].presence.nonzero().view(-1)
    weights = model.modality_weights(emoji).mean(dim=0).tolist()
    with torch.no_grad():
        parts = {name: base(emoji) for name, base in model.fused.bases.items()}
    return {
        "mean weights": dict(zip(parts, weights, strict=True)),
        "mean lengths": {name: float(x.norm(dim=-1).mean()) for name, x in parts.items()},
        "lengths of means": {name: float(x.mean(dim=0).norm()) for name, x in parts.items()},
    }


def run(seed: int, share: float, epochs: int | None) -> dict[str, Any]:
    """Hold out, train and evaluate, in one thread."""
    torch.set_num_threads(1)
    split = hold_out(EmojiKG(), share, seed)
    counts = count(split)
    popularity = {query: rank(query, counts[query.relation, query.target]) for query in split.queries}
    results = {
        "random": score_randomly(split),
        "popularity": average_by_relation(split, popularity),
        "triples of similar texts": average_by_relation(split, copy_triples(split)),
    }
    known = {}
    for name in MODELS:
        kwargs = read_configuration(name, epochs)["pipeline"] | {"dataset": split.dataset}
        result = pipeline(**kwargs, random_seed=seed, device="cpu", use_tqdm=False)
        for way, metrics in evaluate(split, result.model).items():
            results[f"{name}, {way}"] = metrics
        known[name] = {
            "test metrics": collect_metrics(result.metric_results)["both"]["realistic"],
            **evaluate_known(split, result.model),
        }
    return {"seed": seed, "counts": split.counts, "new entities": results, "known entities": known}


@click.command()
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="How many seeds.")
@click.option(
    "--first-seed", type=int, default=1, show_default=True, help="The first seed; 0 was used to develop this."
)
@click.option("--share", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="The share of emoji.")
@click.option("--epochs", type=click.IntRange(min=1), help="The epochs of each run, if not the configured ones.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="How many runs at a time.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the results.")
def main(seeds: int, first_seed: int, share: float, epochs: int | None, workers: int, path: Path | None) -> None:
    """Compare ways to predict for emoji that were not there in training."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        runs = list(executor.map(run, range(first_seed, first_seed + seeds), [share] * seeds, [epochs] * seeds))
    ways = list(runs[0]["new entities"])
    summary = {way: _aggregate([run["new entities"][way] for run in runs]) for way in ways}
    if path is not None:
        environment = {**describe_machine(), "num_threads": 1, "num_cpus": os.cpu_count()}
        configurations = {name: read_configuration(name, epochs) for name in MODELS}
        data = {"dataset": "EmojiKG", "share": share}
        write_json(
            path,
            {**data, "configurations": configurations, "environment": environment, "summary": summary, "runs": runs},
        )
    click.echo("\n".join("| " + " | ".join(row) + " |" for row in _table(summary)))


def _aggregate(parts: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Return mean and standard deviation over seeds."""
    return {
        metric: [float(numpy.mean(x)), float(numpy.std(x, ddof=1)) if len(x) > 1 else 0.0]
        for metric in METRICS
        for x in [[part[metric] for part in parts]]
    }


def _table(summary: Mapping[str, Mapping[str, list[float]]]) -> list[list[str]]:
    rows = [["new entities", *METRICS], ["---"] * (len(METRICS) + 1)]
    return rows + [
        [way, *(f"{mean:.3f} ± {std:.3f}" for mean, std in metrics.values())] for way, metrics in summary.items()
    ]


if __name__ == "__main__":
    main()
