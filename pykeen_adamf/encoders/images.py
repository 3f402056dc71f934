"""Loading images of any kind, with bounded memory; needs Pillow, the extra ``images``."""

import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy

from ..typing import NumpyArray
from .problems import UnusableInputError, check_file, import_extra

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["DEFAULT_MAX_PIXELS", "IMAGE_SUFFIXES", "load_image", "pillow_version"]

#: The file suffixes by which images are recognized in a folder.
IMAGE_SUFFIXES: Final = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")

#: Decoding an image of that many pixels takes less than one gigabyte.
DEFAULT_MAX_PIXELS: Final = 50_000_000

#: The formats of those suffixes. Others are not tried, whatever a file is called: some start other programs (EPS), or
#: decode pixels before their number can be checked (ICO). Images of several pictures (MPO) are opened as JPEG.
FORMATS: Final = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


def pillow_version() -> str:
    """Return the version of Pillow."""
    return str(import_extra("PIL", extra="images").__version__)


def load_image(path: Path | zipfile.Path, max_pixels: int = DEFAULT_MAX_PIXELS) -> "Image":
    """Load an image in RGB.

    Of an animation, the first frame is taken. Transparency is composited on white, more than eight bits are scaled
    rather than clipped, and the orientation noted by a camera is respected.

    :param path: The path of the file, also in an archive.
    :param max_pixels: Larger images are refused by what their header says, before anything is decoded. Pillow's own
        limit against decompression bombs applies, too.
    :raises UnusableInputError: if there is no such file, or it is too large, broken, or no image
    """
    import_extra("PIL", extra="images")
    from PIL import Image, ImageOps, UnidentifiedImageError

    check_file(path)
    try:
        with warnings.catch_warnings():
            # sizes are checked below, and damaged metadata say nothing about the pixels
            warnings.simplefilter("ignore")
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
                width, height = image.size
                if width * height > max_pixels:
                    raise UnusableInputError(
                        f"has {width:,} x {height:,} pixels, more than max_pixels={max_pixels:,} allows"
                    )
                image.load()
                # in place: there is nothing to rotate in most images, and no need for a copy then
                ImageOps.exif_transpose(image, in_place=True)
                return _to_rgb(image)
    except UnusableInputError:
        raise
    except UnidentifiedImageError as error:
        raise UnusableInputError(f"is no image of a known format ({', '.join(FORMATS)})") from error
    except Image.DecompressionBombError as error:
        raise UnusableInputError(f"has too many pixels ({error})") from error
    except Exception as error:
        # decoders of damaged files raise almost anything
        raise UnusableInputError(f"is a broken image ({error.__class__.__name__}: {error})") from error


def _to_rgb(image: "Image") -> "Image":
    """Convert an image of any mode."""
    from PIL import Image

    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        # Pillow's own conversion would clip everything above 255
        values = numpy.asarray(image)
        scaled = _to_8_bit(values, is_16_bit=image.mode.startswith("I;16"))
        transparent = image.info.get("transparency")
        if isinstance(transparent, int):
            scaled[values == transparent] = 255
        image = Image.fromarray(scaled)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        background = Image.new("RGB", image.size, "white")
        background.paste(image, mask=image.getchannel("A"))
        return background
    return image.convert("RGB")


def _to_8_bit(values: NumpyArray, is_16_bit: bool) -> NumpyArray:
    """Scale grey values, of the shape ``(height, width)``, to eight bits.

    White is 65,535 if that is known, and otherwise the smallest of 1 (for floating point values), 255 and 65,535 that
    holds all values. If none does, the values are stretched to the whole range.
    """
    low, high = float(values.min()), float(values.max())
    if not numpy.isfinite([low, high]).all():
        raise UnusableInputError("has pixels which are NaN or infinite")
    whites = [65535.0] if is_16_bit else [1.0] * (values.dtype.kind == "f") + [255.0, 65535.0]
    white = next((white for white in whites if low >= 0 and high <= white), None)
    offset, scale = (0.0, 255 / white) if white else (low, 255 / max(high - low, 1e-12))
    scaled = numpy.empty(values.shape, dtype=numpy.uint8)
    # row by row, since floating point numbers take several times the memory of the image
    for row in range(len(values)):
        scaled[row] = numpy.rint((values[row] - offset) * scale)
    return scaled
