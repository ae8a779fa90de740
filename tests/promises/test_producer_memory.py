"""Memory that the producer still owns never waits in a queue: batches hold the values that it returned."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from oracles.leaks import nothing_left_behind

import streamfit
from streamfit import Model, Sequence, Sequential, Source, SourceTraits, Ticket, layers, optimizers
from streamfit.callbacks import Callback

pytestmark = pytest.mark.timeout(60)

STEPS = 8


class Meter:
    """Counts items, so that a consumer can wait until a producer is ahead of it."""

    def __init__(self) -> None:
        self.made, self._change = 0, threading.Condition()

    def tick(self) -> None:
        with self._change:
            self.made += 1
            self._change.notify_all()

    def wait(self, count: int) -> None:
        with self._change:
            assert self._change.wait_for(lambda: self.made >= count, timeout=20)


class Behind(Callback):
    """Begins a step only when the producer is three items ahead, or at the end."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._meter, self._steps = meter, 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._steps += 1
        self._meter.wait(min(self._steps + 3, STEPS))

    on_test_batch_begin = on_train_batch_begin
    on_predict_batch_begin = on_train_batch_begin


def one_input() -> Model:
    model = Sequential([layers.Dense(1, input_shape=(2,), kernel_initializer="ones")])
    model.compile(optimizers.SGD(0.01), "mse")
    return model


def two_inputs() -> Model:
    first, second = streamfit.Input((2,), name="a"), streamfit.Input((2,), name="b")
    model = Model([first, second], layers.Dense(1)(layers.Concatenate()([first, second])))
    model.compile(optimizers.SGD(0.01), "mse")
    return model


def whole_buffers(meter: Meter) -> Iterator[Any]:
    x, y = np.empty((4, 2), "float32"), np.empty((4, 1), "float32")
    for number in range(STEPS):
        x[:], y[:] = number, -number
        meter.tick()
        yield x, y


def weights_too(meter: Meter) -> Iterator[Any]:
    weights = np.empty(4, "float32")
    for number in range(STEPS):
        weights[:] = number + 1
        meter.tick()
        yield np.full((4, 2), number, "float32"), np.ones((4, 1), "float32"), weights


def views_of_one_block(meter: Meter) -> Iterator[Any]:
    block = np.empty((4, 3), "float32")
    for number in range(STEPS):
        block[:] = number
        meter.tick()
        yield block[:, :2], block[:, 2:]


def raw_memory(meter: Meter) -> Iterator[Any]:
    raw = bytearray(4 * 2 * 4)
    for number in range(STEPS):
        raw[:] = np.full(8, number, "float32").tobytes()
        meter.tick()
        yield np.frombuffer(raw, "float32").reshape(4, 2), np.ones((4, 1), "float32")


def one_tuple(meter: Meter) -> Iterator[Any]:
    item = np.empty((4, 2), "float32"), np.empty((4, 1), "float32")
    for number in range(STEPS):
        for array in item:
            array[:] = number
        meter.tick()
        yield item


def plain_lists(meter: Meter) -> Iterator[Any]:
    rows = [[0.0, 0.0] for _ in range(4)]
    for number in range(STEPS):
        for row in rows:
            row[:] = [float(number), 1.0]
        meter.tick()
        yield rows, [[1.0]] * 4


class Reader:
    """An iterator with buffers of its own, as a reader of a file format has."""

    def __init__(self, meter: Meter) -> None:
        self._meter, self._number = meter, -1
        self._x, self._y = np.empty((4, 2), "float32"), np.empty((4, 1), "float32")

    def __iter__(self) -> Reader:
        return self

    def __next__(self) -> Any:
        self._number += 1
        if self._number == STEPS:
            raise StopIteration
        self._x[:], self._y[:] = self._number, 1
        self._meter.tick()
        return self._x, self._y


class Loader:
    """An iterable that begins again for each pass, with one buffer for all passes."""

    def __init__(self, meter: Meter) -> None:
        self._meter, self._x = meter, np.empty((4, 2), "float32")

    def __iter__(self) -> Iterator[Any]:
        for number in range(STEPS):
            self._x[:] = number
            self._meter.tick()
            yield self._x, np.ones((4, 1), "float32")


def named_inputs(meter: Meter) -> Iterator[Any]:
    inputs = {"a": np.empty((4, 2), "float32"), "b": np.empty((4, 2), "float32")}
    for number in range(STEPS):
        for array in inputs.values():
            array[:] = number
        meter.tick()
        yield inputs, np.ones((4, 1), "float32")


def listed_inputs(meter: Meter) -> Iterator[Any]:
    ring = np.empty((2, 4, 2), "float32")
    for number in range(STEPS):
        ring[:] = number
        meter.tick()
        yield [ring[0], ring[1]], np.ones((4, 1), "float32")


MADE = [whole_buffers, weights_too, views_of_one_block, raw_memory, one_tuple, plain_lists, Reader, Loader]


def trained(make: Callable[[Meter], Any], model: Model, method: str = "fit", **options: Any) -> Any:
    meter = Meter()
    behind = [] if options.get("workers") == 0 else [Behind(meter)]
    run = getattr(model, method)
    history = run(
        make(meter), steps_per_epoch=STEPS, verbose=0, callbacks=behind, audit=True, seed=1, **options
    )
    return history.receipts[0].contents, history.history["loss"]


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_fit_trains_on_what_was_yielded(make: Any) -> None:
    assert trained(make, one_input()) == trained(make, one_input(), workers=0)


