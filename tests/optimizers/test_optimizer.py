"""All optimizers: settings, learning rates that change, names, wrong arguments."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from oracles import optimizers as reference

from streamfit import optimizers
from streamfit._base.errors import UnknownNameError
from streamfit.kernels import run
from streamfit.optimizers import schedules


def trained(optimizer: optimizers.Optimizer, n_steps: int) -> Any:
    """Train one weight with a gradient of one, and return it."""
    w, g, step_state = np.zeros(1), np.ones(1), np.zeros(2, dtype=np.int64)
    calls = optimizer.bind(w, g, np.array([1]), step_state)
    for _ in range(n_steps):
        if optimizer.needs_prepare:
            optimizer.prepare(int(step_state[1]))
        g[:] = 1.0
        run(calls)
        step_state[1] += 1
    return w[0]


def test_decay_of_keras_2() -> None:
    optimizer = optimizers.SGD(lr=1.0, decay=0.5)
    assert optimizer.needs_prepare
    assert trained(optimizer, 3) == pytest.approx(-(1 + 1 / 1.5 + 1 / 2))
    assert optimizer.lr == optimizer.learning_rate == 1.0


def test_schedule_sets_the_rate_of_each_step() -> None:
    rates = schedules.ExponentialDecay(1.0, 1, 0.5)
    optimizer = optimizers.SGD(rates)
    assert trained(optimizer, 4) == pytest.approx(-(1 + 0.5 + 0.25 + 0.125))
    assert optimizer.iterations == 4
    assert optimizer.learning_rate == 0.5**4


def test_plain_function_is_a_schedule() -> None:
    assert trained(optimizers.SGD(lambda step: float(step)), 4) == -6.0


def test_learning_rate_of_a_schedule_cannot_be_set() -> None:
    optimizer = optimizers.Adam(schedules.CosineDecay(0.1, 10))
    with pytest.raises(TypeError, match=r"follows a schedule and cannot be set to 0\.1"):
        optimizer.learning_rate = 0.1


def test_schedule_survives_a_description() -> None:
    optimizer = optimizers.Adam(schedules.CosineDecay(0.1, 10))
    again = optimizers.get({"class_name": "Adam", "config": optimizer.get_config()})
    assert again.learning_rate == 0.1
    again.iterations = 5
    assert again.learning_rate == pytest.approx(0.05)


def test_schedule_in_the_reference() -> None:
    rates = schedules.PolynomialDecay(0.1, 5)
    rng = np.random.default_rng(0)
    grads = rng.normal(size=(8, 4))
    optimizer = optimizers.Adam(rates)
    w, g, step_state = np.ones(4), np.zeros(4), np.zeros(2, dtype=np.int64)
    calls = optimizer.bind(w, g, np.array([4]), step_state)
    for gradient in grads:
        optimizer.prepare(int(step_state[1]))
        g[:] = gradient
        run(calls)
        step_state[1] += 1
    wanted = reference.train(reference.adam, [np.ones(4)], [[g] for g in grads], rates=rates)
    np.testing.assert_allclose(w, wanted[0], rtol=1e-12)


def test_learning_rate_takes_numpy_numbers() -> None:
    optimizer = optimizers.SGD()
    optimizer.learning_rate = np.float32(0.5)
    assert optimizer.lr == 0.5
    optimizer.lr = np.array(0.25)
    assert optimizer.learning_rate == 0.25
    assert optimizer.hyper[0] == 0.25


def test_settings_are_attributes_that_kernels_read() -> None:
    optimizer = optimizers.SGD(1.0, momentum=0.5)
    w, g, step_state = np.zeros(1), np.ones(1), np.zeros(2, dtype=np.int64)
    calls = optimizer.bind(w, g, np.array([1]), step_state)
    run(calls)
    optimizer.momentum = 0.25
    run(calls)
    assert w[0] == -1.0 + (0.25 * -1.0 - 1.0)


def test_other_weights_start_again() -> None:
    optimizer = optimizers.Adam()
    for size in (3, 4):
        vector, step_state = np.zeros(size), np.zeros(2, dtype=np.int64)
        run(optimizer.bind(vector, np.ones(size), np.array([size]), step_state))
        assert {name: value.shape for name, value in optimizer.state.items()} == {"m": (size,), "v": (size,)}
        assert optimizer.iterations == 0
        np.testing.assert_allclose(vector, -0.001, rtol=1e-5)
        step_state[1] += 1


def test_clock_of_a_resumed_run_is_kept() -> None:
    step_state = np.array([7, 100])
    optimizer = optimizers.Adam()
    optimizer.bind(np.zeros(1), np.zeros(1), np.array([1]), step_state)
    assert step_state.tolist() == [7, 100]
    assert optimizer.iterations == 100


def test_infinite_gradient_has_no_direction() -> None:
    optimizer = optimizers.SGD(global_clipnorm=1.0)
    w, g = np.zeros(3), np.array([np.inf, 1.0, 2.0])
    run(optimizer.bind(w, g, np.array([1, 2]), np.zeros(2, dtype=np.int64)))
    assert np.isnan(w).all()


def test_norm_of_each_array_has_its_own_limit() -> None:
    optimizer = optimizers.SGD(1.0, clipnorm=1.0)
    w, g = np.zeros(4), np.array([3.0, 4.0, 0.1, 0.2])
    run(optimizer.bind(w, g, np.array([2, 2]), np.zeros(2, dtype=np.int64)))
    np.testing.assert_allclose(w, [-0.6, -0.8, -0.1, -0.2])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizers.SGD(-0.1), "learning_rate must be zero or positive, got -0.1"),
        (lambda: optimizers.SGD(float("nan")), "learning_rate must be zero or positive, got nan"),
        (lambda: optimizers.SGD(momentum=1.0), r"momentum must be in \[0, 1\), got 1.0"),
        (lambda: optimizers.Adam(beta_1=1.5), r"beta_1 must be in \[0, 1\), got 1.5"),
        (lambda: optimizers.Adam(epsilon=-1), "epsilon must be zero or positive, got -1"),
        (lambda: optimizers.RMSprop(rho=-0.1), r"rho must be in \[0, 1\), got -0.1"),
        (lambda: optimizers.Adagrad(initial_accumulator_value=-1), "initial_accumulator_value must be zero"),
        (lambda: optimizers.SGD(clipnorm=0), "clipnorm must be positive, got 0"),
        (lambda: optimizers.SGD(clipnorm=1, clipvalue=1), "only one of clipnorm, clipvalue and global"),
        (lambda: optimizers.SGD(weight_decay=-1), "weight_decay must be zero or positive, got -1"),
        (lambda: optimizers.SGD(decay=-1), "decay must be zero or positive, got -1"),
    ],
)
def test_wrong_numbers_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_wrong_types_are_refused() -> None:
    with pytest.raises(TypeError, match="learning_rate must be a number, got 'fast'"):
        optimizers.SGD("fast")
    with pytest.raises(TypeError, match="unexpected keyword argument 'momentun'"):
        optimizers.SGD(momentun=0.9)


def test_base_class_needs_a_step() -> None:
    optimizer = optimizers.Optimizer()
    with pytest.raises(TypeError, match="Optimizer must define step"):
        optimizer.bind(np.zeros(1), np.zeros(1), np.array([1]), np.zeros(2, dtype=np.int64))


def test_limits_can_be_read() -> None:
    optimizer = optimizers.SGD(clipvalue=0.5)
    assert (optimizer.clipnorm, optimizer.clipvalue, optimizer.global_clipnorm) == (None, 0.5, None)


NAMES = ["sgd", "SGD", "rmsprop", "RMSprop", "adam", "Adam", "AdamW", "adamw", "Adamax", "nadam", "adagrad"]


@pytest.mark.parametrize("name", [*NAMES, "Adadelta"])
def test_names_of_keras_are_known(name: str) -> None:
    assert optimizers.get(name).name == name.lower()


def test_classes_and_instances_are_taken() -> None:
    made = optimizers.Adam(0.5)
    assert optimizers.get(made) is made
    assert type(optimizers.get(optimizers.SGD)) is optimizers.SGD


def test_unknown_optimizers_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown optimizer: 'adm'\. Did you mean 'adam'\?"):
        optimizers.get("adm")
    for wrong in (None, 3, int, lambda w: w):
        with pytest.raises(TypeError, match="optimizer must be a name, an Optimizer or its class"):
            optimizers.get(wrong)


def test_custom_optimizer_needs_only_a_step() -> None:
    class Halving(optimizers.Optimizer):
        def step(self, weights: Any, grads: Any, step_state: Any) -> Any:
            return [(halve, (weights,))]

    def halve(w: Any) -> None:
        w /= 2

    w = np.ones(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(Halving().bind(w, np.zeros(3), np.array([3]), np.zeros(2, dtype=np.int64)))
    assert w.tolist() == [0.5] * 3
