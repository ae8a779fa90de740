"""The parity cases: the trainings of both sides, with their start weights and batches. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEATURES, HIDDEN, BATCH, STEPS = 32, 16, 32, 100

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"learning_rate": 0.05}),
    "momentum": ("SGD", {"learning_rate": 0.02, "momentum": 0.9}),
    "nesterov": ("SGD", {"learning_rate": 0.02, "momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.001}),
    "adam": ("Adam", {"learning_rate": 0.001}),
}
"""Case name to class name and arguments, which are called the same on both sides; the rest are defaults."""

HEADS: dict[str, tuple[int, str]] = {
    "mse": (3, "linear"),
    "binary_crossentropy": (1, "sigmoid"),
    "categorical_crossentropy": (4, "softmax"),
    "sparse_categorical_crossentropy": (4, "softmax"),
}
"""Loss to the outputs' number and activation."""


Made = tuple[str, str, dict[str, Any]]
EXTRAS: dict[str, dict[str, Made]] = {
    "": {},
    "max_norm": {"kernel_constraint": ("constraints", "MaxNorm", {"max_value": 0.8})},
    "unit_norm": {"kernel_constraint": ("constraints", "UnitNorm", {"axis": 1})},
    "min_max_norm": {
        "kernel_constraint": ("constraints", "MinMaxNorm", {"min_value": 0.3, "max_value": 0.6, "rate": 0.5})
    },
    "non_neg": {
        "kernel_constraint": ("constraints", "NonNeg", {}),
        "bias_constraint": ("constraints", "NonNeg", {}),
    },
    "activity": {"activity_regularizer": ("regularizers", "L2", {"l2": 0.05})},
    "penalties": {
        "kernel_regularizer": ("regularizers", "L1L2", {"l1": 0.001, "l2": 0.01}),
        "bias_regularizer": ("regularizers", "L1", {"l1": 0.001}),
    },
}
"""Name to further arguments of the hidden layer, each as (module, class, arguments)."""


NETWORKS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "conv1d": [
        ("Reshape", {"target_shape": (16, 2)}),
        ("Conv1D", {"filters": 6, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}),
        ("MaxPooling1D", {"pool_size": 3, "strides": 2}),
        ("Conv1D", {"filters": 4, "kernel_size": 2, "strides": 2, "padding": "same"}),
        ("AveragePooling1D", {"pool_size": 3, "strides": 1, "padding": "same"}),
        ("GlobalAveragePooling1D", {}),
    ],
    "conv2d": [
        ("Reshape", {"target_shape": (4, 8, 1)}),
        ("Conv2D", {"filters": 4, "kernel_size": 3, "padding": "same"}),
        ("MaxPooling2D", {"padding": "same"}),
        ("Conv2D", {"filters": 6, "kernel_size": (1, 2), "use_bias": False}),
        ("GlobalMaxPooling2D", {}),
    ],
    "conv2d_uneven": [
        ("Reshape", {"target_shape": (4, 8, 1)}),
        ("Conv2D", {"filters": 4, "kernel_size": (2, 3), "strides": (1, 2), "padding": "same"}),
        ("AveragePooling2D", {"pool_size": 2, "strides": 1, "padding": "same"}),
        ("Conv2D", {"filters": 3, "kernel_size": 2, "dilation_rate": 2}),
        ("Flatten", {}),
    ],
    "conv2d_groups": [
        ("Reshape", {"target_shape": (4, 4, 2)}),
        ("Conv2D", {"filters": 4, "kernel_size": 2, "groups": 2, "padding": "same"}),
        ("GlobalAveragePooling2D", {"keepdims": True}),
        ("Flatten", {}),
    ],
    "conv3d": [
        ("Reshape", {"target_shape": (2, 4, 4, 1)}),
        ("Conv3D", {"filters": 4, "kernel_size": 2, "padding": "same"}),
        ("MaxPooling3D", {"pool_size": (1, 2, 2), "strides": 1}),
        ("AveragePooling3D", {"pool_size": 2}),
        ("Flatten", {}),
    ],
}
"""Name to the layers before the last one, each as (class, arguments)."""


@dataclass(frozen=True)
class Case:
    """One training: optimizer, loss, hidden activation, arguments of the hidden layer, or other layers."""

    optimizer: str
    loss: str
    hidden: str
    extra: str = ""
    network: str = ""

    @property
    def name(self) -> str:
        """The case's key in result files."""
        return "/".join(filter(None, [self.optimizer, self.loss, self.hidden, self.extra, self.network]))

    @property
    def outputs(self) -> int:
        """The number of output units."""
        return HEADS[self.loss][0]


CASES = [
    Case(optimizer, loss, hidden) for optimizer in OPTIMIZERS for loss in HEADS for hidden in ("relu", "tanh")
]
CASES += [Case(optimizer, "mse", "tanh", extra) for extra in EXTRAS if extra for optimizer in ("sgd", "adam")]
CASES += [Case(optimizer, "mse", "tanh", "", name) for name in NETWORKS for optimizer in ("sgd", "adam")]


def hidden_layers(case: Case) -> list[tuple[str, dict[str, Any]]]:
    """Return the layers before the last one, each as (class, arguments)."""
    if not case.network:
        return [("Dense", {"units": HIDDEN, "activation": case.hidden})]
    return [
        (name, {**arguments, "activation": case.hidden} if name.startswith("Conv") else arguments)
        for name, arguments in NETWORKS[case.network]
    ]


def weights(shapes: Sequence[tuple[int, ...]]) -> list[NDArray[np.float32]]:
    """Return start weights of given shapes; the biases are not zero, so that they matter."""
    rng = np.random.default_rng(11)
    return [
        (rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1] or shape))).astype(np.float32)
        for shape in shapes
    ]


def batches(case: Case) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return inputs (steps, batch, features) and the loss's kind of targets (steps, batch, ...)."""
    rng = np.random.default_rng(13)
    x = rng.standard_normal((STEPS, BATCH, FEATURES)).astype(np.float32)
    scores = np.tanh(x @ rng.standard_normal((FEATURES, case.outputs)).astype(np.float32) / 4)
    scores += 0.2 * rng.standard_normal(scores.shape).astype(np.float32)
    if case.loss == "mse":
        return x, scores
    if case.loss == "binary_crossentropy":
        return x, (scores > 0).astype(np.float32)
    labels = scores.argmax(-1).astype(np.int32)
    if case.loss == "sparse_categorical_crossentropy":
        return x, labels
    return x, np.eye(case.outputs, dtype=np.float32)[labels]
