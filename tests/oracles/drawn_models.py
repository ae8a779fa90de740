"""Models that Hypothesis draws: inputs of all kinds, a stack of pieces, outputs, and an optimizer."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from streamfit import Input, Model, layers, metrics, ops, optimizers, set_floatx, set_random_seed
from streamfit.streams import Sequence

Array = np.ndarray[Any, Any]
Make = Callable[[Any], Any]
Draw = Callable[[np.random.Generator, int], Array]
MANY_IDS, WIDTH = 50, 4
LARGE_TABLE = MANY_IDS * WIDTH  # elements: for tests that lower the limit of tables by rows to it


def _normalized(x: Any) -> Any:
    """Normalize each row, as layer normalization does."""
    centered = x - ops.mean(x, axis=-1, keepdims=True)
    return centered / ops.sqrt(ops.mean(ops.square(centered), axis=-1, keepdims=True) + 1e-3)


def _shared(x: Any) -> Any:
    layer = layers.Dense(int(x.shape[-1]), "tanh")
    return layers.Add()([layer(x), layer(layer(x))])


def _features() -> tuple[Any, Any]:
    start = Input((5,))
    return start, start


def _picture() -> tuple[Any, Any]:
    start = Input((6, 6, 1))
    return start, layers.Flatten()(layers.MaxPooling2D(2)(layers.Conv2D(3, 3, activation="relu")(start)))


def _steps() -> tuple[Any, Any]:
    start = Input((None, 3))
    return start, layers.GlobalAveragePooling1D()(layers.Dense(WIDTH, "tanh")(layers.Masking()(start)))


def _ids(count: int, masked: bool) -> tuple[Any, Any]:
    start = Input((3,), dtype="int32")
    return start, layers.GlobalAveragePooling1D()(layers.Embedding(count, WIDTH, mask_zero=masked)(start))


def _steps_of(rng: np.random.Generator, rows: int) -> Array:
    steps = rng.normal(size=(rows, 4, 3))
    steps[np.arange(4) >= rng.integers(1, 5, (rows, 1))] = 0  # masked
    return steps


class Branch(NamedTuple):
    """An input: how to make it and the layers behind it, and data for some rows."""

    make: Callable[[], tuple[Any, Any]]
    draw: Draw


class Head(NamedTuple):
    """An output: how to make it, given a tensor and its name; its loss and metrics; targets for some rows."""

    make: Callable[[Any, str], Any]
    loss: str
    metrics: Callable[[], list[Any]]
    draw: Draw


INPUTS: dict[str, Branch] = {
    "features": Branch(_features, lambda rng, rows: rng.normal(size=(rows, 5))),
    "picture": Branch(_picture, lambda rng, rows: rng.normal(size=(rows, 6, 6, 1))),
    "steps": Branch(_steps, _steps_of),
    "few ids": Branch(lambda: _ids(7, True), lambda rng, rows: rng.integers(0, 7, (rows, 3))),
    "many ids": Branch(
        lambda: _ids(MANY_IDS, False), lambda rng, rows: rng.integers(0, MANY_IDS, (rows, 3)) // 2
    ),
}
PIECES: dict[str, Make] = {
    "dense": lambda x: layers.Dense(5, "relu")(x),
    "penalty": lambda x: layers.Dense(4, "tanh", kernel_regularizer="l2", bias_regularizer="l1")(x),
    "activity": lambda x: layers.Dense(4, activity_regularizer="l2")(x),
    "constraint": lambda x: layers.Dense(4, kernel_constraint="max_norm", bias_constraint="non_neg")(x),
    "batch normalization": lambda x: layers.BatchNormalization()(x),
    "layer normalization": lambda x: layers.Lambda(_normalized)(x),
    "dropout": lambda x: layers.Dropout(0.25)(x),
    "noise": lambda x: layers.GaussianNoise(0.1)(x),
    "shared": _shared,
    "branches": lambda x: layers.Concatenate()([layers.Dense(3)(x), layers.Activation("sigmoid")(x)]),
    "mean of the batch": lambda x: layers.Lambda(lambda t: t - ops.mean(t, axis=0, keepdims=True))(x),
}
OUTPUTS: dict[str, Head] = {
    "values": Head(
        lambda x, name: layers.Dense(2, name=name)(x),
        "mse",
        lambda: ["mae"],
        lambda rng, rows: rng.normal(size=(rows, 2)),
    ),
    "chance": Head(
        lambda x, name: layers.Dense(1, "sigmoid", name=name)(x),
        "binary_crossentropy",
        lambda: [metrics.AUC(num_thresholds=20), "accuracy"],
        lambda rng, rows: rng.integers(0, 2, (rows, 1)),
    ),
    "classes": Head(
        lambda x, name: layers.Dense(3, "softmax", name=name)(x),
        "sparse_categorical_crossentropy",
        lambda: ["accuracy"],
        lambda rng, rows: rng.integers(0, 3, rows),
    ),
}
OPTIMIZERS: dict[str, Callable[[], optimizers.Optimizer]] = {
    "sgd": lambda: optimizers.SGD(0.05),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: optimizers.Adam(0.01),
    "adamw": lambda: optimizers.AdamW(optimizers.schedules.ExponentialDecay(0.02, 3, 0.8), weight_decay=0.01),
    "clipnorm": lambda: optimizers.Adam(0.01, clipnorm=0.05),
    "global clipnorm": lambda: optimizers.SGD(0.1, momentum=0.5, global_clipnorm=0.1),
    "rmsprop": lambda: optimizers.RMSprop(0.01, clipvalue=0.1),
}


@dataclass(frozen=True)
class DrawnModel:
    """A model and its data, by the names of their parts."""

    inputs: tuple[str, ...]
    pieces: tuple[str, ...]
    outputs: tuple[str, ...]
    optimizer: str
    floatx: str

    def make(self) -> Model:
        """Build and compile it; each time with the same first weights."""
        set_floatx(self.floatx)
        set_random_seed(7)
        starts, ends = zip(*(INPUTS[name].make() for name in self.inputs), strict=True)
        x = ends[0] if len(ends) == 1 else layers.Concatenate()(list(ends))
        for name in self.pieces:
            x = PIECES[name](x)
        heads = [OUTPUTS[name].make(x, f"output_{i}") for i, name in enumerate(self.outputs)]
        model = Model(list(starts), heads)
        losses = [OUTPUTS[name].loss for name in self.outputs]
        model.compile(
            OPTIMIZERS[self.optimizer](), losses, metrics=[OUTPUTS[name].metrics() for name in self.outputs]
        )
        return model

    def data(self, rows: int, seed: int = 0) -> tuple[Any, Any]:
        """Draw x and y: an array each, or a tuple of several."""
        rng = np.random.default_rng(seed)
        x = tuple(INPUTS[name].draw(rng, rows) for name in self.inputs)
        y = tuple(OUTPUTS[name].draw(rng, rows) for name in self.outputs)
        return x if len(x) > 1 else x[0], y if len(y) > 1 else y[0]


def several(names: Any, most: int, least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw up to `most` of some names."""
    return st.lists(st.sampled_from(sorted(names)), min_size=least, max_size=most).map(tuple)


