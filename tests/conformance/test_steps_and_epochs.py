"""Steps, epochs and data that run out: facts 1 to 10 of the Keras contract."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.models import Recorder, StopAt, cut, data, forever, linear, squares

from streamfit import Sequence
from streamfit.callbacks import Callback

RAN_OUT = (
    "Your input ran out of data; interrupting training. Make sure that your dataset or generator can "
    "generate at least `steps_per_epoch * epochs` batches"
)


class Cut(Sequence):
    """Arrays as a Sequence."""

    def __init__(self, x: Any, y: Any, size: int) -> None:
        super().__init__()
        self.x, self.y, self.size = x, y, size

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * self.size, (index + 1) * self.size)
        return self.x[rows], self.y[rows]


class Counted:
    """An iterator that counts how often it is asked."""

    def __init__(self, batches: Any) -> None:
        self.batches, self.reads = iter(batches), 0

    def __iter__(self) -> Counted:
        return self

    def __next__(self) -> Any:
        self.reads += 1
        return next(self.batches)


def batches_per_epoch(model: Any, *arguments: Any, **options: Any) -> list[int]:
    """Return how many training steps each epoch had."""
    recorder = Recorder()
    model.fit(*arguments, verbose=0, callbacks=[recorder], **options)
    counts: list[int] = []
    for name in recorder.names():
        if name == "epoch_begin":
            counts.append(0)
        elif name == "train_batch_end":
            counts[-1] += 1
    return counts


@pytest.mark.parametrize(
    ("n", "size", "steps"), [(10, 5, 2), (10, 4, 3), (10, 32, 1), (1, 1, 1), (10, None, 1)]
)
def test_an_epoch_has_ceil_of_n_over_batch_size_steps(n: int, size: int | None, steps: int) -> None:
    x, y = data(n)
    recorder = Recorder()
    linear().fit(x, y, batch_size=size, epochs=2, verbose=0, callbacks=[recorder])
    indices = [event[1] for event in recorder.events if event[0] == "train_batch_begin"]
    assert indices == [*range(steps)] * 2


@pytest.mark.parametrize("size", [1, 3, 4, 10, 64])
def test_results_do_not_depend_on_the_batch_size(size: int) -> None:
    x, y = data(10)
    model = linear(metrics=["mae"])
    expected = squares(model, x, y).mean()
    mae = np.abs(model.predict(x) - y).mean()
    fitted = model.fit(x, y, batch_size=size, verbose=0).history
    assert fitted["loss"] == [pytest.approx(expected, rel=1e-6)]
    assert fitted["mae"] == [pytest.approx(mae, rel=1e-6)]
    assert model.evaluate(x, y, batch_size=size, verbose=0) == pytest.approx([expected, mae], rel=1e-6)
    assert model.evaluate(cut(x, y, size), verbose=0) == pytest.approx([expected, mae], rel=1e-6)
    steps = -(-10 // size)
    assert model.evaluate_generator(cut(x, y, size), steps=steps) == pytest.approx([expected, mae], rel=1e-6)
    on_generator = model.fit_generator(cut(x, y, size), steps_per_epoch=steps, verbose=0).history
    assert on_generator["loss"] == [pytest.approx(expected, rel=1e-6)]


def test_the_loss_of_an_epoch_is_made_of_the_losses_before_each_step() -> None:
    x, y = data(4)
    model = linear(optimizer="sgd")
    expected = []
    twin = linear(optimizer="sgd")
    twin.set_weights(model.get_weights())
    for start in (0, 2):
        expected.append(twin.train_on_batch(x[start : start + 2], y[start : start + 2]))
    history = model.fit(x, y, batch_size=2, shuffle=False, verbose=0).history
    assert history["loss"] == [pytest.approx(np.mean(expected), rel=1e-6)]


def test_a_pass_that_is_longer_than_an_epoch_goes_on_in_the_next() -> None:
    x, y = data(20)
    assert batches_per_epoch(linear(), x, y, batch_size=2, steps_per_epoch=5, epochs=4) == [5, 5, 5, 5]


@pytest.mark.parametrize("kind", ["arrays", "sequence"])
def test_an_epoch_ends_with_its_pass(kind: str) -> None:
    x, y = data(20)
    given = (x, y) if kind == "arrays" else (Cut(x, y, 2),)
    options = {"batch_size": 2} if kind == "arrays" else {}
    with pytest.warns(UserWarning, match="ran out of data") as caught:
        counts = batches_per_epoch(linear(), *given, steps_per_epoch=9, epochs=4, **options)
    assert counts == [9, 1, 9, 1]
    assert len(caught) == 1


def test_more_steps_than_a_pass_has_warn_and_train_whole_passes() -> None:
    x, y = data(20)
    with pytest.warns(UserWarning, match="ran out of data"):
        assert batches_per_epoch(linear(), x, y, batch_size=2, steps_per_epoch=11, epochs=2) == [10, 10]


@pytest.mark.parametrize(("steps", "epochs"), [(5, 4), (9, 4), (2, 10)])
@pytest.mark.filterwarnings("ignore:Your input ran out")
def test_cutting_passes_into_epochs_changes_no_weight(steps: int, epochs: int) -> None:
    x, y = data(20)
    whole, parts = linear(optimizer="adam"), linear(optimizer="adam")
    parts.set_weights(whole.get_weights())
    whole.fit(x, y, batch_size=2, epochs=2, seed=3, verbose=0)
    parts.fit(x, y, batch_size=2, epochs=epochs, steps_per_epoch=steps, seed=3, verbose=0)
    for left, right in zip(whole.get_weights(), parts.get_weights(), strict=True):
        assert left.tobytes() == right.tobytes()


def test_fit_generator_joins_passes_so_that_every_epoch_has_its_steps() -> None:
    x, y = data(20)
    recorder = Recorder()
    linear().fit_generator(Cut(x, y, 2), steps_per_epoch=9, epochs=4, verbose=0, callbacks=[recorder])
    assert recorder.names().count("train_batch_end") == 36


def test_a_generator_that_runs_dry_ends_training_with_one_warning() -> None:
    x, y = data(10)
    model = linear()
    with pytest.warns(UserWarning, match="ran out of data") as caught:
        history = model.fit(cut(x, y, 2), steps_per_epoch=3, epochs=4, verbose=0)
    assert [str(warning.message).startswith(RAN_OUT) for warning in caught] == [True]
    assert caught[0].filename == __file__
    assert history.epoch == [0, 1]
    first, second = squares(model, x[:6], y[:6]).mean(), squares(model, x[6:], y[6:]).mean()
    assert history.history["loss"] == pytest.approx([first, second], rel=1e-6)


def test_a_generator_that_ends_with_an_epoch_leaves_no_empty_epoch() -> None:
    x, y = data(8)
    with pytest.warns(UserWarning, match="ran out of data"):
        history = linear().fit(cut(x, y, 2), steps_per_epoch=2, epochs=3, verbose=0)
    assert history.epoch == [0, 1]
    assert len(history.history["loss"]) == 2


def test_fit_generator_warns_too_when_it_runs_dry() -> None:
    x, y = data(10)
    with pytest.warns(UserWarning, match="ran out of data"):
        history = linear().fit_generator(cut(x, y, 2), steps_per_epoch=3, epochs=4, verbose=0)
    assert history.epoch == [0, 1]


def test_fit_generator_needs_to_know_the_steps_of_a_generator() -> None:
    model, message = linear(), "`steps_per_epoch=None` is only valid for a generator based on the"
    with pytest.raises(ValueError, match=message):
        model.fit_generator(cut(*data(4), 2), verbose=0)
    with pytest.raises(ValueError, match=r"Please specify `steps`"):
        model.evaluate_generator(cut(*data(4), 2))
    with pytest.raises(ValueError, match=r"Please specify `steps`"):
        model.predict_generator(cut(*data(4), 2))


def test_fit_reads_a_generator_to_its_end() -> None:
    x, y = data(10)
    assert batches_per_epoch(linear(), cut(x, y, 2)) == [5]


def test_fit_on_a_generator_for_several_epochs_stops_after_the_one_it_has() -> None:
    x, y = data(10)
    with pytest.warns(UserWarning, match="ran out of data"):
        assert batches_per_epoch(linear(), cut(x, y, 2), epochs=3) == [5]


@pytest.mark.parametrize("method", ["fit", "fit_generator", "evaluate", "predict"])
def test_an_empty_generator_is_an_error(method: str) -> None:
    options = {"steps_per_epoch": 2} if method.startswith("fit") else {}
    with pytest.raises(ValueError, match="must yield at least one batch"):
        getattr(linear(), method)(iter([]), verbose=0, **options)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_generator_is_read_as_far_as_it_is_needed(workers: int) -> None:
    training, validation = (Counted(forever(*data(6), 2)) for _ in range(2))
    linear().fit_generator(
        training,
        steps_per_epoch=3,
        epochs=2,
        validation_data=validation,
        validation_steps=2,
        max_queue_size=2,
        workers=workers,
        verbose=0,
    )
    assert training.reads == 6
    assert validation.reads == 4


def test_an_endless_validation_generator_gives_as_many_batches_as_asked_each_time() -> None:
    recorder = Recorder()
    x, y = data(6)
    linear().fit(
        x,
        y,
        epochs=3,
        validation_data=forever(x, y, 2),
        validation_steps=4,
        verbose=0,
        callbacks=[recorder],
    )
    assert [event[1] for event in recorder.events if event[0] == "test_batch_end"] == [0, 1, 2, 3] * 3


def test_initial_epoch_counts_epochs_and_epochs_is_the_last() -> None:
    recorder = Recorder()
    history = linear().fit(*data(), initial_epoch=2, epochs=4, verbose=0, callbacks=[recorder])
    assert history.epoch == [2, 3]
    assert [event for event in recorder.events if "epoch" in event[0]] == [
        ("epoch_begin", 2),
        ("epoch_end", 2),
        ("epoch_begin", 3),
        ("epoch_end", 3),
    ]


@pytest.mark.parametrize(("initial", "epochs"), [(4, 4), (5, 4), (0, 0)])
def test_no_epochs_train_nothing_and_still_begin_and_end(initial: int, epochs: int) -> None:
    model, recorder = linear(optimizer="sgd"), Recorder()
    before = model.get_weights()
    history = model.fit(*data(), initial_epoch=initial, epochs=epochs, verbose=0, callbacks=[recorder])
    assert (history.epoch, history.history) == ([], {})
    assert recorder.names() == ["train_begin", "train_end"]
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end"])
def test_stopping_in_a_batch_ends_the_epoch_properly(hook: str) -> None:
    x, y = data(10)
    recorder = Recorder()
    history = linear().fit(
        x,
        y,
        batch_size=2,
        epochs=3,
        validation_data=(x, y),
        verbose=0,
        callbacks=[StopAt(hook, 2), recorder],
    )
    assert history.epoch == [0]
    assert "val_loss" in history.history
    assert recorder.names().count("train_batch_end") == 3
    assert recorder.names()[-2:] == ["epoch_end", "train_end"]


def test_stopping_at_the_end_of_an_epoch_starts_no_other() -> None:
    assert linear().fit(*data(), epochs=5, verbose=0, callbacks=[StopAt("on_epoch_end", 1)]).epoch == [0, 1]


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin"])
def test_stopping_before_the_first_batch_trains_nothing(hook: str) -> None:
    recorder = Recorder()
    history = linear().fit(*data(), epochs=2, verbose=0, callbacks=[StopAt(hook), recorder])
    assert history.epoch == []
    assert "train_batch_begin" not in recorder.names()
    assert recorder.names()[-1] == "train_end"


def test_a_new_fit_forgets_that_the_last_was_stopped() -> None:
    model = linear()
    model.fit(*data(), verbose=0, callbacks=[StopAt("on_train_batch_end")])
    assert model.fit(*data(), epochs=2, verbose=0).epoch == [0, 1]


def test_an_endless_generator_without_steps_runs_until_stopped() -> None:
    model, recorder = linear(), Recorder()
    endless = forever(*data(6), 2)
    model.fit(endless, verbose=0, callbacks=[StopAt("on_train_batch_end", 7), recorder])
    model.evaluate(
        endless, verbose=0, callbacks=[StopAt("on_test_batch_end", 4, "stop_evaluating"), recorder]
    )
    found = model.predict(
        (x for x, _ in endless),
        callbacks=[StopAt("on_predict_batch_end", 2, "stop_predicting"), recorder],
    )
    assert [recorder.names().count(f"{mode}_batch_end") for mode in ("train", "test", "predict")] == [8, 5, 3]
    assert found.shape == (6, 1)


def test_stopping_an_evaluation_inside_fit_does_not_stop_training() -> None:
    x, y = data(10)
    recorder = Recorder()
    stop = StopAt("on_test_batch_end", 1, "stop_evaluating")
    history = linear().fit(
        x, y, 2, 2, validation_data=(x, y), validation_batch_size=2, verbose=0, callbacks=[stop, recorder]
    )
    assert history.epoch == [0, 1]
    assert recorder.names().count("test_batch_end") == 4


def test_steps_in_params_follow_what_the_epoch_will_have() -> None:
    class Steps(Callback):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def on_train_begin(self, logs: Any = None) -> None:
            self.seen.append(self.params["steps"])

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.seen.append(self.params["steps"])

    x, y = data(20)
    steps = Steps()
    with pytest.warns(UserWarning, match="ran out"):
        linear().fit(x, y, 2, 4, steps_per_epoch=9, verbose=0, callbacks=[steps])
    assert steps.seen == [9, 9, 1, 9, 1]
    unknown = Steps()
    linear().fit(cut(x, y, 2), verbose=0, callbacks=[unknown])
    assert unknown.seen == [None, None]


@pytest.mark.parametrize("method", ["evaluate", "predict"])
def test_evaluate_and_predict_take_what_there_is_and_warn(method: str) -> None:
    x, y = data(6)
    model = linear()
    with pytest.warns(UserWarning, match="ran out of data") as caught:
        found = getattr(model, method)(cut(x, y, 2), steps=4, verbose=0)
    assert caught[0].filename == __file__
    expected = squares(model, x, y).mean() if method == "evaluate" else model.predict(x)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(
    batches=st.integers(1, 7),
    steps=st.one_of(st.none(), st.integers(1, 9)),
    epochs=st.integers(1, 6),
    joined=st.booleans(),
)
@settings(max_examples=25)
def test_epochs_are_cut_from_passes(batches: int, steps: int | None, epochs: int, joined: bool) -> None:
    """Play the rules with counters alone and compare."""
    expected, left = [], 0
    for _ in range(epochs):
        if joined and steps is not None:
            expected.append(steps)
            continue
        left = left or batches
        expected.append(left if steps is None else min(left, steps))
        left -= expected[-1]
    x, y = data(2 * batches)
    recorder, model = Recorder(), linear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if joined:
            model.fit_generator(Cut(x, y, 2), steps, epochs, 0, [recorder])
        else:
            model.fit(Cut(x, y, 2), steps_per_epoch=steps, epochs=epochs, verbose=0, callbacks=[recorder])
    ends = [i for i, event in enumerate(recorder.events) if event[0] == "epoch_end"]
    numbers = [recorder.events[i - 1][1] + 1 for i in ends]
    assert numbers == expected
