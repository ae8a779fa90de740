"""`text_dataset_from_directory`: which files, labels, subset and order; read where batches are loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamfit import preprocessing, stream, utils
from streamfit._base.errors import DataError, SampleError
from streamfit.preprocessing.labelled_files import LabelledFiles, find_files
from streamfit.preprocessing.text import tokenize
from streamfit.utils import text_dataset_from_directory

CLASSES = {"neg": 3, "pos": 4, "so-so": 2}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lay out three classes, one with a folder in it, and what does not count."""
    for name, count in CLASSES.items():
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{number}.txt").write_text(f"{name} {number}", encoding="utf-8")
    (tmp_path / "pos" / "more").mkdir()
    (tmp_path / "pos" / "more" / "0.TXT").write_text("pos more", encoding="utf-8")
    (tmp_path / "pos" / "notes.md").write_text("no", encoding="utf-8")
    (tmp_path / "urls.txt").write_text("no", encoding="utf-8")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def code_points(text: str) -> list[int]:
    return list(map(ord, text))


encoded = tokenize(code_points, 8, padding="post")  # a stream without a model delivers numbers only


def decoded(x: np.ndarray) -> list[str]:
    return ["".join(map(chr, row[row > 0])) for row in x]


def read(pipeline: Any) -> list[Any]:
    return list(pipeline.elements())


def texts_of(pipeline: Any) -> list[str]:
    return [text for batch in read(pipeline) for text in (batch[0] if isinstance(batch, tuple) else batch)]


def made(folder: Path, **options: Any) -> Any:
    return text_dataset_from_directory(folder, **{"shuffle": False, "verbose": False, **options})


ALL = [f"neg {n}" for n in range(3)] + [f"pos {n}" for n in range(4)] + ["pos more", "so-so 0", "so-so 1"]
LABELS = [0] * 3 + [1] * 5 + [2] * 2


def test_texts_and_labels_of_a_folder(folder: Path) -> None:
    data = made(folder, batch_size=4)
    x, y = (np.concatenate(part) for part in zip(*read(data), strict=True))
    assert x.tolist() == ALL
    assert x.dtype == object
    assert y.tolist() == LABELS
    assert y.dtype == np.int32
    assert data.class_names == ["neg", "pos", "so-so"]
    assert data.map(lambda x, y: (x, y)).class_names == data.class_names
    assert [Path(path).read_text(encoding="utf-8") for path in data.file_paths] == ALL
    assert len(data) == len(made(folder, batch_size=4, format="tf")) == 3
    assert utils.text_dataset_from_directory is preprocessing.text_dataset_from_directory


def test_kinds_of_labels(folder: Path) -> None:
    (_, hot), *_ = read(made(folder, label_mode="categorical", batch_size=None))
    assert hot.tolist() == [1, 0, 0]
    assert hot.dtype == np.float32
    two = made(folder, label_mode="binary", class_names=["so-so", "neg"])
    ((x, y),) = read(two)
    assert x.tolist() == ["so-so 0", "so-so 1", "neg 0", "neg 1", "neg 2"]
    assert y.tolist() == [[0], [0], [1], [1], [1]]
    assert y.dtype == np.float32
    assert two.class_names == ["so-so", "neg"]
    for options in ({"labels": None}, {"label_mode": None}, {"label_mode": None, "labels": [0] * 11}):
        bare = made(folder, **options)
        assert texts_of(bare) == ["no", *ALL]  # without classes, files beside their folders count
        assert bare.class_names is None
    numbered = made(folder, labels=[7] + [3] * 10)
    assert numbered.class_names == ["3", "7"]
    assert read(numbered)[0][1].tolist() == [7] + [3] * 10


def test_length_and_line_breaks(folder: Path) -> None:
    (folder / "neg" / "0.txt").write_bytes("ä\r\nöü".encode())
    assert texts_of(made(folder))[0] == "ä\r\nöü"
    assert texts_of(made(folder, max_length=3))[:3] == ["ä\r\n", "neg", "neg"]
    (folder / "neg" / "0.txt").write_bytes(b"fine" + b" " * 100_000 + b"\xff")
    assert texts_of(made(folder, max_length=4))[0] == "fine"  # what is behind it is not read


def test_undecodable_file_is_named_and_can_be_skipped(folder: Path) -> None:
    (folder / "pos" / "2.txt").write_bytes(b"na\xefve")
    data = made(folder, batch_size=4)
    with pytest.raises(SampleError, match=r"pos/2\.txt' is no text in UTF-8: .*0xef.*iconv"):
        read(data)
    with (
        pytest.warns(RuntimeWarning, match="left out: .*2.txt"),
        stream(data.map(encoded, on="x"), on_bad_sample="skip", max_bad_samples=1) as batches,
    ):
        assert [text for x, _ in batches for text in decoded(x)] == [each for each in ALL if each != "pos 2"]


def test_files_are_opened_when_their_batch_is_loaded(folder: Path) -> None:
    data = made(folder, batch_size=2)
    (folder / "so-so" / "1.txt").unlink()
    elements = data.elements()
    assert [x[0] for x, _ in (next(elements) for _ in range(4))] == ["neg 0", "neg 2", "pos 1", "pos 3"]
    with pytest.raises(FileNotFoundError, match=r"so-so/1\.txt"):
        next(elements)


