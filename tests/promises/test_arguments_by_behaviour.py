"""Every argument accepts values that behave like the expected type, and no values that only look like it."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import streamfit
from streamfit import Sequential, callbacks, layers, metrics, optimizers, regularizers

X = np.random.default_rng(3).normal(size=(12, 3)).astype("float32")
Y = X[:, :1] ** 2


class Three:
    """A whole number 3 that has only `__index__`."""

    def __index__(self) -> int:
        return 3


def model(**options: Any) -> Any:
    made = Sequential([layers.Dense(1, input_shape=(3,), kernel_initializer="ones")])
    made.compile(optimizers.SGD(0.01), "mse", **options)
    return made


def losses(**options: Any) -> list[float]:
    options = {"verbose": 0, "seed": 5, "batch_size": 4} | options
    found: list[float] = model().fit(X, Y, **options).history["loss"]
    return found


@pytest.mark.parametrize("name", ["epochs", "steps_per_epoch", "batch_size"])
@pytest.mark.parametrize(
    "kind",
    [np.int8, np.uint64, np.array, lambda value: Three()],
    ids=["int8", "uint64", "array", "index"],
)
def test_counts_of_any_kind_are_counts(name: str, kind: Any) -> None:
    assert losses(**{name: kind(3)}) == losses(**{name: 3})


@pytest.mark.parametrize("kind", [np.float32, Fraction, Decimal, float, np.array])
def test_whole_floats_are_counts(kind: Any) -> None:
    assert losses(epochs=kind(2), initial_epoch=kind(1)) == losses(epochs=2, initial_epoch=1)


@pytest.mark.parametrize(
    "value", [np.bool_(True), np.float64(1.5), np.array([2]), np.str_("2"), Decimal("1.5")]
)
def test_what_is_no_count_is_refused_by_name(value: Any) -> None:
    with pytest.raises(TypeError, match="epochs must be a whole number"):
        losses(epochs=value)


@pytest.mark.parametrize("value", [np.int64(0), np.array(0), np.uint8(0), np.False_, False, np.float64(0)])
def test_zero_of_any_kind_is_silence(value: Any, capsys: Any) -> None:
    made = model()
    made.fit(X, Y, verbose=value)
    made.fit(X, Y, validation_data=(X, Y), epochs=2, verbose=value)
    made.evaluate(X, Y, verbose=value)
    made.predict(X, verbose=value)
    made.fit_generator(iter([(X, Y)]), 1, verbose=value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("value", "like"), [(np.int64(2), 2), (np.True_, 1), (np.str_("auto"), "auto")])
def test_verbose_speaks_as_it_does_for_the_plain_value(value: Any, like: Any, capsys: Any) -> None:
    texts = []
    for verbose in (value, like):
        model().fit(X, Y, verbose=verbose)
        texts.append(len(capsys.readouterr().out.splitlines()))
    assert texts[0] == texts[1] > 0


@pytest.mark.parametrize("value", [np.int64(3), "0", None, [0], np.array([0])])
def test_another_verbose_is_refused_by_every_call(value: Any) -> None:
    made = model()
    for call in (
        lambda: made.fit(X, Y, verbose=value),
        lambda: made.evaluate(X, Y, verbose=value),
        lambda: made.predict(X, verbose=value),
    ):
        with pytest.raises(ValueError, match="verbose must be 0, 1, 2 or 'auto'"):
            call()


@pytest.mark.parametrize("no", [np.False_, 0, np.int64(0), np.array(False)])
def test_a_shuffle_that_is_false_shuffles_nothing(no: Any) -> None:
    assert losses(shuffle=no, epochs=3) == losses(shuffle=False, epochs=3)
    order = list(streamfit.stream(np.arange(40), batch_size=8, shuffle=no, seed=1))
    assert np.concatenate(order).tolist() == list(range(40))


@pytest.mark.parametrize("yes", [np.True_, 1, np.array(True)])
def test_a_shuffle_that_is_true_shuffles(yes: Any) -> None:
    assert losses(shuffle=yes, epochs=3) == losses(shuffle=True, epochs=3) != losses(shuffle=False, epochs=3)


@pytest.mark.parametrize("value", [np.float32(0.25), Fraction(1, 4), Decimal("0.25"), np.array(0.25)])
def test_shares_of_any_kind(value: Any) -> None:
    history = model().fit(X, Y, validation_split=value, verbose=0, seed=1).history
    assert history == model().fit(X, Y, validation_split=0.25, verbose=0, seed=1).history


@pytest.mark.parametrize(
    "value", [np.array([1, 3]), (np.int64(1), np.uint8(3)), {1: "a", 3: "b"}.keys(), iter([1, 3])]
)
def test_epochs_to_validate_in_any_collection(value: Any) -> None:
    history = model().fit(X, Y, validation_data=(X, Y), epochs=4, validation_freq=value, verbose=0)
    assert len(history.history["val_loss"]) == 2


@pytest.mark.timeout(60)
@pytest.mark.parametrize("processes", [np.False_, np.True_, 1])
def test_settings_of_workers_of_any_kind(processes: Any) -> None:
    options = {"workers": np.int64(2), "max_queue_size": np.float64(3), "use_multiprocessing": processes}
    with pytest.raises(TypeError, match="use_multiprocessing must be True or False, got 'no'"):
        losses(use_multiprocessing="no")
    assert losses(**options) == losses()
    with streamfit.stream(X, Y, batch_size=5, **options) as stream:
        assert [len(x) for x, _ in stream] == [5, 5, 2]


def test_layers_take_numbers_of_any_kind() -> None:
    made = Sequential(
        [
            layers.Dense(
                np.int64(4), input_shape=(np.int32(3),), kernel_regularizer=regularizers.L2(np.float32(0))
            ),
            layers.Dropout(np.float32(0.5), seed=np.uint8(1)),
            layers.Dense(np.array(2)),
            layers.Dense(Three(), kernel_regularizer=regularizers.L1(Fraction(0))),
        ]
    )
    assert made.count_params() == 16 + 10 + 9
    assert layers.Dense(1, input_dim=Three()).sample_shape == (3,)
    assert streamfit.Input(np.array([4, 5])).shape == (None, 4, 5)
    assert streamfit.Input(np.array(4)).shape == (None, 4)
    with pytest.raises(ValueError, match="units must be a whole number of at least 1, got True"):
        layers.Dense(True)
    with pytest.raises(ValueError, match=r"rate must be a number in \[0, 1\)"):
        layers.Dropout("0.5")


def test_optimizers_metrics_and_callbacks_take_numbers_of_any_kind() -> None:
    assert optimizers.SGD(Fraction(1, 4), momentum=np.array(0.5)).momentum == 0.5
    assert metrics.TopKCategoricalAccuracy(k=np.int64(2)).k == 2
    for value in (np.int64(2), Three()):
        callbacks.ModelCheckpoint("weights.safetensors", save_freq=value)
    watching = [
        callbacks.EarlyStopping(patience=np.int64(2)),
        callbacks.ReduceLROnPlateau(patience=np.int8(1)),
    ]
    watching.append(callbacks.LearningRateScheduler(lambda epoch: np.array(0.01)))
    found = model().fit(X, Y, epochs=2, verbose=0, validation_data=(X, Y), callbacks=watching)
    assert found.epoch == [0, 1]


def test_steps_of_evaluate_and_predict() -> None:
    made = model()
    assert made.evaluate(X, Y, batch_size=np.int64(5), steps=np.int8(2), verbose=0) >= 0
    assert made.predict(X, batch_size=np.array(5), steps=Three()).shape == (12, 1)
