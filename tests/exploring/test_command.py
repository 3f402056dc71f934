"""The command, from the terminal to an answer."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from pykeen_adamf.bundle import save
from pykeen_adamf.cli import main

from .cases import RELATIONS, make_bundle, write_sources


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Return a bundle, and tables of pictures and texts."""
    directory = tmp_path_factory.mktemp("sources")
    bundle = make_bundle()
    save(bundle.model, bundle.training, directory / "model")
    return directory / "model", *write_sources(directory)


@contextmanager
def serving(*arguments):
    """Run the command on a free port, and yield what it has printed, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pykeen_adamf", "explore", *map(str, arguments), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r"http://\S+/", line):
                yield lines, found[0]
                break
        else:
            raise AssertionError("".join(lines))
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert "Traceback" not in output
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_serving(sources):
    directory, images, texts = sources
    with serving(directory, "--images", images, "--texts", texts) as (lines, address):
        assert address.startswith("http://127.0.0.1:")
        for what in ("Loading", "Pictures of 20 of 40", "Texts of 40 of 40", "Representing 40 entities", "similar"):
            assert any(what in line for line in lines)
        with urllib.request.urlopen(f"{address}picture/2/0") as response:
            assert response.headers["Content-Type"] == "image/webp"
        port = address.rpartition(":")[2].strip("/")
        # not from other machines
        names = {x[4][0] for x in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
        for name in names:
            with pytest.raises(OSError, match=r".+"):
                socket.create_connection((name, int(port)), timeout=5)


def test_export(sources, tmp_path):
    directory, images, _ = sources
    arguments = ["explore", str(directory), "--images", str(images), "--export", str(tmp_path / "a.html")]
    result = CliRunner().invoke(main, [*arguments, "--answers", "3", "--question", "?", RELATIONS[1], "e4"])
    assert result.exit_code == 0, result.output
    assert f"Wrote {tmp_path / 'a.html'}" in result.output
    assert (tmp_path / "a.html").read_text(encoding="utf-8").count('class="place"') == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--export", "x.html"], 2, "Use --export and --question together"),
        (["--question", "a", "b", "?"], 2, "Use --export and --question together"),
        (["--triples", __file__, "--dataset", "EmojiKG"], 2, "Use either --triples or --dataset"),
        (["--export", "x.html", "--question", "a", "b", "c"], 1, "Either the head or the tail of a question must be"),
        (["--images", "."], 1, "There are no images in"),
        (["--texts", __file__], 1, "there must be two fields"),
        (["--dataset", "Emoji"], 1, "There is no dataset 'Emoji'"),
        (["--port", "70000"], 2, "70000 is not in the range"),
    ],
)
def test_bad_input(sources, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["explore", str(sources[0]), *arguments])
    assert result.exit_code == code, result.output
    assert message in result.output
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken(sources):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = CliRunner().invoke(main, ["explore", str(sources[0]), "--port", str(port)])
    assert result.exit_code == 1
    assert f"Error: Cannot listen on port {port}" in result.output
    assert "Choose another one by --port." in result.output
