"""The descriptor, compared to calling the libraries directly."""

import numpy
import pytest
from PIL import Image
from skimage import color, exposure, feature, transform

from pykeen_adamf.encoders import DescriptorEncoder, EncodingError

from .cases import make_pixels, save_image

GRADIENTS = slice(0, 1764)
HISTOGRAM = slice(1764, 2020)
LAYOUT = slice(2020, 2212)


@pytest.fixture(params=["landscape", "portrait", "tiny", "large"])
def path(request, tmp_path):
    width, height = {"landscape": (200, 150), "portrait": (90, 300), "tiny": (3, 2), "large": (700, 500)}[request.param]
    return save_image(tmp_path / "image.png", seed=3, width=width, height=height)


@pytest.fixture
def resized(path):
    return numpy.asarray(Image.open(path).convert("RGB").resize((128, 128), Image.Resampling.BICUBIC))


@pytest.fixture
def vector(path):
    encoder = DescriptorEncoder()
    return encoder.encode([encoder.load(path)])[0].numpy()


def test_gradients(vector, resized):
    hog = feature.hog(
        resized,
        orientations=9,
        pixels_per_cell=(16, 16),
        cells_per_block=(2, 2),
        block_norm="L2-Hys",
        channel_axis=-1,
    )
    numpy.testing.assert_array_equal(vector[GRADIENTS], (hog / 7).astype(numpy.float32))


def test_colour_histogram(vector, resized):
    lab = color.rgb2lab(resized).reshape(-1, 3)
    expected = numpy.zeros((4, 8, 8))
    # bin by bin, with another implementation of binning
    places = [
        numpy.clip(numpy.floor((lab[:, i] - low) / (high - low) * num).astype(int), 0, num - 1)
        for i, (num, (low, high)) in enumerate(zip((4, 8, 8), ((0, 100), (-87, 99), (-108, 95)), strict=True))
    ]
    numpy.add.at(expected, tuple(places), 1)
    assert expected.sum() == 128**2
    numpy.testing.assert_allclose(vector[HISTOGRAM] ** 2, expected.ravel() / 128**2, atol=1e-4)


def test_colour_layout(vector, resized):
    expected = transform.downscale_local_mean(color.rgb2lab(resized), (16, 16, 1))
    numpy.testing.assert_allclose(vector[LAYOUT].reshape(8, 8, 3), expected / 800, rtol=1e-5, atol=1e-7)


def test_no_part_dominates(vector):
    for part in (GRADIENTS, HISTOGRAM, LAYOUT):
        assert 0.1 < numpy.linalg.norm(vector[part]) < 1.3


def test_all_colours_are_in_the_histogram():
    """The ranges of a* and b* hold whatever RGB can express."""
    levels = numpy.array([0, 64, 128, 192, 255], dtype=numpy.uint8)
    colours = numpy.stack(numpy.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    encoder = DescriptorEncoder(size=8)
    for colour in colours[::5]:
        histogram = encoder.encode([numpy.broadcast_to(colour, (8, 8, 3)).copy()])[0].numpy()[HISTOGRAM]
        assert numpy.isclose((histogram**2).sum(), 1)


def test_similar_images_are_closer_than_different_ones():
    """Brightness changes little, other content more."""
    encoder = DescriptorEncoder()
    pixels = make_pixels(0, width=128, height=128)
    brighter = (exposure.adjust_gamma(pixels, 0.9)).astype(numpy.uint8)
    other = make_pixels(1, width=128, height=128)[::-1, ::-1].copy()
    first, second, third = encoder.encode([pixels, brighter, other])
    assert (first - second).norm() < 0.7 * (first - third).norm()


@pytest.mark.parametrize(("size", "orientations", "dim"), [(64, 9, 2212), (128, 4, 49 * 16 + 448)])
def test_options(path, size, orientations, dim):
    encoder = DescriptorEncoder(size=size, orientations=orientations)
    assert encoder.encode([encoder.load(path)]).shape == (1, dim) == (1, encoder.dim)
    assert encoder.provenance() != DescriptorEncoder().provenance()


@pytest.mark.parametrize("size", [0, -8, 100, 4])
def test_bad_size(size):
    with pytest.raises(EncodingError, match="multiple of 8"):
        DescriptorEncoder(size=size)


def test_bad_orientations():
    with pytest.raises(EncodingError, match="orientations=0"):
        DescriptorEncoder(orientations=0)
