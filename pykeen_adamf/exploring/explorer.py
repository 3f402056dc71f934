"""A model with all that can be shown of it: entities, answers to questions, and what these are due to."""

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, NamedTuple

import torch
from pykeen.models import Model
from pykeen.triples import TriplesFactory

from ..bundle import Bundle, TrainedModel
from ..constants import STRUCTURAL
from ..explaining import Candidates, ModalityModel, explain_entities
from ..explaining.candidates import Allowed, Side
from ..explaining.labels import resolve
from ..explaining.model import predicting
from ..features import CoverageReport, ModalityFeatures
from ..models import MultimodalModel, QueryScoringModel
from ..prediction import Calibration, predict
from ..triples import MultimodalTriplesFactory
from ..typing import LongTensor
from .neighbors import Neighbor, Neighbors
from .pictures import Pictures
from .search import EntityIndex

__all__ = ["ALL_TOGETHER", "Answer", "Change", "Entity", "Explorer", "Modality", "Question", "nothing"]

#: What stands in the place of a modality for the embedding that is made of all of them.
ALL_TOGETHER: Final = "all together"


def nothing(_: str) -> None:
    """Report nothing."""


class Question(NamedTuple):
    """An entity and a relation, and which side is asked for; entity and relation are labels."""

    given: str
    relation: str
    side: Side


@dataclasses.dataclass(frozen=True)
class Entity:
    """What is known of an entity."""

    id: int
    label: str
    #: the number of its pictures, usable or not
    num_pictures: int
    text: str


@dataclasses.dataclass(frozen=True)
class Modality:
    """A modality of an entity: the weight in the fusion, if there are any, and whether the entity really has it."""

    name: str
    weight: float | None
    present: bool


