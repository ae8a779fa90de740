"""The conformance table: for every function of `streamfit.ops` at least one case.

A case builds arguments from a `Sample`: a batch size, the shape of one sample, and a generator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamfit._base.specs import Array


@dataclass
class Sample:
    """Make random arrays of one batch; remember which of them have the batch as their first axis."""

    n: int
    shape: tuple[int, ...]
    rng: np.random.Generator
    batched: list[bool] = field(default_factory=list)

    def batch(self, *shape: int, kind: str = "real") -> Array:
        """Return an array of shape (n, *shape); the sample's own shape by default."""
        self.batched.append(True)
        return self._fill((self.n, *(shape or self.shape)), kind)

    def array(self, *shape: int, kind: str = "real") -> Array:
        """Return an array without a batch axis."""
        self.batched.append(False)
        return self._fill(shape, kind)

    def part(self, kind: str = "real") -> Array:
        """Return an array that broadcasts with a batch: leading axes left out, some lengths 1."""
        first = int(self.rng.integers(0, len(self.shape) + 1))
        return self.array(*(n if self.rng.random() < 0.6 else 1 for n in self.shape[first:]), kind=kind)

    def thin_batch(self, kind: str = "real") -> Array:
        """Return an array with the batch axis that is broadcast along some other axes."""
        self.batched.append(True)
        return self._fill((self.n, *(n if self.rng.random() < 0.5 else 1 for n in self.shape)), kind)

    def step_state(self) -> Array:
        """Return [seed, iteration]."""
        self.batched.append(False)
        return self.rng.integers(0, 1 << 62, 2)

    def _fill(self, shape: tuple[int, ...], kind: str) -> Array:
        draw = self.rng.normal(0, 1.5, shape)
        if kind == "positive":
            draw = np.abs(draw) + 0.2
        elif kind == "unit":
            draw = self.rng.uniform(0.05, 0.95, shape)
        elif kind == "bool":
            draw = draw > 0
        elif kind.startswith("int"):
            draw = self.rng.integers(0, int(kind[3:]), shape)
        return np.asarray(draw)


@dataclass(frozen=True)
class Case:
    """Hold one case.

    Args:
        name: The function's name in `streamfit.ops`.
        build: Makes the positional arguments from a sample.
        settings: The keyword arguments.
        gradient: ``"same"`` as finite differences, ``"zero"``, or ``"none"`` where none is defined.
        rank: The least rank of a sample that the case can use, its batch not counted.
    """

    name: str
    build: Callable[[Sample], list[Any]]
    settings: dict[str, Any] = field(default_factory=dict)
    gradient: str = "same"
    rank: int = 0

    def __str__(self) -> str:
        return self.name


def case(
    name: str, build: Callable[[Sample], list[Any]], gradient: str = "same", rank: int = 0, **settings: Any
) -> Case:
    """Make a case; the remaining keywords go to the function."""
    return Case(name, build, settings, gradient, rank)


def _unary(*names: str, kind: str = "real", gradient: str = "same") -> list[Case]:
    return [case(name, lambda s: [s.batch(kind=kind)], gradient) for name in names]


def _binary(name: str, left: str = "real", right: str = "real", gradient: str = "same") -> list[Case]:
    return [
        case(name, lambda s: [s.batch(kind=left), s.batch(kind=right)], gradient),
        case(name, lambda s: [s.batch(kind=left), s.part(kind=right)], gradient),
        case(name, lambda s: [s.part(kind=left), s.batch(kind=right)], gradient),
        case(name, lambda s: [s.thin_batch(kind=left), s.thin_batch(kind=right)], gradient),
        case(name, lambda s: [s.thin_batch(kind=left), s.part(kind=right)], gradient),
    ]


def _reduction(name: str, gradient: str = "same") -> list[Case]:
    return [
        case(name, lambda s: [s.batch()], gradient),
        case(name, lambda s: [s.batch()], gradient, axis=0),
        case(name, lambda s: [s.batch()], gradient, axis=-1, keepdims=True),
        case(name, lambda s: [s.batch()], gradient, rank=1, axis=1),
        case(name, lambda s: [s.batch()], gradient, rank=2, axis=(0, 2)),
        case(name, lambda s: [s.batch()], gradient, rank=2, axis=(-1, -2), keepdims=True),
        case(name, lambda s: [s.batch()], gradient, rank=3, axis=(1, 3)),
    ]


def _rows(s: Sample, classes: int = 3) -> Array:
    """Return rows of probabilities that do not quite add up to 1."""
    return s.batch(*s.shape, classes, kind="unit")


