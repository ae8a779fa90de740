"""Validation: facts 11 to 14 of the Keras contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.models import Recorder, cut, data, linear, squares

from streamfit import Input, Sequential, layers
from streamfit.callbacks import Callback


@pytest.mark.parametrize(("n", "share"), [(10, 0.2), (10, 0.25), (7, 0.5), (3, 0.1)])
def test_the_split_takes_the_last_samples_before_shuffling(n: int, share: float) -> None:
    x, y = data(n)
    at = int(n * (1 - share))
    model = linear(metrics=["mae"])
    history = model.fit(x, y, validation_split=share, batch_size=4, verbose=0).history
    assert history["loss"] == [pytest.approx(squares(model, x[:at], y[:at]).mean(), rel=1e-6)]
    tail = model.evaluate(x[at:], y[at:], verbose=0)
    assert [history["val_loss"][0], history["val_mae"][0]] == pytest.approx(tail, rel=1e-12)


def test_weights_are_split_along_with_the_samples() -> None:
    x, y = data(10)
    weights = np.arange(10.0)
    model = linear()
    history = model.fit(x, y, sample_weight=weights, validation_split=0.3, verbose=0).history
    losses = squares(model, x, y) * weights
    assert history["loss"] == [pytest.approx(losses[:7].mean(), rel=1e-6)]
    assert history["val_loss"] == [pytest.approx(losses[7:].mean(), rel=1e-6)]


@pytest.mark.parametrize("convert", [lambda array: array.tolist(), lambda array: {"x": array}])
def test_whatever_holds_arrays_can_be_split(convert: Any) -> None:
    x, y = data(10)
    model = linear()
    history = model.fit(convert(x), y.tolist(), validation_split=0.5, verbose=0).history
    assert history["val_loss"] == [pytest.approx(squares(model, x[5:], y[5:]).mean(), rel=1e-6)]


def test_validation_data_win_over_a_split() -> None:
    x, y = data(10)
    model = linear()
    history = model.fit(x, y, validation_split=0.5, validation_data=(x[:2], y[:2]), verbose=0).history
    assert history["loss"] == [pytest.approx(squares(model, x, y).mean(), rel=1e-6)]
    assert history["val_loss"] == [pytest.approx(squares(model, x[:2], y[:2]).mean(), rel=1e-6)]


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=rf"validation_split must be in \[0, 1\), got {share}"):
        linear().fit(*data(), validation_split=share, verbose=0)


def test_a_share_that_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError, match=r"validation_split must be a number in \[0, 1\), got 'half'"):
        linear().fit(*data(), validation_split="half", verbose=0)


def test_a_split_that_leaves_one_side_empty_is_refused() -> None:
    with pytest.raises(ValueError, match=r"validation_split=0.5 of 1 samples leaves nothing on one side"):
        linear().fit(*data(1), validation_split=0.5, verbose=0)


def test_a_split_checks_lengths_before_it_cuts() -> None:
    x, y = data(10)
    with pytest.raises(ValueError, match="Found 10 input samples and 5 target samples"):
        linear().fit(x, y[:5], validation_split=0.2, verbose=0)


def test_only_arrays_can_be_split() -> None:
    with pytest.raises(ValueError, match="`validation_split` is only supported for arrays"):
        linear().fit(cut(*data(), 2), validation_split=0.5, verbose=0)


@pytest.mark.parametrize(
    ("frequency", "epochs"),
    [
        (1, [0, 1, 2, 3, 4]),
        (2, [1, 3]),
        (7, []),
        ([1, 4], [0, 3]),
        ((2,), [1]),
        ({3, 5}, [2, 4]),
        ([], []),
        (np.int64(3), [2]),
    ],
)
def test_validation_frequency(frequency: Any, epochs: list[int]) -> None:
    recorder = Recorder()
    x, y = data()
    history = linear().fit(
        x, y, epochs=5, validation_data=(x, y), validation_freq=frequency, verbose=0, callbacks=[recorder]
    )
    validated = [i for i, keys in enumerate(recorder.keys("epoch_end")) if "val_loss" in keys]
    assert validated == epochs
    assert len(history.history.get("val_loss", [])) == len(epochs)
    assert len(history.history["loss"]) == 5


@pytest.mark.parametrize("frequency", [0, -2])
def test_a_frequency_below_1_is_refused(frequency: int) -> None:
    with pytest.raises(ValueError, match=f"`validation_freq` can not be less than 1, got {frequency}"):
        linear().fit(*data(), validation_data=data(), validation_freq=frequency, verbose=0)


@pytest.mark.parametrize("frequency", [1.5, "2", None, True])
def test_a_frequency_of_another_kind_is_refused(frequency: Any) -> None:
    with pytest.raises(ValueError, match="Expected `validation_freq` to be a list or int, got"):
        linear().fit(*data(), validation_data=data(), validation_freq=frequency, verbose=0)


@pytest.mark.jit  # whole numbers that overflow: machine code does not warn
def test_validation_runs_in_inference_mode() -> None:
    x, y = np.ones((8, 3), "float32"), np.ones((8, 3), "float32")
    model = Sequential([Input((3,)), layers.Dropout(0.5)])
    model.compile("sgd", "mse")
    history = model.fit(x, y, validation_data=(x, y), verbose=0).history
    assert history["val_loss"] == [0.0]
    assert history["loss"][0] > 0.0


def test_validation_leaves_the_results_of_training_alone() -> None:
    x, y = data(10)
    alone, watched = linear(metrics=["mae"]), linear(metrics=["mae"])
    watched.set_weights(alone.get_weights())
    first = alone.fit(x, y, 2, 3, verbose=0, shuffle=False).history
    second = watched.fit(x, y, 2, 3, verbose=0, shuffle=False, validation_data=(x * 9, y)).history
    assert {name: second[name] for name in first} == first


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_train_batch_end", "on_epoch_end"])
def test_an_evaluation_inside_a_callback_leaves_the_results_of_training_alone(hook: str) -> None:
    x, y = data(10)

    class Looker(Callback):
        def look(self, *arguments: Any) -> None:
            self.model.evaluate(x * 100, y, verbose=0)

    setattr(Looker, hook, Looker.look)
    model = linear()
    history = model.fit(x, y, 2, 2, verbose=0, callbacks=[Looker()]).history
    assert history["loss"] == pytest.approx([squares(model, x, y).mean()] * 2, rel=1e-6)


def test_class_weights_are_not_for_validation() -> None:
    x, _ = data(10)
    y = np.arange(10) % 2
    model = linear()
    history = model.fit(
        x, y, class_weight={0: 3.0, 1: 3.0}, validation_data=(x, y), verbose=0, batch_size=10
    ).history
    assert history["loss"][0] == pytest.approx(3 * history["val_loss"][0], rel=1e-6)


def test_two_or_three_validation_items() -> None:
    x, y = data(10)
    weights = np.arange(10.0)
    model = linear()
    plain = model.fit(x, y, validation_data=[x, y], verbose=0).history["val_loss"]
    weighted = model.fit(x, y, validation_data=(x, y, weights), verbose=0).history["val_loss"]
    losses = squares(model, x, y)
    assert plain + weighted == pytest.approx([losses.mean(), (losses * weights).mean()], rel=1e-6)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_another_number_of_validation_items_is_refused(count: int) -> None:
    x, y = data()
    message = (
        r"When passing validation_data, it must contain 2 \(x_val, y_val\) or 3 "
        rf"\(x_val, y_val, val_sample_weights\) items, however it contains {count} items"
    )
    with pytest.raises(ValueError, match=message):
        linear().fit(x, y, validation_data=(x,) * count, verbose=0)


def test_validation_data_without_targets_are_refused() -> None:
    x, y = data()
    with pytest.raises(ValueError, match=r"the loss of output 'y' needs targets, but the data have none"):
        linear().fit(x, y, validation_data=x, verbose=0)


def test_a_generator_of_4_items_is_refused() -> None:
    x, y = data()
    with pytest.raises(ValueError, match=r"should be a tuple `\(x, y, sample_weight\)` or `\(x, y\)`"):
        linear().fit(iter([(x, y, None, None)]), verbose=0)
    with pytest.raises(ValueError, match="source 'validation data', pass 0, batch 0"):
        linear().fit(x, y, validation_data=iter([(x, y, None, None)]), verbose=0)


def test_a_validation_generator_goes_on_from_epoch_to_epoch() -> None:
    x, y = data(12)
    model = linear()
    history = model.fit(x, y, epochs=3, validation_data=cut(x, y, 2), validation_steps=2, verbose=0).history
    expected = [squares(model, x[i : i + 4], y[i : i + 4]).mean() for i in (0, 4, 8)]
    assert history["val_loss"] == pytest.approx(expected, rel=1e-6)


def test_arrays_start_anew_for_each_validation() -> None:
    x, y = data(12)
    model = linear()
    history = model.fit(
        x, y, epochs=3, validation_data=(x, y), validation_batch_size=2, validation_steps=2, verbose=0
    ).history
    assert history["val_loss"] == pytest.approx([squares(model, x[:4], y[:4]).mean()] * 3, rel=1e-6)


def test_a_validation_generator_without_steps_serves_one_validation() -> None:
    x, y = data(6)
    model = linear()
    history = model.fit(x, y, validation_data=cut(x, y, 2), verbose=0).history
    assert history["val_loss"] == [pytest.approx(squares(model, x, y).mean(), rel=1e-6)]
    with pytest.raises(ValueError, match=r"`validation_steps=None` is only valid for a generator based on"):
        model.fit(x, y, epochs=2, validation_data=cut(x, y, 2), verbose=0)
    with pytest.raises(ValueError, match=r"Please specify `validation_steps`"):
        model.fit_generator(cut(x, y, 2), 3, validation_data=cut(x, y, 2), verbose=0)


def test_a_validation_generator_that_runs_dry_warns_and_training_goes_on() -> None:
    x, y = data(6)
    model = linear()
    with pytest.warns(UserWarning, match=r"in validation\. .* 2 batches were wanted and 1 came") as caught:
        history = model.fit(x, y, epochs=3, validation_data=cut(x, y, 2), validation_steps=2, verbose=0)
    assert history.epoch == [0, 1, 2]
    expected = [squares(model, x[:4], y[:4]).mean(), squares(model, x[4:], y[4:]).mean()]
    assert history.history["val_loss"] == pytest.approx(expected, rel=1e-6)
    assert {warning.filename for warning in caught} == {__file__}


def test_arrays_that_are_shorter_than_validation_steps_warn_once() -> None:
    x, y = data(6)
    with pytest.warns(UserWarning, match="3 batches were wanted and 1 came") as caught:
        linear().fit(x, y, epochs=3, validation_data=(x, y), validation_steps=3, verbose=0)
    assert len(caught) == 1


def test_steps_without_validation_data_are_noticed() -> None:
    with pytest.warns(UserWarning, match="validation_steps=3 has no effect: there is no validation_data"):
        linear().fit(*data(), validation_steps=3, verbose=0)


@pytest.mark.parametrize(("given", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError)])
def test_a_validation_batch_size_that_is_none(given: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="batch_size must be"):
        linear().fit(*data(), validation_data=data(), validation_batch_size=given, verbose=0)


def test_the_validation_batch_size() -> None:
    sizes = []
    for options in ({}, {"validation_batch_size": 5}):
        for given in ({"validation_data": data(10)}, {"validation_split": 0.5}):
            recorder = Recorder()
            linear().fit(*data(20), batch_size=2, verbose=0, callbacks=[recorder], **given, **options)
            sizes.append(recorder.names().count("test_batch_end"))
    assert sizes == [5, 5, 2, 2]


def test_a_validation_batch_size_for_a_generator_is_refused() -> None:
    with pytest.raises(ValueError, match="`batch_size` argument must not be specified"):
        linear().fit(*data(), validation_data=cut(*data(), 2), validation_batch_size=2, verbose=0)
