"""`predict(out=...)`: the bits of `predict`, in arrays and files; what does not fit is an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.sequences import Failing, Numbered, Slices

import streamfit as sf
from streamfit import Input, Model, Sequential, layers, source
from streamfit.callbacks import Callback

pytestmark = pytest.mark.timeout(60)

RNG = np.random.default_rng(5)
X = RNG.normal(size=(70, 4)).astype("float32")


def model(*units: int) -> Any:
    sf.set_random_seed(2)
    return Sequential([Input((4,)), layers.Dense(5, "tanh"), *(layers.Dense(n) for n in units or (3,))])


def two_outputs(named: bool = False) -> Any:
    sf.set_random_seed(2)
    x = Input((4,))
    a, b = layers.Dense(3, name="a")(x), layers.Dense(2, name="b")(x)
    return Model(x, {"a": a, "b": b} if named else [a, b])


def batches(sizes: list[int], fails_at: int = -1) -> Iterator[np.ndarray]:
    start = 0
    for number, size in enumerate(sizes):
        if number == fails_at:
            raise OSError("disk")
        yield X[start : start + size]
        start += size


DATA: dict[str, Any] = {
    "array": lambda: X,
    "pipeline": lambda: source(X).batch(9),
    "mapped": lambda: source(X).map(np.negative).batch(9),
    "filtered": lambda: source(X).filter(lambda x: bool(x[0] > 0)).batch(9),
    "sequence": lambda: Slices(X),
    "generator": lambda: batches([10, 30, 1, 29]),
}


# -- the same bits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", DATA)
def test_an_array_a_map_and_a_file_have_the_bits_of_predict(kind: str, workers: int, tmp_path: Path) -> None:
    net, make = model(), DATA[kind]
    expected = net.predict(make())
    out = np.full(expected.shape, np.nan, "float32")
    assert net.predict(make(), out=out, workers=workers) is out
    mapped = np.lib.format.open_memmap(tmp_path / "map.npy", "w+", "float32", expected.shape)
    assert net.predict(make(), out=mapped, workers=workers) is mapped
    filed = net.predict(make(), out=tmp_path / "file.npy", workers=workers)
    assert isinstance(filed, np.memmap)
    assert filed.shape == expected.shape
    for found in (out, mapped, filed, np.load(tmp_path / "map.npy"), np.load(tmp_path / "file.npy")):
        assert found.dtype == expected.dtype
        assert found.tobytes() == expected.tobytes()


def test_the_numbers_are_those_of_numpy() -> None:
    net = model()
    w1, b1, w2, b2 = net.get_weights()
    out = np.empty((70, 3), "float32")
    net.predict(X, out=out, batch_size=16)
    np.testing.assert_allclose(out, np.tanh(X @ w1 + b1) @ w2 + b2, rtol=1e-5, atol=1e-6)


def test_processes_of_which_one_is_killed(tmp_path: Path) -> None:
    net, out = model(), np.empty((70, 3), "float32")
    net.predict(Slices(X, 8, 4, tmp_path), out=out, workers=2, use_multiprocessing=True)
    assert (tmp_path / "died").exists()
    assert out.tobytes() == net.predict(Slices(X)).tobytes()


def test_several_outputs(tmp_path: Path) -> None:
    listed, named = two_outputs(), two_outputs(named=True)
    expected = listed.predict(X)
    a, b = np.empty((70, 3), "float32"), np.empty((70, 2), "float32")
    found = listed.predict(X, out=[a, b])
    assert (found[0] is a, found[1] is b) == (True, True)
    assert [part.tobytes() for part in found] == [part.tobytes() for part in expected]
    found = named.predict(X, out={"b": str(tmp_path / "b.npy"), "a": a})
    assert list(found) == ["a", "b"]
    assert (found["b"] == named.predict(X)["b"]).all()
    whole = np.empty((70, 5), "float32")  # two views of one table
    listed.predict(X, out=(whole[:, :3], whole[:, 3:]))
    assert (whole == np.concatenate(expected, axis=1)).all()


def test_steps_and_views() -> None:
    net, table = model(), np.zeros((100, 6), "float32")
    view = table[10:42, 1:4]
    assert net.predict(X, batch_size=16, steps=2, out=view) is view
    assert (view == net.predict(X[:32], batch_size=16)).all()
    table[10:42, 1:4] = 0
    assert not table.any()  # nothing beside the view was written


def test_no_samples(tmp_path: Path) -> None:
    net = model()
    assert net.predict(X[:0], out=np.empty((0, 3), "float32")).shape == (0, 3)
    assert net.predict(X[:0], out=tmp_path / "a.npy").shape == (0, 3)
    with pytest.raises(ValueError, match="0 samples"):
        net.predict(X[:0], out=np.empty((2, 3), "float32"))


def test_a_model_that_its_first_batch_builds(tmp_path: Path) -> None:
    sf.set_random_seed(2)
    net = Sequential([layers.Dense(3)])
    first = net.predict(batches([40, 30]), out=tmp_path / "a.npy")
    assert (first == net.predict(X, batch_size=40)).all()


def test_text_goes_to_arrays_of_objects(tmp_path: Path) -> None:
    words = layers.StringLookup(vocabulary=["a", "bc", "d"], invert=True, num_oov_indices=1)
    number = Input((), dtype="int64")
    net = Model(number, words(number))
    ids = np.array([1, 2, 3, 2])
    out = np.empty(4, object)
    assert net.predict(ids, batch_size=2, out=out).tolist() == ["a", "bc", "d", "bc"]
    with pytest.raises(TypeError, match=r"is text.*dtype object"):
        net.predict(ids, out=tmp_path / "a.npy")
    assert not (tmp_path / "a.npy").exists()


# -- what does not fit ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "error", "match"),
    [
        (np.empty((70, 3)), TypeError, r"dtype float64, but .* float32, and predictions are not cast"),
        (np.empty((70, 3), ">f4"), TypeError, "not cast"),
        (np.empty((70, 4), "float32"), ValueError, r"a row has \(4,\), but .* shape \(3,\)"),
        (np.empty(70, "float32"), ValueError, r"a row has \(\)"),
        (np.empty((), "float32"), ValueError, "no axis of samples"),
        (np.empty((69, 3), "float32"), ValueError, "69 rows, but the data have 70 samples"),
        (np.empty((71, 3), "float32"), ValueError, "71 rows, but .* 70 samples; .* of 70 rows"),
        (np.broadcast_to(np.float32(0), (70, 3)), ValueError, "read-only; pass an array"),
        ([np.empty((70, 3), "float32")] * 2, ValueError, "share memory"),
        ([], ValueError, "holds 0 arrays, but the model has 1 output"),
        ({"a": np.empty((70, 3), "float32")}, ValueError, r"keys \['a'\]"),
        ([[1.0]], TypeError, r"out\[0\] must be a NumPy array.*predict_batches"),
        (3, TypeError, "out must be a NumPy array"),
        ("scores.txt", ValueError, "must end in '.npy'"),
        ("no/such/folder.npy", FileNotFoundError, "no folder 'no/such'"),
    ],
)
def test_what_cannot_hold_the_outputs_is_refused(out: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        model().predict(X, out=out, batch_size=32)


def test_maps_that_keep_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((70, 3), "float32"))
    with pytest.raises(ValueError, match=r"read-only; open it with mode='r\+'"):
        model().predict(X, out=np.load(path, mmap_mode="r"))
    with pytest.raises(ValueError, match="copied on write"):
        model().predict(X, out=np.load(path, mmap_mode="c"))
    with pytest.raises(ValueError, match="copied on write"):
        model().predict(X, out=np.asarray(np.load(path, mmap_mode="c"))[::-1])
    with pytest.raises(FileExistsError, match="not overwritten"):
        model().predict(X, out=path)
    assert not np.load(path).any()


def test_what_is_read_is_not_overwritten() -> None:
    same = Sequential([Input((4,)), layers.Dense(4)])
    x = X.copy()
    for out in (x, x[::-1]):
        with pytest.raises(ValueError, match="shares memory with x"):
            same.predict(x, out=out)
    assert (x == X).all()
    table = np.zeros((70, 8), "float32")
    table[:, :4] = X
    same.predict(table[:, :4], out=table[:, 4:])  # columns of one table share none
    assert (table[:, 4:] == same.predict(X)).all()


def test_two_outputs_in_one_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two paths of out are the same"):
        two_outputs().predict(X, out=[tmp_path / "a.npy", f"{tmp_path}/./a.npy"])
    assert not list(tmp_path.iterdir())


def test_a_result_that_does_not_fit_in_memory_names_the_way_out() -> None:
    endless = np.broadcast_to(X[:1], (10**14, 4))
    with pytest.raises(MemoryError) as info:
        model().predict(endless)
    assert "out='predictions.npy'" in info.value.__notes__[0]


def test_of_several_outputs_none_is_written_where_one_does_not_fit() -> None:
    a, b = np.zeros((70, 3), "float32"), np.zeros((70, 2), "float64")
    with pytest.raises(TypeError, match=r"out\[1\] has dtype float64"):
        two_outputs().predict(X, out=[a, b])
    assert not a.any()
    with pytest.raises(ValueError, match=r"the model has 2 outputs \(a, b\); pass a list of 2"):
        two_outputs().predict(X, out=a)


@pytest.mark.parametrize("rows", [0, 39, 40, 69, 71, 1000])
def test_a_stream_with_more_or_fewer_samples_than_rows(rows: int) -> None:
    net, out = model(), np.full((rows, 3), 7, "float32")
    match = "more samples than it has rows" if rows < 70 else f"ended after 70 samples, but out has {rows}"
    with pytest.raises(ValueError, match=match) as info:
        net.predict(batches([10, 30, 1, 29]), out=out)
    whole = max(size for size in (0, 10, 40, 41, 70) if size <= rows)
    assert info.value.__notes__ == [
        f"predict: the outputs of the first {whole} samples were written to out and stay there"
    ]
    assert (out[:whole] == net.predict(batches([10, 30, 1, 29]))[:whole]).all()
    assert (out[whole:] == 7).all()


# -- errors in the middle ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["array", "map", "file"])
def test_an_error_leaves_what_was_written_and_says_how_far(kind: str, tmp_path: Path) -> None:
    net, path = model(), tmp_path / "a.npy"
    out: Any = {
        "array": lambda: np.zeros((70, 3), "float32"),
        "map": lambda: np.lib.format.open_memmap(path, "w+", "float32", (70, 3)),
        "file": lambda: path,
    }[kind]()
    with pytest.raises(OSError, match="disk") as info:
        net.predict(batches([10, 30, 1, 29], fails_at=2), out=out)
    assert "first 40 samples" in info.value.__notes__[-1]
    found = out if kind == "array" else np.load(path)
    assert len(found) == (40 if kind == "file" else 70)
    assert (found[:40] == net.predict(X[:40])).all()
    assert not found[40:].any()


def test_an_error_in_a_worker(tmp_path: Path) -> None:
    net = Sequential([Input(()), layers.Reshape((1,)), layers.Dense(2)])
    with pytest.raises(KeyError, match="no batch 3") as info:
        net.predict(Failing(3), out=tmp_path / "a.npy", workers=2, use_multiprocessing=True)
    assert "first 6 samples" in "".join(info.value.__notes__)
    assert len(np.load(tmp_path / "a.npy")) == 6


class Stops(Callback):
    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 2:
            self.model.stop_predicting = True


def test_a_callback_that_stops_leaves_the_rows_so_far(tmp_path: Path) -> None:
    net, out = model(), np.zeros((70, 3), "float32")
    expected = net.predict(X, batch_size=8, callbacks=Stops())
    assert (expected == net.predict(X[:24], batch_size=8)).all()
    assert expected.base is None  # not a part of an array for all samples
    found = net.predict(X, batch_size=8, out=out, callbacks=Stops())
    assert (found.shape, np.shares_memory(found, out)) == ((24, 3), True)
    assert (found == expected).all()
    assert not out[24:].any()
    assert (net.predict(X, batch_size=8, out=tmp_path / "a.npy", callbacks=Stops()) == expected).all()


def test_data_that_end_before_the_steps_fill_no_array() -> None:
    out = np.zeros((64, 3), "float32")
    with (
        pytest.warns(UserWarning, match="ran out of data"),
        pytest.raises(ValueError, match=r"ended after 40 samples.* of 40 rows"),
    ):
        model().predict(batches([10, 30]), steps=3, out=out)


def test_samples_that_are_known_before() -> None:
    def known(data: Any, steps: int | None = None) -> int | None:
        found: int | None = data.open_source().samples_in(0, steps)
        return found

    assert known(source(X).batch(9)) == 70
    assert known(source(X).batch(9), 3) == 27
    assert known(source(X).shuffle().take(20).batch(9, drop_remainder=True)) == 18
    assert known(source(X).map(np.negative).batch(9)) == 70
    assert known(source(X).map(np.negative).batch(9, drop_remainder=True)) == 63
    assert known(source(X).map(np.negative).batch(9), 2) == 18
    assert known(source(Numbered())) is None
    assert known(source(X).filter(bool).batch(9)) is None
