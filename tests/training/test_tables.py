"""Models with tables of embeddings: updated by rows, they train to the bits of the whole tables."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import Model, Sequential, callbacks, layers, ops, optimizers
from streamfit._base.errors import NonFiniteError
from streamfit.layers import Layer
from streamfit.ops import Variable
from streamfit.optimizers import tables
from streamfit.optimizers.tables import LENGTH
from streamfit.program import program as program_module

Array = np.ndarray[Any, Any]
ROWS, WIDTH = 60, 5


@pytest.fixture(autouse=True)
def small_tables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SMALLEST", 0)


class Lookup(Layer):
    """A table of embeddings, perhaps read in other ways as well."""

    def __init__(self, rows: int = ROWS, width: int = WIDTH, regularizer: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.rows, self.width, self.regularizer = rows, width, regularizer

    def build(self, input_shape: Any) -> None:
        self.table = self.add_weight(
            "table", (self.rows, self.width), "uniform", regularizer=self.regularizer
        )

    def call(self, ids: Any) -> Any:
        return ops.mean(ops.take(self.table, ids), axis=1)


class Both(Lookup):
    """Two lookups in one table: of the ids, and of their neighbours."""

    def call(self, ids: Any) -> Any:
        near = ops.minimum(ids + 1.0, float(self.rows - 1))
        return ops.mean(ops.take(self.table, ids) * 2.0 - ops.take(self.table, near), axis=1)


class Tied(Lookup):
    """A lookup in a table that a product reads as well."""

    def call(self, ids: Any) -> Any:
        return ops.matmul(ops.mean(ops.take(self.table, ids), axis=1), ops.transpose(self.table))


def data(batches: int = 12, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, ROWS // 3, (8 * batches, 4)) * rng.integers(1, 4, (8 * batches, 1))
    return ids.astype("int64"), rng.normal(size=(8 * batches, 2)).astype("float32")


def make(
    optimizer: optimizers.Optimizer | None = None, kind: type[Lookup] = Lookup, **options: Any
) -> Sequential:
    layer = kind(input_shape=(4,), **options)
    model = Sequential([layer, layers.Dense(3, activation="tanh"), layers.Dense(2)])
    model.compile(optimizer or optimizers.Adam(0.05), loss="mse")
    rng = np.random.default_rng(7)
    model.predict(np.zeros((1, 4), "int64"), verbose=0)
    model.set_weights([rng.normal(size=w.shape).astype("float32") for w in model.get_weights()])
    return model


def tables_of(model: Any) -> list[Variable]:
    training = model._runner._built.programs._training
    return list(training.tables) if training is not None else []


@pytest.fixture
def in_both_ways(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Return a function that runs another one with tables by rows, then with whole ones, and compares."""

    def compare(act: Callable[[], Any]) -> None:
        by_rows = act()
        with monkeypatch.context() as patched:
            patched.setattr(program_module, "find_tables", lambda nodes, read: [])
            whole = act()
        assert len(by_rows) == len(whole) > 0
        for found, wanted in zip(by_rows, whole, strict=True):
            np.testing.assert_array_equal(found, wanted)

    return compare


Both_ = Callable[[Callable[[], Any]], None]
OPTIMIZERS: list[Callable[[], optimizers.Optimizer]] = [
    lambda: optimizers.SGD(0.1),
    lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    lambda: optimizers.Adagrad(0.1),
    lambda: optimizers.RMSprop(0.01),
    lambda: optimizers.RMSprop(0.01, centered=True),
    lambda: optimizers.Adam(0.05),
    lambda: optimizers.AdamW(0.05),
    lambda: optimizers.Adam(0.05, amsgrad=True),
    lambda: optimizers.Adam(0.05, global_clipnorm=0.01),
    lambda: optimizers.Adam(0.05, clipnorm=0.01),
    lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)),
    lambda: optimizers.Nadam(0.05),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", [Lookup, Both, Tied])
def test_fit_gives_the_same_bits(
    optimizer: Callable[[], optimizers.Optimizer], kind: type[Lookup], in_both_ways: Both_
) -> None:
    def act() -> list[Array]:
        model = make(optimizer(), kind)
        x, y = data()
        if kind is Tied:
            model = Sequential([Tied(input_shape=(4,)), layers.Dense(2)])
            model.compile(optimizer(), loss="mse")
            model.predict(x[:1], verbose=0)
            rng = np.random.default_rng(7)
            model.set_weights([0.2 * rng.normal(size=w.shape) for w in model.get_weights()])
        history = model.fit(x, y, batch_size=8, epochs=2, verbose=0, seed=1, validation_data=(x[:20], y[:20]))
        assert np.isfinite(history.history["val_loss"]).all()
        states = [vector for _, vector in sorted(model.optimizer.state.items())]
        return [*model.get_weights(), *states, *history.history.values()]

    in_both_ways(act)


