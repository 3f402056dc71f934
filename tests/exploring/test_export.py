"""Pages in files, which need nothing else."""

import base64
import hashlib
import re

import pytest

from pykeen_adamf.exploring import Explorer, Question, export, parse_question, render_answers
from pykeen_adamf.models import LpRotatE

from .cases import HOSTILE, RELATIONS, make_bundle
from .test_application import Elements

QUESTIONS = [Question(HOSTILE[0], RELATIONS[0], "tail"), Question("e2", RELATIONS[2], "head")]


def check(page):
    """Nothing is loaded from elsewhere, the style is the one that the policy allows, and there is no script."""
    parsed = Elements(page)
    (policy,) = (x["content"] for tag, x in parsed.elements if tag == "meta" and "content" in x and "http-equiv" in x)
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest}'" in policy
    assert not {tag for tag, _ in parsed.elements} & {"script", "form"}
    assert [x["href"] for tag, x in parsed.elements if "href" in x] == ["#main"]
    return [x["src"] for tag, x in parsed.elements if "src" in x]


def test_one_file(explorer, tmp_path):
    path = export({"one": explorer}, QUESTIONS, tmp_path / "new" / "page.html", k=4)
    assert path == tmp_path / "new" / "page.html"
    assert [x.name for x in path.parent.iterdir()] == ["page.html"]
    sources = check(path.read_text(encoding="utf-8"))
    assert {x.partition(";")[0] for x in sources} == {"data:image/webp", "data:image/svg+xml"}
    assert path.read_text(encoding="utf-8").count('class="place"') == 8


def test_directory(explorer, tmp_path):
    (tmp_path / "out").mkdir()
    path = export({"one": explorer}, QUESTIONS, tmp_path / "out")
    assert path == tmp_path / "out" / "index.html"
    sources = [x for x in check(path.read_text(encoding="utf-8")) if not x.startswith("data:image/svg+xml")]
    assert {x.name for x in (tmp_path / "out" / "pictures").iterdir()} == {x.partition("/")[2] for x in sources}
    with pytest.raises(OSError, match=r"exists, and is no empty directory\. Choose another one"):
        export({"one": explorer}, QUESTIONS, tmp_path / "out")
    assert [x.name for x in tmp_path.iterdir()] == ["out"]


def test_models_side_by_side(explorer):
    models = {"first": Explorer(make_bundle(LpRotatE)), "second": explorer}
    page = render_answers(models, QUESTIONS, k=3, with_neighbors=False)
    assert re.findall("<h3>(first|second)</h3>", page) == ["first", "second"] * 2
    assert page.count('class="place"') == 12
    # each frame of a notebook is a page of its own
    (frame,) = (x for tag, x in Elements(page._repr_html_()).elements if tag == "iframe")
    assert frame["srcdoc"] == page


@pytest.mark.parametrize("name", ["page.html", "out"])
def test_nothing_half_written(explorer, tmp_path, name):
    with pytest.raises(ValueError, match="There is no entity 'nobody'"):
        export({"one": explorer}, [*QUESTIONS, Question("nobody", RELATIONS[0], "tail")], tmp_path / name)
    with pytest.raises(ValueError, match="There are no questions"):
        export({"one": explorer}, [], tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_questions_in_words():
    assert parse_question("a", "r", "?") == Question("a", "r", "tail")
    assert parse_question("?", "r", "b") == Question("b", "r", "head")
    for both in "?a":
        with pytest.raises(ValueError, match=r"Either the head or the tail of a question must be '\?'"):
            parse_question(both, "r", both)
