"""The files of a bundle, and what is raised if they cannot be used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = [
    "CONFIGURATION_NAME",
    "ENSEMBLE_NAME",
    "FORMAT",
    "FORMAT_VERSION",
    "RUN_BUNDLE_NAME",
    "TRIPLES_NAME",
    "WEIGHTS_NAME",
    "BundleError",
    "find_bundle",
    "naming",
]

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

#: The file of an ensemble, in a directory of its own.
ENSEMBLE_NAME: Final = "ensemble.json"

#: The directory of the bundle in the folder of a run.
RUN_BUNDLE_NAME: Final = "bundle"


class BundleError(ValueError):
    """Raised for bundles which cannot be written or read; the message names the reason and the fix."""


def find_bundle(directory: Path) -> Path:
    """Return the directory of the bundle: this one, or the one in it if this is the folder of a run that has one."""
    inner = directory / RUN_BUNDLE_NAME
    is_run = not (directory / CONFIGURATION_NAME).is_file() and (inner / CONFIGURATION_NAME).is_file()
    return inner if is_run else directory


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
