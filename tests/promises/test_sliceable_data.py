"""Data that can only be sliced are read by rows, a batch at a time, with the bits of the same array."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import streamfit
from streamfit import Input, Model, Sequential, layers, optimizers
from streamfit.testing import nothing_left_behind

N, BATCH = 64, 8
X = np.random.default_rng(0).normal(size=(N, 3)).astype("float32")
Y = X[:, :1] ** 2


class OnDisk:
    """Rows that can be sliced; counts reads, and refuses any other read and a read of all rows."""

    most = BATCH

    def __init__(self, rows: Any) -> None:
        self._rows, self.shape, self.dtype = rows, rows.shape, rows.dtype
        self.read: list[int] = []
        self._lock = threading.Lock()

    def __getitem__(self, key: Any) -> Any:
        assert type(key) is slice
        assert key.step in (None, 1)
        rows = self._rows[key]
        assert 0 < len(rows) <= self.most, f"{len(rows)} rows were read at once"
        with self._lock:
            self.read.extend(range(key.start, key.stop))
        return rows.copy()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


class WithLength(OnDisk):
    """Has a length and could be read completely, but must not be."""

    def __len__(self) -> int:
        return len(self._rows)

    def __array__(self, *arguments: Any, **options: Any) -> Any:
        raise AssertionError("it was read whole")


def model(width: int = 3) -> Any:
    made = Sequential([layers.Dense(1, input_shape=(width,), kernel_initializer="ones")])
    made.compile(optimizers.SGD(0.01), "mse")
    return made


def fitted(*data: Any, **options: Any) -> Any:
    return (
        model().fit(*data, **({"verbose": 0, "seed": 3, "batch_size": BATCH, "epochs": 2} | options)).history
    )


@pytest.mark.parametrize("kind", [OnDisk, WithLength])
@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_every_row_once_an_epoch_and_the_bits_of_the_array(kind: Any, shuffle: Any) -> None:
    x, y, weight = kind(X), kind(Y), kind(np.linspace(0, 1, N))
    probes = len(x.read)
    got = fitted(x, y, sample_weight=weight, shuffle=shuffle)
    assert got == fitted(X, Y, sample_weight=np.linspace(0, 1, N), shuffle=shuffle)
    read = np.bincount(x.read, minlength=N) - np.bincount([0] * probes, minlength=N)
    assert read[1:].tolist() == [2] * (N - 1)
    assert 2 <= read[0] <= 4  # the first row also gives shape and dtype


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_validation_split_reads_each_side_for_itself(shuffle: Any) -> None:
    x, y = OnDisk(X), OnDisk(Y)
    got = fitted(x, y, validation_split=0.25, shuffle=shuffle)
    assert got == fitted(X, Y, validation_split=0.25, shuffle=shuffle)


def test_evaluate_predict_and_validation_data() -> None:
    made = model()
    options = {"batch_size": BATCH, "verbose": 0}
    assert made.evaluate(OnDisk(X), WithLength(Y), **options) == made.evaluate(X, Y, **options)
    assert np.array_equal(made.predict(OnDisk(X), batch_size=BATCH), made.predict(X, batch_size=BATCH))
    got = fitted(X, Y, validation_data=(OnDisk(X), OnDisk(Y)))
    assert got == fitted(X, Y, validation_data=(X, Y))
    assert len(model().predict(OnDisk(X[:5]), batch_size=1, steps=2)) == 2


def test_lists_and_dicts_of_them() -> None:
    a, b = Input((3,), name="a"), Input((1,), name="b")
    output = layers.Dense(1, kernel_initializer="ones")(layers.Concatenate()([a, b]))

    def run(x: Any, y: Any) -> Any:
        made = Model([a, b], output)
        made.compile(optimizers.SGD(0.0), "mse")
        return made.fit(x, y, batch_size=BATCH, seed=1, verbose=0).history

    want = run([X, Y], Y)
    assert run([OnDisk(X), Y], OnDisk(Y)) == want
    assert run({"a": OnDisk(X), "b": WithLength(Y)}, Y) == want
    assert run((X, OnDisk(Y)), [OnDisk(Y)]) == want


@pytest.mark.timeout(60)
@pytest.mark.parametrize("processes", [False, True])
def test_workers_read_rows_as_well(processes: bool) -> None:
    with nothing_left_behind():
        got = fitted(OnDisk(X), OnDisk(Y), workers=2, use_multiprocessing=processes)
    assert got == fitted(X, Y)


def test_streams_for_other_loops() -> None:
    want = [x.tolist() for x, _ in streamfit.stream(X, Y, batch_size=BATCH, shuffle=True, seed=2)]
    got = [x.tolist() for x, _ in streamfit.stream(OnDisk(X), Y, batch_size=BATCH, shuffle=True, seed=2)]
    assert got == want


@pytest.mark.parametrize("dtype", ["float16", "uint8", "bool", "int64", ">f4", "float64"])
def test_dtypes_stay_as_they_are(dtype: str) -> None:
    rows = OnDisk(np.arange(N * 2).reshape(N, 2).astype(dtype))
    for shuffle in (True, False):
        with streamfit.stream(rows, batch_size=BATCH, shuffle=shuffle, seed=1) as stream:
            assert {x.dtype for x in stream} == {np.dtype(dtype)}


class Liar(OnDisk):
    """Returns rows that contradict its shape, from the second batch on."""

    def __getitem__(self, key: Any) -> Any:
        rows = super().__getitem__(key)
        return rows.astype("float64") if key.start else rows


class Masked(OnDisk):
    """Returns masked arrays, as data sets of measurements do."""

    def __getitem__(self, key: Any) -> Any:
        rows = super().__getitem__(key)
        return np.ma.masked_array(rows, rows > 100)


class Stubborn(OnDisk):
    """Accepts only numbers as indices."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            raise TypeError("an index must be a number")
        return self._rows[key]


