"""Decoding: every mode of pixels as Pillow has it, or a clear error; nothing large, nothing foreign."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from oracles.mutations import mutated
from oracles.pictures import encoded, picture
from PIL import Image, ImageOps

from streamfit._base.errors import DataError
from streamfit.preprocessing.image import decoding, jpeg_package
from streamfit.preprocessing.image.decoding import decode_image, read_image_file, turned

MODES = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
KINDS = {
    "bmp": {},
    "gif": {},
    "jpeg": {"quality": 90},
    "png": {},
    "tiff": {},
    "webp": {"lossless": True},
    "ppm": {},
}


def by_pillow(data: bytes, color_mode: str) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of palettes with transparency
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert(MODES[color_mode]))
    return pixels if pixels.ndim == 3 else pixels[..., None]


@pytest.fixture(params=[pytest.param("simplejpeg", marks=pytest.mark.extras), "pillow"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Decode JPEG with the one or the other."""
    name: str = request.param
    if name == "simplejpeg":
        pytest.importorskip("simplejpeg")
    else:
        monkeypatch.setattr(jpeg_package, "_package", lambda: None)
    return name


@pytest.mark.parametrize("color_mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_formats(kind: str, color_mode: str, decoder: str) -> None:
    for channels in (1, 3):
        data = encoded(picture(channels=channels), kind, **KINDS[kind])
        found = decode_image(data, "it", color_mode)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found, by_pillow(data, color_mode))
        assert found.dtype == np.uint8


@pytest.mark.parametrize(
    "options", [{"subsampling": 0}, {"subsampling": 2}, {"progressive": True}, {"optimize": True}]
)
def test_jpeg_has_the_bits_of_pillow(options: dict[str, object], decoder: str) -> None:
    for size in ((1, 1), (8, 16), (31, 17)):
        data = encoded(picture(*size), "jpeg", quality=75, **options)
        np.testing.assert_array_equal(decode_image(data, "it"), by_pillow(data, "rgb"))


@pytest.mark.parametrize("color_mode", MODES)
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_modes(mode: str, color_mode: str) -> None:
    kind = "jpeg" if mode in ("CMYK", "YCbCr") else "png"
    image = Image.fromarray(picture()).convert(mode)
    data = encoded(image, kind)
    np.testing.assert_array_equal(decode_image(data, "it", color_mode), by_pillow(data, color_mode))  # type: ignore[arg-type]


@pytest.mark.parametrize("color_mode", MODES)
def test_transparency(color_mode: str) -> None:
    image = Image.fromarray(picture()).quantize(8)
    for see_through in (3, bytes([0, 255, 128, 9, 255, 255, 255, 255])):
        data = encoded(image, "png", transparency=see_through)
        np.testing.assert_array_equal(decode_image(data, "it", color_mode), by_pillow(data, color_mode))  # type: ignore[arg-type]
    hidden = np.full((2, 3, 4), (200, 100, 50, 0), np.uint8)
    assert (decode_image(encoded(hidden, "png"), "it") == [200, 100, 50]).all()  # as Keras and TensorFlow do


def test_sixteen_bits_are_scaled_or_kept() -> None:
    deep = np.arange(0, 65536, 1021, dtype=np.uint16).reshape(5, 13)
    for kind in ("png", "tiff", "ppm"):
        data = encoded(Image.fromarray(deep), kind)
        np.testing.assert_array_equal(decode_image(data, "it", "grayscale")[..., 0], deep >> 8)
        np.testing.assert_array_equal(decode_image(data, "it", "rgb"), np.stack([deep >> 8] * 3, axis=-1))
        kept = decode_image(data, "it", "grayscale", keep_depth=True)
        np.testing.assert_array_equal(kept[..., 0], deep)
        assert kept.dtype.kind in "iu"
        assert kept.dtype.isnative