def test_order_depends_on_seed_and_pass_alone(folder: Path) -> None:
    data = made(folder, shuffle=True, seed=3, batch_size=4)
    found = []
    for how in ({"workers": 0}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}):
        with stream(data.map(encoded, on="x"), **how) as batches:
            found.append([[(decoded(x), y.tolist()) for x, y in batches] for _ in range(2)])
    assert found[0] == found[1] == found[2]
    first, second = ([text for x, _ in each for text in x] for each in found[0])
    assert sorted(first) == sorted(second) == sorted(ALL)
    assert len({tuple(first), tuple(second), tuple(ALL)}) == 3
    labels = dict(zip(ALL, LABELS, strict=True))
    assert all(labels[text] == y for x, ys in found[0][0] for text, y in zip(x, ys, strict=True))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.integers(2, 200), st.floats(0.01, 0.99), st.booleans(), st.integers(-(2**70), 2**70))
def test_subsets_are_disjoint_and_complete(count: int, fraction: float, shuffle: bool, seed: int) -> None:
    files = LabelledFiles([str(number) for number in range(count)], np.arange(count, dtype=np.int32), ["a"])
    ordered = files.shuffled(seed) if shuffle else files
    if not 0 < int(fraction * count) < count:
        with pytest.raises(ValueError, match="write another fraction"):
            ordered.split(fraction)
        return
    training, validation = ordered.split(fraction)
    assert len(validation.paths) == int(fraction * count)
    assert sorted(training.paths + validation.paths, key=int) == files.paths
    for part in (training, validation):
        assert part.labels is not None
        assert list(map(int, part.paths)) == part.labels.tolist()
    assert training.paths == (files.shuffled(seed) if shuffle else files).split(fraction)[0].paths


def test_subsets_of_a_folder_are_those_of_keras(folder: Path) -> None:
    options = {"shuffle": True, "seed": 7, "validation_split": 0.3}
    training, validation = made(folder, subset="both", **options)
    assert training.file_paths == made(folder, subset="training", **options).file_paths
    assert validation.file_paths == made(folder, subset="validation", **options).file_paths
    held_out = ["pos 0", "pos 3", "pos 1"]  # by Keras 3.15.1
    assert texts_of(validation) == held_out
    assert sorted(texts_of(training)) == sorted(set(ALL) - set(held_out))
    assert len({tuple(texts_of(training)), tuple(t for x, _ in training.elements(1) for t in x)}) == 2


def test_links_are_followed_if_asked(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "linked.txt").write_text("linked", encoding="utf-8")
    os.symlink(other, folder / "neg" / "there")
    assert "linked" not in texts_of(made(folder))
    assert "linked" in texts_of(made(folder, follow_links=True))
    os.symlink(folder, folder / "pos" / "back")
    with pytest.raises(ValueError, match="is a link to a folder that it lies in"):
        made(folder, follow_links=True)


def test_number_of_files_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text_dataset_from_directory(folder)
    text_dataset_from_directory(folder, labels=None)
    text_dataset_from_directory(folder, verbose=False)
    assert capsys.readouterr().out == "10 files of 3 classes\n11 files\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "auto"}, "labels='auto'"),
        ({"labels": [0, 1]}, "2 labels for 11 files"),
        ({"labels": [0.5] * 11}, r"labels\[0\] is 0.5"),
        ({"labels": None, "class_names": ["neg"]}, "are for labels='inferred'"),
        ({"class_names": ["neg", "bad"]}, r"class_names=\[.* must be names of folders"),
        ({"class_names": ["neg", "neg"]}, "must be names of folders"),
        ({"label_mode": "text"}, "label_mode='text'"),
        ({"label_mode": "binary"}, "needs two classes"),
        ({"label_mode": "categorical", "labels": [1] * 10 + [2]}, r"label 2 is not in 0\.\.1"),
        ({"format": "torch"}, "format='torch'"),
        ({"validation_split": 0.2}, "go together"),
        ({"subset": "training"}, "go together"),
        ({"validation_split": 0.2, "subset": "test"}, "subset='test'"),
        ({"validation_split": 1.0, "subset": "both"}, "between 0 and 1"),
        ({"validation_split": 0.05, "subset": "both"}, "leaves 10 for training and 0 for validation"),
        ({"validation_split": 0.2, "subset": "both", "shuffle": True}, "needs a seed"),
        ({"max_length": 0}, "max_length must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
    ],
)
def test_wrong_arguments_are_named(folder: Path, options: Any, message: str) -> None:
    with pytest.raises((ValueError, DataError), match=message):
        made(folder, **options)


def test_folders_without_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there are no files \.txt"):
        made(tmp_path)
    with pytest.raises(FileNotFoundError):
        made(tmp_path / "gone")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").touch()
    assert find_files(tmp_path, "inferred", None, (".jpg", ".png")).paths == [str(tmp_path / "a" / "1.png")]
