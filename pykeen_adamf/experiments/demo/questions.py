"""Held-out triples as questions in plain words, and what models answer."""

import random
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import torch
from pykeen.models import Model

from ...datasets import EmojiKG
from ...explaining import Candidates
from ...explaining.candidates import Side
from ...exploring import Question as Asked
from ...models import MultimodalModel
from ...prediction import predict

__all__ = ["Answer", "Question", "answer", "choose_questions", "format_answer", "format_question", "name_entity"]

#: How to ask for the head or the tail of each relation, given the other entity.
TEMPLATES: Final[Mapping[tuple[str, Side], str]] = {
    ("has_keyword", "tail"): "Which keyword does {} have?",
    ("has_keyword", "head"): "Which emoji has the {}?",
    ("in_subgroup", "tail"): "Which subgroup is {} in?",
    ("composed_of", "tail"): "What is a part of {}?",
    ("gender_counterpart", "tail"): "What is the counterpart of {}?",
}


class Question(NamedTuple):
    """A held-out triple, and which of its entities is asked for."""

    head: str
    relation: str
    tail: str
    side: Side

    @property
    def given(self) -> str:
        """Return the label of the entity that the question is about."""
        return self.head if self.side == "tail" else self.tail

    @property
    def expected(self) -> str:
        """Return the label of the entity that is asked for."""
        return self.tail if self.side == "tail" else self.head

    def ask(self) -> Asked:
        """Return the question without its answer, as pages show it."""
        return Asked(self.given, self.relation, self.side)


class Answer(NamedTuple):
    """The best candidates that are not known, the held-out one's rank among them, and modalities' weights, if any."""

    best: Sequence[str]
    rank: int
    weights: Mapping[str, float]


def choose_questions(dataset: EmojiKG, seed: int = 0) -> list[Question]:
    """Choose test triples at random, one for each way to ask."""
    rng = random.Random(seed)  # noqa: S311 - a choice of examples is no secret
    triples = dataset.testing.tensor_to_df(dataset.testing.mapped_triples).filter(like="_label")
    questions = []
    for relation, side in TEMPLATES:
        head, _, tail = rng.choice(triples[triples["relation_label"] == relation].to_numpy().tolist())
        questions.append(Question(head, relation, tail, side))
    return questions


def answer(
    model: Model, dataset: EmojiKG, question: Question, k: int = 5, candidates: Candidates | None = None
) -> Answer:
    """Let a model, which was trained on the dataset, give its k best answers to a question, among all or candidates."""
    assert dataset.validation is not None
    asks_tail = question.side == "tail"
    frame = predict(
        model,
        dataset.training,
        relation=question.relation,
        head=question.given if asks_tail else None,
        tail=None if asks_tail else question.given,
        top=None,
        candidates=candidates,
        known_triples=dataset.validation.mapped_triples,
        reasons=False,
    )
    labels = frame["entity"].tolist()
    weights = {}
    if isinstance(model, MultimodalModel):
        weighted = model.modality_weights(torch.tensor([dataset.entity_to_id[question.given]], device=model.device))
        weights = {} if weighted is None else dict(zip(model.modalities, weighted[0].tolist(), strict=True))
    return Answer(best=labels[:k], rank=labels.index(question.expected) + 1, weights=weights)


def name_entity(dataset: EmojiKG | None, label: str) -> str:
    """Return the name of an entity, e.g., of ``"emoji:rocket"``, with the emoji itself if there is a dataset."""
    kind, _, name = label.partition(":")
    if kind != "emoji":
        return f"{kind} “{name}”"
    return name if dataset is None else f"{dataset.characters[label]} {name}"


def format_question(dataset: EmojiKG | None, question: Question) -> str:
    """Return a question in plain words, cf. :func:`name_entity`."""
    return TEMPLATES[question.relation, question.side].format(name_entity(dataset, question.given))


def format_answer(dataset: EmojiKG, question: Question, given: Answer) -> str:
    """Return an answer in plain words in one line, with the held-out one marked."""
    # the question names the kind of the right answer; a model that answers something else should be seen doing so
    kind = question.expected.partition(":")[0]
    names = [
        name_entity(dataset, label).removeprefix(f"{kind} ") + (" ✓" if label == question.expected else "")
        for label in given.best
    ]
    rank = "" if given.rank <= len(names) else f" (the held-out answer is at rank {given.rank})"
    return ", ".join(names) + rank