@pytest.mark.parametrize("make", [named_inputs, listed_inputs], ids=lambda make: make.__name__)
def test_structures_of_buffers_are_kept_as_they_were(make: Any) -> None:
    streamfit.set_random_seed(3)
    right = trained(make, two_inputs(), workers=0)
    streamfit.set_random_seed(3)
    assert trained(make, two_inputs()) == right


def test_fit_generator_trains_on_what_was_yielded() -> None:
    right = trained(whole_buffers, one_input(), "fit_generator", workers=0)
    assert trained(whole_buffers, one_input(), "fit_generator") == right


@pytest.mark.parametrize("make", [whole_buffers, Reader], ids=lambda make: make.__name__)
def test_predict_and_evaluate_see_what_was_yielded(make: Any) -> None:
    model, meter = one_input(), Meter()
    behind = Behind(meter)
    got = model.predict(make(meter), steps=STEPS, callbacks=[behind])
    assert np.array_equal(got, model.predict(make(Meter()), steps=STEPS, workers=0))
    meter = Meter()
    got = model.evaluate(make(meter), steps=STEPS, callbacks=[Behind(meter)], verbose=0)
    assert got == model.evaluate(make(Meter()), steps=STEPS, workers=0, verbose=0)


def test_validation_sees_what_was_yielded() -> None:
    def validated(**options: Any) -> Any:
        meter = Meter()

        class Slow(Callback):
            def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
                if not options:
                    meter.wait(min(batch + 4, STEPS))

        x, y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
        held = {"validation_data": whole_buffers(meter), "validation_steps": STEPS}
        return one_input().fit(x, y, callbacks=[Slow()], verbose=0, **held, **options).history["val_loss"]

    assert validated() == validated(workers=0)


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_that_a_loop_keeps_stay_as_they_were(workers: int) -> None:
    with streamfit.stream(whole_buffers(Meter()), workers=workers) as batches:
        kept = [x for x, _ in batches]
    assert [int(x[0, 0]) for x in kept] == list(range(STEPS))


# -- by number ----------------------------------------------------------------------------------------------


class OneBuffer(Sequence):
    def __init__(self) -> None:
        super().__init__()
        self.x = np.empty((4, 2), "float32")

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, index: int) -> Any:
        self.x[:] = index
        return self.x, np.full((4, 1), index, "float32")


class BufferedSource(Source):
    traits = SourceTraits(in_workers=True)

    def __init__(self) -> None:
        self.x = np.empty((4, 2), "float32")

    def batches(self, data_epoch: int) -> int:
        return STEPS

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        return (Ticket(data_epoch, number, number) for number in range(start, STEPS))

    def load(self, ticket: Ticket) -> Any:
        self.x[:] = ticket.ids
        return self.x, np.full((4, 1), ticket.ids, "float32"), None


WORKERS = [{"workers": 0}, {}, {"workers": 1}, {"workers": 2, "use_multiprocessing": True}]


@pytest.mark.parametrize("options", WORKERS, ids=str)
@pytest.mark.parametrize("make", [OneBuffer, BufferedSource])
def test_one_buffer_of_an_object_is_right_where_one_load_runs_at_a_time(make: Any, options: Any) -> None:
    with nothing_left_behind():
        with streamfit.stream(make(), **options) as batches:
            kept = list(batches)
        assert [(int(x[0, 0]), int(y[0, 0])) for x, y in kept] == [(n, n) for n in range(STEPS)]
        del kept


class Meeting(OneBuffer):
    """Two loads always run at once: both have written before one returns."""

    def __init__(self) -> None:
        super().__init__()
        self.meet = threading.Barrier(2, timeout=4)  # the last load does not wait

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        self.meet.wait()
        return x, y


def test_one_buffer_for_two_threads_is_an_error_that_says_so() -> None:
    data = Meeting()
    with pytest.raises(
        streamfit.DataError, match=r"Meeting returned the same memory for index . and index ."
    ):
        one_input().fit(data, epochs=3, workers=2, shuffle=False, verbose=0)


class Shared(Meeting):
    """One array of targets for all batches, and a buffer of inputs for each thread."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.y = threading.local(), np.ones((4, 1), "float32")

    def __getitem__(self, index: int) -> Any:
        if not hasattr(self.own, "x"):
            self.own.x = np.empty((4, 2), "float32")
        self.own.x[:] = index
        self.meet.wait()
        return self.own.x, self.y


def test_what_never_changes_and_what_each_thread_has_may_be_given_out_again() -> None:
    with streamfit.stream(Shared(), workers=2) as batches:
        for _ in range(3):
            assert [int(x[0, 0]) for x, _ in list(batches)] == list(range(STEPS))


def test_fresh_arrays_are_passed_on_without_a_copy() -> None:
    made: list[int] = []

    def fresh(number: int) -> Any:
        array = np.full((4, 2), number, "float32")
        made.append(array.__array_interface__["data"][0])
        return array

    def batches() -> Iterator[Any]:
        for number in range(3):
            yield fresh(number), np.zeros((4, 1), "float32")

    with streamfit.stream(batches(), workers=1) as stream:
        kept = list(stream)
    assert [x.__array_interface__["data"][0] for x, _ in kept] == made


def test_batches_that_are_kept_stay_as_they_were_where_bad_ones_are_left_out() -> None:
    class Torn(OneBuffer):
        def __getitem__(self, index: int) -> Any:
            if index == 2:
                raise OSError("torn")
            return super().__getitem__(index)

    with streamfit.stream(Torn(), on_bad_sample="skip", max_bad_samples=1) as batches:
        with pytest.warns(RuntimeWarning, match="left out"):
            kept = list(batches)
        assert [int(x[0, 0]) for x, _ in kept] == [0, 1, 3, 4, 5, 6, 7]
