"""`flow_from_directory` and `flow_from_dataframe`: the files, classes and batches of Keras-Preprocessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamfit.preprocessing.image import ImageDataGenerator

theirs = pytest.importorskip("keras_preprocessing.image")
pandas = pytest.importorskip("pandas")
RNG = np.random.default_rng(0)
SUBSETS = None, "training", "validation"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("images")
    for kind, count in (("b", 7), ("a", 5), ("c", 6)):
        (top / kind / "more").mkdir(parents=True)
        for number in range(count):
            name = f"{'more/' if number % 3 == 0 else ''}{number}.{'png' if number % 2 else 'jpg'}"
            pixels = RNG.integers(0, 255, (9 + number, 8, 3)).astype("uint8")
            Image.fromarray(pixels).save(top / kind / name)
    (top / "a" / "notes.txt").write_text("no image")
    (top / "d").mkdir()
    return top


@pytest.fixture(scope="module")
def table(folder: Path) -> object:
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*g"))
    classes = [name[0] for name in files]
    count = len(files)
    several = [["a"] if row % 3 else ["a", "b"] if row % 2 else ("c",) for row in range(count)]
    columns = {
        "filename": files,
        "class": classes,
        "several": several,
        "w": np.arange(count) / 3,
        "n": np.arange(count),
        "m": RNG.normal(size=count),
    }
    return pandas.DataFrame(columns)


def agree(wanted: object, found: object) -> None:
    """Compare attributes and batches of two iterators."""
    for name in ("n", "samples", "filenames", "image_shape", "batch_size", "class_mode", "target_size"):
        assert getattr(found, name) == getattr(wanted, name), name
    assert found.filepaths == wanted.filepaths
    assert len(found) == len(wanted)
    for name in ("class_indices", "num_classes"):
        if hasattr(wanted, name):
            assert getattr(found, name) == getattr(wanted, name)
    if hasattr(wanted, "classes") and wanted.class_mode in ("categorical", "sparse", "binary"):
        assert [np.asarray(label).tolist() for label in found.classes] == [
            np.asarray(label).tolist() for label in wanted.classes
        ]
    for number in range(len(wanted)):
        same_batch(wanted[number], found[number])


def same_batch(wanted: object, found: object) -> None:
    assert type(found) is type(wanted)
    if isinstance(wanted, (tuple, list)):
        assert len(found) == len(wanted)
        for one, two in zip(wanted, found, strict=True):
            same_batch(one, two)
        return
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("class_mode", ["categorical", "binary", "sparse", "input", None])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_folders(folder: Path, class_mode: str | None, data_format: str) -> None:
    options = {"rescale": 1 / 255, "validation_split": 0.3, "data_format": data_format}
    for subset, color_mode in zip(SUBSETS, ("rgb", "rgba", "grayscale"), strict=True):
        reading = {
            "target_size": (6, 5),
            "color_mode": color_mode,
            "class_mode": class_mode,
            "batch_size": 4,
            "shuffle": False,
            "subset": subset,
            "interpolation": "bilinear",
        }
        for classes in (None, ["c", "b"]):
            makers = theirs.ImageDataGenerator(**options), ImageDataGenerator(**options)
            agree(*(maker.flow_from_directory(str(folder), classes=classes, **reading) for maker in makers))


@pytest.mark.parametrize(
    "reading",
    [
        {"class_mode": "categorical"},
        {"class_mode": "categorical", "y_col": "several"},
        {"class_mode": "categorical", "y_col": "several", "classes": ["b", "c"]},
        {"class_mode": "sparse", "weight_col": "w"},
        {"class_mode": "binary", "classes": ["c", "a"]},
        {"class_mode": "raw", "y_col": "n"},
        {"class_mode": "raw", "y_col": ["n", "m"], "weight_col": "w"},
        {"class_mode": "multi_output", "y_col": ["n", "m"]},
        {"class_mode": "input"},
        {"class_mode": None},
    ],
)
def test_tables(folder: Path, table: object, reading: dict[str, object]) -> None:
    for subset in SUBSETS:
        makers = theirs.ImageDataGenerator(validation_split=0.3), ImageDataGenerator(validation_split=0.3)
        options = {"target_size": (6, 5), "batch_size": 4, "shuffle": False, "subset": subset, **reading}
        agree(*(maker.flow_from_dataframe(table, str(folder), **options) for maker in makers))


def test_rows_without_files_are_left_out_with_a_warning(folder: Path, table: object) -> None:
    more = pandas.concat([table, table[:1].assign(filename="none.png")], ignore_index=True)
    with pytest.warns(UserWarning, match=r"1 invalid image filename.*none\.png"):
        assert ImageDataGenerator().flow_from_dataframe(more, folder).n == 18
    assert ImageDataGenerator().flow_from_dataframe(more, folder, validate_filenames=False).n == 19
    with pytest.warns(DeprecationWarning, match="drop_duplicates has no effect"):
        ImageDataGenerator().flow_from_dataframe(table, folder, drop_duplicates=False)
    with pytest.warns(DeprecationWarning, match='"raw"'):
        assert (
            ImageDataGenerator()
            .flow_from_dataframe(table, folder, y_col="m", class_mode="other")
            .labels.shape
        )
    with pytest.warns(UserWarning, match="`classes` will be ignored"):
        ImageDataGenerator().flow_from_dataframe(table, folder, classes=["a"], class_mode="input")


@pytest.mark.parametrize(
    ("reading", "error", "text"),
    [
        ({"class_mode": "classes"}, ValueError, "Invalid class_mode"),
        ({"class_mode": "multi_output"}, TypeError, "y_col must be a list"),
        ({"x_col": "n"}, TypeError, "x_col=n must be strings"),
        ({"y_col": "n"}, TypeError, "string, list or tuple"),
        ({"class_mode": "sparse", "y_col": "several"}, TypeError, "must be strings"),
        ({"class_mode": "binary"}, ValueError, "must be 2 classes. Found 3"),
        ({"class_mode": "binary", "classes": ["a"]}, ValueError, "must be 2 classes"),
        ({"weight_col": "class"}, TypeError, "weight_col=class must be numeric"),
        ({"color_mode": "cmyk"}, ValueError, "Invalid color mode"),
        ({"subset": "test"}, ValueError, "Invalid subset name"),
        ({"subset": "validation"}, ValueError, "validation_split"),
        ({"interpolation": "cubic"}, ValueError, "Invalid interpolation"),
        ({"target_size": (3, 4, 5)}, ValueError, "target_size"),
        ({"shufle": True}, TypeError, "unexpected keyword argument 'shufle'"),
    ],
)
def test_errors_of_tables(
    folder: Path, table: object, reading: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        ImageDataGenerator().flow_from_dataframe(table, folder, **reading)


def test_errors_of_folders(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^classes=\['a', 'none'\] must be names of folders"):
        ImageDataGenerator().flow_from_directory(folder, classes=["a", "none"])
    with pytest.raises(ValueError, match="no files"):
        ImageDataGenerator().flow_from_directory(tmp_path)
    with pytest.raises(FileNotFoundError):
        ImageDataGenerator().flow_from_directory(tmp_path / "none")
    with pytest.raises(ValueError, match="Invalid class_mode"):
        ImageDataGenerator().flow_from_directory(folder, class_mode="raw")
