"""The arguments of `compile`, spread over outputs and named."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from streamfit import losses, metrics
from streamfit.layers import Layer
from streamfit.optimizers import SGD, Adam
from streamfit.training import CompileConfig, TrainableFlags
from streamfit.training.compile_config import ResultNames


def compiled(**options: Any) -> CompileConfig:
    arguments: dict[str, Any] = {
        "optimizer": "sgd",
        "loss": "mse",
        "metrics": None,
        "loss_weights": None,
        "weighted_metrics": None,
        "sample_weight_mode": None,
    }
    return CompileConfig(**(arguments | options), flags=TrainableFlags(Layer()))


def names(outputs: str, **options: Any) -> list[str]:
    return ResultNames.of(compiled(**options).plan(list(outputs))).all


def test_every_output_gets_a_loss_of_its_own() -> None:
    loss = losses.MeanSquaredError()
    plans = compiled(loss=loss).plan(["a", "b"])
    assert all(plan.loss is not loss for plan in plans)
    assert [type(plan.loss) for plan in plans] == [losses.MeanSquaredError] * 2


def test_loss_weights_and_modes_are_1_and_none_unless_given() -> None:
    plans = compiled(loss_weights={"b": 0.5}, sample_weight_mode={"a": "temporal"}).plan(["a", "b"])
    assert [plan.loss_weight for plan in plans] == [1.0, 0.5]
    assert [plan.temporal for plan in plans] == [True, False]
    assert [plan.temporal for plan in compiled(sample_weight_mode="temporal").plan(["a", "b"])] == [
        True,
        True,
    ]
    assert [plan.temporal for plan in compiled(sample_weight_mode=[None, "temporal"]).plan(["a", "b"])] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("outputs", "options", "expected"),
    [
        ("a", {}, ["loss"]),
        ("a", {"metrics": ["mae", "acc"]}, ["loss", "mae", "acc"]),
        ("a", {"metrics": [["mae"]]}, ["loss", "mae"]),
        ("a", {"metrics": ["loss"]}, ["loss", "loss_1"]),
        ("ab", {"loss": [None, "mse"]}, ["loss", "b_loss"]),
        ("ab", {"metrics": {"b": "mae"}}, ["loss", "a_loss", "b_loss", "b_mae"]),
        ("ab", {"metrics": ["mae"], "weighted_metrics": ["mae"]}, None),
    ],
)
def test_names_of_results(outputs: str, options: dict[str, Any], expected: list[str] | None) -> None:
    if options.get("metrics") == ["loss"]:
        options = {"metrics": [metrics.MeanAbsoluteError(name="loss")]}
    if expected is None:
        expected = ["loss", "a_loss", "b_loss", "a_mae", "a_mae_1", "b_mae", "b_mae_1"]
    assert names(outputs, **options) == expected


def test_weighted_metrics_come_after_the_others_and_are_marked() -> None:
    plan = compiled(metrics=["mae"], weighted_metrics=["mse"]).plan(["a"])[0]
    assert [(item.label, item.weighted) for item in plan.metrics] == [("mae", False), ("mse", True)]


def bind(made: CompileConfig, size: int = 4) -> Any:
    vectors = np.zeros(size), np.zeros(size)
    step_state = np.zeros(2, np.int64)
    made.bind(*vectors, np.array([size]), step_state)
    return step_state


def test_another_model_does_not_see_what_an_optimizer_remembers() -> None:
    optimizer = Adam()
    step_state = bind(compiled(optimizer=optimizer))
    step_state[1] = 5
    assert (optimizer.iterations, len(optimizer.state)) == (5, 2)
    compiled(optimizer=optimizer)
    assert (optimizer.iterations, optimizer.state) == (0, {})


def test_an_optimizer_that_works_for_another_begins_anew_and_the_other_keeps_its_state() -> None:
    optimizer = Adam()
    first, second = compiled(optimizer=optimizer), compiled(optimizer=optimizer)
    bind(first)[1] = 3
    kept = dict(optimizer.state)
    step_state = bind(second)
    assert step_state[1] == optimizer.iterations == 0
    assert all(optimizer.state[name] is not vector for name, vector in kept.items())


def test_binding_again_for_the_same_model_keeps_the_state() -> None:
    made = compiled(optimizer=Adam())
    bind(made)[1] = 3
    kept = dict(made.optimizer.state)
    assert bind(made)[1] == 3
    assert all(made.optimizer.state[name] is vector for name, vector in kept.items())


def test_optimizers_are_not_kept_alive() -> None:
    made = compiled(optimizer=SGD())
    bind(made)
    there = weakref.ref(made.optimizer)
    del made
    gc.collect()
    assert there() is None