ELEMENTWISE = [
    *_unary(
        "negative", "absolute", "abs", "square", "sin", "cos", "relu", "relu6", "elu", "selu", "gelu", "silu"
    ),
    *_unary(
        "swish", "softsign", "hard_sigmoid", "leaky_relu", "exp", "exponential", "expm1", "tanh", "sigmoid"
    ),
    *_unary("softplus", "log_sigmoid"),
    *_unary("sqrt", "log", "log1p", kind="positive"),
    *_unary("sign", "floor", "round", "stop_gradient", gradient="zero"),
    *_unary("logical_not", kind="bool", gradient="none"),
    case("leaky_relu", lambda s: [s.batch()], negative_slope=0.01),
    case("elu", lambda s: [s.batch()], alpha=0.3),
    case("gelu", lambda s: [s.batch()], approximate=True),
    case("clip", lambda s: [s.batch(), -0.5, 1.25]),
    case("cast", lambda s: [s.batch(), "float64"]),
    case("cast", lambda s: [s.batch(kind="bool"), "float32"], "none"),
    case("cast", lambda s: [s.batch(kind="int9"), "float64"], "none"),
    case("cast", lambda s: [s.batch(), "int64"], "none"),
    case("cast", lambda s: [s.batch(), "bool"], "none"),
    case("floating", lambda s: [s.batch()]),
    case("floating", lambda s: [s.batch(kind="int9")], "none"),
    case("full_like", lambda s: [s.batch(), 2.5], "none"),
    case("zeros_like", lambda s: [s.batch()], "none"),
    case("ones_like", lambda s: [s.batch()], "none"),
]

PAIRS = [
    *_binary("add"),
    *_binary("subtract"),
    *_binary("multiply"),
    *_binary("divide", right="positive"),
    *_binary("maximum"),
    *_binary("minimum"),
    *_binary("power", left="positive"),
    *_binary("greater", gradient="none"),
    *_binary("greater_equal", gradient="none"),
    *_binary("less", gradient="none"),
    *_binary("less_equal", gradient="none"),
    *_binary("equal", "int3", "int3", gradient="none"),
    *_binary("not_equal", "int3", "int3", gradient="none"),
    *_binary("logical_and", "bool", "bool", gradient="none"),
    *_binary("logical_or", "bool", "bool", gradient="none"),
    case("add", lambda s: [s.batch(), 0.5]),
    case("subtract", lambda s: [1, s.batch()]),
    case("power", lambda s: [s.batch(), 2]),
    case("power", lambda s: [s.batch(), 3]),
    case("power", lambda s: [s.batch(kind="positive"), -0.5]),
    case("power", lambda s: [s.batch(kind="positive"), 0.5]),
    case("power", lambda s: [2.0, s.batch()]),
    case("where", lambda s: [s.batch(kind="bool"), s.batch(), s.batch()]),
    case("where", lambda s: [s.batch(kind="bool"), s.part(), s.thin_batch()]),
    case("where", lambda s: [s.thin_batch(kind="bool"), s.batch(), 0.0]),
    case("where", lambda s: [s.part(kind="bool"), s.batch(), s.part()]),
]

REDUCTIONS = [
    *_reduction("sum"),
    *_reduction("mean"),
    *_reduction("max"),
    *_reduction("min"),
    *_reduction("var"),
    case("std", lambda s: [s.batch(4, 3)], axis=1),
    case("argmax", lambda s: [s.batch()], "none"),
    case("argmax", lambda s: [s.batch()], "none", axis=0),
    case("argmax", lambda s: [s.batch()], "none", axis=-1, keepdims=True),
    case("argmin", lambda s: [s.batch()], "none"),
    case("argmin", lambda s: [s.batch()], "none", rank=1, axis=1),
    case("cumsum", lambda s: [s.batch()], axis=0),
    case("cumsum", lambda s: [s.batch()], axis=-1),
    case("cumsum", lambda s: [s.batch()], rank=2, axis=1),
    case("cumsum", lambda s: [s.array(2, 3)]),
    case("cumsum", lambda s: [s.batch(kind="int9")], "none", axis=0),
    case("cumsum", lambda s: [s.batch(kind="int9")], "none", axis=0, dtype="float64"),
]

