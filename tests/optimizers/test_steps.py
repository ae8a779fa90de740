"""Every optimizer against a reference in NumPy, over many steps."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import optimizers as reference

from streamfit import optimizers
from streamfit.kernels import CallList, run

SHAPES = ((3, 5), (5,), (1,), (0,))


@dataclass(frozen=True)
class Case:
    name: str
    rule: Any
    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join([self.name, *self.settings, *self.options])

    def make(self, **more: Any) -> optimizers.Optimizer:
        made: optimizers.Optimizer = getattr(optimizers, self.name)(**self.settings, **self.options, **more)
        return made


CASES = [
    Case("SGD", reference.sgd, {"learning_rate": 0.1}),
    Case("SGD", reference.sgd, {"learning_rate": 0.1, "momentum": 0.9}),
    Case("SGD", reference.sgd, {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    Case("SGD", reference.sgd, {"learning_rate": 0.1}, {"clipvalue": 0.5}),
    Case("SGD", reference.sgd, {"learning_rate": 0.1}, {"clipnorm": 0.5}),
    Case("SGD", reference.sgd, {"learning_rate": 0.1}, {"global_clipnorm": 0.5}),
    Case("SGD", reference.sgd, {"learning_rate": 0.1}, {"weight_decay": 0.1}),
    Case("RMSprop", reference.rmsprop, {"learning_rate": 0.01}),
    Case("RMSprop", reference.rmsprop, {"learning_rate": 0.01, "momentum": 0.5, "rho": 0.8}),
    Case("RMSprop", reference.rmsprop, {"learning_rate": 0.01, "centered": True, "epsilon": 1e-3}),
    Case("RMSprop", reference.rmsprop, {"learning_rate": 0.01, "centered": True, "momentum": 0.5}),
    Case("Adam", reference.adam, {"learning_rate": 0.01}),
    Case("Adam", reference.adam, {"learning_rate": 0.01, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    Case("Adam", reference.adam, {"learning_rate": 0.01, "amsgrad": True, "beta_2": 0.6}),
    Case("Adam", reference.adam, {"learning_rate": 0.01}, {"clipnorm": 0.5, "weight_decay": 0.1}),
    Case("AdamW", reference.adam, {"learning_rate": 0.01}, {"weight_decay": 0.3}),
    Case("LazyAdam", reference.adam, {"learning_rate": 0.01}),
    Case("Adamax", reference.adamax, {"learning_rate": 0.01}),
    Case("Nadam", reference.nadam, {"learning_rate": 0.01}),
    Case("Adagrad", reference.adagrad, {"learning_rate": 0.01, "initial_accumulator_value": 0.5}),
    Case("Adadelta", reference.adadelta, {"learning_rate": 0.5, "rho": 0.9}),
]
each = pytest.mark.parametrize("case", CASES, ids=str)


def draw(seed: int, steps: int) -> tuple[list[Any], list[list[Any]]]:
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=shape) for shape in SHAPES]
    return weights, [[rng.normal(size=shape) for shape in SHAPES] for _ in range(steps)]


def flat(arrays: list[Any], dtype: str) -> Any:
    return np.concatenate([a.ravel() for a in arrays]).astype(dtype)


class Loop:
    """Drive an optimizer the way a program does."""

    def __init__(self, optimizer: optimizers.Optimizer, weights: list[Any], dtype: str) -> None:
        self.optimizer, self.vector = optimizer, flat(weights, dtype)
        self.gradient = np.zeros_like(self.vector)
        self.step_state = np.zeros(2, dtype=np.int64)
        sizes = np.array([w.size for w in weights], dtype=np.int64)
        self.calls = optimizer.bind(self.vector, self.gradient, sizes, self.step_state)

    def train(self, steps: list[list[Any]], native: bool = False) -> Any:
        walk = CallList(self.calls).run if native else lambda: run(self.calls)
        for grads in steps:
            if self.optimizer.needs_prepare:
                self.optimizer.prepare(int(self.step_state[1]))
            self.gradient[:] = flat(grads, self.gradient.dtype.name)
            walk()
            self.step_state[1] += 1
        return self.vector


def wanted(case: Case, weights: list[Any], steps: list[list[Any]]) -> Any:
    clipping = {k: v for k, v in case.options.items() if "clip" in k}
    decay = case.options.get("weight_decay")
    return flat(reference.train(case.rule, weights, steps, decay, clipping, **case.settings), "float64")


@each
@given(seed=st.integers(0, 2**32))
@settings(max_examples=10)
def test_float64_is_the_formula(case: Case, seed: int) -> None:
    weights, steps = draw(seed, 12)
    found = Loop(case.make(), weights, "float64").train(steps)
    np.testing.assert_allclose(found, wanted(case, weights, steps), rtol=1e-9, atol=1e-11)


@each
def test_float32_stays_close_for_a_hundred_steps(case: Case) -> None:
    weights, steps = draw(1, 100)
    found = Loop(case.make(), weights, "float32").train(steps)
    np.testing.assert_allclose(found, wanted(case, weights, steps), rtol=1e-4, atol=1e-4)


@each
def test_native_loop_gives_the_same_bits(case: Case) -> None:
    weights, steps = draw(2, 3)
    one = Loop(case.make(), weights, "float32").train(steps)
    other = Loop(case.make(), weights, "float32").train(steps, native=True)
    np.testing.assert_array_equal(one, other)


@each
def test_binding_again_goes_on(case: Case) -> None:
    weights, steps = draw(3, 6)
    whole = Loop(case.make(), weights, "float64").train(steps)
    optimizer = case.make()
    first = Loop(optimizer, weights, "float64")
    half = first.train(steps[:3])
    second = Loop(optimizer, [half], "float64")
    assert optimizer.iterations == second.step_state[1] == 3
    pieces = [np.concatenate([g.ravel() for g in grads]) for grads in steps[3:]]
    if "clipnorm" not in case.options:  # one array instead of four: other norms
        np.testing.assert_array_equal(second.train([[g] for g in pieces]), whole)


@each
def test_reset_forgets(case: Case) -> None:
    weights, steps = draw(4, 3)
    optimizer = case.make()
    first = Loop(optimizer, weights, "float64").train(steps).copy()
    optimizer.reset()
    assert optimizer.iterations == 0
    np.testing.assert_array_equal(Loop(optimizer, weights, "float64").train(steps), first)


@each
def test_config_makes_an_equal_optimizer(case: Case) -> None:
    optimizer = case.make()
    config = optimizer.get_config()
    again = type(optimizer).from_config(config)
    assert again.get_config() == config
    assert {**case.settings, **case.options}.items() <= config.items()
    weights, steps = draw(5, 2)
    one, other = (Loop(o, weights, "float64").train(steps) for o in (optimizer, again))
    np.testing.assert_array_equal(one, other)


@each
def test_zero_gradients_of_gaps_leave_zeros(case: Case) -> None:
    """Flat vectors have gaps between arrays, which must stay zero."""
    zeros = [np.zeros(8)]
    assert not Loop(case.make(), zeros, "float32").train([zeros, zeros]).any()


@each
def test_every_learning_rate_is_read_at_run_time(case: Case) -> None:
    weights, steps = draw(6, 2)
    loop = Loop(case.make(), weights, "float64")
    loop.train(steps[:1])
    before = loop.vector.copy()
    loop.optimizer.learning_rate = 0.0
    after = loop.train(steps[1:])
    if not case.settings.get("momentum"):
        np.testing.assert_array_equal(after, before)
    loop.optimizer.learning_rate = 0.5
    assert (loop.train(steps[1:]) != before).any()


@each
def test_missing_numbers_show(case: Case) -> None:
    weights = [np.ones(3)]
    found = Loop(case.make(), weights, "float32").train([[np.array([np.nan, 1.0, 1.0])]])
    assert np.isnan(found[0])
    if not {"clipnorm", "global_clipnorm"} & case.options.keys():
        assert np.isfinite(found[1:]).all()


def test_every_optimizer_has_a_case() -> None:
    made = {
        name
        for name in optimizers.__all__
        if inspect.isclass(getattr(optimizers, name)) and name != "Optimizer"
    }
    assert made == {case.name for case in CASES}


@pytest.mark.jit
def test_second_use_compiles_nothing() -> None:
    weights, steps = draw(7, 1)
    kernels = []
    for case in CASES:
        loop = Loop(case.make(), weights, "float32")
        loop.train(steps)
        kernels += [call[0] for call in loop.calls]
    before = [len(kernel.overloads) for kernel in kernels]
    for case in CASES:
        Loop(case.make(), [np.ones(9)], "float32").train([[np.ones(9)]])
    assert [len(kernel.overloads) for kernel in kernels] == before