def test_what_goes_wrong_is_named() -> None:
    with pytest.raises(ValueError, match=r"x \(a Liar of shape \(64, 3\)\): rows .* dtype float64"):
        fitted(Liar(X), Y, shuffle=False)
    with pytest.raises(
        ValueError, match=r"x \(a Stubborn .*\) has a shape and a dtype, but \[0:1\] gives no rows"
    ):
        fitted(Stubborn(X), Y)
    assert fitted(Masked(X), Y) == fitted(X, Y)
    far = X.copy()
    far[40, 1] = 1000
    with pytest.raises(ValueError, match=r"x \(a Masked of shape .*\): .* have masked values"):
        fitted(Masked(far), Y, shuffle=False)
    with pytest.raises(ValueError, match="Found 64 input samples and 60 target samples"):
        fitted(OnDisk(X), OnDisk(Y[:60]))
    with pytest.raises(ValueError, match="x has dtype <U1, which is no number; encode the text"):
        fitted(OnDisk(np.array([["a", "b", "c"]] * N)), Y)


class Images(streamfit.Sequence):
    """A sequence of batches that happens to have a shape and a dtype."""

    shape, dtype = (4, 3), np.dtype("float32")

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return X[index * 4 : index * 4 + 4], Y[index * 4 : index * 4 + 4]


class Batches:
    """The same without a base class; its shape is that of one sample."""

    shape, dtype = (3,), np.dtype("float32")

    def __len__(self) -> int:
        return 4

    __getitem__ = Images.__getitem__


@pytest.mark.parametrize("kind", [Images, Batches])
def test_a_sequence_with_a_shape_is_still_a_sequence(kind: Any) -> None:
    assert fitted(kind(), batch_size=None, shuffle=False) == fitted(
        X[:16], Y[:16], batch_size=4, shuffle=False
    )


# -- and those of a library that has them ---------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Any) -> Any:
    h5py = pytest.importorskip("h5py", reason="its data sets are what most people slice")
    with h5py.File(tmp_path / "data.h5", "w") as opened:
        opened.create_dataset("x", data=X, chunks=(16, 3), compression="gzip")
        opened.create_dataset("y", data=Y)
        opened.create_dataset("empty", (0, 3), "float32")
        yield opened


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
@pytest.mark.parametrize("workers", [0, 2])
def test_data_sets_of_a_file(file: Any, shuffle: Any, workers: int) -> None:
    got = fitted(file["x"], file["y"], shuffle=shuffle, workers=workers, validation_split=0.25)
    assert got == fitted(X, Y, shuffle=shuffle, validation_split=0.25)


def test_memory_stays_that_of_a_batch(file: Any) -> None:
    resource = pytest.importorskip("resource", reason="peak memory is read from it")
    large = file.create_dataset("large", (200_000, 256), "float32", chunks=(1000, 256))  # a sparse file
    targets = file.create_dataset("targets", (200_000, 1), "float32", chunks=(1000, 1))
    made = model(256)
    made.fit(np.zeros((200, 256), "float32"), np.zeros((200, 1), "float32"), batch_size=100, verbose=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for shuffle in (True, "batch", False):
        made.fit(large, targets, batch_size=100, shuffle=shuffle, steps_per_epoch=4, verbose=0)
    made.evaluate(large, targets, batch_size=100, steps=4, verbose=0)
    made.predict(large, batch_size=100, steps=4)
    made.fit(
        large, targets, batch_size=100, validation_split=0.5, steps_per_epoch=2, validation_steps=2, verbose=0
    )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 60 << 10, f"{grown >> 10} MB more"


@pytest.mark.timeout(60)
def test_processes_are_refused_with_a_way_out(file: Any) -> None:
    with (
        nothing_left_behind(),
        pytest.raises(Exception, match=r"which worker processes cannot share.*opens the file in __getitem__"),
    ):
        fitted(file["x"], file["y"], workers=1, use_multiprocessing=True)


def test_a_generator_and_single_batches_of_them(file: Any) -> None:
    assert model().train_on_batch(file["x"], file["y"]) == model().train_on_batch(X, Y)
    got = fitted(iter([(file["x"], file["y"])]), batch_size=None, epochs=1)
    assert got == fitted(iter([(X, Y)]), batch_size=None, epochs=1)
    assert model().predict(file["empty"]).shape == (0, 1)
    with pytest.raises(ValueError, match="x is a single value"):
        fitted(file.create_dataset("scalar", data=3.0), Y)
