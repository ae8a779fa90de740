"""`Sequence.rng` wherever it is called: keyed by seed, pass, index and object, or an error."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from oracles.leaks import nothing_left_behind

import streamfit
from streamfit import Sequence, Source, SourceTraits, StreamfitError, Ticket

pytestmark = pytest.mark.timeout(60)

BATCHES, ROWS = 3, 60


class Noise(Sequence):
    def __len__(self) -> int:
        return BATCHES

    def __getitem__(self, index: int) -> Any:
        return self.rng(index).normal(size=(ROWS, 1))


class InPool(Sequence):
    """Rows are drawn on threads of a pool that lives as long as the object."""

    def __init__(self) -> None:
        super().__init__()
        self.pool: ThreadPoolExecutor | None = None

    def __getstate__(self) -> Any:
        return self.__dict__ | {"pool": None}

    def __len__(self) -> int:
        return BATCHES

    def row(self, index: int) -> Any:
        return self.rng(index).normal(size=(1, 1))

    def __getitem__(self, index: int) -> Any:
        if self.pool is None:
            self.pool = ThreadPoolExecutor(3)
        return np.concatenate(list(self.pool.map(self.row, range(ROWS * index, ROWS * index + ROWS))))


class InThread(Noise):
    def __getitem__(self, index: int) -> Any:
        made: list[Any] = []
        thread = threading.Thread(target=lambda: made.append(super(InThread, self).__getitem__(index)))
        thread.start()
        thread.join()
        return made[0]


class Columns(Noise):
    """Several objects in one, held in all kinds of containers."""

    def __init__(self) -> None:
        super().__init__()
        self.listed = [Noise(), Noise()]
        self.named = {"left": Noise()}
        self.bound = partial(Noise.__getitem__, Noise())
        inner = Noise()
        self.closed = lambda index: inner[index]

    def makers(self) -> list[Any]:
        return [super().__getitem__, *(part.__getitem__ for part in (*self.listed, self.named["left"])),
                self.bound, self.closed]  # fmt: skip

    def __getitem__(self, index: int) -> Any:
        return np.hstack([make(index) for make in self.makers()])


class ColumnsInPool(Columns):
    def __getitem__(self, index: int) -> Any:
        with ThreadPoolExecutor(2) as pool:
            return np.hstack(list(pool.map(lambda make: make(index), self.makers())))


OUTSIDE = Noise()


class MadeInTheLoad(Noise):
    """Its parts are not in attributes: one is created for each batch, one is in the module."""

    def __getitem__(self, index: int) -> Any:
        return np.hstack([Noise()[index], Noise()[index], OUTSIDE[index], super().__getitem__(index)])


class Hooks(Noise):
    def on_epoch_begin(self) -> None:
        self.begun = self.rng(0).normal(size=(ROWS, 1))

    def on_epoch_end(self) -> None:
        self.ended = self.rng(0).normal(size=(ROWS, 1))

    def __getitem__(self, index: int) -> Any:
        ended = getattr(self, "ended", np.zeros((ROWS, 1)))
        return np.hstack([self.begun, ended, self.rng(0).normal(size=(ROWS, 1))])


class TwoSensors(Source):
    """A source of the user's that reads two sequences."""

    traits = SourceTraits(in_workers=True)

    def __init__(self, seed: int = 0) -> None:
        self.seed, self.left, self.right = seed, Noise(), Noise()

    def batches(self, data_epoch: int) -> int:
        return BATCHES

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        return (Ticket(data_epoch, number, number) for number in range(start, BATCHES))

    def load(self, ticket: Ticket) -> Any:
        return np.hstack([self.left[ticket.ids], self.right[ticket.ids]]), None, None


def read(make: Any, seed: int, **options: Any) -> list[Any]:
    with streamfit.stream(make(), seed=seed, **options) as batches:
        return [np.concatenate(list(batches)) for _ in range(3)]


WORKERS: list[Any] = [{}, {"workers": 1}, {"workers": 3}, {"workers": 2, "use_multiprocessing": True}]
OBJECTS = [InPool, InThread, Columns, ColumnsInPool, MadeInTheLoad]


def correlation(table: Any) -> float:
    found = np.atleast_2d(np.corrcoef(table.T))
    return float(np.abs(found - np.eye(len(found))).max())


@pytest.mark.parametrize("make", OBJECTS)
def test_draws_differ_by_seed_pass_index_and_object_and_repeat(make: Any) -> None:
    passes = read(make, 1)
    assert len({batch.tobytes() for whole in passes for batch in np.split(whole, BATCHES)}) == 3 * BATCHES
    assert not np.array_equal(passes[0], read(make, 2)[0])
    assert correlation(np.concatenate(passes)) < 0.25
    for options in WORKERS:
        with nothing_left_behind():
            assert np.array_equal(passes, read(make, 1, **options)), options


