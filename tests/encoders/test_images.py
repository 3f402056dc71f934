"""Images of all kinds, broken ones, and those that are too large."""

import os
import struct
import sys
import zlib

import numpy
import pytest
from PIL import Image

from pykeen_adamf.encoders import UnusableInputError, load_image
from pykeen_adamf.encoders.images import DEFAULT_MAX_PIXELS, IMAGE_SUFFIXES

from .cases import make_pixels, run_python


@pytest.fixture
def save(tmp_path):
    """Return a function that saves an image, loads it, and returns the pixels."""

    def run(image, suffix=".png", **kwargs):
        path = tmp_path / f"image{suffix}"
        (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **kwargs)
        loaded = load_image(path)
        assert loaded.mode == "RGB"
        return numpy.asarray(loaded)

    return run


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".ppm"])
def test_lossless_formats(save, suffix):
    assert numpy.array_equal(save(make_pixels(), suffix), make_pixels())


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_formats(save, suffix):
    smooth = numpy.linspace(0, 200, 40 * 30).reshape(30, 40, 1).repeat(3, axis=2).astype(numpy.uint8)
    assert numpy.abs(save(smooth, suffix, quality=95).astype(int) - smooth).max() < 16


def test_every_known_suffix_can_be_opened():
    Image.init()
    assert set(IMAGE_SUFFIXES) <= set(Image.registered_extensions())


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_first_frame_of_animation(save, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if suffix == ".webp" else {}
    pixels = save(frames[0], suffix, save_all=True, append_images=frames[1:], **options)
    assert (pixels == (255, 0, 0)).all()


def test_transparency_is_white(save):
    pixels = numpy.zeros((2, 3, 4), dtype=numpy.uint8)
    pixels[0] = (255, 0, 0, 255)
    pixels[1, :2] = (10, 20, 30, 0)
    pixels[1, 2] = (0, 0, 0, 128)
    loaded = save(pixels)
    assert (loaded[0] == (255, 0, 0)).all()
    assert (loaded[1, :2] == 255).all()
    assert (loaded[1, 2] == 127).all()


def test_palette_with_transparency(save):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    assert save(image, transparency=1).tolist() == [[[255, 0, 0], [255, 255, 255]]]
    assert save(image).tolist() == [[[255, 0, 0], [0, 0, 255]]]
    # one opacity for each colour
    assert save(image, transparency=bytes([0, 255])).tolist() == [[[255, 255, 255], [0, 0, 255]]]


@pytest.mark.parametrize(("mode", "colour", "key"), [("L", 7, 7), ("RGB", (1, 2, 3), (1, 2, 3))])
def test_transparent_colour(save, mode, colour, key):
    """A single colour that stands for transparency."""
    image = Image.new(mode, (2, 1), "black")
    image.putpixel((1, 0), colour)
    assert save(image, transparency=key).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_grey_with_transparency(save):
    image = Image.new("LA", (2, 1), (100, 255))
    image.putpixel((1, 0), (0, 0))
    assert save(image).tolist() == [[[100] * 3, [255] * 3]]


def test_one_bit(save):
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert save(image).tolist() == [[[0] * 3, [255] * 3]]


def test_cmyk(save):
    pixels = save(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), ".jpg", quality=100)
    assert numpy.abs(pixels.astype(int) - (255, 0, 0)).max() < 8


GREY = numpy.array([[0, 1, 257, 32768, 65535]])


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bits_are_scaled(save, suffix):
    assert save(GREY.astype(numpy.uint16), suffix)[..., 0].tolist() == [[0, 0, 1, 128, 255]]


def test_dark_16_bits_stay_dark(save):
    assert save(numpy.array([[0, 200, 255]], dtype=numpy.uint16))[..., 1].tolist() == [[0, 1, 1]]


def test_transparent_16_bits(save):
    values = numpy.array([[0, 257, 258, 65535]], dtype=numpy.uint16)
    assert save(Image.fromarray(values), transparency=257)[..., 0].tolist() == [[0, 255, 1, 255]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (numpy.int32([[0, 65535, 257]]), [0, 255, 1]),
        (numpy.int32([[0, 200, 255]]), [0, 200, 255]),
        (numpy.int32([[-100, 50, 100]]), [0, 191, 255]),
        (numpy.int32([[0, 1_000_000, 400_000]]), [0, 255, 102]),
        (numpy.float32([[0, 0.5, 1]]), [0, 128, 255]),
        (numpy.float32([[0, 100, 255]]), [0, 100, 255]),
        (numpy.float32([[0, 65535, 514]]), [0, 255, 2]),
        (numpy.float32([[-1, 0, 1]]), [0, 128, 255]),
        (numpy.float32([[0, 0, 0]]), [0, 0, 0]),
        (numpy.float32([[1e6, 1e6, 1e6]]), [0, 0, 0]),
    ],
)
def test_32_bits_are_scaled(save, values, expected):
    assert save(values, ".tiff")[..., 2].tolist() == [expected]


