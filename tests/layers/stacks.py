"""The table of small networks by which layers are tested in training, with masks and with free axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamfit import Input, Sequential, constraints, layers, set_random_seed
from streamfit.layers import Layer

Array = np.ndarray[Any, Any]
L = layers


@dataclass(frozen=True)
class Stack:
    """A network.

    Attributes:
        name: In the ids of tests.
        make: Returns its layers.
        input: Shape of a sample, with None where the axis may be free, and dtype.
        draw: From a generator, a number of samples and the length of free axes to inputs.
        shares_samples: Whether an output depends on other samples of its batch, in training.
    """

    name: str
    make: Callable[[], list[Layer]]
    input: tuple[tuple[int | None, ...], str]
    draw: Callable[[np.random.Generator, int, int], Array]
    shares_samples: bool = False

    def __str__(self) -> str:
        return self.name

    def model(self, length: int | None = None) -> Sequential:
        """Return the network, with the same weights each time; free axes have a length if one is given."""
        set_random_seed(5)
        shape, dtype = self.input
        fixed = tuple(length if each is None else each for each in shape)
        model = Sequential([Input(fixed, dtype=dtype), *self.make()])
        rng = np.random.default_rng(6)
        for weight in model.weights:  # biases, means and variances that matter
            weight.assign(np.abs(weight.numpy() + rng.uniform(-0.3, 0.3, weight.shape)) + 0.05)
        return model

    def data(self, n: int, length: int = 5, seed: int = 0) -> tuple[Array, Array]:
        """Return inputs and targets of one kind for all lengths."""
        rng = np.random.default_rng(seed)
        x = self.draw(rng, n, length)
        shape = self.model(length).compute_output_shape((n, *x.shape[1:]))
        return x, rng.normal(size=shape)


def plain(*shape: int) -> Callable[[np.random.Generator, int, int], Array]:
    """Draw arrays of this shape, -1 for the length."""

    def draw(rng: np.random.Generator, n: int, length: int) -> Array:
        return rng.normal(size=(n, *(length if each < 0 else each for each in shape)))

    return draw


def padded(rng: np.random.Generator, n: int, length: int) -> Array:
    """Draw sequences of two features that end in steps of zeros."""
    x = rng.normal(size=(n, length, 2))
    x[np.arange(length) >= rng.integers(1, length + 1, (n, 1))] = 0.0
    return x


def ids(rng: np.random.Generator, n: int, length: int) -> Array:
    """Draw numbers of words that end in zeros."""
    x = rng.integers(1, 7, (n, length))
    return np.where(np.arange(length) < rng.integers(1, length + 1, (n, 1)), x, 0)


def texts(rng: np.random.Generator, n: int, length: int) -> Array:
    """Draw words, of which one is unknown, that end in empty texts."""
    words = np.array(["", "a", "b", "c", "d", "never seen"], object)
    return words[np.minimum(ids(rng, n, length), 5)]


def f64(make: Callable[..., Layer], *given: Any, **named: Any) -> Layer:
    return make(*given, dtype="float64", **named)


def dense(units: int = 3, **named: Any) -> Layer:
    return f64(L.Dense, units, **{"activation": "tanh", **named})


def normalization(**named: Any) -> Layer:
    return f64(L.BatchNormalization, momentum=0.75, **named)


IMAGE: tuple[tuple[int | None, ...], str] = (None, None, 2), "float64"
STACKS = [
    Stack("BatchNormalization", lambda: [dense(), normalization()], ((3,), "float64"), plain(3), True),
    Stack(
        "BatchNormalization-axis",
        lambda: [normalization(axis=1, center=False), f64(L.Flatten), dense(2)],
        ((3, 4), "float64"),
        plain(3, 4),
        True,
    ),
    Stack(
        "BatchNormalization-images",
        lambda: [f64(L.Conv2D, 2, 2), normalization(scale=False), f64(L.GlobalAveragePooling2D)],
        IMAGE,
        plain(-1, -1, 2),
        True,
    ),
    Stack(
        "BatchNormalization-constraint",
        lambda: [normalization(gamma_constraint=constraints.MaxNorm(50.0)), dense(2)],
        ((3,), "float64"),
        plain(3),
        True,
    ),
    Stack(
        "Masking-BatchNormalization",
        lambda: [f64(L.Masking), dense(), normalization(), f64(L.GlobalAveragePooling1D)],
        ((None, 2), "float64"),
        padded,
        True,
    ),
    Stack("Masking-steps", lambda: [f64(L.Masking), dense()], ((None, 2), "float64"), padded),
    Stack(
        "Masking-GlobalAveragePooling1D",
        lambda: [f64(L.Masking), dense(), f64(L.GlobalAveragePooling1D), dense(1)],
        ((None, 2), "float64"),
        padded,
    ),
    Stack(
        "Embedding",
        lambda: [f64(L.Embedding, 7, 3), dense(2)],
        ((None,), "int64"),
        ids,
    ),
    Stack(
        "Embedding-mask",
        lambda: [f64(L.Embedding, 7, 3, mask_zero=True), f64(L.GlobalAveragePooling1D), dense(2)],
        ((None,), "int64"),
        ids,
    ),
    Stack(
        "Embedding-mask-steps",
        lambda: [f64(L.Embedding, 7, 3, mask_zero=True), dense(2)],
        ((None,), "int64"),
        ids,
    ),
    Stack(
        "GlobalAveragePooling1D-keepdims",
        lambda: [dense(), f64(L.GlobalAveragePooling1D, keepdims=True), dense(1)],
        ((None, 2), "float64"),
        plain(-1, 2),
    ),
    Stack(
        "Conv2D",
        lambda: [f64(L.Conv2D, 3, (2, 3), padding="same", activation="tanh"), f64(L.GlobalAveragePooling2D)],
        IMAGE,
        plain(-1, -1, 2),
    ),
    Stack(
        "Conv2D-strides",
        lambda: [f64(L.Conv2D, 4, 2, 2, groups=2, activation="sigmoid"), f64(L.GlobalAveragePooling2D)],
        IMAGE,
        plain(-1, -1, 2),
    ),
    Stack(
        "MaxPooling2D",
        lambda: [
            f64(L.Conv2D, 3, 2, activation="tanh"),
            f64(L.MaxPooling2D, 2, 1),
            f64(L.GlobalMaxPooling2D),
        ],
        IMAGE,
        plain(-1, -1, 2),
    ),
    Stack(
        "MaxPooling2D-same",
        lambda: [dense(), f64(L.MaxPooling2D, (2, 3), padding="same"), f64(L.GlobalAveragePooling2D)],
        IMAGE,
        plain(-1, -1, 2),
    ),
    Stack(
        "StringLookup",
        lambda: [
            L.StringLookup(vocabulary=["a", "b", "c", "d"], mask_token=""),
            f64(L.Embedding, 6, 3, mask_zero=True),
            f64(L.GlobalAveragePooling1D),
            dense(2),
        ],
        ((None,), "string"),
        texts,
    ),
]