SHAPES = [
    case("broadcast_to", lambda s: [s.array(2, 1, 3), (4, 2, 5, 3)]),
    case("reshape", lambda s: [s.batch(2, 6), (-1, 3, 4)]),
    case("flatten", lambda s: [s.batch()]),
    case("expand_dims", lambda s: [s.batch(), 1]),
    case("expand_dims", lambda s: [s.batch(), -1]),
    case("squeeze", lambda s: [s.batch(1, 3, 1)], axis=(1, -1)),
    case("squeeze", lambda s: [s.array(1, 3, 1)]),
    case("transpose", lambda s: [s.batch(2, 3, 4), (0, 3, 1, 2)]),
    case("transpose", lambda s: [s.batch(2, 3, 4), (0, 2, 1, 3)]),
    case("transpose", lambda s: [s.array(2, 3, 4)]),
    case("swap_axes", lambda s: [s.batch(2, 3), 1, 2]),
    case("concatenate", lambda s: [[s.batch(2, 3), s.batch(2, 1), s.batch(2, 3)]]),
    case("concatenate", lambda s: [[s.batch(2, 3), s.batch(4, 3)]], axis=1),
    case("concatenate", lambda s: [[s.array(2, 3), s.array(4, 3)]], axis=0),
    case("stack", lambda s: [[s.batch(), s.batch()]], axis=1),
    case("stack", lambda s: [[s.batch(), s.batch()]], axis=-1),
    case("split", lambda s: [s.batch(4, 3), 2], axis=1),
    case("split", lambda s: [s.batch(4, 7), [2, 3]]),
    case("getitem", lambda s: [s.batch(5, 4), (slice(None), slice(1, 4, 2), 2)]),
    case("getitem", lambda s: [s.batch(5, 4), (Ellipsis, slice(None, None, -1))]),
    case("getitem", lambda s: [s.batch(5, 4), (slice(None), None, -1)]),
    case("getitem", lambda s: [s.batch(5, 4), (slice(None), slice(3, 1))]),
    case("getitem", lambda s: [s.array(5, 4), (-2,)]),
    case("take", lambda s: [s.array(5, 3), s.batch(kind="int5")]),
    case("take", lambda s: [s.batch(5, 3), s.array(4, kind="int5")], axis=1),
    case("take", lambda s: [s.batch(2, 5), s.array(2, 2, kind="int5")], axis=-1),
    case("take", lambda s: [s.array(5, 3, kind="int9"), s.batch(kind="int5")], "none"),
    case("embedding_bag", lambda s: [s.array(5, 3), s.batch(kind="int5")], rank=1),
    case("embedding_bag", lambda s: [s.array(5, 3), s.batch(kind="int5")], rank=1, combiner="sum", padding=0),
    case(
        "embedding_bag",
        lambda s: [s.array(4, 2), s.batch(kind="int4"), s.batch(kind="bool")],
        rank=1,
        combiner="sqrtn",
        padding=3,
    ),
    case("one_hot", lambda s: [s.batch(kind="int5"), 4], "none"),
    case("multi_hot", lambda s: [s.batch(3, kind="int5"), 4], "none"),
    case("multi_hot", lambda s: [s.array(7, kind="int5"), 5], "none"),
    case("bincount", lambda s: [s.batch(2, 6, kind="int5"), 4], "none"),
    case("bincount", lambda s: [s.batch(6, kind="int5"), 4, s.batch(6)]),
    case("digitize", lambda s: [s.batch(), [-1.0, 0.0, 0.25, 0.25, 2.0]], "none"),
    case("checked_indices", lambda s: [s.batch(kind="int5"), 5], "none"),
    case("checked_indices", lambda s: [np.floor(s.batch(kind="positive")), 99], "none"),
]

PRODUCTS = [
    case("matmul", lambda s: [s.batch(3), s.array(3, 4)]),
    case("matmul", lambda s: [s.batch(2, 3), s.array(3, 4)]),
    case("matmul", lambda s: [s.batch(2, 3), s.batch(3, 4)]),
    case("matmul", lambda s: [s.batch(5, 2, 3), s.batch(5, 3, 4)]),
    case("matmul", lambda s: [s.array(2, 3), s.batch(3, 4)]),
    case("matmul", lambda s: [s.batch(2, 3), s.array(3)]),
    case("matmul", lambda s: [s.array(3), s.batch(3, 4)]),
    case("matmul", lambda s: [s.array(3), s.array(3)]),
    case("dot", lambda s: [s.batch(2, 3), s.array(3, 4)]),
    case("dot", lambda s: [s.batch(2, 3), 2.5]),
    case("dense", lambda s: [s.batch(3), s.array(3, 4), s.array(4)]),
    case("dense", lambda s: [s.batch(2, 3), s.array(3, 4), s.array(4), "relu"]),
    case("dense", lambda s: [s.batch(3), s.array(3, 4), s.array(4), "tanh"]),
    case("dense", lambda s: [s.batch(3), s.array(3, 4), s.array(4), "sigmoid"]),
    case("softmax", lambda s: [s.batch(*s.shape, 4)]),
    case("softmax", lambda s: [s.batch(3, 4)], axis=1),
    case("log_softmax", lambda s: [s.batch(*s.shape, 4)]),
    case("log_softmax", lambda s: [s.batch(3, 4)], axis=1),
    case("logsumexp", lambda s: [s.batch(*s.shape, 4)]),
    case("logsumexp", lambda s: [s.batch(3, 4)], axis=1, keepdims=True),
]

