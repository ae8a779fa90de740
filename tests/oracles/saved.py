"""Models of every form that are saved, each with data to train on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streamfit import Input, Model, Sequential, layers, losses, metrics, ops, optimizers, saving
from streamfit.optimizers.schedules import ExponentialDecay

ROWS = 24


@saving.register_keras_serializable("tests")
class Subclassed(Model):
    """A model with a `call`, whose arguments are its description."""

    def __init__(self, units: int = 3) -> None:
        super().__init__()
        self.hidden = layers.Dense(units, "relu")
        self.last = layers.Dense(1, "sigmoid")

    def call(self, x: Any) -> Any:
        """Compute."""
        return self.last(self.hidden(x))


@saving.register_keras_serializable("tests")
def softened(x: Any) -> Any:
    """Return half of the values: an activation of the user's."""
    return 0.5 * x


def stack() -> Model:
    """Stack layers with state, noise, penalties and constraints."""
    first = layers.Dense(8, "relu", kernel_regularizer="l2", kernel_constraint="max_norm")
    return Sequential(
        [
            Input((5,)),
            first,
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(1, "sigmoid", activity_regularizer="l1"),
        ]
    )


def late_stack() -> Model:
    """Stack layers without an input: it is built by the first data."""
    return Sequential([layers.Dense(8, softened), layers.Dense(1, "sigmoid")])


def graph() -> Model:
    """Connect shared layers, operations, constants, slices and a nested model."""
    x = Input((5,), name="x")
    low, shared = layers.Dense(4, name="low")(x), layers.Dense(4, name="shared")
    both = shared(low) + shared(low * np.arange(4.0, dtype="float32"))
    part = ops.tanh(both)[:, 1:3]
    inner = Sequential([Input((4,)), layers.Dense(3, "tanh")], name="inner")
    joined = layers.Concatenate(name="joined")([inner(low), part, ops.max(both, axis=-1, keepdims=True)])
    return Model(x, layers.Dense(1, "sigmoid", name="last")(joined))


def by_name() -> Model:
    """Make a model of a dictionary of inputs with a dictionary of outputs."""
    a, b = Input((2,), name="a"), Input((3,), name="b")
    joined = layers.Concatenate()([a, b])
    outputs = {"p": layers.Dense(1, "sigmoid", name="p")(joined), "q": layers.Dense(2, name="q")(joined)}
    return Model({"a": a, "b": b}, outputs)


def frozen() -> Model:
    """Freeze a model inside a model."""
    inner = Sequential([Input((5,)), layers.Dense(3, "relu")], name="below")
    inner.trainable = False
    x = Input((5,))
    return Model(x, layers.Dense(1, "sigmoid")(inner(x)))


def sequences() -> Model:
    """Make a model of sequences of any length, with masks."""
    x = Input((None,), dtype="int64", name="ids")
    vectors = layers.Embedding(10, 3, mask_zero=True)(x)
    return Model(x, layers.Dense(1, "sigmoid")(layers.GlobalAveragePooling1D()(vectors)))


def texts() -> Model:
    """Make a model that reads text, with a vocabulary that is long enough for a member of its own."""
    words = ["a", "b", *(f"word{i}" for i in range(100)), "ünï", "\ud800"]
    lookup = layers.StringLookup(vocabulary=words)
    return Sequential(
        [
            Input((4,), dtype="string"),
            lookup,
            layers.Embedding(len(words) + 1, 3),
            layers.Flatten(),
            layers.Dense(1, "sigmoid"),
        ]
    )


def images() -> Model:
    """Make a convolutional model."""
    return Sequential(
        [
            Input((6, 6, 1)),
            layers.Conv2D(2, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(1, "sigmoid"),
        ]
    )


def _numbers(*shape: int) -> Any:
    return np.random.default_rng(7).normal(size=shape).astype("float32")


_y = (np.arange(ROWS) % 2).astype("float32")[:, None]
_ids = np.random.default_rng(3).integers(0, 9, (ROWS, 4))

CASES: dict[str, tuple[Callable[[], Model], Any, Any]] = {
    "stack": (stack, _numbers(ROWS, 5), _y),
    "stack without an input": (late_stack, _numbers(ROWS, 5), _y),
    "graph": (graph, _numbers(ROWS, 5), _y),
    "by name": (
        by_name,
        {"a": _numbers(ROWS, 2), "b": _numbers(ROWS, 3)},
        {"p": _y, "q": _numbers(ROWS, 2)},
    ),
    "subclass": (lambda: Subclassed(7), _numbers(ROWS, 5), _y),
    "frozen": (frozen, _numbers(ROWS, 5), _y),
    "sequences": (sequences, _ids, _y),
    "texts": (texts, np.array(["a", "b", "word5", "other"])[_ids % 4], _y),
    "images": (images, _numbers(ROWS, 6, 6, 1), _y),
}

OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "adam": lambda: "adam",
    "momentum and schedule": lambda: optimizers.SGD(
        ExponentialDecay(0.1, 10, 0.9), momentum=0.9, nesterov=True, clipnorm=1.0
    ),
    "nadam": lambda: optimizers.Nadam(0.01),
    "rmsprop": lambda: optimizers.RMSprop(0.01, centered=True, weight_decay=0.01),
    "adagrad": lambda: optimizers.Adagrad(0.1),
}


def compiled(name: str, optimizer: str = "adam") -> tuple[Model, Any, Any]:
    """Return a compiled model of a case, with data."""
    make, x, y = CASES[name]
    model = make()
    if isinstance(y, dict):
        model.compile(
            OPTIMIZERS[optimizer](),
            {"p": "binary_crossentropy", "q": losses.Huber(delta=0.5)},
            {"q": ["mae"]},
        )
    else:
        loss = losses.BinaryCrossentropy(label_smoothing=0.1)
        model.compile(OPTIMIZERS[optimizer](), loss, metrics=["accuracy", metrics.AUC(name="auc")])
    return model, x, y
