"""`Monitor`: the better direction, improvements, and quantities that are not logged."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit.training.callbacks.monitor import Monitor

NAN = float("nan")


def direction(name: str, mode: str = "auto", model: object = None) -> str:
    monitor = Monitor(name, mode, 0, "EarlyStopping")
    monitor.resolve(model)
    return "max" if monitor.improved(2.0, 1.0) else "min"


@pytest.mark.parametrize(
    ("mode", "name", "expected"),
    [
        ("max", "val_mse", "max"),
        ("min", "val_loss", "min"),
        ("min", "accuracy", "min"),
        ("max", "anything", "max"),
        ("auto", "val_mse", "min"),
        ("auto", "loss", "min"),
        ("auto", "out_loss", "min"),
        ("auto", "acc", "max"),
        ("auto", "val_accuracy", "max"),
        ("auto", "hinge", "min"),
        ("auto", "binary_crossentropy", "min"),
        ("auto", "val_auc_1", "max"),
        ("auto", "f1_score", "max"),
        ("auto", "cosine_similarity", "max"),
        ("auto", "true_positives", "max"),
        ("auto", "val_false_positives", "min"),
    ],
)
def test_direction_by_mode_and_name(mode: str, name: str, expected: str) -> None:
    assert direction(name, mode) == expected


@pytest.mark.parametrize("name", ["score", "val_score", "b_score"])
@pytest.mark.parametrize(("up_or_down", "expected"), [("up", "max"), ("down", "min")])
def test_metric_of_the_model_decides(name: str, up_or_down: str, expected: str) -> None:
    metrics = [SimpleNamespace(name="other"), SimpleNamespace(name="score", direction=up_or_down)]
    assert direction(name, model=SimpleNamespace(metrics=metrics, output_names=["a", "b"])) == expected


def test_metric_counts_more_than_the_name() -> None:
    metrics = [SimpleNamespace(name="accuracy", direction="down")]
    assert direction("val_accuracy", model=SimpleNamespace(metrics=metrics)) == "min"


def test_direction_that_nothing_tells_is_an_error_with_the_way_out() -> None:
    monitor = Monitor("val_thing", "auto", 0, "EarlyStopping")
    with pytest.raises(
        ValueError, match=r"EarlyStopping got monitor='val_thing'.*pass mode='max' or mode='min'"
    ):
        monitor.resolve(SimpleNamespace(metrics=[SimpleNamespace(name="thing")]))


def test_unknown_mode_falls_back_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="EarlyStopping mode 'best' is unknown, fallback to auto mode"):
        assert direction("loss", "best") == "min"


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(-2, 2), st.sampled_from(["min", "max"]))
def test_improvement_is_a_change_beyond_the_least(value: float, best: float, delta: float, mode: str) -> None:
    monitor = Monitor("x", mode, delta, "EarlyStopping")
    monitor.resolve(None)
    gain = best - value if mode == "min" else value - best
    assert monitor.improved(value, best) == (gain > abs(delta))


@pytest.mark.parametrize("mode", ["min", "max"])
def test_nan_is_beaten_by_any_number_and_beats_nothing(mode: str) -> None:
    monitor = Monitor("x", mode, 0, "EarlyStopping")
    monitor.resolve(None)
    assert monitor.improved(1.0, NAN)
    assert not monitor.improved(NAN, 1.0)
    assert not monitor.improved(NAN, NAN)
    assert monitor.improved(NAN, None)


def test_missing_quantity_warns_until_it_has_been_seen() -> None:
    monitor = Monitor("val_loss", "auto", 0, "EarlyStopping")
    message = "Early stopping conditioned on metric `val_loss` .* Available metrics are: loss,mae"
    with pytest.warns(UserWarning, match=message):
        assert monitor.value({"loss": 1, "mae": 2}, "Early stopping") is None
    assert monitor.value({"val_loss": 3.0}, "Early stopping") == 3.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert monitor.value({"loss": 1}, "Early stopping") is None
