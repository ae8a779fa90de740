"""The parity cases: the trainings of both sides, with their start weights and batches. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEATURES, HIDDEN, BATCH, STEPS = 32, 16, 32, 100
LENGTH, CHANNELS, WORDS = 10, 4, 20
EVALUATED = 5

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
    "normalized": [
        ("Dense", {"units": HIDDEN, "use_bias": False}),
        ("BatchNormalization", {"momentum": 0.9}),
        ("Dense", {"units": 8}),
        ("BatchNormalization", {"center": False, "epsilon": 0.01}),
    ],
    "normalized_images": [
        ("Reshape", {"target_shape": (4, 8, 1)}),
        ("Conv2D", {"filters": 4, "kernel_size": 3, "padding": "same", "use_bias": False}),
        ("BatchNormalization", {"momentum": 0.9}),
        ("MaxPooling2D", {}),
        ("BatchNormalization", {"axis": 2, "scale": False}),
        ("Flatten", {}),
    ],
    "normalized_steps": [
        ("Masking", {}),
        ("Dense", {"units": HIDDEN, "use_bias": False}),
        ("BatchNormalization", {"momentum": 0.9}),
        ("GlobalAveragePooling1D", {}),
    ],
    "masked_mean": [("Masking", {}), ("Dense", {"units": HIDDEN}), ("GlobalAveragePooling1D", {})],
    "words": [
        ("Embedding", {"input_dim": WORDS, "output_dim": 8, "mask_zero": True}),
        ("GlobalAveragePooling1D", {}),
    ],
    "words_masked": [
        ("Embedding", {"input_dim": WORDS, "output_dim": 8}),
        ("Masking", {}),
        ("Dense", {"units": HIDDEN}),
        ("GlobalAveragePooling1D", {}),
    ],
    "steps": [("Masking", {}), ("Dense", {"units": HIDDEN})],
    "word_steps": [
        ("Embedding", {"input_dim": WORDS, "output_dim": 8, "mask_zero": True}),
        ("Dense", {"units": HIDDEN}),
    ],
}
"""Name to the layers before the last one, each as (class, arguments)."""

INPUTS: dict[str, tuple[tuple[int | None, ...], str]] = {
    **dict.fromkeys(("normalized_steps", "masked_mean", "steps"), ((None, CHANNELS), "float32")),
    **dict.fromkeys(("words", "words_masked", "word_steps"), ((None,), "int32")),
}
"""Network to the shape and dtype of its input, where that is not (FEATURES,) of float32."""

SAMPLE_WEIGHTS = ("", "samples", "positions")
"""No weights; one for each sample; one for each step of it."""

LOOKUPS: dict[str, tuple[str, dict[str, Any]]] = {
    "int": ("StringLookup", {}),
    "buckets": ("StringLookup", {"num_oov_indices": 5, "max_tokens": 9}),
    "mask": ("StringLookup", {"mask_token": ""}),
    "multi_hot": ("StringLookup", {"output_mode": "multi_hot"}),
    "count": ("StringLookup", {"output_mode": "count", "num_oov_indices": 2}),
    "tf_idf": ("StringLookup", {"output_mode": "tf_idf"}),
    "padded": ("StringLookup", {"output_mode": "count", "max_tokens": 30, "pad_to_max_tokens": True}),
    "words": ("TextVectorization", {}),
    "words as they are": ("TextVectorization", {"standardize": None, "output_sequence_length": 4}),
    "lower": ("TextVectorization", {"standardize": "lower", "max_tokens": 7}),
    "characters": ("TextVectorization", {"split": "character", "ngrams": 2}),
    "tokens": ("TextVectorization", {"split": None, "standardize": "strip_punctuation"}),
    "n-grams": ("TextVectorization", {"ngrams": (3, 1), "output_mode": "count"}),
    "words multi_hot": ("TextVectorization", {"output_mode": "multi_hot"}),
    "words tf_idf": ("TextVectorization", {"output_mode": "tf_idf"}),
}
"""Name to class and arguments of layers with a vocabulary, which is adapted."""


@dataclass(frozen=True)
class Case:
    """One training: optimizer, loss, hidden activation, arguments of the hidden layer, or other layers.

    `weighted` is one of `SAMPLE_WEIGHTS`; `metrics` are classes of metrics, counted with these
    weights and without them over `EVALUATED` batches.
    """

    optimizer: str
    loss: str
    hidden: str
    extra: str = ""
    network: str = ""
    weighted: str = ""
    metrics: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The case's key in result files."""
        weighted = f"weighted {self.weighted}" if self.weighted else ""
        return "/".join(
            filter(None, [self.optimizer, self.loss, self.hidden, self.extra, self.network, weighted])
        )

    @property
    def input(self) -> tuple[tuple[int | None, ...], str]:
        """The shape and the dtype of the input."""
        return INPUTS.get(self.network, ((FEATURES,), "float32"))

    @property
    def by_step(self) -> bool:
        """Whether there is an output for each step of a sequence."""
        return self.network in ("steps", "word_steps")

    @property
    def outputs(self) -> int:
        """The number of output units."""
        return HEADS[self.loss][0]


