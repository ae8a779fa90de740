"""The table of layers: how to make each, the shapes of its inputs, and its formula in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from oracles import ops as reference

from streamfit import layers

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One layer with its settings.

    Attributes:
        make: Makes the layer.
        samples: Shape of one sample of each input.
        compute: From the layer's weights and the inputs to the output, in inference.
        label: What tells this case of the layer from its others.
        count: Where the layer reads whole numbers, these lie in [0, count).
        smooth: Whether a gradient passes through the layer.
    """

    make: Callable[..., layers.Layer]
    samples: Sequence[Shape]
    compute: Callable[..., Array]
    label: str = ""
    count: int | None = None
    smooth: bool = True

    @property
    def name(self) -> str:
        return type(self.make()).__name__

    def __str__(self) -> str:
        return f"{self.name}{self.label}"

    def inputs(self, n: int, seed: int = 0, dtype: str = "float64") -> list[Array]:
        rng = np.random.default_rng(seed)
        if self.count is not None:
            return [rng.integers(0, self.count, (n, *shape)) for shape in self.samples]
        return [rng.normal(size=(n, *shape)).astype(dtype) for shape in self.samples]

    def call(self, layer: layers.Layer, inputs: Sequence[Any], **options: Any) -> Any:
        """Call the layer as a user would: one tensor, or a list of them."""
        return layer(list(inputs) if len(self.samples) > 1 else inputs[0], **options)


def dense(activation: str = "linear", bias: bool = True) -> Callable[..., Array]:
    def compute(weights: list[Array], x: Array) -> Array:
        y = x @ weights[0] + (weights[1] if bias else 0.0)
        return y if activation == "linear" else getattr(reference, activation)(y)

    return compute


def conv(activation: str = "linear", **options: Any) -> Callable[..., Array]:
    def compute(weights: list[Array], x: Array) -> Array:
        y = reference.conv(x, weights[0], **options) + (weights[1] if len(weights) > 1 else 0.0)
        return y if activation == "linear" else getattr(reference, activation)(y)

    return compute


def pooled(name: str, *given: Any) -> Callable[..., Array]:
    return plain(lambda x: getattr(reference, name)(x, *given))


def over_samples(name: str, keepdims: bool = False) -> Callable[..., Array]:
    return plain(lambda x: getattr(np, name)(x, axis=tuple(range(1, x.ndim - 1)), keepdims=keepdims))


def combined(combiner: str, padding: int | None = 0) -> Callable[..., Array]:
    return lambda weights, x: reference.embedding_bag(weights[0], x, None, combiner, padding)


def plain(function: Callable[..., Array]) -> Callable[..., Array]:
    return lambda weights, *inputs: function(*inputs)


def moving_normalized(weights: list[Array], x: Array) -> Array:
    gamma, beta, mean, variance = weights
    return gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta


def moving_normalized_along_1(weights: list[Array], x: Array) -> Array:
    beta, mean, variance = (weight[:, None] for weight in weights)
    return (x - mean) / np.sqrt(variance + 1e-3) + beta


def halved(x: Any) -> Any:
    return x * 0.5


def options(make: Callable[..., layers.Layer], *given: Any, **named: Any) -> Callable[..., layers.Layer]:
    return lambda **more: make(*given, **{"dtype": "float64", **named, **more})


def counted(count: int, most: int = 99) -> Callable[..., Array]:
    return plain(lambda x: np.minimum((x[..., None] == np.arange(count)).sum(-2), most).astype(float))


def binned(count: bool = False) -> Callable[..., Array]:
    def compute(x: Array) -> Array:
        found = np.eye(4)[np.digitize(x, BOUNDS)]
        return found.sum(1) if count else found

    return plain(compute)


