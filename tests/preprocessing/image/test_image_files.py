"""`files.images`, `files.image_table`: which files, labels and targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracles.pictures import encoded, picture

from streamfit import files
from streamfit._base.errors import DataError, SampleError
from streamfit.streams.pipeline import Pipeline


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lay out two classes of pictures of one size."""
    for number, name in enumerate(("b/9.png", "b/10.png", "a/1.png", "a/deep/2.png")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded(picture(5, 6, seed=number), "png"))
    return tmp_path


def batch(made: Pipeline) -> tuple[np.ndarray, np.ndarray]:
    """Return all samples as one batch, and check that the images are those of the paths."""
    (found,) = made.batch(100).elements()
    x, y = found if isinstance(found, tuple) else (found, None)
    wanted = [files.images([path], None) for path in made.file_paths]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(x, [next(iter(each.elements())) for each in wanted])
    return x, y


def names(made: Pipeline, folder: Path) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in made.file_paths]  # type: ignore[attr-defined]


def test_folders_lists_and_globs(folder: Path) -> None:
    whole = files.images(folder)
    assert names(whole, folder) == ["a/1.png", "a/deep/2.png", "b/10.png", "b/9.png"]
    assert whole.class_names == ["a", "b"]
    x, y = batch(whole)
    assert x.dtype == np.uint8
    assert x.shape == (4, 5, 6, 3)
    assert y.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(x[3], picture(5, 6, seed=0))
    globbed = files.images(f"{folder}/*/*.png")
    assert names(globbed, folder) == ["a/1.png", "b/9.png", "b/10.png"]  # numbers by their value
    assert (globbed.class_names, batch(globbed)[1].tolist()) == (["a", "b"], [0, 1, 1])
    assert batch(files.images(folder, None))[1] is None
    listed = [folder / "b/9.png", folder / "a/1.png"]
    assert names(files.images(listed, None), folder) == ["b/9.png", "a/1.png"]
    chosen = files.images(folder, class_names=["b"])
    assert (chosen.class_names, len(chosen.file_paths)) == (["b"], 2)


def test_labels(folder: Path) -> None:
    paths = [folder / "b/9.png", folder / "a/1.png"]
    for labels, wanted, classes in (
        ([3, 1], [3, 1], None),
        (np.array([[0.5, 1], [2, 3]]), [[0.5, 1], [2, 3]], None),
        (["dog", "cat"], [1, 0], ["cat", "dog"]),
        (np.array(["dog", "cat"]), [1, 0], ["cat", "dog"]),
    ):
        made = files.images(paths, labels)  # type: ignore[arg-type]
        assert batch(made)[1].tolist() == wanted
        assert made.class_names == classes
    ordered = files.images(paths, ["dog", "cat"], class_names=["dog", "cat", "bird"])
    assert (batch(ordered)[1].tolist(), ordered.class_names) == ([0, 1], ["dog", "cat", "bird"])


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ([1], "there are 1 labels for 2 files"),
        ("none", "labels='none': write 'inferred'"),
        (["dog", None], r"labels: a value is missing \(row 1\)"),
        ([1.0, float("nan")], r"missing \(row 1\)"),
        ([1.0, np.inf], r"missing or infinite \(row 1\)"),
        (["dog", 3], "all text"),
    ],
)
def test_wrong_labels(folder: Path, labels: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        files.images([folder / "b/9.png", folder / "a/1.png"], labels)  # type: ignore[arg-type]


def test_wrong_arguments(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file matches"):
        files.images(f"{folder}/*.jpg")
    with pytest.raises(ValueError, match="fit='zoom': write"):
        files.images(folder, fit="zoom")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"'fox' \(row 0\) is none of the classes \['cat'\]"):
        files.images([folder / "b/9.png"], ["fox"], class_names=["cat"])


def table(folder: Path, text: str) -> Path:
    path = folder / "all.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_csv(folder: Path) -> None:
    path = table(folder, '\ufeffx,file,animal,age\n0,b/9.png,"dog, big",3\n\n1,a/1.png,cat,4.5\n')
    made = files.image_table(path, "file", "animal")
    assert (batch(made)[1].tolist(), made.class_names) == ([1, 0], ["cat", "dog, big"])
    ages = batch(files.image_table(path, "file", "age"))[1]
    assert (ages.tolist(), ages.dtype) == ([3, 4.5], np.float64)
    whole = batch(files.image_table(path, "file", "x"))[1]
    assert (whole.tolist(), whole.dtype) == ([0, 1], np.int64)
    assert batch(files.image_table(path, "file", ["x", "age"]))[1].tolist() == [[0, 3], [1, 4.5]]
    assert batch(files.image_table(path, "file"))[1] is None
    moved = table(folder / "a", "path,y\n9.png,1_0\n10.png,2\n")
    found = files.image_table(moved, target="y", root=folder / "b")
    assert names(found, folder) == ["b/9.png", "b/10.png"]
    assert found.class_names == ["1_0", "2"]  # which is no number, whatever Python says


def test_frames_and_dictionaries(folder: Path) -> None:
    columns = {"path": ["b/9.png", "a/1.png"], "y": ["u", "v"], "z": [1, 2]}
    for given in (columns, pd.DataFrame(columns)):
        made = files.image_table(given, target="y", root=folder)
        assert (batch(made)[1].tolist(), made.class_names) == ([0, 1], ["u", "v"])
        assert batch(files.image_table(given, target="z", root=folder))[1].tolist() == [1, 2]
    full = {"path": [str(folder / "b/9.png")], "y": [1]}
    assert batch(files.image_table(full, target="y"))[1].tolist() == [1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("file,y\na.png,1\n", "no column 'path'.*Its columns are"),
        ("path,z\na.png,1\n", "no column 'y'"),
        ("path,y\na.png\n", "line 2: 1 values for 2 columns"),
        ("path,y\na.png,1\n,2\n", "holds '' in row 1, which is no path"),
        ("path,y\na.png,1\nb.png,\n", r"column 'y': a value is missing \(row 1\)"),
        ("path,y\na.png,1\nb.png,nan\n", "missing"),
        ("path,y\n", "no rows"),
        ("", "no column 'path'"),
        ('path,y\n"a.png,1\n', "no CSV file"),
    ],
)
def test_wrong_tables(folder: Path, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        files.image_table(table(folder, text), target="y")


def test_other_wrong_tables(folder: Path) -> None:
    (folder / "all.csv").write_bytes(b"path,y\n\xff,1\n")
    with pytest.raises(DataError, match="no CSV file in UTF-8"):
        files.image_table(folder / "all.csv")
    with pytest.raises(DataError, match="different lengths"):
        files.image_table({"path": ["a"], "y": [1, 2]}, target="y")
    with pytest.raises(TypeError, match="needs the path of a CSV file"):
        files.image_table([1])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="'y' holds no numbers"):
        files.image_table({"path": ["a"], "y": ["u"]}, target=["y"])
    with pytest.raises(SampleError, match=r"none\.png' cannot be opened: No such file") as caught:
        list(files.image_table({"path": [str(folder / "a/1.png"), "none.png"]}).batch(2).elements())
    assert caught.value.row == 1