drawn_models: st.SearchStrategy[DrawnModel] = st.builds(
    DrawnModel,
    inputs=several(INPUTS, 2, 1),
    pieces=several(PIECES, 3),
    outputs=several(OUTPUTS, 2, 1),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    floatx=st.sampled_from(["float32", "float64"]),
)


class Batches(Sequence):
    """Batches of consecutive rows; a worker process that loads one of them for the first time dies."""

    def __init__(
        self, x: Any, y: Any, size: int, deadly: int | None = None, mark: Path | None = None
    ) -> None:
        super().__init__()
        self.x, self.y, self.size, self.deadly, self.mark = x, y, size, deadly, mark
        self.main = os.getpid()

    def __len__(self) -> int:
        first = self.x[0] if isinstance(self.x, tuple) else self.x
        return -(-len(first) // self.size)

    def __getitem__(self, index: int) -> Any:
        if index == self.deadly and self.mark is not None and os.getpid() != self.main:
            try:
                self.mark.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        rows = slice(index * self.size, (index + 1) * self.size)
        return _cut(self.x, rows), _cut(self.y, rows)


def _cut(arrays: Any, rows: slice) -> Any:
    return tuple(array[rows] for array in arrays) if isinstance(arrays, tuple) else arrays[rows]


def bits_of(model: Model) -> dict[str, Any]:
    """Return what a step changes, by name: weights, states of layers, and the optimizer."""
    found: dict[str, Any] = {f"weight {i}": w.tobytes() for i, w in enumerate(model.get_weights())}
    found.update({f"state {name}": vector.tobytes() for name, vector in model.optimizer.state.items()})
    return {**found, "iterations": model.optimizer.iterations}


def bits(model: Model, history: Any) -> dict[str, Any]:
    """Return what must be the same to the bit after a run, by name."""
    receipts = [(r.planned, r.delivered, r.digest, r.seed) for r in history.receipts]
    return {**bits_of(model), "history": repr(history.history), "receipts": receipts}


def differing(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Name what differs."""
    return [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