BOUNDS = [-0.5, 0.25, 1.0]
L = layers
CASES = [
    Case(options(L.InputLayer, (3,)), [(3,)], plain(lambda x: x)),
    Case(options(L.Dense, 4), [(3,)], dense()),
    Case(options(L.Dense, 4, "relu", bias_initializer="ones"), [(3,)], dense("relu"), "-relu"),
    Case(options(L.Dense, 2, "tanh"), [(5, 3)], dense("tanh"), "-tanh-steps"),
    Case(options(L.Dense, 4, "softmax"), [(3,)], dense("softmax"), "-softmax"),
    Case(options(L.Dense, 4, "sigmoid", use_bias=False), [(3,)], dense("sigmoid", False), "-no-bias"),
    Case(options(L.Conv1D, 4, 3, padding="causal"), [(5, 2)], conv(padding="causal")),
    Case(
        options(L.Conv1D, 4, 2, 2, "same", activation="tanh"),
        [(7, 2)],
        conv("tanh", strides=2, padding="same"),
    ),
    Case(options(L.Conv2D, 3, 2), [(4, 3, 2)], conv()),
    Case(
        options(L.Conv2D, 3, (1, 2), use_bias=False, activation="relu"), [(4, 3, 2)], conv("relu"), "-no-bias"
    ),
    Case(options(L.Conv2D, 4, 3, groups=2, dilation_rate=2), [(7, 6, 2)], conv(dilation_rate=2), "-groups"),
    Case(options(L.Conv2D, 2, 1, activation="softmax"), [(2, 2, 3)], conv("softmax"), "-pixels"),
    Case(options(L.Conv3D, 2, 2, (1, 2, 1), "same"), [(3, 3, 2, 1)], conv(strides=(1, 2, 1), padding="same")),
    Case(options(L.MaxPooling1D), [(5, 2)], pooled("max_pool", 2)),
    Case(options(L.MaxPooling2D, 3, 2, "same"), [(5, 4, 2)], pooled("max_pool", 3, 2, "same")),
    Case(options(L.MaxPooling3D, (1, 2, 2)), [(2, 4, 3, 2)], pooled("max_pool", (1, 2, 2))),
    Case(options(L.AveragePooling1D, 3, 1, "same"), [(5, 2)], pooled("average_pool", 3, 1, "same")),
    Case(options(L.AveragePooling2D), [(5, 4, 2)], pooled("average_pool", 2)),
    Case(options(L.AveragePooling3D, 2, 1), [(2, 3, 2, 2)], pooled("average_pool", 2, 1)),
    Case(options(L.GlobalMaxPooling1D), [(5, 2)], over_samples("max")),
    Case(options(L.GlobalMaxPooling2D, keepdims=True), [(3, 4, 2)], over_samples("max", True)),
    Case(options(L.GlobalMaxPooling3D), [(2, 3, 2, 2)], over_samples("max")),
    Case(options(L.GlobalAveragePooling1D, keepdims=True), [(5, 2)], over_samples("mean", True)),
    Case(options(L.GlobalAveragePooling2D), [(3, 4, 2)], over_samples("mean")),
    Case(options(L.GlobalAveragePooling3D), [(2, 3, 2, 2)], over_samples("mean")),
    Case(options(L.Embedding, 5, 3), [(4,)], lambda weights, x: weights[0][x], count=5),
    Case(options(L.Embedding, 5, 3), [()], lambda weights, x: weights[0][x], "-numbers", count=5),
    Case(options(L.CategoryEncoding, 5), [(4,)], counted(5, 1), count=5),
    Case(options(L.CategoryEncoding, 5, "count"), [(2, 4)], counted(5), "-count", count=5),
    Case(options(L.CategoryEncoding, 5, "count"), [()], plain(lambda x: np.eye(5)[x]), "-numbers", count=5),
    Case(options(L.CategoryEncoding, 5, "one_hot"), [(3,)], plain(lambda x: np.eye(5)[x]), "-one", count=5),
    Case(options(L.Discretization, BOUNDS, output_mode="one_hot"), [(3,)], binned(), smooth=False),
    Case(
        options(L.Discretization, BOUNDS, output_mode="count"), [(2, 3)], binned(True), "-count", smooth=False
    ),
    Case(options(L.Normalization, mean=2.0, variance=9.0), [(3,)], plain(lambda x: (x - 2.0) / 3.0)),
    Case(
        options(L.Normalization, [1, -1], [[1.0], [2.0]], [[4.0], [0.25]]),
        [(2, 3)],
        plain(lambda x: (x - [[1.0], [2.0]]) / [[2.0], [0.5]]),
        "-axes",
    ),
    Case(
        options(L.Normalization, None, 2.0, 9.0, True), [(2, 3)], plain(lambda x: 2.0 + x * 3.0), "-inverted"
    ),
    Case(options(L.EmbeddingBag, 5, 3), [(4,)], combined("mean"), count=5),
    Case(
        options(L.EmbeddingBag, 5, 3, "sum", mask_zero=False), [(4,)], combined("sum", None), "-sum", count=5
    ),
    Case(options(L.EmbeddingBag, 5, 3, combiner="sqrtn"), [(2, 3)], combined("sqrtn"), "-sqrtn", count=5),
    Case(options(L.Activation, "elu"), [(3,)], plain(reference.elu)),
    Case(options(L.ReLU), [(3,)], plain(reference.relu)),
    Case(
        options(L.ReLU, 1.0, 0.5),
        [(3,)],
        plain(lambda x: np.minimum(reference.leaky_relu(x, 0.5), 1.0)),
        "-set",
    ),
    Case(options(L.LeakyReLU), [(3,)], plain(lambda x: reference.leaky_relu(x, 0.3))),
    Case(options(L.ELU, 0.5), [(3,)], plain(lambda x: reference.elu(x, 0.5))),
    Case(options(L.Softmax), [(3,)], plain(reference.softmax)),
    Case(options(L.Softmax, 1), [(2, 3)], plain(lambda x: reference.softmax(x, 1)), "-axis"),
    Case(options(L.Dropout, 0.5), [(3,)], plain(lambda x: x)),
    Case(options(L.GaussianNoise, 0.5), [(3,)], plain(lambda x: x)),
    Case(options(L.BatchNormalization, moving_mean_initializer="ones"), [(3,)], moving_normalized),
    Case(
        options(L.BatchNormalization, 1, scale=False), [(2, 3)], moving_normalized_along_1, "-axis-no-gamma"
    ),
    Case(options(L.Masking, 0.5), [(4, 2)], plain(lambda x: np.where((x != 0.5).any(-1)[..., None], x, 0.0))),
    Case(options(L.Flatten), [(2, 3, 2)], plain(lambda x: x.reshape(len(x), 12))),
    Case(options(L.Flatten), [()], plain(lambda x: x.reshape(len(x), 1)), "-numbers"),
    Case(options(L.Reshape, (3, 4)), [(2, 6)], plain(lambda x: x.reshape(len(x), 3, 4))),
    Case(options(L.Reshape, (-1, 2)), [(2, 3)], plain(lambda x: x.reshape(len(x), 3, 2)), "-open"),
    Case(options(L.Permute, (2, 3, 1)), [(2, 3, 4)], plain(lambda x: x.transpose(0, 2, 3, 1))),
    Case(options(L.RepeatVector, 3), [(2,)], plain(lambda x: np.repeat(x[:, None], 3, axis=1))),
    Case(options(L.Rescaling, 0.5, -1.0), [(3,)], plain(lambda x: x * 0.5 - 1.0)),
    Case(options(L.Rescaling, [1.0, 2.0]), [(2,)], plain(lambda x: x * np.array([1.0, 2.0])), "-columns"),
    Case(options(L.Lambda, halved), [(3,)], plain(lambda x: x * 0.5)),
    Case(options(L.Add), [(3,)] * 3, plain(lambda *x: x[0] + x[1] + x[2])),
    Case(options(L.Subtract), [(3,)] * 2, plain(lambda x, y: x - y)),
    Case(options(L.Multiply), [(2, 3)] * 3, plain(lambda *x: x[0] * x[1] * x[2])),
    Case(options(L.Average), [(3,)] * 3, plain(lambda *x: np.mean(x, axis=0))),
    Case(options(L.Maximum), [(3,)] * 3, plain(lambda *x: np.max(x, axis=0))),
    Case(options(L.Minimum), [(3,)] * 3, plain(lambda *x: np.min(x, axis=0))),
    Case(options(L.Concatenate), [(2,), (3,)], plain(lambda *x: np.concatenate(x, axis=-1))),
    Case(options(L.Concatenate, 1), [(2, 3), (1, 3)], plain(lambda *x: np.concatenate(x, axis=1)), "-axis"),
]
