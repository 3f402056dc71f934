"""What is to be known about an own graph before anything is trained: its coverage, and what is probably a mistake."""

import dataclasses
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from pykeen.triples import TriplesFactory
from pykeen.triples.leakage import get_candidate_pairs, mapped_triples_to_sparse_matrices
from pykeen.utils import isin_many_dim

from ..encoders import NumericEncoder, read_attributes
from ..encoders.problems import EncodingError
from ..encoders.resolver import find_encoder
from ..encoders.sources import read_source
from ..suggestions import bare
from ..typing import BoolTensor
from .project import LAYOUT, Project

__all__ = ["Findings", "check_project", "find_leaks"]

#: How similar the pairs of two relations are, such that one is taken for the inverse of the other, or a duplicate: the
#: share of pairs that both have, as PyKEEN and FB15k-237 have it.
SIMILARITY: Final = 0.97

#: How many examples there are of anything.
NUM_SHOWN: Final = 3


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was found out about a graph."""

    #: by name, the numbers of entities, relations, and triples of each split
    counts: Mapping[str, int]
    #: by modality, how many entities have something to encode, or features
    coverage: Mapping[str, int]
    #: what is probably a mistake, a sentence or two each
    warnings: Sequence[str]

    def rows(self) -> list[tuple[str, str]]:
        """Return a table of what there is, and how much of it."""
        num = self.counts["entities"]
        counts = [(name, f"{count:,}") for name, count in self.counts.items()]
        return counts + [(f"{name} features", f"{x:,} of {num:,} ({x / num:.0%})") for name, x in self.coverage.items()]

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.rows())
        lines = [f"{name:{width}}  {text}" for name, text in self.rows()]
        return "\n".join([*lines, *(f"! {text}" for text in self.warnings)])


def check_project(project: Project) -> Findings:
    """Check a graph.

    :raises ValueError: if nothing could be learned or measured: there are no test triples, all of them are training
        triples, or a modality is of no entity
    """
    training = project.training
    if "testing" not in project.splits:
        raise ValueError(
            f"{project.directory} has {training.num_triples:,} training triples and no test triples whose entities and "
            f"relations these know. Add triples: some tens at least."
        )
    names = {"training": "training triples", "validation": "validation triples", "testing": "test triples"}
    counts = {"entities": training.num_entities, "relations": training.num_relations}
    counts |= {text: project.splits[name].num_triples for name, text in names.items() if name in project.splits}
    warnings = [*_check_rows(project), *_check_leaks(project)]
    entities = training.entity_to_id.keys()
    coverage, covered = {}, set[str]()
    nearest = _group(entities)
    warnings += _check_similar(nearest, entities)
    for name in project.features:
        present, place = _present(project, name)
        warnings += _check_numbers(project, name)
        known = present.intersection(entities)
        warnings += _check_unknown(place, sorted(present - known), nearest, len(present), entities)
        coverage[name] = len(known)
        covered |= known
    lonely = sorted(set(entities) - covered)
    if project.features and lonely:
        warnings.append(f"{len(lonely):,} entities have no modality at all, e.g., {_show(lonely)}.")
    if not project.features:
        warnings.append(f"There are no features: links are learned from triples alone. What is read: {LAYOUT}.")
    if project.unused:
        warnings.append(f"Not used: {_show(project.unused, 10)}. What is read: {LAYOUT}.")
    return Findings(counts, coverage, warnings)


def _show(labels: Iterable[str], num: int = NUM_SHOWN) -> str:
    labels = list(labels)
    return ", ".join(map(repr, labels[:num])) + (", ..." if len(labels) > num else "")


# --- triples


def _check_rows(project: Project) -> list[str]:
    """Find duplicate rows, and triples that are left out."""
    warnings = []
    for path, (num_rows, num_distinct) in project.num_rows.items():
        if num_rows > num_distinct:
            warnings.append(f"{path.name}: {num_rows - num_distinct:,} of {num_rows:,} triples are duplicates.")
    distinct, kept = sum(x for _, x in project.num_rows.values()), sum(x.num_triples for x in project.splits.values())
    if distinct > kept:
        warnings.append(
            f"{distinct - kept:,} validation or test triples are left out, whose entities or relations have no "
            f"training triples."
        )
    return warnings


def _check_leaks(project: Project) -> list[str]:
    warnings = []
    for name in sorted(project.splits.keys() - {"training"}):
        evaluated = project.splits[name]
        leaks, what = find_leaks(project.training, evaluated), name.removesuffix("ing")
        same = int(leaks["the same"].sum())
        if same == evaluated.num_triples and same and name == "testing":
            raise ValueError("All test triples are training triples, too. Hold others out, or leave test out.")
        for kind, mask in leaks.items():
            if not (num := int(mask.sum())):
                continue
            ids = evaluated.mapped_triples[mask, 1].unique().tolist()
            relations = _show(evaluated.relation_id_to_label[i] for i in ids)
            fix = "Remove them." if kind == "the same" else "Ranks of these are too good: keep one direction of each."
            warnings.append(
                f"{num:,} of {evaluated.num_triples:,} {what} triples have {kind} triple among the training triples "
                f"({relations}). {fix}"
            )
    return warnings


def find_leaks(training: TriplesFactory, evaluated: TriplesFactory) -> dict[str, BoolTensor]:
    """Find the triples that training triples give away.

    :returns: By what gives them away, shape: ``(num_evaluated,)``
    """
    known, triples = training.mapped_triples, evaluated.mapped_triples
    num = training.num_relations
    relations, inverses = mapped_triples_to_sparse_matrices(torch.cat([known, triples]), num_relations=num)
    pairs = {
        "an inverse": get_candidate_pairs(a=relations, b=inverses, threshold=SIMILARITY),
        "an equivalent": get_candidate_pairs(a=relations, threshold=SIMILARITY),
    }
    result = {"the same": isin_many_dim(triples, known), "the reverse": isin_many_dim(triples.flip(-1), known)}
    for name, candidates in pairs.items():
        turned = triples.flip(-1) if name == "an inverse" else triples
        mask = torch.zeros(len(triples), dtype=torch.bool)
        for r, other in candidates:
            other_triples = turned.clone()
            other_triples[:, 1] = int(other)
            mask |= (triples[:, 1] == int(r)) & isin_many_dim(other_triples, known)
        result[name] = mask
    return result


# --- labels


def _present(project: Project, name: str) -> tuple[set[str], str]:
    """Return the labels that have something of a modality, and where."""
    given = project.features[name]
    if isinstance(given, Path):
        features = project.read_features(name)
        return {x for x, there in zip(features.labels, features.presence.tolist(), strict=True) if there}, given.name
    source = Path(given["source"])
    items = read_source(source, find_encoder(given["encoder"]).modality)
    return {item.entity for item in items if item.sources}, source.name + ("/" if source.is_dir() else "")


def _check_numbers(project: Project, name: str) -> list[str]:
    """Find attributes that were probably meant as numbers."""
    given = project.features[name]
    if isinstance(given, Path) or find_encoder(given["encoder"]) is not NumericEncoder:
        return []
    encoder, place = NumericEncoder(), Path(given["source"]).name
    try:
        encoder.fit([source for item in read_attributes(given["source"]) for source in item.sources])
    except EncodingError as error:
        return [f"{place}: {error}"]
    return [f"{place}: {doubt}" for doubt in encoder.doubts]


def _group(labels: Iterable[str]) -> Mapping[str, list[str]]:
    """Group labels by what is left of them."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        groups[bare(label)].append(label)
    return groups


