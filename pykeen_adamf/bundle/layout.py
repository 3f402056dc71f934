"""The files of a bundle, and what is raised if they cannot be used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["CONFIGURATION_NAME", "FORMAT", "FORMAT_VERSION", "TRIPLES_NAME", "WEIGHTS_NAME", "BundleError", "naming"]

#: What tells the configuration of a bundle from other JSON files.
FORMAT: Final = "pykeen-adamf bundle"

#: Bundles of other versions are refused.
FORMAT_VERSION: Final = 1

#: The configuration; it is written last, and has the digests of everything else.
CONFIGURATION_NAME: Final = "model.json"

#: The parameters and buffers of the model.
WEIGHTS_NAME: Final = "model.safetensors"

#: The directory with the training triples, under the name that PyKEEN gives it.
TRIPLES_NAME: Final = "training_triples"


class BundleError(ValueError):
    """Raised for bundles which cannot be written or read; the message names the reason and the fix."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let whatever goes wrong with a file be a :class:`BundleError` that names it; damaged ones raise almost anything.

    :param path: The file, or the directory with several ones.
    """
    try:
        yield
    except BundleError as error:
        if str(path.parent) in str(error):
            raise
        raise BundleError(f"{path}: {error}") from error
    except Exception as error:
        raise BundleError(f"{path} is damaged: {error!r}") from error