WINDOWS = [
    case("conv", lambda s: [s.batch(7, 2), s.array(3, 2, 3)]),
    case("conv", lambda s: [s.batch(7, 2), s.array(3, 2, 3)], padding="causal", dilation_rate=2),
    case("conv", lambda s: [s.batch(5, 4, 3), s.array(3, 2, 3, 2)], padding="same"),
    case("conv", lambda s: [s.batch(6, 5, 1), s.array(3, 3, 1, 2)], strides=(2, 1), padding="same"),
    case("conv", lambda s: [s.batch(5, 6, 4), s.array(2, 3, 2, 6)], strides=2, dilation_rate=(1, 2)),
    case("conv", lambda s: [s.batch(3, 4, 5), s.array(1, 1, 5, 4)]),
    case("conv", lambda s: [s.batch(3, 4, 2), s.array(3, 4, 2, 5), 1, "valid", None, 1, 1, s.array(5)]),
    case("conv", lambda s: [s.batch(3, 3, 4, 2), s.array(2, 2, 2, 2, 3)], padding="same"),
    *(
        case(
            "conv",
            lambda s, act=act: [s.batch(6, 2), s.array(2, 1, 4), 1, "same", None, 1, 2, s.array(4), act],
        )
        for act in ("relu", "tanh", "sigmoid")
    ),
    case("max_pool", lambda s: [s.batch(7, 2), 3], strides=2, padding="same"),
    case("max_pool", lambda s: [s.batch(5, 4, 3), (3, 2)], strides=(1, 2)),
    case("max_pool", lambda s: [s.batch(3, 4, 4, 2), 2]),
    case("max_pool", lambda s: [s.batch(4, 4, 2, kind="int9"), 2], "none"),
    case("average_pool", lambda s: [s.batch(7, 2), 3], strides=2, padding="same"),
    case("average_pool", lambda s: [s.batch(5, 4, 3), (3, 2)], strides=(1, 2)),
    case("average_pool", lambda s: [s.batch(3, 4, 4, 2), 2], padding="same"),
]

LOSSES = [
    case("categorical_crossentropy", lambda s: [_rows(s), _rows(s)]),
    case("categorical_crossentropy", lambda s: [_rows(s), s.batch(*s.shape, 3)], from_logits=True),
    case(
        "categorical_crossentropy", lambda s: [s.batch(3, 2, kind="unit"), s.batch(3, 2, kind="unit")], axis=1
    ),
    case("sparse_categorical_crossentropy", lambda s: [s.batch(kind="int3"), _rows(s)]),
    case("sparse_categorical_crossentropy", lambda s: [s.batch(*s.shape, 1, kind="int3"), _rows(s)]),
    case(
        "sparse_categorical_crossentropy",
        lambda s: [s.batch(kind="int3"), s.batch(*s.shape, 3)],
        from_logits=True,
    ),
    case(
        "sparse_categorical_crossentropy",
        lambda s: [s.batch(2, kind="int3"), s.batch(3, 2, kind="unit")],
        axis=1,
    ),
    case("sparse_categorical_crossentropy", lambda s: [s.batch(kind="int4"), _rows(s)], ignore_class=3),
    case(
        "sparse_categorical_crossentropy",
        lambda s: [s.batch(kind="int4"), s.batch(*s.shape, 3)],
        from_logits=True,
        ignore_class=3,
    ),
    case("binary_crossentropy", lambda s: [s.batch(kind="unit"), s.batch(kind="unit")]),
    case("binary_crossentropy", lambda s: [s.batch(kind="unit"), s.batch()], from_logits=True),
]

RANDOM = [
    case("batch_normalize", lambda s: [s.batch(*s.shape, 3), s.array(3), s.array(3)], epsilon=0.25),
    case(
        "batch_normalize",
        lambda s: [s.batch(*s.shape, 2), s.array(2), s.array(2), 0.25, s.batch(*s.shape, kind="bool")],
    ),
    case("scale_shift", lambda s: [s.batch(*s.shape, 3), s.array(3), s.array(3)]),
    case("dropout", lambda s: [s.batch(), 0.4, s.step_state(), 3]),
    case("dropout", lambda s: [s.batch(), 0, s.step_state(), 3]),
    case("random_uniform", lambda s: [s.batch(), s.step_state(), 3], "none", minimum=-0.5, maximum=2.0),
    case("random_normal", lambda s: [s.batch(), s.step_state(), 3], "none", mean=0.5, stddev=2.0),
]

CASES = [*ELEMENTWISE, *PAIRS, *REDUCTIONS, *SHAPES, *PRODUCTS, *WINDOWS, *LOSSES, *RANDOM]
