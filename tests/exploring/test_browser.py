"""Pages in a real browser: what is executed, what overflows, and what the keyboard does."""

import threading
from urllib.parse import urlencode

import pytest
import waitress

from pykeen_adamf.exploring import Question, export
from pykeen_adamf.exploring.application import make_app

from .browser import CHROMIUM, Browser
from .cases import HOSTILE, LABELS, RELATIONS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look at pages with"),
]

#: the elements that are wider than the window
OVERFLOWING = """
[...document.querySelectorAll("body *")].filter(x => {
  const box = x.getBoundingClientRect();
  return box.width > 2 && box.right > innerWidth + 1 && !x.closest(".skip");
}).map(x => x.outerHTML.slice(0, 200))
"""


@pytest.fixture(scope="module")
def browser():
    """Return a browser."""
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def address(explorer):
    """Return the address of a server in a thread of its own."""
    server = waitress.create_server(make_app(explorer), host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()


PATHS = [
    "/",
    *(f"/entity/{i}" for i in (0, 2, 4, 7, 8)),
    *("/search?" + urlencode({"q": label}) for label in (HOSTILE[4], "e")),
    *("/ask?" + urlencode({"entity": x, "relation": RELATIONS[2], "side": "tail", "known": 1}) for x in HOSTILE[:8]),
]


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows_and_nothing_is_executed(browser, address, width):
    for path in PATHS:
        browser.open(address + path, width=width, dark=width == 390)
        assert browser.run("innerWidth") == width
        assert browser.run(OVERFLOWING) == [], path
        # a broken picture is none that could not be shown
        assert [x for x in browser.messages if "404" not in x] == [], path
        assert browser.run("document.title") != "hacked"
        assert browser.run("document.scripts.length") == 1
        browser.run("document.querySelectorAll('[src], *').forEach(x => x.dispatchEvent(new Event('mouseover')))")
        assert browser.run("document.title") != "hacked"


def test_broken_pictures_have_a_placeholder(browser, address):
    browser.open(f"{address}/entity/0")
    shown = (
        "(async () => { const x = document.querySelector('img.large'); await x.decode(); return x.naturalWidth; })()"
    )
    assert browser.run(shown) > 0
    browser.open(f"{address}/entity/2")
    assert browser.run(shown) == 66


def test_keyboard(browser, address):
    """From the first key to an answer, without a mouse; suggestions come while one types."""
    browser.open(address)
    browser.press("Tab", virtual=9)
    assert browser.run("document.activeElement.className") == "skip"
    browser.press("/", "Slash", "/", 191)
    assert browser.run("document.activeElement.id") == "search"
    browser.call("Input.insertText", text="e12")
    browser.run("new Promise(done => setTimeout(done, 500))")
    assert browser.run("[...document.querySelectorAll('datalist option')].map(x => x.value)") == ["e12"]
    browser.run("document.getElementById('given').focus()")
    browser.call("Input.insertText", text=HOSTILE[1])
    browser._loaded = False
    browser.press("Enter", text="\r", virtual=13)
    while not browser._loaded:
        browser._receive()
    assert browser.run("document.querySelector('h1 .term').textContent") == HOSTILE[1]
    assert browser.run("document.querySelectorAll('ol.answers > li').length") == 10
    # everything that can be reached can be seen to be so
    assert browser.run("getComputedStyle(document.querySelector('.card a')).outlineStyle") == "none"
    for _ in range(20):
        browser.press("Tab", virtual=9)
        if browser.run("document.activeElement === document.querySelector('.card a')"):
            break
    assert browser.run("getComputedStyle(document.querySelector('.card a')).outlineStyle") == "solid"


def test_colors_follow_the_system(browser, address):
    light, dark = [], []
    for colors, is_dark in ((light, False), (dark, True)):
        browser.open(address, dark=is_dark)
        colors.extend(
            browser.run("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
        )
    assert not set(light) & set(dark)


def test_files(browser, explorer, tmp_path):
    """They are shown as they are, with style and pictures, in one file or in several."""
    questions = [Question(LABELS[2], RELATIONS[0], "tail")]
    for path in (tmp_path / "page.html", tmp_path / "out"):
        browser.open(export({"model": explorer}, questions, path).as_uri(), width=390)
        assert browser.messages == []
        assert browser.run("document.styleSheets[0].cssRules.length") > 20
        assert browser.run(OVERFLOWING) == []
        assert browser.run("document.querySelector('img.large').decode().then(() => true)")