CASES = [
    Case(optimizer, loss, hidden) for optimizer in OPTIMIZERS for loss in HEADS for hidden in ("relu", "tanh")
]
CASES += [Case(optimizer, "mse", "tanh", extra) for extra in EXTRAS if extra for optimizer in ("sgd", "adam")]
CASES += [
    Case(optimizer, "mse", "tanh", "", name)
    for name in NETWORKS
    if name not in ("steps", "word_steps")
    for optimizer in ("sgd", "adam")
]
CASES += [
    Case("sgd", loss, "tanh", "", network, weighted, metrics)
    for loss, metrics in (
        ("mse", ("MeanAbsoluteError", "MeanSquaredError")),
        ("binary_crossentropy", ("BinaryAccuracy",)),
        ("sparse_categorical_crossentropy", ("SparseCategoricalAccuracy",)),
    )
    for network in ("steps", "word_steps")
    for weighted in SAMPLE_WEIGHTS
]


def hidden_layers(case: Case) -> list[tuple[str, dict[str, Any]]]:
    """Return the layers before the last one, each as (class, arguments)."""
    if not case.network:
        return [("Dense", {"units": HIDDEN, "activation": case.hidden})]
    active = ("Conv", "Dense")
    return [
        (name, {**arguments, "activation": case.hidden} if name.startswith(active) else arguments)
        for name, arguments in NETWORKS[case.network]
    ]


def weights(shapes: Sequence[tuple[int, ...]], names: Sequence[str]) -> list[NDArray[np.float32]]:
    """Return start weights of given shapes; the biases are not zero, so that they matter.

    Variances are positive, whatever else they are.
    """
    rng = np.random.default_rng(11)
    found = [
        (rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1] or shape))).astype(np.float32)
        for shape in shapes
    ]
    return [
        np.abs(array) + np.float32(0.5) if "variance" in name else array
        for name, array in zip(names, found, strict=True)
    ]


@dataclass(frozen=True)
class Batches:
    """What a case is trained on: inputs (steps, batch, ...), targets and sample weights, or None."""

    x: NDArray[Any]
    y: NDArray[Any]
    sample_weight: NDArray[np.float32] | None = None


def _inputs(case: Case, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Return inputs, and the features that the targets depend on; sequences end in steps of zeros."""
    shape, dtype = case.input
    if shape == (FEATURES,):
        x = rng.standard_normal((STEPS, BATCH, FEATURES)).astype(np.float32)
        return x, x
    real = np.arange(LENGTH) < rng.integers(1, LENGTH + 1, (STEPS, BATCH, 1))
    if dtype == "int32":
        ids = np.where(real, rng.integers(1, WORDS, real.shape), 0).astype(np.int32)
        features = np.eye(WORDS, dtype=np.float32)[ids] * real[..., None]
        return ids, features if case.by_step else features.sum(-2)
    x = (rng.standard_normal((*real.shape, CHANNELS)) * real[..., None]).astype(np.float32)
    return x, x if case.by_step else x.mean(-2)


def batches(case: Case) -> Batches:
    """Return the batches of all steps, with the loss's kind of targets."""
    rng = np.random.default_rng(13)
    x, features = _inputs(case, rng)
    depth = features.shape[-1]
    scores = np.tanh(features @ rng.standard_normal((depth, case.outputs)).astype(np.float32) / 4)
    scores += 0.2 * rng.standard_normal(scores.shape).astype(np.float32)
    counted = {"": None, "samples": scores.shape[:2], "positions": scores.shape[:-1]}[case.weighted]
    weight = None if counted is None else rng.uniform(0.2, 3.0, counted).astype(np.float32)
    if case.loss == "mse":
        return Batches(x, scores, weight)
    if case.loss == "binary_crossentropy":
        return Batches(x, (scores > 0).astype(np.float32), weight)
    labels = scores.argmax(-1).astype(np.int32)
    if case.loss == "sparse_categorical_crossentropy":
        return Batches(x, labels, weight)
    return Batches(x, np.eye(case.outputs, dtype=np.float32)[labels], weight)


def texts(layer: str, arguments: dict[str, Any]) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Return texts to adapt a layer to, and others, of which some are unknown.

    They have the shape (samples, words), or (samples, 1) for a layer that splits them.
    """
    rng = np.random.default_rng(17)
    known = np.array(["", "a", "bb", "ccc", "zw\u00f6lf", "dog", "Dog", "2.x", "x y", "end"])
    more = np.append(known, ["new", "\u4e00", "?"])
    found = known[rng.integers(0, 10, (40, 6))], more[rng.integers(0, 13, (30, 6))]
    if layer == "StringLookup" or arguments.get("split", "") is None:
        return found
    first, second = (np.array([["! \t".join(row)] for row in words.tolist()]) for words in found)
    return first, second
