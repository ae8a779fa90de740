"""Layers that prepare features, on both sides: what each makes of the same values. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Inputs = list[NDArray[Any]]


@dataclass(frozen=True)
class Feature:
    """One layer with its arguments.

    Attributes:
        layer: Its class.
        inputs: What it is called on: names of `VALUES`.
        arguments: Those of its class.
        adapt: What it is adapted to: a name of `VALUES`, or nothing.
        limit: How far floats may be apart, beside 1.
        share: Which share of whole numbers may differ, because both sides approximate.
    """

    layer: str
    inputs: tuple[str, ...]
    arguments: dict[str, Any] = field(default_factory=dict)
    adapt: str = ""
    limit: float = 1e-6
    share: float = 0.0


_RNG = np.random.default_rng(19)
_WORDS = np.array(["", "a", "bb", "zw\u00f6lf", "Dog", "2.x", "x y", "\u4e00", "w" * 30, "l" * 70])
VALUES: dict[str, NDArray[Any]] = {
    "words": _WORDS[_RNG.integers(0, len(_WORDS), (40, 3))],
    "word": _WORDS[_RNG.integers(0, len(_WORDS), (40, 1))],
    "numbers": _RNG.integers(-(2**62), 2**62, (40, 3)),
    "number": _RNG.integers(-99, 99, (40, 1)),
    "ids": _RNG.integers(0, 7, (40, 3)),
    "id": _RNG.integers(0, 7, (40, 1)),
    "floats": _RNG.normal(3.0, 2.0, (40, 4, 3)).astype(np.float32),
    "few": _RNG.normal(3.0, 2.0, (30, 3)).astype(np.float32),
    "many": _RNG.normal(3.0, 2.0, (5000, 4)).astype(np.float32),
}

_BOUNDS = [-1.0, 0.5, 3.0, 4.25]
FEATURES: dict[str, Feature] = {
    "hashing": Feature("Hashing", ("words",), {"num_bins": 50}),
    "hashing mask": Feature("Hashing", ("words",), {"num_bins": 50, "mask_value": ""}),
    "hashing salt": Feature("Hashing", ("words",), {"num_bins": 50, "salt": [3, 2**62]}),
    "hashing numbers": Feature("Hashing", ("numbers",), {"num_bins": 50}),
    "hashing salted numbers": Feature("Hashing", ("numbers",), {"num_bins": 50, "salt": 7}),
    "hashing one_hot": Feature("Hashing", ("word",), {"num_bins": 5, "output_mode": "one_hot"}),
    "hashing multi_hot": Feature("Hashing", ("words",), {"num_bins": 5, "output_mode": "multi_hot"}),
    "hashing count": Feature("Hashing", ("words",), {"num_bins": 5, "output_mode": "count"}),
    "crossing": Feature("HashedCrossing", ("word", "number"), {"num_bins": 1000}),
    "crossing one_hot": Feature(
        "HashedCrossing", ("number", "word"), {"num_bins": 9, "output_mode": "one_hot"}
    ),
    "category one_hot": Feature("CategoryEncoding", ("id",), {"num_tokens": 7, "output_mode": "one_hot"}),
    "category one_hot each": Feature(
        "CategoryEncoding", ("ids",), {"num_tokens": 7, "output_mode": "one_hot"}
    ),
    "category multi_hot": Feature("CategoryEncoding", ("ids",), {"num_tokens": 7}),
    "category count": Feature("CategoryEncoding", ("ids",), {"num_tokens": 7, "output_mode": "count"}),
    "bins": Feature("Discretization", ("floats",), {"bin_boundaries": _BOUNDS}),
    "bins count": Feature("Discretization", ("few",), {"bin_boundaries": _BOUNDS, "output_mode": "count"}),
    "bins multi_hot": Feature(
        "Discretization", ("few",), {"bin_boundaries": _BOUNDS, "output_mode": "multi_hot"}
    ),
    "bins one_hot": Feature(
        "Discretization", ("few",), {"bin_boundaries": _BOUNDS, "output_mode": "one_hot"}
    ),
    "bins adapted to few": Feature("Discretization", ("few",), {"num_bins": 7}, "few"),
    "bins adapted to many": Feature("Discretization", ("many",), {"num_bins": 10}, "many", share=0.02),
    "normalization": Feature("Normalization", ("floats",), {}, "floats"),
    "normalization axis 1": Feature("Normalization", ("floats",), {"axis": 1}, "floats"),
    "normalization axes": Feature("Normalization", ("floats",), {"axis": (1, -1)}, "floats"),
    "normalization of all": Feature("Normalization", ("floats",), {"axis": None}, "floats"),
    "normalization inverted": Feature("Normalization", ("floats",), {"invert": True}, "floats", limit=1e-5),
    "normalization given": Feature(
        "Normalization", ("few",), {"mean": [1.0, 2.0, 0.0], "variance": [4.0, 1.0, 0.0]}
    ),
    "rescaling": Feature("Rescaling", ("few",), {"scale": 0.25, "offset": -1.0}),
    "rescaling columns": Feature("Rescaling", ("few",), {"scale": [0.25, 1.0, 2.0]}),
    "integers": Feature("IntegerLookup", ("ids",), {"vocabulary": [5, 1, 3], "num_oov_indices": 2}),
    "integers farmhash": Feature(
        "IntegerLookup", ("numbers",), {"vocabulary": [5], "num_oov_indices": 9, "oov_method": "farmhash"}
    ),
    "integers salt": Feature(
        "IntegerLookup",
        ("numbers",),
        {"vocabulary": [5], "num_oov_indices": 9, "oov_method": "farmhash", "salt": [1, 2]},
    ),
    "integers adapted": Feature("IntegerLookup", ("ids",), {"mask_token": 0, "max_tokens": 5}, "ids"),
    "integers inverted": Feature("IntegerLookup", ("ids",), {"vocabulary": [50, 10, 30], "invert": True}),
    "integers tf_idf": Feature("IntegerLookup", ("ids",), {"output_mode": "tf_idf"}, "ids"),
    "integers given tf_idf": Feature(
        "IntegerLookup",
        ("ids",),
        {"output_mode": "tf_idf", "vocabulary": [-1, 5, 1, 3], "idf_weights": [0.9, 0.25, 0.75, 0.6]},
    ),
    "texts salt": Feature(
        "StringLookup", ("words",), {"vocabulary": ["a"], "num_oov_indices": 9, "salt": 11}
    ),
}


def compute(library: Any, feature: Feature) -> NDArray[Any]:
    """Return what the layer of one side makes of its inputs."""
    layer = getattr(library.layers, feature.layer)(**feature.arguments)
    if feature.adapt:
        layer.adapt(VALUES[feature.adapt])
    inputs = [VALUES[name] for name in feature.inputs]
    return np.asarray(layer(inputs if len(inputs) > 1 else inputs[0]))


def same(feature: Feature, ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
    """Return whether both sides have made the same."""
    if ours.shape != theirs.shape:
        return False
    if feature.share:
        return bool((np.abs(ours - theirs) <= 1).all() and (ours != theirs).mean() <= feature.share)
    if ours.dtype.kind == "f" or theirs.dtype.kind == "f":
        return bool(np.allclose(ours, theirs, rtol=feature.limit, atol=feature.limit))
    return ours.tolist() == theirs.tolist()
