"""`image_dataset_from_directory`: which files, labels and sizes; the same pixels as `load_img`; bad files."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.pictures import encoded, picture
from PIL import Image

from streamfit import augment, preprocessing, stream, utils
from streamfit._base.errors import DataError, SampleError
from streamfit.augment.images import Images
from streamfit.augment.resampling import resized
from streamfit.preprocessing import image_dataset_from_directory
from streamfit.preprocessing.image import img_to_array, load_img
from streamfit.preprocessing.image.image_form import ImageForm

FILES = ["cat/0.png", "cat/1.jpg", "cat/more/2.GIF", "dog/0.bmp", "dog/1.webp", "dog/2.tiff", "dog/3.jpeg"]
KINDS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".bmp": "bmp", ".webp": "webp"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lay out two classes of pictures of different sizes, and what does not count."""
    for number, name in enumerate(FILES):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = picture(8 + number, 20 - number, channels=3 - 2 * (number == 3), seed=number)
        path.write_bytes(encoded(pixels, KINDS.get(path.suffix.lower(), "tiff")))
    (tmp_path / "cat" / "notes.txt").write_text("no")
    (tmp_path / "above.png").write_text("no")
    return tmp_path


def made(folder: Path, **options: Any) -> Any:
    return image_dataset_from_directory(folder, **{"shuffle": False, "verbose": False, **options})


def read(pipeline: Any) -> list[Any]:
    return list(pipeline.elements())


def images(folder: Path, **options: Any) -> list[Any]:
    return [x for x, _ in read(made(folder, **{"batch_size": None, **options}))]


def test_images_and_labels_of_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = made(folder, batch_size=4, image_size=(9, 11), verbose=True)
    assert capsys.readouterr().out == "7 files of 2 classes\n"
    x, y = (np.concatenate(part) for part in zip(*read(data), strict=True))
    assert x.shape == (7, 9, 11, 3)
    assert x.dtype == np.float32
    assert y.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert data.class_names == ["cat", "dog"]
    assert [str(Path(path).relative_to(folder)) for path in data.file_paths] == FILES
    assert len(data) == 2
    assert utils.image_dataset_from_directory is preprocessing.image_dataset_from_directory


@pytest.mark.parametrize("color_mode", ["rgb", "rgba", "grayscale"])
def test_pixels_are_those_of_load_img(folder: Path, color_mode: str) -> None:
    data = images(folder, image_size=None, color_mode=color_mode)
    for (path, name), found in zip(((folder / name, name) for name in FILES), data, strict=True):
        wanted = img_to_array(load_img(path, color_mode))  # type: ignore[arg-type]
        np.testing.assert_array_equal(found, wanted, err_msg=name)
    small = images(folder, image_size=None, dtype="uint8")
    assert {x.dtype for x in small} == {np.dtype(np.uint8)}