def test_what_has_no_known_white_is_refused() -> None:
    floats = encoded(Image.fromarray(np.ones((3, 4), np.float32)), "tiff")
    with pytest.raises(DataError, match=r"'a.tif' holds floats.*save it with 8 or 16 bits"):
        decode_image(floats, "'a.tif'")
    wide = encoded(Image.fromarray(np.ones((3, 4), np.int32)), "tiff")
    with pytest.raises(DataError, match="32 bits"):
        decode_image(wide, "it", "grayscale")
    assert decode_image(wide, "it", "grayscale", keep_depth=True).dtype == np.int32


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int, decoder: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("jpeg", "png", "webp", "tiff"):
        data = encoded(picture(), kind, exif=exif)
        image = Image.open(io.BytesIO(data))
        image.load()
        np.testing.assert_array_equal(decode_image(data, "it"), np.asarray(ImageOps.exif_transpose(image)))
        np.testing.assert_array_equal(decode_image(data, "it", upright=False), np.asarray(image))
    square = np.arange(6).reshape(2, 3, 1)
    assert turned(square, 1).flags.c_contiguous


def test_first_of_several_frames() -> None:
    first, second = Image.fromarray(picture(seed=1)), Image.fromarray(picture(seed=2))
    for kind in ("gif", "png", "tiff", "webp"):
        options = {"lossless": True} if kind == "webp" else {}
        data = encoded(first, kind, save_all=True, append_images=[second], **options)
        np.testing.assert_array_equal(decode_image(data, "it"), by_pillow(data, "rgb"))


def test_names_do_not_count() -> None:
    data = encoded(picture(), "png")
    np.testing.assert_array_equal(decode_image(data, "'a.jpg'"), picture())


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (89_478_486, 1)])
def test_bombs_are_refused_by_their_header(size: tuple[int, int]) -> None:
    with pytest.raises(DataError, match=r"'bomb' has .* pixels, more than 89,478,485, .*max_pixels="):
        decode_image(png_header(*size), "'bomb'")


def test_limit_can_be_set(monkeypatch: pytest.MonkeyPatch, decoder: str) -> None:
    data = encoded(picture(12, 17), "jpeg")
    with pytest.raises(DataError, match="12 x 17 pixels, more than 203"):
        decode_image(data, "it", max_pixels=203)
    assert decode_image(data, "it", max_pixels=204).shape == (12, 17, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow's own limit does not count
    assert decode_image(data, "it").shape == (12, 17, 3)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"hello, I am no image", "is no image that can be read: it begins with b'hello, I'"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "is no image"),  # which would be run by another program
        (b"\xff\xd8\xff", "damaged or cut off"),
        (png_header(0, 4), "damaged|without pixels"),
    ],
)
def test_no_image(data: bytes, why: str) -> None:
    with pytest.raises(DataError, match=f"'a.jpg' {why}|'a.jpg' is .*{why}"):
        decode_image(data, "'a.jpg'")


@pytest.mark.parametrize("kind", KINDS)
def test_cut_off(kind: str, decoder: str) -> None:
    data = encoded(picture(40, 50, seed=3), kind, **KINDS[kind])
    for length in (1, 20, len(data) // 2, len(data) * 4 // 5):
        with pytest.raises(DataError, match="'a' is"):
            decode_image(data[:length], "'a'")


@pytest.mark.parametrize("kind", KINDS)
def test_damage(kind: str, decoder: str) -> None:
    data = encoded(picture(24, 31), kind, **KINDS[kind])
    outcomes = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for damaged in mutated(data, 100):
            found = np.zeros((0, 0, 3), np.uint8)
            with contextlib.suppress(DataError):
                found = decode_image(damaged, "it", max_pixels=10**6)
            assert found.ndim == 3
            assert found.dtype == np.uint8
            outcomes.add(len(found) > 0)
    assert outcomes == {True, False}


def test_reading_files(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a.png"
    with pytest.raises(DataError, match=r"a\.png' cannot be opened: No such file"):
        read_image_file(str(path))
    with pytest.raises(DataError, match="Is a directory"):
        read_image_file(str(tmp_path))
    with open(path, "wb") as file:
        file.truncate(decoding.MAX_PIXELS * 16 + (1 << 26) + 1)  # a hole: no bytes on the disk
    with pytest.raises(DataError, match="more than an image of at most 89,478,485 pixels has"):
        read_image_file(str(path))
    path.write_bytes(b"abc")
    assert read_image_file(str(path)) == b"abc"
