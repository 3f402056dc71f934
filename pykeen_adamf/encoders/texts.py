"""Loading texts, with bounded memory."""

from pathlib import Path
from typing import Final

from .problems import UnusableInputError, check_file

__all__ = ["load_text"]

#: Larger texts are refused before they are read. No book has more, and models read the beginning only.
MAX_BYTES: Final = 16 * 2**20


def load_text(source: Path | str) -> str:
    """Load a text, of which whitespace around it is no part.

    :param source: The path of a file in UTF-8, with or without a byte order mark; or the text itself.
    :raises UnusableInputError: if the file cannot be read or is too large, or there is only whitespace, or
        something that is not Unicode
    """
    if isinstance(source, Path):
        check_file(source)
        try:
            size = source.stat().st_size
            if size > MAX_BYTES:
                raise UnusableInputError(f"has {size:,} bytes, more than the {MAX_BYTES:,} that are read at most")
            source = source.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise UnusableInputError(f"is not in UTF-8 (byte {error.start:,})") from error
        except OSError as error:
            raise UnusableInputError(f"cannot be read ({error.strerror or error})") from error
    text = source.strip()
    if not text:
        raise UnusableInputError("is empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        # from JSON or file names; no tokenizer takes it
        what = f"there is half a character at position {error.start:,}"
        raise UnusableInputError(f"is not Unicode: {what}") from error
    return text
