"""Tables that are updated by rows, against the same steps with the whole table: equal to the bit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit import optimizers
from streamfit.kernels import CallList
from streamfit.ops.row_gradient import find_calls, sum_calls
from streamfit.optimizers import tables, update
from streamfit.optimizers.tables import Table

Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True, scope="module")
def small_tables_count() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tables, "SMALLEST", 0)
        yield


Change = Callable[[optimizers.Optimizer], None]

MAKERS: dict[str, Callable[[], optimizers.Optimizer]] = {
    "sgd": lambda: optimizers.SGD(0.1),
    "sgd decay": lambda: optimizers.SGD(0.1, weight_decay=0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "momentum decay": lambda: optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "adagrad decay": lambda: optimizers.Adagrad(0.1, weight_decay=0.1),
    "adagrad without epsilon": lambda: optimizers.Adagrad(0.1, initial_accumulator_value=0.0, epsilon=0.0),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "rmsprop momentum": lambda: optimizers.RMSprop(0.01, momentum=0.8, rho=0.95),
    "adam": lambda: optimizers.Adam(0.01),
    "adam that forgets": lambda: optimizers.Adam(0.01, beta_1=0.0, beta_2=0.5),
    "adam whose m outlives v": lambda: optimizers.Adam(0.01, beta_1=0.99, beta_2=0.5),
    "adam without epsilon": lambda: optimizers.Adam(0.01, epsilon=0.0),
    "adamw": lambda: optimizers.AdamW(0.01),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "clipvalue": lambda: optimizers.Adam(0.01, clipvalue=0.5),
    "clipnorm": lambda: optimizers.Adam(0.01, clipnorm=0.5),
    "global_clipnorm": lambda: optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.5),
    "schedule": lambda: optimizers.Adam(lambda step: 0.01 / (1 + step)),
}
each = pytest.mark.parametrize("make", MAKERS.values(), ids=list(MAKERS))
SIZES = (16, 48, 80, 16)  # two tables, (9, 5) and (11, 7) with gaps behind them, between two other weights
TABLES = [Table(1, (9, 5)), Table(2, (11, 7))]
STARTS = {1: 16, 2: 64}
OWNED = np.r_[0:61, 64:141, 144:160]  # without the gaps


def first_weights(dtype: str, seed: int = 0) -> Array:
    vector = np.zeros(sum(SIZES), dtype)
    rng = np.random.default_rng(seed)
    vector[OWNED] = rng.normal(size=len(OWNED))
    return vector


class Whole:
    """Steps with the whole tables."""

    def __init__(self, optimizer: optimizers.Optimizer, dtype: str) -> None:
        self.optimizer, self.vector = optimizer, first_weights(dtype)
        self.grads = np.zeros_like(self.vector)
        self.step_state = np.zeros(2, np.int64)
        self.bind()

    def bind(self) -> None:
        sizes = np.array(SIZES, np.int64)
        self.calls = CallList(self.optimizer.bind(self.vector, self.grads, sizes, self.step_state))

    def step(self, dense: Array, parts: dict[int, tuple[Array, Array]]) -> None:
        self.optimizer.prepare(int(self.step_state[1]))
        self.grads[:] = 0
        self.grads[:16], self.grads[144:] = dense[:16], dense[16:]
        for table in TABLES:
            ids, gy = parts[table.weight]
            np.add.at(self.table(self.grads, table), ids, gy)
        self.calls.run()
        self.step_state[1] += 1

    @staticmethod
    def table(vector: Array, table: Table) -> Array:
        start = STARTS[table.weight]
        return vector[start : start + table.shape[0] * table.shape[1]].reshape(table.shape)


class ByRows(Whole):
    """Steps with rows."""

    def bind(self) -> None:
        sizes = np.array(SIZES, np.int64)
        self.update = self.optimizer.update(self.vector, self.grads, sizes, self.step_state, TABLES)
        assert list(self.update.tables) == [1, 2]
        self.lists: dict[tuple[int, ...], Any] = {}

    def lists_for(self, lengths: tuple[int, ...]) -> Any:
        if lengths not in self.lists:
            inputs, before, after, gradients = {}, [], [], {}
            for table, n in zip(TABLES, lengths, strict=True):
                ids, gy = np.zeros(n, np.int64), np.zeros((n, table.shape[1]), self.vector.dtype)
                found, calls = find_calls(ids.reshape(n, 1), table.shape[0], np.empty, np.empty)
                before += calls + self.update.tables[table.weight].catch_up(found.rows, found.count)
                gradients[table.weight], calls = sum_calls(found, gy, np.empty)
                after += calls
                inputs[table.weight] = ids, gy
            after += self.update.calls(gradients)
            self.lists[lengths] = inputs, CallList(before), CallList(after)
        return self.lists[lengths]

    def step(self, dense: Array, parts: dict[int, tuple[Array, Array]], like: Whole | None = None) -> None:
        self.optimizer.prepare(int(self.step_state[1]))
        self.grads[:] = np.nan  # parts of tables are not to be read
        self.grads[:16], self.grads[144:] = dense[:16], dense[16:]
        inputs, before, after = self.lists_for(tuple(len(parts[table.weight][0]) for table in TABLES))
        for weight, (ids, gy) in parts.items():
            inputs[weight][0][:], inputs[weight][1][:] = ids, gy
        before.run()
        if like is not None:  # what a batch reads is up to date
            for table in TABLES:
                ids = parts[table.weight][0]
                same_bits(self.table(self.vector, table)[ids], self.table(like.vector, table)[ids])
        after.run()
        self.step_state[1] += 1


def same_bits(found: Array, wanted: Array) -> None:
    if found.tobytes() == wanted.tobytes():
        return
    np.testing.assert_array_equal(found, wanted)
    assert (found + 0).tobytes() == (wanted + 0).tobytes()  # NaN too; a zero may have another sign


def draw_step(rng: np.random.Generator, most: int = 3) -> tuple[Array, dict[int, tuple[Array, Array]]]:
    parts = {}
    for table in TABLES:
        n = int(rng.integers(1, most + 1))
        ids = rng.integers(0, table.shape[0], n)
        parts[table.weight] = ids, rng.normal(size=(n, table.shape[1])).astype("float32")
    return rng.normal(size=32), parts


def compare(
    make: Callable[[], optimizers.Optimizer],
    dtype: str,
    steps: Sequence[tuple[Array, dict[int, tuple[Array, Array]]]],
    changes: dict[int, Change] | None = None,
) -> None:
    """Take the same steps with rows and with the whole, and compare after some of them and in the end."""
    with np.errstate(all="ignore"):
        whole, rows = Whole(make(), dtype), ByRows(make(), dtype)
        for number, (dense, parts) in enumerate(steps):
            for side in (whole, rows):
                if changes and number in changes:
                    revision = side.optimizer.revision
                    changes[number](side.optimizer)
                    if side.optimizer.revision != revision:
                        side.bind()
            whole_before = Whole.__new__(Whole)
            whole_before.vector = whole.vector.copy()
            whole.step(dense, parts)
            rows.step(dense, parts, whole_before)
        rows.update.settle()
        same_bits(rows.vector[OWNED], whole.vector[OWNED])
        assert rows.optimizer.state.keys() == whole.optimizer.state.keys()
        for name, vector in whole.optimizer.state.items():
            same_bits(rows.optimizer.state[name][OWNED], vector[OWNED])


@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(seed=st.integers(0, 2**32), count=st.integers(0, 30))
@settings(max_examples=5)
def test_rows_get_the_bits_of_the_whole(
    make: Callable[[], optimizers.Optimizer], dtype: str, seed: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    compare(make, dtype, [draw_step(rng) for _ in range(count)])


@pytest.mark.jit
@each
def test_full_histories(make: Callable[[], optimizers.Optimizer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LENGTH", 5)
    rng = np.random.default_rng(1)
    compare(make, "float32", [draw_step(rng, most=1) for _ in range(33)])


@pytest.mark.jit
@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_that_rest_for_thousands_of_steps(make: Callable[[], optimizers.Optimizer], dtype: str) -> None:
    """Means fade until they change nothing, and further until they are zero or do not shrink any more."""
    rng = np.random.default_rng(2)
    steps = [draw_step(rng, most=6) for _ in range(20)]
    quiet = {table.weight: (np.zeros(1, np.int64), np.zeros((1, table.shape[1]))) for table in TABLES}
    steps += [(np.zeros(32), quiet)] * 5000
    steps += [draw_step(rng, most=6) for _ in range(5)]
    compare(make, dtype, steps)


SWITCHES: list[Change] = [
    lambda o: setattr(o, "learning_rate", 0.5) if not o.follows_schedule else None,
    lambda o: setattr(o, "learning_rate", 0.0) if not o.follows_schedule else None,
    lambda o: setattr(o, "weight_decay", 0.2),
    lambda o: setattr(o, "weight_decay", None),
    lambda o: setattr(o, "clipnorm", None if o.clipnorm else 0.3) if not _other_clip(o) else None,
    lambda o: setattr(o, "epsilon", 1e-3) if hasattr(o, "epsilon") else None,
    lambda o: setattr(o, "epsilon", 0.0) if hasattr(o, "epsilon") else None,
    lambda o: setattr(o, "beta_2", 0.9) if isinstance(o, optimizers.Adam) else None,
    lambda o: setattr(o, "rho", 0.5) if isinstance(o, optimizers.RMSprop) else None,
    lambda o: setattr(o, "momentum", 0.3) if isinstance(o, optimizers.SGD) else None,
    lambda o: setattr(o, "momentum", 0.0) if isinstance(o, optimizers.SGD) else None,
    lambda o: setattr(o, "iterations", 7),
]


def _other_clip(optimizer: optimizers.Optimizer) -> bool:
    return optimizer.clipvalue is not None or optimizer.global_clipnorm is not None


@pytest.mark.jit
@each
@given(
    seed=st.integers(0, 2**32),
    changes=st.dictionaries(st.integers(0, 19), st.sampled_from(SWITCHES), max_size=5),
)
@settings(max_examples=8, deadline=None)
def test_settings_count_for_the_steps_that_had_them(
    make: Callable[[], optimizers.Optimizer], seed: int, changes: dict[int, Change]
) -> None:
    rng = np.random.default_rng(seed)
    compare(make, "float32", [draw_step(rng) for _ in range(20)], changes)


@pytest.mark.jit
@each
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite(make: Callable[[], optimizers.Optimizer], bad: float) -> None:
    rng = np.random.default_rng(3)
    for where in ("table", "other weight", "rate"):
        steps = [draw_step(rng) for _ in range(12)]
        changes: dict[int, Change] = {}
        if where == "table":
            steps[6][1][1][1][0, 2] = bad
        elif where == "other weight":
            steps[6][0][3] = bad
        else:
            rate = abs(bad)

            def spoil(optimizer: optimizers.Optimizer, rate: float = rate) -> None:
                optimizer._schedule = lambda step: rate if step == 6 else 0.01

            changes = {0: spoil}
        compare(make, "float32", steps, changes)


def test_a_lazy_row_moves_in_the_steps_that_read_it_and_in_no_others() -> None:
    rng = np.random.default_rng(4)
    lazy = ByRows(optimizers.LazyAdam(0.01, weight_decay=0.1), "float64")
    count = 15
    steps = [draw_step(rng) for _ in range(count)]
    table = TABLES[0]
    w = Whole.table(lazy.vector, table).copy()
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, (dense, parts) in enumerate(steps, start=1):
        lazy.step(dense, parts)
        ids, gy = parts[table.weight]
        g = np.zeros_like(w)
        np.add.at(g, ids, gy)
        read = np.unique(ids)
        m[read] = 0.9 * m[read] + 0.1 * g[read]
        v[read] = 0.999 * v[read] + 0.001 * g[read] ** 2
        rate = 0.01 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        w[read] -= 0.01 * 0.1 * w[read]
        w[read] -= rate * m[read] / (np.sqrt(v[read]) + 1e-7)
    np.testing.assert_allclose(Whole.table(lazy.vector, table), w, rtol=1e-12)
    np.testing.assert_allclose(Whole.table(lazy.optimizer.state["m"], table), m, rtol=1e-12)


def test_a_lazy_optimizer_that_reads_all_rows_is_adam() -> None:
    rng = np.random.default_rng(5)
    lazy, adam = ByRows(optimizers.LazyAdam(0.01), "float32"), Whole(optimizers.Adam(0.01), "float32")
    for _ in range(10):
        parts = {t.weight: (np.arange(t.shape[0]), rng.normal(size=t.shape)) for t in TABLES}
        parts = {weight: (ids, gy.astype("float32")) for weight, (ids, gy) in parts.items()}
        dense = rng.normal(size=32)
        lazy.step(dense, parts)
        adam.step(dense, parts)
    same_bits(lazy.vector, adam.vector)


@pytest.mark.parametrize(
    "optimizer",
    [optimizers.Adadelta(), optimizers.Adamax(), optimizers.Nadam(), optimizers.RMSprop(centered=True)],
    ids=lambda optimizer: optimizer.name,
)
def test_other_optimizers_update_tables_as_wholes(optimizer: optimizers.Optimizer) -> None:
    vector = first_weights("float32")
    made = optimizer.update(vector, np.zeros_like(vector), np.array(SIZES), np.zeros(2, np.int64), TABLES)
    assert not made.tables
    assert made.calls({})


ODD = [0.0, 1.0, 1e-7, 1e-12, 1e-30, -1e-3, np.inf, np.nan]


@pytest.mark.jit
@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=5)
def test_states_that_somebody_changes_count(
    make: Callable[[], optimizers.Optimizer], dtype: str, seed: int
) -> None:
    """Small means beside large squares, NaN where the weight is none, rows at rest that are woken."""
    rng = np.random.default_rng(seed)
    values = {n: rng.choice(ODD, sum(SIZES)) for n in make().first_values()}

    def spoil(optimizer: optimizers.Optimizer) -> None:
        for name, vector in optimizer.state.items():
            vector[:] = values[name]

    with np.errstate(over="ignore"):
        compare(make, dtype, [draw_step(rng, most=1) for _ in range(40)], {4: spoil})


def test_a_mean_that_moves_nothing_may_do_so_later_when_the_root_below_it_has_shrunk() -> None:
    def spoil(optimizer: optimizers.Optimizer) -> None:
        optimizer.state["m"][:], optimizer.state["v"][:] = 1e-10, 1.0

    quiet = {table.weight: (np.zeros(1, np.int64), np.zeros((1, table.shape[1]))) for table in TABLES}
    compare(MAKERS["adam whose m outlives v"], "float64", [(np.zeros(32), quiet)] * 60, {1: spoil})
    compare(MAKERS["adam whose m outlives v"], "float32", [(np.zeros(32), quiet)] * 60, {1: spoil})


def test_small_tables_are_updated_as_wholes_where_the_bits_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables, "SMALLEST", 11 * 7)
    vector, sizes = first_weights("float32"), np.array(SIZES)
    for optimizer, found in (
        (optimizers.Adam(), [2]),
        (optimizers.SGD(), [2]),
        (optimizers.LazyAdam(), [1, 2]),
    ):
        made = optimizer.update(vector, vector.copy(), sizes, np.zeros(2, np.int64), TABLES)
        assert list(made.tables) == found


@pytest.mark.parametrize("tables_at", [[], [0], [2], [0, 1], [1, 3], [0, 1, 2, 3]])
def test_stretches_are_the_weights_between_tables(tables_at: list[int]) -> None:
    sizes = np.array([3, 1, 4, 2])
    owner = np.repeat(np.arange(4), sizes)
    found = update.stretches(sizes, tables_at)
    covered = [owner[s.place].tolist() for s in found]
    assert sorted(itertools.chain.from_iterable(covered)) == [w for w in owner.tolist() if w not in tables_at]
    for s in found:
        assert sorted(set(owner[s.place].tolist())) == list(range(s.first, s.stop))
        assert s.stop - s.first >= 1
    assert all(a.stop < b.first for a, b in itertools.pairwise(found))