def naive_bilinear(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Read the four nearest pixels, with pixel centres at +0.5, as TensorFlow without antialias."""

    def taps(count: int, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        at = (np.arange(count) + 0.5) * length / count - 0.5
        first = np.floor(at).astype(int)
        return np.clip(first, 0, length - 1), np.clip(first + 1, 0, length - 1), at - first

    top, bottom, down = taps(height, x.shape[0])
    left, right, across = taps(width, x.shape[1])
    down, across = down[:, None, None], across[None, :, None]
    rows = [x[which][:, left] * (1 - across) + x[which][:, right] * across for which in (top, bottom)]
    return rows[0] * (1 - down) + rows[1] * down


def test_sizes_as_tensorflow_has_them(folder: Path) -> None:
    whole = [x.astype(float) for x in images(folder, image_size=None)]
    for size in ((5, 30), (16, 4)):
        for x, found in zip(whole, images(folder, image_size=size), strict=True):
            np.testing.assert_allclose(found, naive_bilinear(x, *size), atol=1e-3)
    (rounded,) = images(folder, batch_size=7, image_size=(5, 30), dtype="uint8")
    np.testing.assert_allclose(rounded, [naive_bilinear(x, 5, 30) for x in whole], atol=0.501)
    assert rounded.dtype == np.uint8
    (cut,) = images(folder, batch_size=7, image_size=6, crop_to_aspect_ratio=True)
    for x, found in zip(whole, cut, strict=True):
        side, rest = min(x.shape[:2]), [(length - min(x.shape[:2])) // 2 for length in x.shape[:2]]
        middle = x[rest[0] : rest[0] + side, rest[1] : rest[1] + side]
        np.testing.assert_allclose(found, naive_bilinear(middle, 6, 6), atol=1e-3)
    (filled,) = images(folder, batch_size=7, image_size=(10, 40), pad_to_aspect_ratio=True)
    for x, found in zip(whole, filled, strict=True):
        wide = 10 * x.shape[1] // x.shape[0]
        left = math.floor((40 - 10 * x.shape[1] / x.shape[0]) / 2)  # as tf.image.resize_with_pad
        np.testing.assert_allclose(found[:, left : left + wide], naive_bilinear(x, 10, wide), atol=1e-3)
        assert not found[:, :left].any()
        assert not found[:, left + wide :].any()
    (wide,) = images(folder, batch_size=7, image_size=(60, 10), pad_to_aspect_ratio=True)
    assert not wide[:, 0].any()
    (first,) = images(folder, batch_size=7, image_size=(9, 11), data_format="channels_first")
    (last,) = images(folder, batch_size=7, image_size=(9, 11))
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), last)


@pytest.mark.parametrize("interpolation", ["nearest", "bicubic", "area", "lanczos3"])
def test_other_filters(folder: Path, interpolation: str) -> None:
    for antialias in (False, True):
        ((x, _),) = read(
            made(folder, image_size=7, interpolation=interpolation, antialias=antialias, dtype="uint8")
        )
        for path, found in zip(FILES, x, strict=True):
            whole = np.asarray(load_img(folder / path))
            wanted = resized(Images.of(whole[None]), 7, interpolation, antialias).image(0)  # type: ignore[arg-type]
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("package", [pytest.param(True, marks=pytest.mark.extras), False])
def test_reduced_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: bool) -> None:
    if package:
        pytest.importorskip("simplejpeg")
    else:
        monkeypatch.setattr("streamfit.preprocessing.image.jpeg_package._package", lambda: None)
    pixels = picture(67, 83)
    data = encoded(pixels, "jpeg", quality=95, subsampling=0)
    for size, shrink in (((33, 41), 2), ((34, 41), 1), ((16, 20), 4), ((2, 2), 8)):
        form = ImageForm("rgb", size, reduce=True, dtype="uint8")
        image = Image.open(io.BytesIO(data))
        image.draft(None, (83 // shrink, 67 // shrink))
        half = np.asarray(image)
        assert half.shape == (-(-67 // shrink), -(-83 // shrink), 3)
        wanted = resized(Images.of(half[None]), size, antialias=False).image(0)
        np.testing.assert_allclose(form.decoded(data, "it").astype(int), wanted, atol=1)
        turned = form.decoded(encoded(pixels, "jpeg", exif=_sideways()), "it")
        assert turned.shape == (*size, 3)


def _sideways() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_bad_files_are_named_and_can_be_skipped(folder: Path) -> None:
    (folder / "dog" / "1.webp").write_bytes(b"<html>not found</html>")
    data = made(folder, batch_size=4, image_size=6)
    with pytest.raises(SampleError, match=r"dog/1\.webp' is no image.*begins with b'<html>no'") as caught:
        read(data)
    assert caught.value.row == 0
    for how in ({"workers": 0}, {"workers": 1, "use_multiprocessing": True}):
        with (
            pytest.warns(RuntimeWarning, match=r"left out: .*1\.webp"),
            stream(data, on_bad_sample="skip", max_bad_samples=1, **how) as batches,
        ):
            assert [len(y) for _, y in batches] == [4, 2]
    (folder / "dog" / "1.webp").unlink()
    with pytest.raises(SampleError, match=r"dog/1\.webp' cannot be opened: No such file"):
        read(data)
    with pytest.raises(SampleError, match="more than 100, so it is not decoded"):
        read(made(folder, max_pixels=100))


def test_workers_have_the_same_bits_in_the_same_order(folder: Path) -> None:
    data = made(folder, shuffle=True, seed=3, batch_size=3, image_size=(5, 6), dtype="uint8")
    moved = made(folder, shuffle=False, seed=3, batch_size=None, image_size=None, dtype="uint8")
    moved = moved.shuffle().map(augment.random_resized_crop(6)).batch(3)
    threads, processes = {"workers": 2}, {"workers": 2, "use_multiprocessing": True}
    for pipeline, hows in ((data, (threads, processes)), (moved, (threads, threads))):
        found = []
        for how in ({"workers": 0}, *hows):
            with stream(pipeline, **how) as batches:
                found.append([[(x.tolist(), y.tolist()) for x, y in batches] for _ in range(2)])
        assert found[0] == found[1] == found[2]
        first, second = (sorted(label for _, y in part for label in y) for part in found[0])
        assert first == second == [0, 0, 0, 1, 1, 1, 1]


def test_subsets(folder: Path) -> None:
    both = made(folder, shuffle=True, seed=1, validation_split=0.3, subset="both", image_size=4)
    alone = [
        made(folder, shuffle=True, seed=1, validation_split=0.3, subset=part, image_size=4)
        for part in ("training", "validation")
    ]
    assert [part.file_paths for part in both] == [part.file_paths for part in alone]
    assert sorted(both[0].file_paths + both[1].file_paths) == sorted(str(folder / name) for name in FILES)
    assert len(both[1].file_paths) == 2


def test_wrong_arguments(folder: Path) -> None:
    for wrong, why in (
        ({"color_mode": "bgr"}, "color_mode='bgr': write"),
        ({"interpolation": "gaussian"}, "interpolation='gaussian': write one of"),
        ({"image_size": (1, 2, 3)}, r"image_size=\(1, 2, 3\): write \(height, width\)"),
        ({"dtype": "int64"}, "dtype='int64': write"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "exclude each other"),
        ({"label_mode": "one"}, "label_mode='one'"),
        ({"format": "torch"}, "format='torch'"),
        ({"data_format": "last"}, "data_format='last'"),
    ):
        with pytest.raises(ValueError, match=why):
            made(folder, **wrong)
    with pytest.raises(DataError, match="one shape"):
        read(made(folder, image_size=None))
    with pytest.raises(ValueError, match=r"there are no files \.bmp .*\.tiff in the folders of"):
        made(folder / "cat" / "more")
    with pytest.raises(ValueError, match=r"belong to no class: make a folder of each class"):
        made(folder / "dog")