def _pair(label: str, other: str) -> str:
    """Show two labels such that their difference is seen."""
    show = ascii if unicodedata.normalize("NFC", label) == unicodedata.normalize("NFC", other) else repr
    return f"{show(label)} and {show(other)}"


def _check_similar(groups: Mapping[str, Sequence[str]], entities: Collection[str]) -> list[str]:
    """Find entities that may be one."""
    several = [labels for labels in groups.values() if len(labels) > 1]
    if not several:
        return []
    shown = "; ".join(_pair(*labels[:2]) for labels in several[:NUM_SHOWN])
    return [
        f"{len(several):,} of {len(entities):,} entities may be spelled in several ways, different in case, spaces, "
        f"Unicode form or <...> only: {shown}. Give them one label if they are the same."
    ]


def _check_unknown(
    place: str, unknown: Sequence[str], nearest: Mapping[str, Sequence[str]], num: int, entities: Collection[str]
) -> list[str]:
    """Check labels that are no entities, and have no features therefore."""
    if not unknown:
        return []
    near = [(label, nearest[bare(label)][0]) for label in unknown if bare(label) in nearest]
    shown = "; ".join(_pair(*pair) for pair in near[:NUM_SHOWN])
    hint = f" {len(near):,} of them differ from an entity in case, spaces, Unicode form or <...> only: {shown}."
    if len(unknown) == num:
        raise ValueError(
            f"{place}: none of its {num:,} labels is an entity, e.g., {_show(unknown)}, where entities are, e.g., "
            f"{_show(sorted(entities))}.{hint if near else ''} Call them as in the triples."
        )
    text = f"{place}: {len(unknown):,} of {num:,} labels are no entities, and are left out, e.g., {_show(unknown)}."
    return [text + (f"{hint} Call them as in the triples." if near else "")]
