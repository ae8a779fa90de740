"""What stands for ``keras.src.backend`` and ``keras.src.tree``, and for what only ``keras.src.ops`` has."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

import streamfit
from streamfit._base.specs import Spec
from streamfit._base.text import dtype_name, dtype_of
from streamfit._base.tree import flatten, pack, transform
from streamfit.layers.mask_scope import mask_of, set_mask
from streamfit.ops import Tensor, Variable
from streamfit.ops.core import is_symbolic


class _AnyTensor(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return is_symbolic(instance)

    def __call__(
        cls,
        shape: Any = (),
        dtype: Any = "float32",
        sparse: bool = False,
        ragged: bool = False,
        name: str = "",
    ) -> Tensor:
        if sparse or ragged:
            raise ValueError("streamfit has no sparse and no ragged tensors")
        return Tensor(Spec(tuple(shape), dtype_of(dtype)), name)


class KerasTensor(metaclass=_AnyTensor):
    """Make a `streamfit.ops.Tensor`; every symbolic tensor is an instance of it."""


def is_tensor(x: object) -> bool:
    """Return whether something is what operations return: here an array."""
    return isinstance(x, (np.ndarray, np.generic, Variable)) and not isinstance(x, (str, bytes))


def convert_to_numpy(x: Any) -> Any:
    """Return an array."""
    return np.asarray(x.numpy() if isinstance(x, Variable) else x)


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None) -> Any:
    """Return an array, in float32 where Python's own floats give no dtype; symbolic tensors stay."""
    if is_symbolic(x):
        return x
    array = convert_to_numpy(x)
    if dtype is not None:
        return array.astype(dtype_of(dtype))
    return (
        array.astype(streamfit.floatx()) if array.dtype == np.float64 and not hasattr(x, "dtype") else array
    )


def standardize_dtype(dtype: Any) -> str:
    """Return the name of a dtype."""
    if dtype is None:
        return streamfit.floatx()
    if dtype in (int, float, bool, str):
        return {int: "int32", float: streamfit.floatx(), bool: "bool", str: "string"}[dtype]
    if hasattr(dtype, "as_numpy_dtype"):  # TensorFlow's
        return str(dtype.name)
    return "string" if np.dtype(dtype_of(dtype)).kind == "O" else dtype_name(dtype)


def _is_kind(kinds: str) -> Callable[[Any], bool]:
    return lambda dtype: np.dtype(standardize_dtype(dtype)).kind in kinds


def _normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = "float32", seed: Any = None
) -> Any:
    return np.random.default_rng().normal(mean, stddev, shape).astype(dtype)


def _uniform(
    shape: Any, minval: float = 0, maxval: float = 1, dtype: Any = "float32", seed: Any = None
) -> Any:
    return np.random.default_rng().uniform(minval, maxval, shape).astype(dtype)


def _randint(shape: Any, minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Any:
    return np.random.default_rng().integers(minval, maxval, shape).astype(dtype)


RANDOM = types.SimpleNamespace(normal=_normal, uniform=_uniform, randint=_randint)
"""Unseeded numbers, for tests that only need some."""


def _ones(shape: Any, dtype: Any = None) -> Any:
    return np.ones(shape, dtype or streamfit.floatx())


def _zeros(shape: Any, dtype: Any = None) -> Any:
    return np.zeros(shape, dtype or streamfit.floatx())


BACKEND: dict[str, Any] = {
    "KerasTensor": KerasTensor,
    "SUPPORTS_RAGGED_TENSORS": False,
    "SUPPORTS_SPARSE_TENSORS": False,
    "Variable": Variable,
    "backend": lambda: "streamfit",
    "config": streamfit.backend,
    "convert_to_numpy": convert_to_numpy,
    "convert_to_tensor": convert_to_tensor,
    "floatx": streamfit.floatx,
    "epsilon": streamfit.epsilon,
    "image_data_format": streamfit.backend.image_data_format,
    "is_float_dtype": _is_kind("f"),
    "is_int_dtype": _is_kind("iu"),
    "get_keras_mask": mask_of,
    "is_keras_tensor": is_symbolic,
    "is_tensor": is_tensor,
    "random": RANDOM,
    "set_keras_mask": set_mask,
    "standardize_dtype": standardize_dtype,
}

OPS: dict[str, Any] = {
    "convert_to_numpy": convert_to_numpy,
    "convert_to_tensor": convert_to_tensor,
    "ones": _ones,
    "random": RANDOM,
    "zeros": _zeros,
}


# --- nested structures


def _map(function: Callable[..., Any], *structures: Any) -> Any:
    leaves = zip(*(flatten(structure) for structure in structures), strict=True)
    return pack(structures[0], [function(*values) for values in leaves])


def _same_structure(a: Any, b: Any, *_: Any, **__: Any) -> None:
    shown = [transform(lambda leaf: 0, structure) for structure in (a, b)]
    if shown[0] != shown[1]:
        raise ValueError(f"two structures differ: {shown[0]} and {shown[1]}")


TREE: dict[str, Any] = {
    "assert_same_structure": _same_structure,
    "flatten": flatten,
    "map_structure": _map,
    "pack_sequence_as": pack,
}
