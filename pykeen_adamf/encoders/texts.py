"""Loading texts."""

from pathlib import Path

from .problems import UnusableInputError, check_file

__all__ = ["load_text"]


def load_text(source: Path | str) -> str:
    """Load a text.

    :param source: The path of a file in UTF-8, with or without a byte order mark; or the text itself.
    :returns: The text, without surrounding whitespace.
    :raises UnusableInputError: if the file cannot be read, or there is only whitespace
    """
    if isinstance(source, Path):
        check_file(source)
        try:
            source = source.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise UnusableInputError(f"is not in UTF-8 (byte {error.start:,})") from error
        except OSError as error:
            raise UnusableInputError(f"cannot be read ({error.strerror or error})") from error
    text = source.strip()
    if not text:
        raise UnusableInputError("is empty")
    return text
