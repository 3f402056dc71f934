"""The contract of encoders: whatever turns an image, a text, or the attributes of an entity into a vector."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from ..constants import TEXTUAL, VISUAL
from ..typing import FloatTensor
from .images import DEFAULT_MAX_PIXELS, load_image
from .problems import UnusableInputError, check_file

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Encoder", "Source", "TextualEncoder", "VisualEncoder"]

#: Larger texts are refused before they are read. No book has more, and models read the beginning only.
MAX_BYTES: Final = 16 * 2**20

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

    def load(self, source: Source) -> str:
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
