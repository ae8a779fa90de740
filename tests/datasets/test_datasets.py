"""`streamfit.datasets`: Keras data sets from local files; damaged ones and foreign pickles are refused."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from oracles.mutations import mutated

from streamfit import datasets
from streamfit._base import config
from streamfit._base.errors import DataError, NoFileError

RNG = np.random.default_rng(0)
X_TRAIN, X_TEST = (RNG.integers(0, 256, (count, 28, 28), np.uint8) for count in (6, 3))
Y_TRAIN, Y_TEST = (RNG.integers(0, 10, count).astype(np.uint8) for count in (6, 3))
PARTS = {
    "train-images-idx3-ubyte": X_TRAIN,
    "train-labels-idx1-ubyte": Y_TRAIN,
    "t10k-images-idx3-ubyte": X_TEST,
    "t10k-labels-idx1-ubyte": Y_TEST,
}


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.tobytes()


def same(found: object, wanted: object = ((X_TRAIN, Y_TRAIN), (X_TEST, Y_TEST))) -> bool:
    pairs = [
        (a, b) for part, other in zip(found, wanted, strict=True) for a, b in zip(part, other, strict=True)
    ]  # type: ignore[call-overload]
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in pairs)


@pytest.fixture(autouse=True)
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for data sets in a folder of the test."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.chdir(tmp_path)


def test_mnist(tmp_path: Path) -> None:
    with pytest.raises(
        NoFileError, match=r"no file 'mnist\.npz' or '.*keras/datasets/mnist\.npz'.*https://.*mnist\.npz"
    ):
        datasets.mnist.load_data()
    place = tmp_path / "keras" / "datasets"
    place.mkdir(parents=True)
    np.savez(place / "mnist.npz", x_train=X_TRAIN, y_train=Y_TRAIN, x_test=X_TEST, y_test=Y_TEST)
    assert same(datasets.mnist.load_data())
    assert same(datasets.mnist.load_data(path=place / "mnist.npz"))
    assert same(datasets.mnist.load_data(place))
    for number, (name, array) in enumerate(PARTS.items()):
        with pytest.raises(NoFileError, match=rf"has no {name}\.gz" if number else "no file 'fashion-mnist'"):
            datasets.fashion_mnist.load_data()
        (place / "fashion-mnist").mkdir(exist_ok=True)
        packed = number % 2 == 0
        (place / "fashion-mnist" / (f"{name}.gz" if packed else name)).write_bytes(
            gzip.compress(idx(array)) if packed else idx(array)
        )
    assert same(datasets.fashion_mnist.load_data())
    np.savez(place / "mnist.npz", x_train=X_TRAIN, y_train=Y_TEST, x_test=X_TEST, y_test=Y_TEST)
    with pytest.raises(DataError, match=r"shape \(6, 28, 28\) with labels of shape \(3,\)"):
        datasets.mnist.load_data()
    np.savez(place / "mnist.npz", x_train=X_TRAIN)
    with pytest.raises(DataError, match="no archive with the arrays"):
        datasets.mnist.load_data()
    (place / "mnist.npz").write_bytes(b"<html>")
    with pytest.raises(DataError, match="no archive with the arrays"):
        datasets.mnist.load_data()


@pytest.mark.parametrize(
    ("kind", "dtype"), [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
)
def test_idx(tmp_path: Path, kind: int, dtype: str) -> None:
    array = RNG.integers(-100, 100, (3, 2)).astype(dtype)
    for data in (idx(array, kind), gzip.compress(idx(array, kind))):
        (tmp_path / "a").write_bytes(data)
        found = datasets.read_idx(tmp_path / "a")
        np.testing.assert_array_equal(found, array)
        assert found.dtype.isnative
        found[0] = 0


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no file in IDX format"),
        (b"\x89PNG", "begins with"),
        (idx(X_TRAIN)[:6], "inside of its header"),
        (idx(X_TRAIN)[:-1], "holds fewer"),
        (gzip.compress(idx(X_TRAIN)[:-1], mtime=0), "holds fewer"),
        (idx(X_TRAIN) + b"\0", "holds more"),
        (gzip.compress(idx(X_TRAIN), mtime=0)[:-20], "cut off"),
        (b"\0\0\x08\x02\xff\xff\xff\xff\xff\xff\xff\xff", "too short"),
    ],
)
def test_other_files_than_idx(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(DataError, match=why):
        datasets.read_idx(tmp_path / "a")


def test_damaged_idx(tmp_path: Path) -> None:
    with pytest.raises(NoFileError):
        datasets.read_idx(tmp_path / "none")
    for damaged in mutated(gzip.compress(idx(X_TEST)), 100):
        (tmp_path / "a").write_bytes(damaged)
        try:
            assert datasets.read_idx(tmp_path / "a").size <= X_TEST.size
        except DataError:
            continue


def batch(count: int, seed: int, **labels: list[int]) -> bytes:
    data = np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8)
    # As Python 2 wrote it: names are bytes there.
    text = pickle.dumps({b"data": data, **{name.encode(): value for name, value in labels.items()}}, 2)
    return text.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_cifar(tmp_path: Path) -> None:
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    files = {
        f"cifar-10-batches-py/{name}": batch(2, seed, labels=[seed, 9 - seed])
        for seed, name in enumerate(names)
    }
    path = archive(tmp_path / "cifar-10-python.tar.gz", files)
    (x, y), (x_test, y_test) = datasets.cifar10.load_data()
    assert (x.shape, y.shape, x_test.shape, y_test.tolist()) == (
        (10, 32, 32, 3),
        (10, 1),
        (2, 32, 32, 3),
        [[5], [4]],
    )
    assert (x.dtype, y.dtype, y[:2].tolist()) == (np.uint8, np.uint8, [[0], [9]])
    first = np.random.default_rng(0).integers(0, 256, (2, 3072), np.uint8)
    assert x[1, 7, 8].tolist() == [first[1, plane * 1024 + 7 * 32 + 8] for plane in range(3)]
    config.set_image_data_format("channels_first")
    try:
        np.testing.assert_array_equal(datasets.cifar10.load_data(path)[0][0].transpose(0, 2, 3, 1), x)
    finally:
        config.set_image_data_format("channels_last")
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert same(datasets.cifar10.load_data(tmp_path), ((x, y), (x_test, y_test)))
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").unlink()
    with pytest.raises(DataError, match="has no file 'data_batch_3'"):
        datasets.cifar10.load_data(tmp_path / "cifar-10-batches-py")
    many = {
        f"cifar-100-python/{name}": batch(2, 0, fine_labels=[99, 1], coarse_labels=[19, 2])
        for name in ("train", "test")
    }
    path = archive(tmp_path / "cifar-100-python.tar.gz", many)
    assert datasets.cifar100.load_data()[0][1].tolist() == [[99], [1]]
    assert datasets.cifar100.load_data("coarse", path)[1][1].tolist() == [[19], [2]]
    with pytest.raises(ValueError, match="label_mode='all': write"):
        datasets.cifar100.load_data("all")


class Foreign:
    """Something that runs a function when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must not be printed",)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (pickle.dumps(Foreign(), 2), r"asks for (builtins|__builtin__)\.print"),
        (pickle.dumps({b"data": Foreign()}), "asks for builtins.print"),
        (b"no pickle", "no data set as it was published"),
        (batch(2, 0, labels=[1, 2])[:-100], "no data set"),
        (batch(2, 0, labels=[1]), "no label 'labels' for each image"),
        (batch(2, 0, labels=[1, 256]), "no label"),
        (batch(2, 0), "no label"),
        (pickle.dumps([1]), "no images of 3 x 32 x 32"),
    ],
)
def test_foreign_pickles(tmp_path: Path, data: bytes, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1, 6):
        (tmp_path / f"data_batch_{number}").write_bytes(data)
    with pytest.raises(DataError, match=why):
        datasets.cifar10.load_data(tmp_path)
    assert capsys.readouterr().out == ""


