"""`predict_batches`: ids and outputs batch by batch, with the bits of `predict`, from one moment."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.leaks import nothing_left_behind
from oracles.sequences import Failing, Slices

import streamfit as sf
from streamfit import Input, Model, Sequential, layers, source
from streamfit.callbacks import Callback

pytestmark = pytest.mark.timeout(60)

RNG = np.random.default_rng(5)
X = RNG.normal(size=(70, 4)).astype("float32")
Y = RNG.normal(size=(70, 3)).astype("float32")


def model() -> Any:
    sf.set_random_seed(2)
    net = Sequential([Input((4,)), layers.Dense(5, "tanh"), layers.Dense(3)])
    net.compile("adam", "mse")
    return net


def generator(sizes: list[int]) -> Iterator[np.ndarray]:
    start = 0
    for size in sizes:
        yield X[start : start + size]
        start += size


def joined(batches: Any) -> np.ndarray:
    return np.concatenate([predictions for _, predictions in batches])


@pytest.mark.parametrize("workers", [0, 2])
def test_ids_and_bits(workers: int) -> None:
    net = model()
    order = source(X).shuffle(seed=3)
    cases: dict[str, Any] = {
        "array": lambda: X,
        "shuffled": lambda: order.batch(32),
        "mapped": lambda: order.map(np.negative).batch(32),
        "sequence": lambda: Slices(X, 32),
        "generator": lambda: generator([32, 32, 6]),
    }
    for kind, make in cases.items():
        found = list(net.predict_batches(make(), workers=workers))
        assert [len(batch.predictions) for batch in found] == [32, 32, 6]
        assert joined(found).tobytes() == net.predict(make()).tobytes(), kind
        ids = [batch.ids for batch in found]
        if kind in ("sequence", "generator"):
            assert ids == [0, 1, 2]
        else:
            whole = np.concatenate(ids)
            assert whole.dtype == np.int64
            assert sorted(whole) == list(range(70))
            assert (kind == "array") == (whole == np.arange(70)).all()
            x = -X if kind == "mapped" else X
            np.testing.assert_allclose(joined(found), net.predict(x[whole]), rtol=1e-5, atol=1e-6)


def test_processes_of_which_one_is_killed(tmp_path: Path) -> None:
    net = model()
    with nothing_left_behind():
        data = Slices(X, 8, 4, tmp_path)
        found = joined(net.predict_batches(data, workers=2, use_multiprocessing=True))
        with net.predict_batches(data, workers=2, use_multiprocessing=True) as batches:
            next(batches)
    assert (tmp_path / "died").exists()
    assert found.tobytes() == net.predict(X, batch_size=8).tobytes()


def test_outputs_are_packed_as_predict_packs_them() -> None:
    x = Input((4,))
    a, b = layers.Dense(3, name="a")(x), layers.Dense(2, name="b")(x)
    for outputs in ([a, b], {"a": a, "b": b}):
        net = Model(x, outputs)
        expected, found = net.predict(X), list(net.predict_batches(X, 40))
        for key in expected if isinstance(expected, dict) else range(2):
            got = np.concatenate([batch.predictions[key] for batch in found])
            assert got.tobytes() == expected[key].tobytes()


def test_steps_empty_data_and_a_model_that_is_not_built() -> None:
    net = model()
    assert [len(p) for _, p in net.predict_batches(X, 16, steps=2)] == [16, 16]
    assert list(net.predict_batches(X[:0])) == []
    with pytest.warns(UserWarning, match="ran out of data"):
        assert len(list(net.predict_batches(generator([3, 4]), steps=3))) == 2
    with pytest.raises(ValueError, match="at least one batch"):
        list(net.predict_batches(generator([])))
    new = Sequential([layers.Dense(2)])
    assert joined(new.predict_batches(generator([3, 4]))).shape == (7, 2)


def test_predictions_and_ids_are_the_users_own() -> None:
    net, kept = model(), []
    for ids, predictions in net.predict_batches(X, 8):
        assert ids.flags.owndata
        assert predictions.flags.owndata
        assert predictions.flags.writeable
        kept.append((predictions, predictions.copy()))
        ids[:] = -1
    assert all((one == other).all() for one, other in kept)
    for predictions, _ in kept:
        predictions[:] = 0
    assert net.predict(X).all()


def test_arguments_are_checked_at_the_call() -> None:
    net = model()
    with pytest.raises(ValueError, match="steps"):
        net.predict_batches(X, steps=0)
    with pytest.raises(TypeError, match="batch_size"):
        net.predict_batches(X, 2.5)
    with pytest.raises(TypeError, match="is not data"):
        net.predict_batches("x.npy")
    with pytest.raises(ValueError, match="workers"):
        net.predict_batches(X, workers=-1)


@pytest.mark.parametrize("ending", ["close", "with", "forgotten", "error"])
def test_leaving_early_stops_the_workers(ending: str) -> None:
    net = model()
    with nothing_left_behind():
        batches = net.predict_batches(Slices(X, 2), workers=2)
        assert len(next(batches).predictions) == 2
        assert [t for t in threading.enumerate() if t.name.startswith("streamfit")]
        if ending == "close":
            batches.close()
            assert list(batches) == []
            batches.close()
        elif ending == "with":
            with batches:
                next(batches)
        elif ending == "error":
            with pytest.raises(ZeroDivisionError), batches:
                _ = 1 / 0
        del batches
        gc.collect()
    net.fit(X, Y, verbose=0)  # nothing holds the model


def test_an_error_of_the_data_ends_the_iterator() -> None:
    net = Sequential([Input(()), layers.Reshape((1,)), layers.Dense(2)])
    with nothing_left_behind():
        batches = net.predict_batches(Failing(3), workers=2)
        assert len(list(islice(batches, 3))) == 3
        with pytest.raises(KeyError, match="no batch 3"):
            next(batches)
        assert list(batches) == []


# -- beside other calls ------------------------------------------------------------------------------


def test_all_batches_are_of_the_weights_at_the_first_one() -> None:
    net = model()
    expected = net.predict(X, batch_size=8)
    batches = net.predict_batches(X, 8)
    first = next(batches).predictions
    net.fit(X, Y, verbose=0)  # in the middle, in the same thread
    second = next(batches).predictions
    net.set_weights([weight * 0 for weight in net.get_weights()])
    rest = joined(batches)
    assert np.concatenate([first, second, rest]).tobytes() == expected.tobytes()
    assert not net.predict(X).any()


def test_two_iterators_and_other_calls_in_turn() -> None:
    net = model()
    expected, loss = net.predict(X, batch_size=8), net.evaluate(X, Y, verbose=0)
    one, two = net.predict_batches(X, 8), net.predict_batches(X[::-1], 8)
    found: list[list[np.ndarray]] = [[], []]
    for number in range(9):
        found[0].append(next(one).predictions)
        assert net.evaluate(X, Y, verbose=0) == loss
        found[1].append(next(two).predictions)
        assert (net.predict(X[number : number + 5]) == net.predict_on_batch(X[number : number + 5])).all()
    assert np.concatenate(found[0]).tobytes() == expected.tobytes()
    assert np.concatenate(found[1]).tobytes() == net.predict(X[::-1], batch_size=8).tobytes()


class Iterates(Callback):
    """Begins an iterator in a callback, ends it in a later one, and leaves a second one open."""

    def __init__(self) -> None:
        super().__init__()
        self.expected: list[bytes] = []
        self.first: Any = None
        self.second: Any = None
        self.found: list[np.ndarray] = []

    def _begin(self) -> Any:
        self.expected.append(self.model.predict(X, batch_size=8).tobytes())
        batches = self.model.predict_batches(X, 8)
        self.found.append(next(batches).predictions)
        return batches

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch == 2 and self.first is None:
            self.first = self._begin()
        elif batch == 4 and self.second is None:
            self.found[0] = np.concatenate([self.found[0], joined(islice(self.first, 3))])
            self.first.close()
            self.second = self._begin()


def test_an_iterator_in_callbacks_changes_no_bit_of_the_training() -> None:
    def run(*callbacks: Callback) -> tuple[Any, Any]:
        sf.set_random_seed(2)
        net = Sequential([Input((4,)), layers.Dense(5, "tanh"), layers.Dense(3, "softmax")])
        net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        weights = {0: 1.0, 1: 7.0, 2: 0.5}
        labels = np.arange(70) % 3
        history = net.fit(X, labels, 8, 2, 0, list(callbacks), class_weight=weights, seed=4)
        return net, history.history

    watch = Iterates()
    (net, history), (alone, expected) = run(watch), run()
    assert history == expected
    assert [w.tobytes() for w in net.get_weights()] == [w.tobytes() for w in alone.get_weights()]
    later = np.concatenate([watch.found[1], joined(watch.second)])
    assert later.tobytes() == watch.expected[1]  # of the moment at which it began
    assert watch.found[0].tobytes() == watch.expected[0][: watch.found[0].nbytes]


def test_while_another_thread_trains() -> None:
    net, alone = model(), model()
    middle, go_on = threading.Event(), threading.Event()

    class Waits(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 3:
                middle.set()
                assert go_on.wait(20)

    trains = threading.Thread(target=lambda: net.fit(X, Y, 8, verbose=0, seed=4, callbacks=Waits()))
    trains.start()
    try:
        assert middle.wait(20)
        expected = net.predict(X, batch_size=8)
        batches = net.predict_batches(X, 8)
        first = [next(batches).predictions for _ in range(2)]
    finally:
        go_on.set()
        trains.join()
    assert np.concatenate([*first, joined(batches)]).tobytes() == expected.tobytes()
    alone.fit(X, Y, 8, verbose=0, seed=4)
    assert [w.tobytes() for w in net.get_weights()] == [w.tobytes() for w in alone.get_weights()]


def test_threads_may_pass_an_iterator_on() -> None:
    net = model()
    batches, found = net.predict_batches(X, 8), []
    for _ in range(9):
        thread = threading.Thread(target=lambda: found.append(next(batches).predictions))
        thread.start()
        thread.join()
    assert np.concatenate(found).tobytes() == net.predict(X, batch_size=8).tobytes()