def test_not_a_number(save):
    with pytest.raises(UnusableInputError, match="NaN"):
        save(numpy.float32([[0, numpy.nan]]), ".tiff")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(save, orientation):
    """However the camera was held, the image is upright."""
    upright = numpy.zeros((16, 24, 3), dtype=numpy.uint8)
    upright[:8, :8] = 255
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = Image.fromarray(upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = image.transpose(undo[orientation]) if orientation in undo else image
    assert numpy.array_equal(save(stored, exif=exif), upright)


# --- broken files


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".webp", ".tiff", ".bmp"])
@pytest.mark.parametrize("fraction", [0.0, 0.02, 0.3, 0.7])
def test_truncated(tmp_path, suffix, fraction):
    path = tmp_path / f"image{suffix}"
    Image.fromarray(make_pixels(width=200, height=200)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(UnusableInputError):
        load_image(path)


def test_random_damage(tmp_path):
    """Whatever the bytes are, there is an image, or the one error."""
    rng = numpy.random.default_rng(0)
    outcomes = set()
    for suffix in (".png", ".jpg", ".gif", ".webp", ".tiff"):
        path = tmp_path / f"image{suffix}"
        Image.fromarray(make_pixels()).save(path)
        content = numpy.frombuffer(path.read_bytes(), dtype=numpy.uint8)
        for _ in range(40):
            damaged = content.copy()
            places = rng.integers(0, len(damaged), 8)
            damaged[places] = rng.integers(0, 256, 8)
            path.write_bytes(damaged.tobytes())
            try:
                outcomes.add(load_image(path).mode)
            except UnusableInputError as error:
                outcomes.add(bool(str(error)))
    # either there are pixels, or there is a reason
    assert outcomes == {"RGB", True}


def test_no_image(tmp_path):
    path = tmp_path / "image.png"
    path.write_text("<html>404 Not Found</html>")
    with pytest.raises(UnusableInputError, match="no image of a known format"):
        load_image(path)


def test_other_formats_are_not_even_tried(tmp_path, monkeypatch):
    """Postscript would be run by another program; an icon would be decoded before its size is known."""
    from PIL import EpsImagePlugin, IcoImagePlugin

    paths = [tmp_path / f"{name}.png" for name in ("EPS", "ICO", "PDF", "DDS")]
    for path in paths[:2]:
        Image.new("RGB", (64, 64)).save(path, format=path.stem)
    paths[2].write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    Image.new("RGB", (64, 64)).save(paths[3], format="DDS")

    def fail(*args, **kwargs):
        raise AssertionError("must not be called")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", fail)
    monkeypatch.setattr(EpsImagePlugin.EpsImageFile, "_open", fail)
    monkeypatch.setattr(IcoImagePlugin.IcoImageFile, "_open", fail)
    for path in paths:
        with pytest.raises(UnusableInputError, match=r"no image of a known format \(BMP, .*WEBP\)"):
            load_image(path)


def test_several_pictures_in_one(tmp_path):
    """As some cameras write them; they are called .jpg."""
    path = tmp_path / "image.jpg"
    first, second = Image.new("RGB", (8, 8), "white"), Image.new("RGB", (8, 8))
    first.save(path, format="MPO", save_all=True, append_images=[second])
    assert numpy.asarray(load_image(path)).min() == 255


def test_missing(tmp_path):
    with pytest.raises(UnusableInputError, match="does not exist"):
        load_image(tmp_path / "image.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_pipe(tmp_path):
    """It would be waited for forever."""
    os.mkfifo(tmp_path / "image.png")
    with pytest.raises(UnusableInputError, match="is no file"):
        load_image(tmp_path / "image.png")


# --- large images


def _png(path, width, height):
    """Write an image whose header claims a size; its pixels are a stream of zeros."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    compressor = zlib.compressobj(9)
    row = b"\0" * (1 + width * 3)
    data = b"".join(compressor.compress(row) for _ in range(height)) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


def _peak(code):
    """Return how many kilobytes more than before some code takes at most, in a new process."""
    result = run_python(
        "import resource; from pathlib import Path; from PIL import Image\n"
        "from pykeen_adamf.encoders import UnusableInputError, load_image\n"
        "Image.init()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"{code}\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    assert result.returncode == 0, result.stderr
    return int(result.stdout) // (1024 if sys.platform == "darwin" else 1)


def test_max_pixels(tmp_path):
    path = _png(tmp_path / "image.png", 100, 50)
    assert load_image(path, max_pixels=5000).size == (100, 50)
    with pytest.raises(UnusableInputError, match=r"100 x 50 pixels, more than max_pixels=4,999"):
        load_image(path, max_pixels=4999)


def test_default_limit(tmp_path):
    with pytest.raises(UnusableInputError, match=r"10,000 x 10,000 pixels, more than max_pixels=50,000,000"):
        load_image(_png(tmp_path / "image.png", 10_000, 10_000))


@pytest.mark.slow
def test_limit_of_pillow(tmp_path):
    with pytest.raises(UnusableInputError, match="too many pixels"):
        load_image(_png(tmp_path / "image.png", 20_000, 10_000), max_pixels=10**12)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="memory is measured differently")
@pytest.mark.parametrize(("mode", "factor"), [("I", 12), ("RGBA", 14)])
def test_memory_of_decoding(tmp_path, mode, factor):
    """What is decoded takes some bytes a pixel, hence less than one gigabyte with the default limit."""
    path = tmp_path / "image.tiff"
    Image.new(mode, (3000, 3000)).save(path)
    kilobytes = _peak(f"load_image(Path({str(path)!r}))")
    assert kilobytes * 1000 < factor * 9_000_000 + 20_000_000
    assert factor * DEFAULT_MAX_PIXELS < 1_000_000_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="memory is measured differently")
def test_memory_is_bounded(tmp_path):
    """An image of 100 megapixels, 300 megabytes decoded, takes next to nothing, because it is not decoded."""
    path = _png(tmp_path / "image.png", 10_000, 10_000)
    code = f"try: load_image(Path({str(path)!r}))\nexcept UnusableInputError: pass\nelse: raise AssertionError"
    kilobytes = _peak(code)
    assert kilobytes < 20_000
