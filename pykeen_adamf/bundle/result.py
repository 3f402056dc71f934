"""Bundles beside what PyKEEN saves of a pipeline's result."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pykeen.pipeline import PipelineResult
from pykeen.utils import normalize_path

from ..models import QueryScoringModel
from .layout import BundleError, discard
from .saving import write_model

__all__ = ["save_result"]

logger = logging.getLogger(__name__)


def save_result(
    save_to_directory: Callable[..., None],
    result: PipelineResult,
    directory: str | Path,
    *,
    save_replicates: bool = True,
    save_training: bool = True,
    **kwargs: Any,
) -> None:
    """Save a pipeline's result as PyKEEN does; and if its model is of this package, make a bundle of it.

    Whatever happens, PyKEEN's files are written first, and no error keeps a program from going on after a long
    training: problems are logged, and there is no bundle then.

    :param save_to_directory: PyKEEN's method.
    :param result: The result.
    :param directory: The directory.
    :param save_replicates: Whether to save the model. There is a bundle only if it is saved.
    :param save_training: Whether to save the training triples. There is a bundle only if they are.
    :param kwargs: PyKEEN's other options.
    """
    if save_replicates:
        # what may be there is of another model than the one that is about to be written
        discard(normalize_path(directory))
    save_to_directory(directory, save_replicates=save_replicates, save_training=save_training, **kwargs)
    if not save_replicates or not isinstance(result.model, QueryScoringModel):
        return
    if not save_training:
        logger.info("No bundle in %s: it would need the training triples, i.e., save_training=True.", directory)
        return
    try:
        write_model(result.model, result.training, directory)
    except BundleError as error:
        logger.error("No bundle in %s, but everything else was saved: %s", directory, error)
    except Exception:
        logger.exception("No bundle in %s, but everything else was saved.", directory)