@dataclasses.dataclass(frozen=True)
class Change:
    """What changes if a modality is left out: the rank among all that are answered, and the score by so much."""

    modality: str
    rank: float
    rank_without: float
    score_change: float


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer to a question."""

    entity: Entity
    score: float
    #: whether the model was trained on it
    is_known: bool
    #: whether it is among the triples that were held out
    is_held_out: bool
    modalities: Sequence[Modality]
    changes: Sequence[Change]
    #: if there is a calibration
    probability: float | None = None


class Explorer:
    """Answers everything that pages show of a model. It may be used by several threads, which take turns."""

    def __init__(
        self,
        bundle: Bundle | TrainedModel,
        *,
        name: str | None = None,
        pictures: Pictures | None = None,
        texts: Mapping[str, str] | None = None,
        held_out: LongTensor | None = None,
        candidates: Allowed | None = None,
        calibrations: Mapping[Side, Calibration] | None = None,
        report: Callable[[str], object] = nothing,
    ) -> None:
        """Initialize the explorer, and calculate what many questions need.

        :param bundle: The model and its training triples.
        :param name: What to call the model. Defaults to the name of its class.
        :param pictures: The pictures of entities.
        :param texts: The texts of entities by label.
        :param held_out: shape: ``(n, 3)``, triples that the model was not trained on, but that are known.
        :param candidates: What says which entities may be an answer, cf. :class:`pykeen_adamf.explaining.Candidates`.
            Defaults to all.
        :param calibrations: What turns scores into probabilities, by what is asked for. Defaults to none.
        :param report: Called with what is done next.
        :raises ValueError: if the training triples have no labels, the model has no embeddings, such as an ensemble, or
            there are no such candidates
        """
        if not isinstance(bundle.training, TriplesFactory):
            raise ValueError("The triples of the bundle have no labels by which entities and relations could be named.")
        if not isinstance(bundle.model, QueryScoringModel):
            raise ValueError(
                f"{name or 'The model'} cannot be explored: it has no embeddings of its own. Pass a part of it."
            )
        self.model: Model = bundle.model
        self.training = bundle.training
        #: the modalities of the model, if it has any
        self.modalities: Sequence[str] = tuple(self.model.modalities) if isinstance(self.model, ModalityModel) else ()
        self.name = name or type(bundle.model).__name__
        self.pictures, self.texts = pictures, texts or {}
        self.held_out = torch.zeros(0, 3, dtype=torch.long) if held_out is None else held_out
        self._candidates = None if candidates is None else Candidates(self.training, candidates)
        self._calibrations = calibrations or {}
        self.labels = [self.training.entity_id_to_label[i] for i in range(self.training.num_entities)]
        self.relations = [self.training.relation_id_to_label[i] for i in range(self.training.real_num_relations)]
        self.index = EntityIndex(self.labels, [self.texts.get(label, "") for label in self.labels])
        self._lock = threading.Lock()
        self._prepare(report)

    def _prepare(self, report: Callable[[str], object]) -> None:
        """Calculate the representations of all entities, with all modalities, and without each; and norms."""
        model = self.model
        assert isinstance(model, QueryScoringModel)
        with predicting(model):
            report(f"Representing {len(self.labels):,} entities ...")
            model.keep_entities(1 + len(self.modalities))
            # the last one first, since the table of all is what is needed most often
            for modality in self.modalities if self.can_leave_out else ():
                assert isinstance(model, ModalityModel)
                with model.without_modality(modality):
                    model.represent_all()
            table = model.represent_all().table
            report("Measuring how similar they are ...")
            self._neighbors = {name: Neighbors(x.matrix, x.presence) for name, x in self.features.items()}
            if isinstance(model, MultimodalModel) and STRUCTURAL in model.modalities:
                self._neighbors[STRUCTURAL] = Neighbors(model.fused.bases[STRUCTURAL](None))
            self._neighbors[ALL_TOGETHER] = Neighbors(table)

    @property
    def features(self) -> Mapping[str, ModalityFeatures]:
        """Return the features by modality."""
        return self.training.features if isinstance(self.training, MultimodalTriplesFactory) else {}

    @property
    def can_leave_out(self) -> bool:
        """Return whether the model can predict without one of its modalities."""
        return len(self.modalities) > 1

    @property
    def coverage(self) -> CoverageReport:
        """Return how many entities have which modalities."""
        return CoverageReport.from_features(self.features, len(self.labels))

    @cached_property
    def degrees(self) -> LongTensor:
        """Return in how many training triples each entity is, shape: ``(num_entities,)``."""
        return self.training.mapped_triples[:, [0, 2]].flatten().bincount(minlength=len(self.labels))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for others: to leave a modality out is a state of the model."""
        with self._lock, predicting(self.model):
            yield

    def find(self, label: str) -> Entity:
        """Return the entity of a label.

        :raises ValueError: if there is none
        """
        return self.entity(int(resolve([label], self.training, "entity")))

    def entity(self, i: int) -> Entity:
        """Return the entity of an ID."""
        label = self.labels[i]
        return Entity(i, label, self.pictures.count(label) if self.pictures else 0, self.texts.get(label, ""))

    def search(self, query: str, k: int = 48) -> list[Entity]:
        """Return at most k entities whose label or text has the query, the best first."""
        return [self.entity(i) for i in self.index.search(query, k)]

    def examples(self, k: int = 12) -> list[Entity]:
        """Return k entities that are in many triples, those with pictures first."""
        order = self.degrees.argsort(descending=True, stable=True).tolist()
        if self.pictures is not None:
            order.sort(key=lambda i: not self.pictures.count(self.labels[i]))  # type: ignore[union-attr]
        return [self.entity(i) for i in order[:k]]

    def describe(self, i: int) -> list[Modality]:
        """Return the modalities of an entity."""
        return self._describe([i])[0]

    def _describe(self, ids: Sequence[int]) -> list[list[Modality]]:
        if not self.modalities:
            return [[Modality(name, None, bool(x.presence[i])) for name, x in self.features.items()] for i in ids]
        with self._turn():
            frame = explain_entities(self.model, self.training, torch.tensor(ids, dtype=torch.long))
        rows = [
            Modality(name, None if weight != weight else weight, present)
            for name, weight, present in zip(frame["modality"], frame["weight"], frame["present"], strict=True)
        ]
        width = len(self.modalities)
        return [rows[start : start + width] for start in range(0, len(rows), width)]

    def neighbors(self, i: int, k: int = 6) -> dict[str, list[tuple[Entity, float]]]:
        """Return the k most similar entities by each modality that an entity has, and by all together."""
        found: dict[str, list[Neighbor]] = {name: x.find(i, k) for name, x in self._neighbors.items()}
        return {name: [(self.entity(x.entity), x.similarity) for x in row] for name, row in found.items() if row}

    def facts(self, i: int, k: int = 60) -> list[tuple[Entity, str, Entity]]:
        """Return at most k training triples that an entity is in, by relation."""
        triples = self.training.mapped_triples
        mine = triples[(triples[:, [0, 2]] == i).any(dim=-1)]
        order = sorted(mine.tolist(), key=lambda triple: (triple[1], triple[2] == i, triple))
        return [(self.entity(h), self.relations[r], self.entity(t)) for h, r, t in order[:k]]

    def ask(self, question: Question, k: int = 10, *, with_known: bool = False) -> list[Answer]:
        """Answer a question.

        :param question: The question.
        :param k: >0, how many answers to return.
        :param with_known: Whether to return those, too, that the model was trained on.
        :returns: The best answers, the best first.
        :raises ValueError: if there is no such entity or relation
        """
        with self._turn():
            frame = predict(
                self.model,
                self.training,
                head=question.given if question.side == "tail" else None,
                relation=question.relation,
                tail=question.given if question.side == "head" else None,
                top=k,
                candidates=self._candidates,
                keep_known=with_known,
                calibration=self._calibrations.get(question.side),
            )
        held_out = self._complete(self.held_out, question)
        ids = [self.training.entity_to_id[label] for label in frame["entity"]]
        modalities = self._describe(ids) if ids else []
        return [
            Answer(
                *(self.entity(i), row["score"], row["known"], i in held_out, mine, self._changes(row)),
                probability=row.get("probability"),
            )
            for i, mine, row in zip(ids, modalities, frame.to_dict("records"), strict=True)
        ]

    def _complete(self, triples: LongTensor, question: Question) -> set[int]:
        """Return the entities that answer a question in these triples."""
        column, other = (2, 0) if question.side == "tail" else (0, 2)
        given, relation = self.training.entity_to_id[question.given], self.training.relation_to_id[question.relation]
        chosen = (triples[:, other] == given) & (triples[:, 1] == relation)
        return set(triples[chosen, column].tolist())

    def _changes(self, row: Mapping[Any, Any]) -> list[Change]:
        """Return what changes for an answer without each modality."""
        return [
            Change(name, row["rank"], row[f"rank without {name}"], row[f"score change {name}"])
            for name in (self.modalities if self.can_leave_out else ())
        ]
