"""The counts of `fit`, and when to validate."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit._base.checks import whole
from streamfit.training import FitPlan, StreamSettings, batches


def plan(**options: Any) -> FitPlan:
    arguments: dict[str, Any] = {
        "epochs": 1,
        "initial_epoch": 0,
        "steps_per_epoch": None,
        "validation_steps": None,
        "validation_freq": 1,
        "class_weight": None,
        "callbacks": None,
        "verbose": 0,
        "settings": StreamSettings(),
        "seed": None,
        "validation": "something",
    }
    return FitPlan(**(arguments | options))


@pytest.mark.parametrize("value", [3, 3.0, np.int32(3), np.float64(3.0), np.array(3)])
def test_whole_numbers(value: Any) -> None:
    assert whole("n", value, 1) == 3
    assert type(whole("n", value, 1)) is int


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, "n must be at least 1, got 0"),
        (-2.0, ValueError, "n must be at least 1, got -2"),
        (2.5, TypeError, "n must be a whole number of at least 1, got 2.5 (float)"),
        (float("inf"), TypeError, "n must be a whole number of at least 1, got inf (float)"),
        (float("nan"), ValueError, "n must be a whole number of at least 1, got NaN"),
        (True, TypeError, "n must be a whole number of at least 1, got True (bool)"),
        ("3", TypeError, "n must be a whole number of at least 1, got '3' (str)"),
        (None, TypeError, "n must be a whole number of at least 1, got None (NoneType)"),
        (np.array([3]), TypeError, "n must be a whole number of at least 1, got array([3]) (ndarray)"),
    ],
)
def test_what_is_no_whole_number(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        whole("n", value, 1)
    assert str(caught.value) == message


@given(
    epochs=st.integers(0, 30),
    initial=st.integers(0, 30),
    frequency=st.one_of(
        st.integers(1, 40), st.sets(st.integers(1, 40)), st.lists(st.integers(1, 40)), st.just(range(1, 9, 3))
    ),
)
def test_validations_are_counted_as_they_happen(epochs: int, initial: int, frequency: Any) -> None:
    made = plan(epochs=epochs, initial_epoch=initial, validation_freq=frequency)
    happened = [epoch + 1 for epoch in range(initial, epochs) if made.validates(epoch)]
    if isinstance(frequency, int):
        assert happened == [epoch for epoch in range(initial + 1, epochs + 1) if epoch % frequency == 0]
    else:
        assert happened == sorted(set(frequency) & set(range(initial + 1, epochs + 1)))
    assert made.validations() == len(happened)


def test_no_validation_data_no_validation() -> None:
    made = plan(epochs=5, validation=None)
    assert made.validations() == 0
    assert not made.validates(0)


def test_a_plan_cannot_be_changed_but_made_again_with_data() -> None:
    made = plan(seed=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.epochs = 2  # type: ignore[misc]
    data = batches.Data(np.zeros((10, 1)), np.zeros((10, 1)), None, 2, True)
    split = made.with_data(data, 0.2).split()
    assert isinstance(split.validation, batches.Data)
    assert len(split.validation.x) == 2
    assert (split.seed, made.validation) == (made.seed, "something")


@pytest.mark.parametrize("name", ["workers", "max_queue_size"])
def test_settings_of_workers(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least"):
        StreamSettings(**{name: -1})
    assert getattr(StreamSettings(**{name: 2}), name) == 2
