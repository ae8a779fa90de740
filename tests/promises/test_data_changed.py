"""Data that are changed between two epochs: the change takes effect with the next batch, with any workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from oracles.changing import (
    BATCHES,
    LOADS,
    Duck,
    InNestedObject,
    InSmallArray,
    OfInner,
    OfLargeArray,
    OwnSource,
    Plain,
    batch,
)
from oracles.leaks import nothing_left_behind

from streamfit import Sequential, layers, optimizers
from streamfit.callbacks import Callback

pytestmark = pytest.mark.timeout(90)

STEPS, EPOCHS = 5, 4
INLINE: Any = {"workers": 0}
THREADS: Any = {"workers": 2}
PROCESSES: Any = {"workers": 2, "use_multiprocessing": True}
WORKERS = [INLINE, {}, THREADS, PROCESSES]


class Changing(Callback):
    """Changes the data in one hook, after batches of the next epoch were loaded ahead."""

    def __init__(self, data: Any, hook: str, waits: bool) -> None:
        super().__init__()
        self._data, self._hook, self._waits, self._epoch = data, hook, waits, 0

    def on_train_begin(self, logs: Any = None) -> None:
        if self._hook != "on_epoch_begin":
            self._data.change(1)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        if self._hook == "on_epoch_begin":
            self._ahead(epoch)
            self._data.change(epoch + 1)

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        if self._hook == "on_train_batch_end" and step == STEPS - 1:
            self._ahead(self._epoch + 1)
            self._data.change(self._epoch + 2)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._hook == "on_epoch_end":
            self._ahead(epoch + 1)
            self._data.change(epoch + 2)

    def _ahead(self, epochs: int) -> None:
        if self._waits and 0 < epochs < EPOCHS:
            length = getattr(self._data, "length", BATCHES)
            LOADS.wait(min(STEPS * epochs + 3, -(-STEPS * epochs // length) * length))


def model() -> Any:
    made = Sequential([layers.Dense(1, input_shape=(1,), kernel_initializer="zeros")])
    made.compile(optimizers.SGD(0.0), "mae")
    return made


def levels(data: Any, hook: str, options: Any, method: str = "fit") -> tuple[list[float], list[Any]]:
    LOADS.clear()
    waits = options.get("workers") != 0 and "use_multiprocessing" not in options
    run = getattr(model(), method)
    callbacks = [Changing(data, hook, waits)]
    history = run(
        data, epochs=EPOCHS, steps_per_epoch=STEPS, callbacks=callbacks, verbose=0, seed=3, **options
    )
    return history.history["loss"], history.receipts


HOOKS = ["on_epoch_begin", "on_epoch_end", "on_train_batch_end"]
KINDS = [Plain, InNestedObject, InSmallArray, OfLargeArray, OfInner, Duck, OwnSource]


@pytest.mark.parametrize("options", WORKERS, ids=str)
@pytest.mark.parametrize("hook", HOOKS)
def test_change_between_epochs_counts_from_the_next_batch_on(hook: str, options: Any) -> None:
    with nothing_left_behind():
        assert levels(Plain(), hook, options)[0] == [1, 2, 3, 4]


@pytest.mark.parametrize("options", [THREADS, PROCESSES], ids=str)
@pytest.mark.parametrize("make", KINDS[1:], ids=lambda make: make.__name__)
def test_change_is_seen_wherever_it_is(make: Any, options: Any) -> None:
    assert levels(make(), "on_epoch_begin", options)[0] == [1, 2, 3, 4]


@pytest.mark.parametrize("options", [{}, PROCESSES], ids=str)
def test_fit_generator_sees_it_within_a_pass_and_over_its_end(options: Any) -> None:
    class Short(Plain):
        length = 7

        def __len__(self) -> int:
            return self.length

    assert levels(Short(), "on_epoch_end", options, "fit_generator")[0] == [1, 2, 3, 4]


@pytest.mark.parametrize("options", [{}, THREADS, PROCESSES], ids=str)
def test_every_batch_is_used_once_and_in_its_order_all_the_same(options: Any) -> None:
    want = levels(Plain(), "on_epoch_begin", INLINE)[1]
    got = levels(Plain(), "on_epoch_begin", options)[1]
    assert [(r.digest, r.planned, r.delivered, r.retried) for r in got] == [
        (r.digest, r.planned, r.delivered, r.retried) for r in want
    ]


class Unchanged(Plain):
    """Counts its loads and caches its batches, as many data sets do; these are not changes from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.count, self.seen, self.kept = 0, [], {}

    def level(self) -> Any:
        self.count += 1
        self.seen.append(self.count)
        return self.kept.setdefault(self.count, np.float32(1.0))

    def change(self, level: int) -> None:
        self.value = 0.0  # the value before


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("options", [{}, THREADS], ids=str)
def test_nothing_is_loaded_twice_when_nothing_was_changed(hook: str, options: Any) -> None:
    assert levels(Unchanged(), hook, options)[0] == [1, 1, 1, 1]
    assert len(LOADS.numbers) == BATCHES
    assert sorted(LOADS.numbers) == list(range(BATCHES))