def test_draws_are_those_of_the_object_alone_whatever_thread_draws() -> None:
    assert np.array_equal(read(InThread, 5), read(Noise, 5))


def test_objects_have_the_same_draws_after_pickling() -> None:
    def copied() -> Any:
        return pickle.loads(pickle.dumps(TwoSensors(3)))

    assert np.array_equal(read(partial(TwoSensors, 3), 1), read(copied, 1))


def test_a_source_of_the_users_gives_its_sequences_draws_of_their_own() -> None:
    passes = read(partial(TwoSensors, 3), 1)
    assert correlation(np.concatenate(passes)) < 0.25
    assert not np.array_equal(passes[0], passes[1])
    assert not np.array_equal(passes[0], read(partial(TwoSensors, 4), 1)[0])
    for options in WORKERS[1:]:
        assert np.array_equal(passes, read(partial(TwoSensors, 3), 1, **options))


def test_hooks_have_draws_of_their_own_for_each_pass() -> None:
    passes = read(Hooks, 1)
    begun, ended, drawn = np.stack([whole[:ROWS] for whole in passes]).transpose(2, 0, 1)
    seen = [row.tobytes() for row in (*begun, *ended[1:], *drawn)]
    assert len(set(seen)) == 8
    for options in WORKERS[1:]:
        assert np.array_equal(passes, read(Hooks, 1, **options))
    assert not np.array_equal(passes, read(Hooks, 2))


def test_items_of_a_generator_that_reads_sequences_differ() -> None:
    def items() -> Iterator[Any]:
        left = Noise()
        while True:
            for index in range(BATCHES):
                yield np.hstack([left[index], OUTSIDE[index]])

    def first(seed: int, **options: Any) -> Any:
        with streamfit.stream(items(), seed=seed, **options) as batches:
            return np.stack([batch for batch, _ in zip(batches, range(2 * BATCHES), strict=False)])

    drawn = first(1)
    assert len({batch.tobytes() for batch in drawn}) == 2 * BATCHES
    assert correlation(drawn.reshape(-1, 2)) < 0.25
    assert np.array_equal(drawn, first(1, workers=1))
    assert not np.array_equal(drawn, first(2))


def test_training_and_validation_on_one_object_are_told_apart() -> None:
    data = InPool()
    with streamfit.stream(data, seed=1) as one, streamfit.stream(data, seed=2) as other:
        mixed = [(a.copy(), b.copy()) for a, b in zip(one, other, strict=True)]
    for place, seed in enumerate((1, 2)):
        assert np.array_equal(np.concatenate([pair[place] for pair in mixed]), read(InPool, seed)[0])


# -- calls whose stream cannot be determined ----------------------------------------------------------------


def test_rng_in_init_is_an_error() -> None:
    class Early(Noise):
        def __init__(self) -> None:
            self.order = self.rng(0).permutation(10)

    class EarlyInside(Noise):
        def __init__(self) -> None:
            super().__init__()
            self.table = Noise()[0]

    for make in (Early, EarlyInside):
        with pytest.raises(StreamfitError, match=r"rng of a \w+ in __init__: no stream reads the object yet"):
            make()


def test_object_that_is_not_held_is_an_error_on_other_threads() -> None:
    class Astray(Noise):
        def __getitem__(self, index: int) -> Any:
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(lambda: OUTSIDE[index]).result()

    for options in WORKERS:
        with pytest.raises(StreamfitError, match="rng of a Noise: the call comes from a thread of its own"):
            read(Astray, 1, **options)


def test_by_hand_it_is_pass_0_of_seed_0() -> None:
    assert np.array_equal(np.concatenate([Noise()[index] for index in range(BATCHES)]), read(Noise, 0)[0])


def test_callback_that_looks_at_the_data_sees_the_pass_under_way() -> None:
    seen: list[Any] = []

    class Look(streamfit.callbacks.Callback):
        def __init__(self, data: Any) -> None:
            super().__init__()
            self._data = data

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append(self._data[1])

    class Pairs(Noise):
        def __getitem__(self, index: int) -> Any:
            return super().__getitem__(index), np.zeros((ROWS, 1))

    data = Pairs()
    made = streamfit.Sequential([streamfit.layers.Dense(1, input_shape=(1,))])
    made.compile("sgd", "mse")
    made.fit(data, epochs=2, seed=4, verbose=0, callbacks=[Look(data)])
    want = read(Noise, 4)
    assert len(seen) == 2
    for (x, _), whole in zip(seen, want, strict=False):
        assert np.array_equal(x, whole[ROWS : 2 * ROWS])
