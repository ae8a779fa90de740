"""Denormal numbers: training leaves none, and does not change the caller's floating-point mode."""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamfit import Sequential, layers, ops, optimizers
from streamfit.callbacks import LambdaCallback, TerminateOnNaN

pytestmark = [
    pytest.mark.jit,
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        platform.machine().lower() not in ("x86_64", "amd64", "aarch64", "arm64"),
        reason="the floating-point mode is known for x86-64 and AArch64 only",
    ),
]

FORGETFUL: dict[str, Callable[[], optimizers.Optimizer]] = {
    "sgd": lambda: optimizers.SGD(0.1, momentum=0.5),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.5, nesterov=True),
    "rmsprop": lambda: optimizers.RMSprop(rho=0.5, momentum=0.5, centered=True),
    "adam": lambda: optimizers.Adam(beta_1=0.5, beta_2=0.5),
    "adamw": lambda: optimizers.AdamW(beta_1=0.5, beta_2=0.5, amsgrad=True),
    "adamax": lambda: optimizers.Adamax(beta_1=0.5, beta_2=0.5),
    "nadam": lambda: optimizers.Nadam(beta_1=0.5, beta_2=0.5),
    "adadelta": lambda: optimizers.Adadelta(rho=0.5),
}


def denormals(array: Any) -> int:
    smallest = np.finfo(array.dtype).smallest_normal
    return int(((array != 0) & (np.abs(array) < smallest)).sum())


def keeps_denormals() -> bool:
    """Return whether this processor keeps denormal operands and results."""
    single, double = np.float32(1e-38), np.float64(1e-308)
    return bool(
        single * np.float32(0.1) > 0 and np.float32(1e-40) * np.float32(1e10) > 0 and double * 0.1 > 0
    )


@pytest.mark.parametrize("name", FORGETFUL)
@pytest.mark.parametrize("how", ["fit", "train_on_batch"])
def test_moments_without_gradient_become_zero(name: str, how: str) -> None:
    model = Sequential([layers.Dense(3, use_bias=False, input_shape=(2,))])
    model.compile(FORGETFUL[name](), "mse")
    once, never = np.ones((4, 2), "float32"), np.zeros((4, 2), "float32")
    y = np.ones((4, 3), "float32")
    model.train_on_batch(once, y)
    for steps in (130, 10, 10, 10):  # 130 halvings: below the smallest normal number, 160: below all
        if how == "fit":
            model.fit(np.repeat(never, steps, 0), np.repeat(y, steps, 0), batch_size=4, verbose=0)
        else:
            for _ in range(steps):
                model.train_on_batch(never, y)
        found = {key: denormals(vector) for key, vector in model.optimizer.state.items()}
        assert found == dict.fromkeys(found, 0)
    assert keeps_denormals()


def test_weights_that_decay_become_zero() -> None:
    model = Sequential([layers.Dense(1, kernel_initializer="ones", input_shape=(1,))])
    model.compile(optimizers.SGD(1.0, weight_decay=0.5), "mse")
    x = np.zeros((8, 1), "float32")
    model.fit(x, x, batch_size=1, epochs=17, verbose=0)
    assert model.get_weights()[0] == 0


def network() -> Sequential:
    model = Sequential([layers.Dense(4, activation="relu", input_shape=(3,)), layers.Dense(2)])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


X, Y = np.random.default_rng(0).random((32, 3)), np.arange(32) % 2


def ended_by_wrong_label(model: Sequential) -> None:
    with pytest.raises(ValueError, match="class"):
        model.fit(X, np.full(32, 7), verbose=0)


def ended_by_nan(model: Sequential) -> None:
    x = X.copy()
    x[5] = np.nan
    model.fit(x, Y, verbose=0, callbacks=[TerminateOnNaN()])


WAYS: dict[str, Callable[[Sequential], Any]] = {
    "fit": lambda model: model.fit(X, Y, epochs=2, verbose=0),
    "one batch": lambda model: model.train_on_batch(X, Y),
    "evaluate": lambda model: model.evaluate(X, Y, verbose=0),
    "predict": lambda model: model.predict(X),
    "wrong label": ended_by_wrong_label,
    "NaN": ended_by_nan,
    "eager": lambda model: ops.matmul(np.full((2, 2), 1e-30, "float32"), np.full((2, 2), 1e-10, "float32")),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_mode_of_the_caller_is_as_before(way: str) -> None:
    WAYS[way](network())
    assert keeps_denormals()


def test_the_mode_is_the_callers_in_callbacks_and_in_other_threads() -> None:
    inside: list[bool] = []
    looks = LambdaCallback(
        on_batch_begin=lambda batch, logs: inside.append(keeps_denormals()),
        on_batch_end=lambda batch, logs: inside.append(keeps_denormals()),
        on_epoch_end=lambda epoch, logs: inside.append(keeps_denormals()),
    )

    def train() -> None:
        network().fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[looks])
        inside.append(keeps_denormals())

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert inside == [True] * (2 * 2 * 4 + 2 + 1)
    assert keeps_denormals()


def test_operations_on_arrays_give_what_the_model_gives() -> None:
    x = np.array([[1e-30, 1e-10, 1e-3]], "float32")
    tiny = np.float32(1e-10)
    model = Sequential([layers.Dense(1, use_bias=False, input_shape=(3,))])
    kernel = np.full((3, 1), tiny)
    model.set_weights([kernel])
    for row in np.eye(3, dtype="float32"):
        assert model.predict(x * row).tobytes() == ops.matmul(x * row, kernel).tobytes()
    assert model.predict(x * np.array([1, 0, 0], "float32")) == 0  # 1e-40 is denormal