def test_which_weights_are_tables() -> None:
    x, y = data(2)
    for kind, options, count in (
        (Lookup, {}, 1),
        (Both, {}, 1),
        (Lookup, {"regularizer": "l2"}, 0),
        (Lookup, {"trainable": False}, 0),
    ):
        model = make(None, kind, **options)
        model.fit(x, y, batch_size=8, verbose=0)
        assert len(tables_of(model)) == count, (kind, options)
    model = make(optimizers.Nadam())
    model.fit(x, y, batch_size=8, verbose=0)
    assert not tables_of(model)


class Reading(callbacks.Callback):
    """Look at weights and states in the middle of an epoch."""

    def __init__(self, look: Callable[[Any], Array]) -> None:
        super().__init__()
        self.look, self.seen = look, list[Array]()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch % 5 == 3:
            self.seen.append(np.array(self.look(self.model)))


LOOKS: dict[str, Callable[[Any], Array]] = {
    "get_weights": lambda model: model.get_weights()[0],
    "value": lambda model: model.weights[0].value,
    "numpy": lambda model: model.weights[0].numpy(),
    "array": lambda model: np.asarray(model.weights[0]),
    "layer": lambda model: model.layers[0](np.arange(ROWS).reshape(15, 4)),
    "predict": lambda model: model.predict(np.arange(ROWS).reshape(15, 4), verbose=0),
    "evaluate": lambda model: model.evaluate(*data(2, seed=5), verbose=0),
    "state": lambda model: model.optimizer.state["m"],
    "pickle": lambda model: pickle.loads(pickle.dumps(model)).get_weights()[0],
    "deepcopy": lambda model: copy.deepcopy(model).get_weights()[0],
    "copied states": lambda model: copy.deepcopy(model).optimizer.state["v"],
    "pickled optimizer": lambda model: pickle.loads(pickle.dumps(model.optimizer)).state["m"],
    "pickled weight": lambda model: pickle.loads(pickle.dumps(model.weights[0])).value,
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=list(LOOKS))
def test_whoever_looks_sees_all_rows_up_to_date(look: Callable[[Any], Array], in_both_ways: Both_) -> None:
    def act() -> list[Array]:
        model, reading = make(), Reading(look)
        x, y = data()
        model.fit(x, y, batch_size=8, epochs=2, verbose=0, seed=1, callbacks=[reading])
        return [*reading.seen, *model.get_weights()]

    in_both_ways(act)


def test_weights_that_are_overwritten_are_not_moved_by_earlier_steps(in_both_ways: Both_) -> None:
    def act() -> list[Array]:
        model = make()
        x, y = data()
        for number in range(6):
            rows = slice(8 * number, 8 * number + 8)
            model.train_on_batch(x[rows], y[rows])
            if number == 2:
                model.weights[0].assign(np.ones((ROWS, WIDTH)))
            if number == 4:
                model.set_weights([w * 0.5 for w in model.get_weights()])
        return model.get_weights()

    in_both_ways(act)


def test_settings_that_change_between_batches(in_both_ways: Both_) -> None:
    def act() -> list[Array]:
        model = make(optimizers.SGD(0.1, momentum=0.9))
        x, y = data()
        for number in range(12):
            rows = slice(8 * number, 8 * number + 8)
            if number == 3:
                model.optimizer.learning_rate = 0.02
            if number == 5:
                model.optimizer.momentum = 0.0
            if number == 8:
                model.optimizer.weight_decay = 0.1
            if number == 9:
                model.optimizer.momentum = 0.5
            model.train_on_batch(x[rows], y[rows])
        return model.get_weights()

    in_both_ways(act)


def test_an_optimizer_may_stop_and_begin_to_update_by_rows(in_both_ways: Both_) -> None:
    def act() -> list[Array]:
        model = make(optimizers.RMSprop(0.01))
        x, y = data()
        for number in range(12):
            rows = slice(8 * number, 8 * number + 8)
            model.optimizer.centered = number in (4, 5, 6)
            model.train_on_batch(x[rows], y[rows])
        return model.get_weights()

    in_both_ways(act)


