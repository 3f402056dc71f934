"""The contract of encoders: whatever turns an image, a text, or the attributes of an entity into a vector."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from ..constants import TEXTUAL, VISUAL
from ..typing import FloatTensor
from .images import DEFAULT_MAX_PIXELS, load_image
from .texts import load_text

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Encoder", "Source", "TextualEncoder", "VisualEncoder"]

#: What an encoder loads: the path of a file, or a text itself.
Source: TypeAlias = Path | str


class Encoder(ABC):
    """Turns images, texts or attributes into vectors.

    A subclass imports its optional dependencies in its initializer, such that all encoders can be known by name while
    nothing but the core is installed. The same inputs in the same batch must always get the same vectors: no dropout,
    no augmentation, no random state.
    """

    #: the modality, one of those in :mod:`pykeen_adamf.constants`
    modality: ClassVar[str]
    #: the dimension of the vectors, to be set by the initializer, or a property, after :meth:`fit`
    dim: int
    #: further names to find the class by, beside its own
    synonyms: ClassVar[Collection[str]] = ()
    #: what :meth:`fit` has found that is probably not meant so, a sentence each
    doubts: Sequence[str] = ()

    def fit(self, sources: Sequence[Source]) -> None:  # noqa: B027
        """Learn from everything that is to be encoded, before anything is; most encoders have nothing to learn.

        :param sources: The sources of all entities.
        :raises EncodingError: if nothing can be learned from them
        """

    @abstractmethod
    def provenance(self) -> dict[str, str]:
        """Return what determines the vectors, to be stored beside them.

        That is the encoder, its model and the model's revision or checksum, the preprocessing, and the versions of the
        libraries. Encoders with equal provenance are taken to be the same when a run is resumed.
        """

    @abstractmethod
    def load(self, source: Source) -> Any:
        """Load and prepare one input for :meth:`encode`, as small as it can be: batches are held in memory.

        :param source: The path of a file; or a text, for textual encoders.
        :raises UnusableInputError: if there is nothing usable, e.g., since the image is broken
        """

    @abstractmethod
    def encode(self, inputs: Sequence[Any]) -> FloatTensor:
        """Encode a batch of inputs.

        :param inputs: What :meth:`load` has returned, at least one.
        :returns: shape: ``(len(inputs), dim)``, the vectors, on the CPU.
        """


class VisualEncoder(Encoder):
    """An encoder of images."""

    modality = VISUAL

    def __init__(self, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        """Initialize the encoder.

        :param max_pixels: Images with more pixels are not decoded, and hence missing.
        """
        self.max_pixels = max_pixels

    def load(self, source: Source) -> Any:  # noqa: D102
        return self.prepare(load_image(Path(source), max_pixels=self.max_pixels))

    @abstractmethod
    def prepare(self, image: "Image") -> Any:
        """Prepare an image for :meth:`encode`.

        :param image: The image, upright, in RGB, of any size.
        :returns: The input, of a size independent of the image's.
        :raises UnusableInputError: if the image is unusable
        """


class TextualEncoder(Encoder):
    """An encoder of texts."""

    modality = TEXTUAL

    def load(self, source: Source) -> str:  # noqa: D102
        return load_text(source)
