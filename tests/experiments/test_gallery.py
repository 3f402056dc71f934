"""Pictures of questions and answers."""

import matplotlib.colors
import pytest

from pykeen_adamf.datasets import EmojiKG
from pykeen_adamf.experiments.demo.pictures import RIGHT, plot_answers, plot_emoji
from pykeen_adamf.experiments.demo.questions import Answer, Question

QUESTION = Question("emoji:rocket", "has_keyword", "keyword:space", side="tail")
WEIGHTS = {"structural": 0.2, "visual": 0.5, "textual": 0.3}
BEST = ["keyword:moon", "keyword:space", "subgroup:event", "emoji:star", "keyword:night"]


@pytest.fixture(scope="module")
def dataset():
    """Return the dataset."""
    return EmojiKG()


def xlabels(figure):
    return [ax.get_xlabel().replace("\n", " ") for ax in figure.axes]


def test_emoji(dataset, tmp_path):
    """Emoji have a picture, scaled up, and others their names."""
    figure = plot_emoji(dataset, ["emoji:rocket", "keyword:space", "emoji:woman astronaut"])
    assert xlabels(figure) == ["rocket", "keyword", "woman astronaut"]
    assert [len(ax.images) for ax in figure.axes] == [1, 0, 1]
    assert figure.axes[0].images[0].get_array().shape[:2] == (160, 160)
    assert [text.get_text() for text in figure.axes[1].texts] == ["space"]
    figure.savefig(tmp_path / "emoji.png")
    assert (tmp_path / "emoji.png").stat().st_size > 5000


def test_answers(dataset, tmp_path):
    answers = {
        "without": Answer(best=BEST[::-1][:3], rank=1234, weights={}),
        "with": Answer(best=BEST, rank=2, weights=WEIGHTS),
    }
    figure = plot_answers(dataset, QUESTION, answers)
    assert figure.get_suptitle() == "Which keyword does rocket have?"
    given, *others = figure.axes
    assert len(given.images) == 1
    rows = [ax.get_ylabel() for ax in others if ax.get_ylabel()]
    assert rows == ["without\n(rank 1,234)", "with\n(rank 2)"]
    # the held-out answer, and no other one, has a frame
    framed = [ax for ax in others if ax.spines["top"].get_visible()]
    assert [ax.texts[0].get_text() for ax in framed] == ["space"]
    assert matplotlib.colors.to_hex(framed[0].spines["top"].get_edgecolor()) == RIGHT.lower()
    # one bar for the one model that has weights
    (bar,) = (ax for ax in others if ax.patches)
    assert [patch.get_width() for patch in bar.patches] == pytest.approx(list(WEIGHTS.values()))
    assert [text.get_text() for text in bar.texts] == ["20%", "50%", "30%"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*WEIGHTS, "held-out answer"]
    figure.savefig(tmp_path / "answers.png")
    assert (tmp_path / "answers.png").stat().st_size > 10_000


@pytest.mark.parametrize("side", ["head", "tail"])
def test_title_can_be_drawn(dataset, side, recwarn, tmp_path):
    """Fonts lack emoji; nobody is warned of it."""
    question = Question("emoji:rocket", "has_keyword", "keyword:space", side=side)
    figure = plot_answers(dataset, question, {"model": Answer(best=BEST, rank=7, weights=WEIGHTS)})
    figure.savefig(tmp_path / "answers.png")
    assert ("“space”" in figure.get_suptitle()) == (side == "head")
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
