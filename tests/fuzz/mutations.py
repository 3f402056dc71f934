"""Changes to the bytes of files, which know nothing of the format."""

import random
import re
from collections.abc import Callable

__all__ = ["BLIND", "NUMBERS", "TEXTS", "Mutation", "blind"]

#: Changes the content of a file.
Mutation = Callable[[bytes, random.Random], bytes]

#: Numbers at which something may change its mind.
NUMBERS = (0, 1, -1, 127, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 10**9, 10**11, 2**62, 2**63 - 1)

#: Texts that are no labels, no numbers, or too much.
TEXTS = (
    "",
    "\0",
    "\ud83d",
    '"',
    "\t",
    "\n",
    "\r",
    "../..",
    "/etc/passwd",
    "NaN",
    "-1",
    "1e999",
    "9" * 5000,
    "[" * 5000,
)


def flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] if rng.random() < 0.6 else content[:start] + content[start + rng.randrange(1, 64) :]


def splice(content: bytes, rng: random.Random) -> bytes:
    """Copy a piece to another place, over what is there or between it."""
    if not content:
        return content
    start, to = rng.randrange(len(content)), rng.randrange(len(content))
    piece = content[start : start + rng.randrange(1, 200)]
    return content[:to] + piece + content[to + (len(piece) if rng.random() < 0.5 else 0) :]


def number(content: bytes, rng: random.Random) -> bytes:
    size = rng.choice([1, 2, 4, 8])
    data = (rng.choice(NUMBERS) % 2 ** (8 * size)).to_bytes(size, rng.choice(["little", "big"]))
    at = rng.randrange(len(content) + 1)
    return content[:at] + data + content[at + size :]


def text(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice(TEXTS).encode("utf-8", "surrogatepass") + content[at:]


def digits(content: bytes, rng: random.Random) -> bytes:
    """Replace a number that is written in digits."""
    found = list(re.finditer(rb"\d+", content))
    if not found:
        return number(content, rng)
    match = rng.choice(found)
    return content[: match.start()] + str(rng.choice(NUMBERS)).encode() + content[match.end() :]


#: Those that know nothing of the format.
BLIND: tuple[Mutation, ...] = (flip, cut, splice, number, text, digits)


def blind(content: bytes, rng: random.Random) -> bytes:
    return rng.choice(BLIND)(content, rng)