@pytest.mark.parametrize("options", [INLINE, {}, PROCESSES], ids=str)
def test_change_within_an_epoch_counts_in_the_next_one_at_the_latest(options: Any) -> None:
    data = Plain()

    class Early(Callback):
        epoch = 0
        firsts: ClassVar[list[float]] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch

        def on_train_batch_end(self, step: int, logs: Any = None) -> None:
            if step == 0:
                self.firsts.append(logs["loss"])
                if options == {}:
                    LOADS.wait(min(BATCHES, STEPS * self.epoch + 8))
                data.change(self.epoch + 1)
                data.change(0)
                data.change(self.epoch + 1)

    LOADS.clear()
    Early.firsts = []
    model().fit(data, epochs=EPOCHS, steps_per_epoch=STEPS, callbacks=[Early()], verbose=0, **options)
    assert Early.firsts == [0, 1, 2, 3]


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("options", [INLINE, {}, PROCESSES], ids=str)
def test_length_is_read_again_for_the_next_pass_only(options: Any) -> None:
    class Growing(Plain):
        count = 6

        def __len__(self) -> int:
            return self.count

        def change(self, level: int) -> None:
            self.count = 6 + level

    data = Growing()
    callback = Changing(data, "on_epoch_end", waits=False)
    history = model().fit(data, epochs=4, steps_per_epoch=4, callbacks=[callback], verbose=0, **options)
    # The first pass began with 7 batches: 4 and 3; the second with 9: 4 and 4, and one more.
    assert [receipt.delivered for receipt in history.receipts] == [4, 3, 4, 4]


@pytest.mark.parametrize("options", [INLINE, {}, PROCESSES], ids=str)
def test_validation_sees_what_was_changed_before_it(options: Any) -> None:
    data = Plain()

    class Before(Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            data.change(epoch + 1)

    history = model().fit(
        Plain(), epochs=3, steps_per_epoch=2, validation_data=data, validation_steps=3, verbose=0,
        callbacks=[Before()], **options,
    )  # fmt: skip
    assert history.history["val_loss"] == [1, 2, 3]


# -- batches that cannot be loaded again --------------------------------------------------------------------


def endless(state: Any) -> Iterator[Any]:
    while True:
        made = batch(state.value)
        LOADS.add(0)
        yield made


class Anew:
    """An iterable that begins again for each pass."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def __iter__(self) -> Iterator[Any]:
        for _ in range(BATCHES):
            yield next(endless(self._state))


class State:
    value = 0

    def change(self, level: int) -> None:
        self.value = level


@pytest.mark.parametrize("options", [INLINE, {}], ids=str)
@pytest.mark.parametrize("make", [endless, Anew])
@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end"])
def test_generator_is_not_pulled_beyond_the_epoch(hook: str, make: Callable[..., Any], options: Any) -> None:
    state = State()
    history = model().fit(
        make(state), epochs=EPOCHS, steps_per_epoch=STEPS, callbacks=[Changing(state, hook, waits=False)],
        verbose=0, **options,
    )  # fmt: skip
    assert history.history["loss"] == [1, 2, 3, 4]