class Switched(Lookup):
    """A lookup in a table that a product reads as well, as long as `whole` is set."""

    whole = False

    def call(self, ids: Any) -> Any:
        read = ops.mean(ops.take(self.table, ids), axis=1)
        return read + 0.1 * ops.mean(self.table, axis=0) if self.whole else read


@pytest.mark.parametrize("first", [True, False])
def test_a_table_that_a_later_program_reads_in_another_way(first: bool, in_both_ways: Both_) -> None:
    found: list[int] = []

    def act() -> list[Array]:
        model = make(optimizers.SGD(0.1, momentum=0.9), Switched)
        x, y = data()
        found.clear()
        for number in range(9):
            model.layers[0].whole = first if number // 3 % 2 else not first
            rows = slice(8 * number, 8 * number + 8)
            model.train_on_batch(x[rows], y[rows])
            found.append(len(tables_of(model)))
        return model.get_weights()

    model = act()
    assert found == ([1, 1, 1, 0, 0, 0, 0, 0, 0] if first else [0] * 9)
    assert np.isfinite(model[0]).all()
    in_both_ways(act)


def test_partial_and_longer_batches(in_both_ways: Both_) -> None:
    def act() -> list[Array]:
        model = make()
        x, y = data()
        for start, stop in ((0, 8), (8, 11), (11, 40), (40, 41), (41, 49), (49, 52)):
            model.train_on_batch(x[start:stop], y[start:stop])
        return model.get_weights()

    in_both_ways(act)


def test_targets_of_another_shape_make_another_program_over_the_same_tables(in_both_ways: Both_) -> None:
    def act() -> list[Array]:
        model = make()
        x, y = data()
        for number in range(6):
            rows = slice(8 * number, 8 * number + 8)
            weight = np.ones(8) if number % 2 else None
            model.train_on_batch(x[rows], y[rows], sample_weight=weight)
        return model.get_weights()

    in_both_ways(act)


def test_two_models_with_one_table(in_both_ways: Both_) -> None:
    """One trains by lookups, one reads it whole, one keeps it frozen; each sees what the others have done."""

    def act() -> list[Array]:
        x, y = data()
        first = make()
        table = first.layers[0]
        head = Sequential([table, layers.Dense(2, kernel_initializer="ones")])
        head.compile(optimizers.SGD(0.1, momentum=0.9), loss="mse")

        class Product(Layer):
            def call(self, inputs: Any) -> Any:
                return ops.matmul(inputs, table.table)

        whole = Sequential([Product(input_shape=(ROWS,))])
        seen = []
        for number in range(6):
            rows = slice(8 * number, 8 * number + 8)
            first.train_on_batch(x[rows], y[rows])
            first.train_on_batch(x[rows], y[rows])
            seen.append(whole.predict(np.eye(ROWS, dtype="float32"), verbose=0))
            head.train_on_batch(x[rows], y[rows])
            seen.append(first.predict(x[:9], verbose=0))
        return [*seen, *first.get_weights(), *head.get_weights()]

    in_both_ways(act)


def test_a_frozen_table_is_read_as_the_other_model_has_trained_it(in_both_ways: Both_) -> None:
    def act() -> list[Array]:
        x, y = data()
        first = make()
        table = first.layers[0]
        table.trainable = False
        head = Sequential([table, layers.Dense(2, kernel_initializer="ones")])
        head.compile(optimizers.SGD(0.1), loss="mse")
        for number in range(6):
            rows = slice(8 * number, 8 * number + 8)
            first.train_on_batch(x[rows], y[rows])
            head.train_on_batch(x[rows][::-1], y[rows])
        return [*first.get_weights(), *head.get_weights()]

    in_both_ways(act)


def test_saved_weights_and_resumed_runs(in_both_ways: Both_, tmp_path: Path) -> None:
    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 7 and not stopped:
                stopped.append(True)
                raise KeyboardInterrupt

    count = iter(range(100))
    stopped: list[bool] = []

    def act() -> list[Array]:
        stopped.clear()
        folder = tmp_path / str(next(count))
        x, y = data()
        for _ in range(2):
            model = make()
            backup = callbacks.BackupAndRestore(str(folder), save_freq=3)
            try:
                model.fit(x, y, batch_size=8, epochs=2, verbose=0, seed=1, callbacks=[backup, Stop()])
            except KeyboardInterrupt:
                continue
        model.save_weights(str(folder) + ".safetensors")
        again = make()
        again.load_weights(str(folder) + ".safetensors")
        return [*model.get_weights(), *again.get_weights()]

    in_both_ways(act)
    model = make()
    model.fit(*data(), batch_size=8, epochs=2, verbose=0, seed=1)
    np.testing.assert_array_equal(model.get_weights()[0], act()[0])


