"""Questions of the demonstration, and answers to them."""

import pytest
import torch
from pykeen.pipeline import pipeline

from pykeen_adamf.cli.options import take_overrides
from pykeen_adamf.datasets import EmojiKG
from pykeen_adamf.experiments.configuration import merge
from pykeen_adamf.experiments.demo.questions import (
    TEMPLATES,
    Answer,
    Question,
    answer,
    choose_questions,
    format_answer,
    format_question,
    name_entity,
)
from pykeen_adamf.experiments.paper.contenders import load_configuration

KEYWORD = Question("emoji:rocket", "has_keyword", "keyword:space", side="tail")


@pytest.fixture(scope="module")
def dataset():
    """Return the dataset."""
    return EmojiKG()


@pytest.fixture(scope="module", params=["RotatE", "AdaMF"])
def model(request, dataset):
    """Return a model that has learned next to nothing."""
    small = take_overrides(dict(epochs=1, embedding_dim=4, negatives=2))
    kwargs = merge(load_configuration(request.param, "EmojiKG")["pipeline"], small)
    kwargs["training_kwargs"]["use_tqdm"] = False
    return pipeline(
        **{**kwargs, "dataset": dataset},
        device="cpu",
        random_seed=0,
        evaluation_kwargs=dict(use_tqdm=False, batch_size=256),
    ).model


@pytest.mark.parametrize("seed", range(5))
def test_questions_are_test_triples(dataset, seed):
    """One for each way to ask, and, without a model being asked, the same for all."""
    questions = choose_questions(dataset, seed)
    testing = {tuple(triple) for triple in dataset.testing.label_triples(dataset.testing.mapped_triples).tolist()}
    assert all((q.head, q.relation, q.tail) in testing for q in questions)
    assert [(q.relation, q.side) for q in questions] == list(TEMPLATES)
    torch.manual_seed(seed + 1)
    assert choose_questions(EmojiKG(modalities=[]), seed) == questions
    assert choose_questions(dataset, seed + 1) != questions


@pytest.mark.parametrize("number", range(len(TEMPLATES)))
def test_answers(model, dataset, number):
    """Ranks, and what is filtered, by the scores of the model alone."""
    question = choose_questions(dataset)[number]
    given = answer(model, dataset, question, k=10)
    ids = dataset.entity_to_id
    batch = torch.tensor([ids[question.given], dataset.relation_to_id[question.relation]])
    with torch.inference_mode():
        scores = (
            model.predict_t(batch[None]) if question.side == "tail" else model.predict_h(batch.flip(0)[None])
        ).squeeze(0)
    given_column, asked_column = (0, 2) if question.side == "tail" else (2, 0)
    known = {
        triple[asked_column]
        for factory in (dataset.training, dataset.validation)
        for triple in factory.mapped_triples.tolist()
        if triple[given_column] == batch[0] and triple[1] == batch[1]
    }
    assert question.side == "tail" or known
    candidates = [i for i in range(dataset.num_entities) if i not in known]
    expected = ids[question.expected]
    assert expected in candidates
    scores = scores.tolist()
    better = sum(scores[i] > scores[expected] for i in candidates)
    equal = sum(scores[i] == scores[expected] for i in candidates)
    assert better < given.rank <= better + equal
    best = sorted(candidates, key=lambda i: -scores[i])[:10]
    assert [scores[ids[label]] for label in given.best] == pytest.approx([scores[i] for i in best])
    assert not known.intersection(ids[label] for label in given.best)
    if hasattr(model, "modality_weights"):
        weights = model.modality_weights()[batch[0]].tolist()
        assert given.weights == pytest.approx(dict(zip(model.modalities, weights, strict=True)))
    else:
        assert given.weights == {}


def test_sides():
    assert (KEYWORD.given, KEYWORD.expected) == ("emoji:rocket", "keyword:space")
    other = Question("emoji:rocket", "has_keyword", "keyword:space", side="head")
    assert (other.given, other.expected) == ("keyword:space", "emoji:rocket")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("emoji:rocket", "🚀 rocket"),
        ("keyword:space", "keyword “space”"),
        ("group:Travel & Places", "group “Travel & Places”"),
    ],
)
def test_name_entity(dataset, label, expected):
    assert name_entity(dataset, label) == expected


def test_format_question(dataset):
    assert format_question(dataset, KEYWORD) == "Which keyword does 🚀 rocket have?"
    head = Question("emoji:rocket", "has_keyword", "keyword:space", side="head")
    assert format_question(dataset, head) == "Which emoji has the keyword “space”?"
    for relation, side in TEMPLATES:
        question = Question("emoji:rocket", relation, "emoji:rocket", side)
        assert "🚀 rocket" in format_question(dataset, question)


def test_format_answer(dataset):
    """The kind is told where it is another one than was asked for."""
    given = Answer(best=["keyword:moon", "keyword:space", "subgroup:event", "emoji:rocket"], rank=2, weights={})
    assert format_answer(dataset, KEYWORD, given) == "“moon”, “space” ✓, subgroup “event”, 🚀 rocket"
    given = Answer(best=["keyword:moon"], rank=1234, weights={})
    assert format_answer(dataset, KEYWORD, given) == "“moon” (the held-out answer is at rank 1234)"