def test_damaged_archives(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", {name: batch(1, 0, fine_labels=[1]) for name in ("train", "test")})
    data = path.read_bytes()
    for damaged in mutated(data, 60):
        path.write_bytes(damaged)
        try:
            datasets.cifar100.load_data(path=path)
        except DataError:
            continue


REVIEWS = [[1, 14, 22, 5], [7], [3, 3, 9, 30, 2, 8], [4, 5]]


def reviews(path: Path, texts: object = None) -> Path:
    x = np.empty(4, object)
    x[:] = REVIEWS if texts is None else texts
    np.savez(path, x_train=x, y_train=np.array([0, 1, 1, 0]), x_test=x[::-1], y_test=np.array([1, 0, 0, 1]))
    return path


def test_imdb(tmp_path: Path) -> None:
    path = reviews(tmp_path / "imdb.npz")
    (x, y), (x_test, _) = datasets.imdb.load_data()
    rng = np.random.RandomState(113)
    orders = [np.arange(4), np.arange(4)]
    for order in orders:
        rng.shuffle(order)
    top = 33  # the word of the highest number is left out, as in Keras
    for found, order, texts in ((x, orders[0], REVIEWS), (x_test, orders[1], REVIEWS[::-1])):
        moved = [[1, *(word + 3 for word in texts[place])] for place in order]
        assert found.tolist() == [[word if word < top else 2 for word in text] for text in moved]
    assert y.tolist() == [[0, 1, 1, 0][place] for place in orders[0]]
    (x, _), _ = datasets.imdb.load_data(
        path, num_words=10, skip_top=4, start_char=None, oov_char=None, index_from=0
    )
    assert x.tolist() == [[word for word in REVIEWS[place] if 4 <= word < 10] for place in orders[0]]
    (x, _), _ = datasets.imdb.load_data(path, maxlen=4)
    assert sorted(map(len, x)) == [2, 3]
    with pytest.raises(ValueError, match="no review is shorter"):
        datasets.imdb.load_data(path, maxlen=1)
    (tmp_path / "imdb_word_index.json").write_text(json.dumps({"good": 1}))
    assert datasets.imdb.get_word_index() == {"good": 1}
    for wrong in ("[1]", "{"):
        (tmp_path / "imdb_word_index.json").write_text(wrong)
        with pytest.raises(DataError, match="download it again"):
            datasets.imdb.get_word_index()


def test_imdb_refuses_foreign_pickles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"array 'x_train' is no data set .* asks for builtins\.print"):
        datasets.imdb.load_data(reviews(tmp_path / "a.npz", [[Foreign()]] * 4))
    assert capsys.readouterr().out == ""
    with pytest.raises(DataError, match="no list of words"):
        datasets.imdb.load_data(reviews(tmp_path / "a.npz", [1, 2, 3, 4]))
    np.savez(tmp_path / "a.npz", x_train=np.zeros(3))
    with pytest.raises(DataError, match="should hold lists"):
        datasets.imdb.load_data(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as made:
        made.writestr("x_train.npy", b"no")
    with pytest.raises(DataError, match="no archive with the arrays"):
        datasets.imdb.load_data(tmp_path / "a.npz")