def test_a_gradient_that_is_not_finite_stops_the_step_and_names_the_table() -> None:
    class Root(Layer):
        def call(self, inputs: Any) -> Any:
            return ops.sqrt(inputs)  # its slope at 0 is infinite

    class Rows(Lookup):
        def call(self, ids: Any) -> Any:
            return ops.take(self.table, ids)

    def spoilt() -> Sequential:
        model = Sequential([Rows(input_shape=(2,), name="rows"), Root()])
        model.compile(optimizers.SGD(0.1, momentum=0.5), loss="mse")
        model.predict(x[:1], verbose=0)
        weights = np.ones((ROWS, WIDTH), "float32")
        weights[x[17, 1]] = 0.0
        model.set_weights([weights])
        return model

    x, y = np.arange(48).reshape(24, 2), np.ones((24, 2, WIDTH))
    guard = callbacks.TerminateOnNaN(raise_error=True, before_update=True)
    model, calm = spoilt(), spoilt()
    with pytest.raises(NonFiniteError) as caught:
        model.fit(x, y, batch_size=8, shuffle=False, verbose=0, callbacks=[guard])
    assert tables_of(model)
    assert (caught.value.batch, caught.value.weights) == (2, ["rows/table"])
    calm.fit(x[:16], y[:16], batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], calm.get_weights()[0])


def test_a_reader_beside_the_training_sees_one_moment() -> None:
    """Another thread looks at the table all the time; the training keeps its bits."""
    x, y = data(60)
    quiet, busy = make(), make()
    quiet.fit(x, y, batch_size=8, epochs=3, verbose=0, seed=1)
    done, errors, looks = threading.Event(), list[BaseException](), [0]

    def look() -> None:
        try:
            while not done.is_set():
                assert np.isfinite(busy.predict(np.arange(ROWS).reshape(15, 4), verbose=0)).all()
                busy.weights[0].numpy()
                assert busy.weights[0].value.shape == (ROWS, WIDTH)
                looks[0] += 1
        except BaseException as error:
            errors.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    try:
        busy.fit(x, y, batch_size=8, epochs=3, verbose=0, seed=1)
        while not looks[0] and reader.is_alive():
            pass
    finally:
        done.set()
        reader.join(60)
    assert not errors
    assert looks[0]
    for found, wanted in zip(busy.get_weights(), quiet.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.jit
def test_a_run_longer_than_the_history_of_steps(in_both_ways: Both_) -> None:
    x, y = data(4)

    def act() -> list[Array]:
        model = make()
        model.fit(x, y, batch_size=8, epochs=LENGTH // 4 + 5, verbose=0, seed=1)
        return model.get_weights()

    in_both_ways(act)


def test_lazy_adam_leaves_rows_alone() -> None:
    model = make(optimizers.LazyAdam(0.05))
    x, y = data(3)
    before = model.get_weights()[0]
    model.fit(x, y, batch_size=8, epochs=3, verbose=0)
    after = model.get_weights()[0]
    moved = (after != before).any(axis=1)
    assert set(np.flatnonzero(moved)) == set(np.unique(x))
    assert not model.optimizer.state["m"][:0].any()


def test_an_id_out_of_range_is_nan_and_moves_no_row() -> None:
    model = make(optimizers.SGD(0.1))
    x, y = data(1)
    before = model.get_weights()[0]
    x[:] = ROWS
    x[:, 0] = -1
    model.train_on_batch(x, y)
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_functional_models_with_two_tables(in_both_ways: Both_) -> None:
    def act() -> list[Array]:
        words, places = layers.Input((4,), dtype="int64"), layers.Input((4,), dtype="int64")
        first, second = Lookup(name="words"), Lookup(width=3, name="places")
        joined = layers.Concatenate()([first(words), second(places), first(places)])
        model = Model([words, places], layers.Dense(2, kernel_initializer="ones")(joined))
        model.compile(optimizers.Adam(0.05, global_clipnorm=0.05), loss="mse")
        rng = np.random.default_rng(7)
        model.set_weights([rng.normal(size=w.shape).astype("float32") for w in model.get_weights()])
        x, y = data()
        model.fit([x, x[::-1].copy()], y, batch_size=8, epochs=2, verbose=0, seed=1)
        assert len(tables_of(model)) in (0, 2)
        return model.get_weights()

    in_both_ways(act)
