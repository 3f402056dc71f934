"""What the server answers: by HTTP, without a browser."""

import io
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from PIL import Image

from pykeen_adamf.exploring.application import HEADERS, make_app

from .cases import HOSTILE, LABELS, RELATIONS

#: a page of each kind
PAGES = [
    "/",
    *(f"/entity/{i}" for i in (0, 1, 5, 12)),
    *("/search?" + urlencode({"q": label}) for label in (*HOSTILE, "", "nothing like this <b>")),
    *("/ask?" + urlencode({"entity": x, "relation": RELATIONS[0], "side": "tail", "known": 1}) for x in HOSTILE),
    "/ask?" + urlencode({"entity": "e3", "relation": RELATIONS[1], "side": "head"}),
    "/ask?" + urlencode({"entity": "<u>unknown", "relation": RELATIONS[2], "side": "head"}),
    "/ask?entity=e1&relation=nothing",
    "/nothing/<script>",
]


@pytest.fixture(scope="module")
def client(explorer):
    """Return what asks the server."""
    return make_app(explorer, k=5).test_client()


class Elements(HTMLParser):
    """The elements of a page, and its text; every element is closed."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "input", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("page", PAGES)
def test_nothing_in_a_page_is_more_than_text(client, page):
    """All elements are those of the templates; all addresses are on the server; everything has a label."""
    response = client.get(page)
    assert {key: response.headers.get(key) for key in HEADERS} == dict(HEADERS)
    parsed = Elements(response.text)
    scripts = [attributes for tag, attributes in parsed.elements if tag == "script"]
    assert scripts == [{"src": "/static/script.js", "defer": None}]
    labeled = {attributes["for"] for tag, attributes in parsed.elements if tag == "label" and "for" in attributes}
    for tag, attributes in parsed.elements:
        assert tag not in {"b", "i", "u", "style", "iframe", "object", "base"}
        assert not any(name.startswith("on") or name in {"style", "srcdoc"} for name in attributes)
        assert tag == "rect" or "x" not in attributes
        for name in ("src", "href", "action"):
            assert attributes.get(name, "/").startswith(("/", "#"))
            assert not attributes.get(name, "/").startswith("//")
        if tag in {"input", "select"} and attributes.get("type") not in {"radio", "checkbox"}:
            assert attributes["id"] in labeled
        if tag == "img":
            assert "alt" in attributes
    assert (HOSTILE[5] in parsed.text) == ("%7B%7B" in page or HOSTILE[5] in response.text)


def test_answers(client, explorer):
    response = client.get("/ask", query_string={"entity": "e3", "relation": RELATIONS[1], "side": "tail"})
    assert response.status_code == 200
    text = Elements(response.text).text
    assert RELATIONS[1] in text
    (held_out,) = explorer.held_out.tolist()
    asked = {"entity": LABELS[held_out[0]], "relation": RELATIONS[held_out[1]], "side": "tail"}
    page = make_app(explorer, k=len(LABELS)).test_client().get("/ask", query_string=asked).text
    assert page.count("held out ✓") == 1
    assert "known</span>" not in page
    assert client.get("/ask", query_string={**asked, "known": 1}).text.count('class="card"') == 5
    for i in (5, 0):
        assert f"text of {LABELS[i]}" in Elements(client.get(f"/entity/{i}").text).text


def test_suggestions(client):
    assert client.get("/suggest", query_string={"q": HOSTILE[0][:10]}).json == [HOSTILE[0]]
    assert client.get("/suggest").json == []
    assert len(client.get("/suggest?q=e").json) == 12


def test_pictures(client):
    good = client.get("/picture/2/0")
    assert (good.status_code, good.mimetype) == (200, "image/webp")
    assert Image.open(io.BytesIO(good.data)).size == (66, 64)
    assert client.get("/picture/2/0", headers={"If-None-Match": good.headers["ETag"]}).status_code == 304
    # a broken one, of which nothing is passed on; one that is not there, and no pictures at all
    for path in ("/picture/0/0", "/picture/2/1", "/picture/1/0"):
        response = client.get(path)
        assert (response.status_code, response.mimetype) == (404, "image/svg+xml")
        assert b"onload" not in response.data
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/picture/../../etc/passwd", "/picture/2.png/0", "/picture/-1/0", "/picture/999/0", "/static/../cases.py"]
)
def test_nothing_else_is_served(client, path):
    response = client.get(path)
    assert response.status_code == 404
    assert response.mimetype == "text/html"


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1:8042", 200),
        ("localhost", 200),
        ("localhost:1", 200),
        ("evil.example", 400),
        ("evil.example:8042", 400),
        ("127.0.0.1.evil.example", 400),
        ("sub.localhost", 400),
        ("", 400),
    ],
)
@pytest.mark.parametrize("path", ["/", "/picture/2/0", "/suggest?q=e", "/static/script.js"])
def test_hosts(client, path, host, code):
    """Also of pictures and files: another host is one whose name was made to lead here."""
    assert client.get(path, headers={"Host": host}).status_code == code


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("/ask?entity=e1&relation=nothing", 400, "Choose one of the relations"),
        ("/ask?entity=e1&side=both&" + urlencode({"relation": RELATIONS[0]}), 400, "whether heads or tails"),
        ("/ask?entity=zz&" + urlencode({"relation": RELATIONS[0]}), 404, "No entity has"),
        ("/ask?entity=e&" + urlencode({"relation": RELATIONS[0]}), 404, "No entity is called exactly so"),
        ("/entity/40", 404, "There is no such entity"),
        ("/entity/x", 404, "Not Found"),
    ],
)
def test_errors(client, path, code, message):
    response = client.get(path)
    assert response.status_code == code
    assert message in response.text


def test_nothing_can_be_sent(client):
    assert client.post("/ask", data={"entity": "e1"}).status_code == 405


def test_failures_are_not_shown(explorer, monkeypatch, caplog):
    monkeypatch.setattr(explorer, "search", lambda query: 1 / 0)
    response = make_app(explorer).test_client().get("/search?q=e")
    assert response.status_code == 500
    assert "The terminal says what is wrong." in response.text
    assert "division" not in response.text
    assert "ZeroDivisionError" in caplog.text
