"""An encoder of images that needs no weights: shapes and colours; needs scikit-image, the extra ``descriptor``."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy
import torch

from ..typing import FloatTensor, NumpyArray
from .base import VisualEncoder
from .images import DEFAULT_MAX_PIXELS, pillow_version
from .problems import EncodingError, import_extra
from .weights import versions_of

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["DescriptorEncoder"]

#: The cells along each side of an image, for the gradients and for the colour layout.
NUM_CELLS: Final = 8

#: The cells along each side of a block, within which gradients are normalized.
BLOCK: Final = 2

#: The blocks along each side of an image.
NUM_BLOCKS: Final = NUM_CELLS - BLOCK + 1

#: The bins of the colour histogram along L*, a* and b*, and the range of each that sRGB colours can have.
COLOUR_BINS: Final = (4, 8, 8)
COLOUR_RANGES: Final = ((0.0, 100.0), (-87.0, 99.0), (-108.0, 95.0))


class DescriptorEncoder(VisualEncoder):
    r"""Describes images by gradients and colours, without any training.

    The image is resized to a square of $s \times s$ pixels. The vector is the concatenation of

    - the histogram of oriented gradients (`Dalal and Triggs, 2005 <https://doi.org/10.1109/CVPR.2005.177>`_) with
      8 x 8 cells in overlapping blocks of 2 x 2, each of which has (at most) unit norm, divided by the root of their
      number;
    - the square root of the histogram of colours in CIELAB, a space in which distances are about as different as they
      look. Thus, the inner product is the Bhattacharyya coefficient;
    - the mean colour in CIELAB of each of 8 x 8 fields, i.e., what is where, divided by 100 and the root of their
      number.

    None of them has a norm far above one, thus none dominates the others.
    """

    def __init__(self, size: int = 128, orientations: int = 9, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        """Initialize the encoder.

        :param size: The width and height of resized images in pixels, a multiple of 8.
        :param orientations: The number of bins for orientations of gradients.
        :param max_pixels: Images with more pixels are not decoded, and hence missing.
        :raises EncodingError: if scikit-image is missing, or the size is not a positive multiple of 8
        """
        super().__init__(max_pixels=max_pixels)
        if size < NUM_CELLS or size % NUM_CELLS:
            raise EncodingError(f"The size must be a positive multiple of {NUM_CELLS}, but is {size}.")
        if orientations < 1:
            raise EncodingError(f"There must be at least one bin for orientations, but orientations={orientations}.")
        self._feature = import_extra("skimage.feature", extra="descriptor")
        self._color = import_extra("skimage.color", extra="descriptor")
        self.size = size
        self.orientations = orientations
        self.dim = NUM_BLOCKS**2 * BLOCK**2 * orientations + math.prod(COLOUR_BINS) + 3 * NUM_CELLS**2
        self._pillow_version = pillow_version()

    def provenance(self) -> dict[str, str]:  # noqa: D102
        return {
            "encoder": "descriptor",
            "model": "HOG, CIELAB histogram, CIELAB layout",
            # to be raised whenever the same image gets another vector
            "revision": "1",
            "preprocessing": f"{self.size} x {self.size} pixels, bicubic; {self.orientations} orientations",
            "versions": f"{versions_of('scikit-image', 'numpy')}, pillow=={self._pillow_version}",
        }

    def prepare(self, image: "Image") -> NumpyArray:  # noqa: D102
        from PIL import Image

        return numpy.asarray(image.resize((self.size, self.size), Image.Resampling.BICUBIC))

    def encode(self, inputs: Sequence[NumpyArray]) -> FloatTensor:  # noqa: D102
        return torch.from_numpy(numpy.stack([self._describe(pixels) for pixels in inputs]).astype(numpy.float32))

    def _describe(self, pixels: NumpyArray) -> NumpyArray:
        """Describe the pixels of a single image, in RGB with eight bits; shape: ``(size, size, 3)`` -> ``(dim,)``."""
        cell = self.size // NUM_CELLS
        gradients = self._feature.hog(
            pixels,
            orientations=self.orientations,
            pixels_per_cell=(cell, cell),
            cells_per_block=(BLOCK, BLOCK),
            block_norm="L2-Hys",
            channel_axis=-1,
        )
        lab = self._color.rgb2lab(pixels)
        counts, _ = numpy.histogramdd(lab.reshape(-1, 3), bins=COLOUR_BINS, range=COLOUR_RANGES)
        layout = lab.reshape(NUM_CELLS, cell, NUM_CELLS, cell, 3).mean(axis=(1, 3))
        colours = numpy.sqrt(counts.ravel() / self.size**2)
        return numpy.concatenate([gradients / NUM_BLOCKS, colours, layout.ravel() / (100 * NUM_CELLS)])
