"""Small models whose results NumPy computes in one line, and a callback that records its calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from streamfit import Input, Model, Sequential, layers
from streamfit.callbacks import Callback

FEATURES = 3


def data(n: int = 10, outputs: int = 1, seed: int = 0) -> tuple[Any, Any]:
    """Return features (n, 3) and targets (n, outputs), float32."""
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(n, FEATURES)).astype("float32"),
        rng.normal(size=(n, outputs)).astype("float32"),
    )


def linear(outputs: int = 1, **compile_arguments: Any) -> Sequential:
    """Return a compiled linear model that does not learn unless its learning rate is set."""
    model = Sequential([Input((FEATURES,), name="x"), layers.Dense(outputs, name="y")])
    arguments = {"optimizer": still(), "loss": "mse", **compile_arguments}
    model.compile(**arguments)
    return model


def still() -> Any:
    """Return an optimizer that changes nothing."""
    from streamfit.optimizers import SGD

    return SGD(0.0)


def two_heads(units: tuple[int, int] = (1, 1), **compile_arguments: Any) -> Model:
    """Return a compiled model with the inputs `ia` and `ib` and the outputs `a` and `b`."""
    ia, ib = Input((FEATURES,), name="ia"), Input((FEATURES,), name="ib")
    a = layers.Dense(units[0], name="a")(ia)
    b = layers.Dense(units[1], name="b")(layers.add([ia, ib]))
    model = Model([ia, ib], [a, b])
    model.compile(**{"optimizer": still(), "loss": "mse", **compile_arguments})
    return model


def squares(model: Model, x: Any, y: Any) -> Any:
    """Return the squared error of each sample of a model with one output, by NumPy."""
    kernel, bias = model.get_weights()
    return ((x.astype("float64") @ kernel + bias - y) ** 2).mean(axis=-1)


def cut(x: Any, y: Any, size: int, *weights: Any) -> Iterator[tuple[Any, ...]]:
    """Yield batches of `size` samples."""
    for start in range(0, len(x), size):
        stop = start + size
        yield (x[start:stop], y[start:stop], *(w[start:stop] for w in weights))


def forever(x: Any, y: Any, size: int) -> Iterator[tuple[Any, Any]]:
    """Yield batches without end."""
    while True:
        yield from cut(x, y, size)  # type: ignore[misc]


class Recorder(Callback):
    """Write down every hook: its name without "on_", its number if it has one, and the names in the logs."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.logs: list[tuple[str, dict[str, Any]]] = []
        self.steps: list[int | None] = []

    def _note(self, hook: str, number: int | None, logs: Any) -> None:
        self.events.append((hook,) if number is None else (hook, number))
        self.logs.append((hook, dict(logs or {})))

    def names(self) -> list[str]:
        """List the hooks in order."""
        return [event[0] for event in self.events]

    def keys(self, hook: str) -> list[list[str]]:
        """List the log keys of each call of a hook."""
        return [list(logs) for name, logs in self.logs if name == hook]


def _noting(hook: str, numbered: bool) -> Any:
    def with_number(self: Recorder, number: int, logs: Any = None) -> None:
        self._note(hook, number, logs)

    def without_number(self: Recorder, logs: Any = None) -> None:
        if hook == "train_begin":
            assert self.params is not None
        self._note(hook, None, logs)

    return with_number if numbered else without_number


for _phase in ("train", "test", "predict"):
    for _edge in ("begin", "end"):
        setattr(Recorder, f"on_{_phase}_{_edge}", _noting(f"{_phase}_{_edge}", False))
        setattr(Recorder, f"on_{_phase}_batch_{_edge}", _noting(f"{_phase}_batch_{_edge}", True))
for _edge in ("begin", "end"):
    setattr(Recorder, f"on_epoch_{_edge}", _noting(f"epoch_{_edge}", True))


class StopAt(Callback):
    """Set a flag of the model in one hook, at one number or at each call."""

    def __init__(self, hook: str, number: int | None = None, flag: str = "stop_training") -> None:
        def stop(*arguments: Any, **_: Any) -> None:
            if number is None or arguments[0] == number:
                setattr(self.model, flag, True)

        setattr(self, hook, stop)
