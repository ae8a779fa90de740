"""Dtypes: the cast operation, and the promotion of operands to a common dtype.

A Python number has no dtype of its own: it takes the dtype of the other operand. Whole numbers and
booleans are promoted to the dtype of a float operand, float32 to float64. So a float32 model stays
float32 whatever numbers its formulas contain.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streamfit._base.checks import not_numbers
from streamfit._base.config import floatx
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call
from streamfit.kernels.matrix import copy_into, fill_zero
from streamfit.ops.core import Constant, DType, Op, Operand, Tensor, Value, apply, as_operand, flat
from streamfit.ops.public_calls import recorded

_FLOATS = ("float32", "float64")
_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


class Cast(Op):
    """Convert every element to another dtype."""

    rowwise = True

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the same shape with the new dtype."""
        return (specs[0].with_dtype(self.dtype),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return [(copy_into, (flat(inputs[0]), flat(outputs[0])))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the call that casts the gradient back; through whole numbers no gradient passes."""
        gx = input_grads[0]
        if gx is None:
            return []
        if outputs[0].dtype.kind != "f":
            return [(fill_zero, (flat(gx),))]
        return [(copy_into, (flat(output_grads[0]), flat(gx)))]


@recorded
def cast(x: Operand, dtype: npt.DTypeLike) -> Value:
    """Convert `x` to another dtype; floats become whole numbers by dropping the fraction.

    Args:
        x: Array or tensor of any shape.
        dtype: ``'float32'``, ``'float64'``, ``'bool'`` or a whole-number dtype.

    Returns:
        Same shape; `x` itself if it already has the dtype.

    Raises:
        TypeError: No kernel computes with that dtype.

    Example:
        >>> cast([0.5, 2.7], "int64")
        array([0, 2])
    """
    wanted = np.dtype(dtype)
    _check_dtype(wanted)
    value = x if isinstance(x, Tensor) else as_operand(x)
    return value if value.dtype == wanted else apply(Cast(wanted.name), value)


@recorded
def floating(x: Operand) -> Value:
    """Return `x` as a float operand: whole numbers and booleans become `floatx`.

    Args:
        x: Number, list, array or tensor.

    Raises:
        TypeError: A float dtype other than float32 and float64.

    Example:
        >>> floating(np.arange(3)).dtype
        dtype('float32')
    """
    value = operand(x)
    return value if value.dtype.kind == "f" else cast(value, floatx())


def operand(x: Operand) -> Value:
    """Return `x` as an operand of a dtype that kernels compute with.

    Variables stay as they are: `apply` knows all operands and decides whether a variable becomes its
    value.

    Raises:
        TypeError: No kernel computes with the dtype of `x`.
    """
    value = x if isinstance(x, Tensor) else as_operand(x)
    _check_dtype(value.dtype)
    return value


def promoted(*values: Operand) -> list[Value]:
    """Convert operands to their common dtype.

    Args:
        values: Numbers, lists, arrays and tensors.

    Returns:
        Arrays and tensors of one dtype.

    Example:
        >>> a, b = promoted(np.ones(2, "float32"), 0.1)
        >>> b.dtype
        dtype('float32')
    """
    strong = [operand(value).dtype for value in values if not _is_weak(value)]
    weak = common_dtype(*(_weak_dtype(value) for value in values if _is_weak(value)), np.dtype(bool))
    dtype = common_dtype(*strong) if strong else weak
    if _RANK[dtype.kind] < _RANK[weak.kind]:
        dtype = weak
    return [_as_dtype(value, dtype) for value in values]


def common_dtype(*dtypes: DType) -> DType:
    """Return the dtype to which operands of `dtypes` are promoted.

    Example:
        >>> common_dtype(np.dtype("int64"), np.dtype("float32"))
        dtype('float32')
    """
    floats = [dtype for dtype in dtypes if dtype.kind == "f"]
    return np.result_type(*(floats or dtypes))


def _check_dtype(dtype: DType) -> None:
    if dtype.kind == "f" and dtype.name not in _FLOATS:
        raise TypeError(
            f"ops compute in {' or '.join(_FLOATS)}, got {dtype}; convert with x.astype('float32')"
        )
    if dtype.kind not in "iufb":
        raise TypeError(not_numbers(np.empty(0, dtype)))


def _is_weak(value: Operand) -> bool:
    """Return whether `value` is a single number, which takes the dtype of the other operands."""
    return isinstance(value, (int, float, np.generic)) or (isinstance(value, Constant) and not value.shape)


def _weak_dtype(value: Operand) -> DType:
    dtype = np.asarray(value.value if isinstance(value, Constant) else value).dtype
    return np.dtype(floatx()) if dtype.kind == "f" else dtype


def _as_dtype(value: Operand, dtype: DType) -> Value:
    if _is_weak(value):
        return np.asarray(value.value if isinstance(value, Constant) else value).astype(dtype)
    return cast(value if isinstance(value, Tensor) else as_operand(value, dtype), dtype)
