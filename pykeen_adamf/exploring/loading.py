"""Everything that a page shows, from paths and names."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..bundle import open_trained
from ..calibration import calibrate as fit
from ..datasets import EmojiKG
from ..datasets.lookup import name_dataset
from ..explaining.candidates import Allowed, Side
from ..explaining.directory import choose_triples
from .explorer import Explorer, nothing
from .pictures import Pictures, read_texts

__all__ = ["open_explorer"]

SIDES: Final[tuple[Side, ...]] = ("head", "tail")


def open_explorer(
    directory: str | Path,
    *,
    images: str | Path | None = None,
    texts: str | Path | None = None,
    path: str | Path | None = None,
    dataset: str | None = None,
    candidates: Allowed | None = None,
    calibrate: str | Path | None = None,
    device: str | None = None,
    report: Callable[[str], object] = nothing,
) -> Explorer:
    """Load the model of a run or a bundle, and what belongs to its entities.

    :param directory: The folder of a run, whose test and validation triples answers are marked by, or a bundle, cf.
        :func:`pykeen_adamf.bundle.open_trained`.
    :param images: A folder, table or ZIP archive of images, cf. :meth:`Pictures.read`. Defaults to those of EmojiKG, if
        that is the dataset.
    :param texts: A folder or table of texts, cf. :func:`read_texts`.
    :param path: A file with known triples beside those that the model was trained on, which answers are marked by.
    :param dataset: The name of a dataset whose validation and test triples are that.
    :param candidates: What says which entities may be an answer, cf. :class:`pykeen_adamf.explaining.Candidates`.
    :param calibrate: A file with true triples that the model was not trained on, or ``"validation"`` for those of the
        run, by which answers get probabilities.
    :param device: The device. Defaults to a GPU, if there is one.
    :param report: Called with what is done next.
    :returns: The explorer.
    :raises ValueError: if one of them cannot be used
    """
    report(f"Loading {directory} ...")
    trained = open_trained(directory, device)
    entities = trained.training.entity_to_id
    pictures = None
    if images is not None:
        pictures = Pictures.read(images, entities)
    elif dataset is not None and name_dataset(dataset) == EmojiKG.__name__:
        pictures = Pictures(EmojiKG.pictures(), dataset)
    if pictures is not None:
        report(f"Pictures of {sum(label in pictures.sources for label in entities):,} of {len(entities):,} entities.")
    found = read_texts(texts, entities) if texts is not None else None
    if found is not None:
        report(f"Texts of {sum(label in found for label in entities):,} of {len(entities):,} entities.")
    held_out = trained.known()
    if path is not None or dataset is not None:
        held_out = choose_triples(trained, path, dataset).known
    return Explorer(
        trained,
        name=trained.name,
        pictures=pictures,
        texts=found,
        held_out=held_out,
        candidates=candidates,
        calibrations={side: fit(trained, calibrate, held_out, side=side) for side in SIDES} if calibrate else None,
        report=report,
    )
