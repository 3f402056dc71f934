"""A small multi-modal graph which is part of the package."""

import csv
import json
import zipfile
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from docdata import parse_docdata
from pykeen.triples import TriplesFactory

from ..features import read_features
from .derived import LazyMultimodalDataset

__all__ = ["EmojiKG"]


@parse_docdata
class EmojiKG(LazyMultimodalDataset):
    """EmojiKG: emoji with their pictures, names and keywords.

    Real images and texts in a graph that can be checked by eye, and that is loaded without any network. Emoji have an
    image and a text; keywords, subgroups and groups have a text only. The relations are ``has_keyword``,
    ``in_subgroup``, ``in_group``, ``composed_of`` (the parts of a joined sequence), and ``gender_counterpart``
    (symmetric; a triple and its reverse are always in the same split). A keyword, or a part, whose words occur in an
    emoji's own short name is left out.

    The modalities are ``visual``, a training-free descriptor of the picture, and ``textual``, the embedding of the
    short name or of the word itself by all-MiniLM-L6-v2. The data were built by ``scripts/emojikg`` of this project's
    repository; :attr:`provenance` says from what, and their licenses are beside the data.

    ---
    name: EmojiKG
    statistics:
        entities: 2176
        relations: 5
        training: 4069
        testing: 507
        validation: 510
        triples: 5086
    citation:
        author: The pykeen-adamf authors
        year: 2026
        link: https://github.com/iamcal/emoji-data
    """

    #: the directory of the data
    directory: ClassVar[Path] = Path(__file__).parent / "data" / "emojikg"

    #: the names of the modalities
    modality_names: ClassVar[tuple[str, ...]] = ("visual", "textual")

    def __init__(
        self, modalities: Collection[str] = modality_names, create_inverse_triples: bool = False, eager: bool = False
    ) -> None:
        """Initialize the dataset.

        :param modalities: The modalities to load.
        :param create_inverse_triples: Whether to create inverse triples for training.
        :param eager: Whether to load immediately rather than when first used.
        :raises ValueError: if a modality is unknown
        """
        if isinstance(modalities, str) or not set(modalities).issubset(self.modality_names):
            raise ValueError(f"modalities must be some of {list(self.modality_names)}, but is {modalities!r}")
        self.modalities = tuple(modalities)
        self._create_inverse_triples = create_inverse_triples
        if eager:
            self._load()

    def _load(self) -> None:
        training = TriplesFactory.from_path(self.directory / "train.tsv")
        ids: dict[str, Any] = dict(entity_to_id=training.entity_to_id, relation_to_id=training.relation_to_id)
        testing, validation = (TriplesFactory.from_path(self.directory / f"{x}.tsv", **ids) for x in ("test", "valid"))
        features = {name: read_features(self.directory / f"{name}.safetensors") for name in self.modalities}
        self._set_splits(training, testing.mapped_triples, validation.mapped_triples, features)

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Return what the data were made of: packages, versions, checksums, licenses, encoders."""
        provenance: Mapping[str, Any] = json.loads((self.directory / "provenance.json").read_text(encoding="utf-8"))
        return provenance

    @cached_property
    def characters(self) -> Mapping[str, str]:
        """Return the characters of each emoji by its label, e.g., of ``"emoji:rocket"``."""
        with (self.directory / "characters.tsv").open(encoding="utf-8", newline="") as file:
            return dict(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))

    @property
    def types(self) -> Mapping[str, str]:
        """Return the type of each entity, e.g., *emoji*, *keyword*, *subgroup*, which its label begins with."""
        return {label: label.partition(":")[0] for label in self.entity_to_id}

    def picture(self, label: str) -> bytes:
        """Return the picture of an emoji.

        :param label: The label of the emoji, e.g., ``"emoji:rocket"``.
        :returns: A file in WebP format.
        :raises KeyError: if the entity has no picture, i.e., is no emoji
        """
        with zipfile.ZipFile(self.directory / "pictures.zip") as pictures:
            return pictures.read(self.picture_name(label))

    @staticmethod
    def picture_name(label: str) -> str:
        """Return the name of an emoji's picture in the archive of pictures."""
        return f"{label.removeprefix('emoji:').replace('/', '-')}.webp"
