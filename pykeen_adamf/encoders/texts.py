"""Loading texts."""

from pathlib import Path
from typing import Final

from .problems import UnusableInputError, check_file

__all__ = ["DEFAULT_MAX_BYTES", "load_text"]

#: More than any book has; models read the beginning only.
DEFAULT_MAX_BYTES: Final = 16 * 2**20


def load_text(source: Path | str, max_bytes: int = DEFAULT_MAX_BYTES) -> str:
    """Load a text.

    :param source: The path of a file in UTF-8, with or without a byte order mark; or the text itself.
    :param max_bytes: Larger files are refused before they are read.
    :returns: The text, without surrounding whitespace.
    :raises UnusableInputError: if the file cannot be read or is too large, or there is only whitespace, or something
        that is not Unicode
    """
    if isinstance(source, Path):
        check_file(source)
        try:
            size = source.stat().st_size
            if size > max_bytes:
                raise UnusableInputError(f"has {size:,} bytes, more than the {max_bytes:,} that are read at most")
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
        raise UnusableInputError(f"is not Unicode: there is half a character at position {error.start:,}") from error
    return text
