"""Held-out triples as questions in plain words, and what models answer."""

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import torch
from pykeen.models import Model
from pykeen.predict import predict_target
from pykeen.triples import TriplesFactory

from ...datasets import EmojiKG
from ...models import MultimodalModel

__all__ = ["Answer", "Question", "answer", "choose_questions", "format_answer", "format_question", "name_entity"]

Side = Literal["head", "tail"]

#: How to ask for the head or the tail of each relation, given the other entity.
TEMPLATES: Final[Mapping[tuple[str, Side], str]] = {
    ("has_keyword", "tail"): "Which keyword does {} have?",
    ("has_keyword", "head"): "Which emoji has the {}?",
    ("in_subgroup", "tail"): "Which subgroup is {} in?",
    ("composed_of", "tail"): "What is a part of {}?",
    ("gender_counterpart", "tail"): "What is the counterpart of {}?",
}


@dataclasses.dataclass(frozen=True)
class Question:
    """A question whose answer is a held-out triple."""

    head: str
    relation: str
    tail: str

    #: which entity is asked for
    side: Side

    @property
    def given(self) -> str:
        """Return the label of the entity that the question is about."""
        return self.head if self.side == "tail" else self.tail

    @property
    def expected(self) -> str:
        """Return the label of the entity that is asked for."""
        return self.tail if self.side == "tail" else self.head


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a model answers."""

    #: the labels of the best entities, which are not known from training or validation triples
    best: Sequence[str]

    #: the rank of the held-out answer among them, from 1
    rank: int

    #: the weights of the modalities of the entity that the question is about, if the model has any
    weights: Mapping[str, float]


def choose_questions(dataset: EmojiKG, seed: int = 0) -> list[Question]:
    """Choose test triples at random, one for each way to ask.

    :param dataset: The dataset.
    :param seed: The random seed.
    :returns: The questions.
    """
    rng = random.Random(seed)  # noqa: S311 - a choice of examples is no secret
    testing = dataset.testing
    assert isinstance(testing, TriplesFactory)
    labeled = testing.label_triples(testing.mapped_triples).tolist()
    questions = []
    for relation, side in TEMPLATES:
        head, _, tail = rng.choice([triple for triple in labeled if triple[1] == relation])
        questions.append(Question(head, relation, tail, side))
    return questions


def answer(model: Model, dataset: EmojiKG, question: Question, k: int = 5) -> Answer:
    """Let a model answer a question.

    :param model: The model.
    :param dataset: The dataset that it was trained on.
    :param question: The question.
    :param k: The number of answers.
    :returns: The answer.
    """
    training, validation = dataset.training, dataset.validation
    assert isinstance(training, TriplesFactory)
    assert validation is not None
    predictions = predict_target(
        model,
        head=question.head if question.side == "tail" else None,
        relation=question.relation,
        tail=question.tail if question.side == "head" else None,
        triples_factory=training,
    ).filter_triples(training.mapped_triples, validation.mapped_triples)
    # the best ones first
    labels = predictions.df[f"{question.side}_label"].tolist()
    weights = {}
    if isinstance(model, MultimodalModel):
        entity = torch.as_tensor([training.entity_to_id[question.given]], device=model.device)
        weighted = model.modality_weights(entity)
        weights = {} if weighted is None else dict(zip(model.modalities, weighted[0].tolist(), strict=True))
    return Answer(best=labels[:k], rank=labels.index(question.expected) + 1, weights=weights)


def name_entity(dataset: EmojiKG, label: str) -> str:
    """Return the name of an entity, for emoji with the emoji itself.

    :param dataset: The dataset.
    :param label: The label of the entity, e.g., ``"emoji:rocket"``.
    :returns: The name.
    """
    characters = dataset.characters.get(label)
    kind, _, name = label.partition(":")
    return f"{kind} “{name}”" if characters is None else f"{characters} {name}"


def format_question(dataset: EmojiKG, question: Question) -> str:
    """Return a question in plain words."""
    template = TEMPLATES[question.relation, question.side]
    return template.format(name_entity(dataset, question.given))


def format_answer(dataset: EmojiKG, question: Question, given: Answer) -> str:
    """Return an answer in plain words, with the held-out one marked.

    :param dataset: The dataset.
    :param question: The question.
    :param given: The answer.
    :returns: The answer, in one line.
    """
    # the question names the kind of the right answer; a model that answers something else should be seen doing so
    kind = question.expected.partition(":")[0]
    names = [
        name_entity(dataset, label).removeprefix(f"{kind} ") + (" ✓" if label == question.expected else "")
        for label in given.best
    ]
    text = ", ".join(names)
    return text if given.rank <= len(names) else f"{text} (the held-out answer is at rank {given.rank})"
