"""Comparisons, logic and choice, with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.ops.arithmetic import maximum_kernel, minimum_kernel
from streamfit.ops.binary import Binary, apply_binary
from streamfit.ops.broadcasting import broadcast_shapes, matrices
from streamfit.ops.casting import cast, promoted
from streamfit.ops.core import OPERATORS, Op, Operand, Value, apply, workspace
from streamfit.ops.public_calls import recorded
from streamfit.ops.sums import sum_onto
from streamfit.ops.unary import Unary


@kernel
def greater_kernel(a: Array, b: Array, y: Array) -> None:
    """Compute a > b."""
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = a[i * row_a, j * column_a] > b[i * row_b, j * column_b]


@kernel
def greater_equal_kernel(a: Array, b: Array, y: Array) -> None:
    """Compute a >= b."""
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = a[i * row_a, j * column_a] >= b[i * row_b, j * column_b]


@kernel
def equal_kernel(a: Array, b: Array, y: Array) -> None:
    """Compute a == b."""
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = a[i * row_a, j * column_a] == b[i * row_b, j * column_b]


@kernel
def not_equal_kernel(a: Array, b: Array, y: Array) -> None:
    """Compute a != b."""
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = a[i * row_a, j * column_a] != b[i * row_b, j * column_b]


@kernel
def not_kernel(x: Array, y: Array) -> None:
    """Compute y = not x."""
    for i in range(x.shape[0]):
        y[i] = not x[i]


@kernel
def where_kernel(c: Array, a: Array, b: Array, y: Array) -> None:
    """Compute y = a where c, else b."""
    row_c, column_c = int(c.shape[0] > 1), int(c.shape[1] > 1)
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            v, w = a[i * row_a, j * column_a], b[i * row_b, j * column_b]
            y[i, j] = v if c[i * row_c, j * column_c] else w


@kernel
def where_backward(c: Array, gy: Array, g: Array, chosen: int) -> None:
    """Pass the gradient where the truth of c equals `chosen` (1 true, 0 false); 0 elsewhere."""
    zero = g.dtype.type(0)
    row_c, column_c = int(c.shape[0] > 1), int(c.shape[1] > 1)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            g[i, j] = gy[i, j] if c[i * row_c, j * column_c] == (chosen != 0) else zero


class Where(Op):
    """Choose from two arrays, element by element."""

    rowwise = True

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape to which the three operands broadcast."""
        return (Spec(broadcast_shapes("where", *(spec.shape for spec in specs)), specs[1].dtype),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call; more where operands are broadcast along scattered axes."""
        operands, shape, calls = matrices(outputs[0].shape, inputs)
        return [*calls, (where_kernel, (*operands, outputs[0].reshape(shape)))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls that split the gradient, added up over broadcast axes."""
        gy = output_grads[0]
        (c,), shape, calls = matrices(gy.shape, inputs[:1])
        for chosen, gradient in ((1, input_grads[1]), (0, input_grads[2])):
            if gradient is None:
                continue
            fits = gradient.size == gy.size
            full = gradient if fits else workspace(gy.shape, gy.dtype)
            calls.append((where_backward, (c, gy.reshape(shape), full.reshape(shape), chosen)))
            if not fits:
                calls += sum_onto(full, gradient)
        return calls


_GREATER = Binary("greater", greater_kernel, None, "bool")
_GREATER_EQUAL = Binary("greater_equal", greater_equal_kernel, None, "bool")
_EQUAL = Binary("equal", equal_kernel, None, "bool")
_NOT_EQUAL = Binary("not_equal", not_equal_kernel, None, "bool")
_AND = Binary("logical_and", minimum_kernel, None)
_OR = Binary("logical_or", maximum_kernel, None)
_NOT = Unary("logical_not", not_kernel, None, result="bool")


@recorded
def greater(a: Operand, b: Operand) -> Value:
    """Return True where `a` is greater than `b`.

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, dtype bool.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> greater([1.0, 2.0], 1)
        array([False,  True])
    """
    return apply_binary(_GREATER, a, b)


@recorded
def greater_equal(a: Operand, b: Operand) -> Value:
    """Return True where `a` is at least `b`.

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, dtype bool.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> greater_equal([1.0, 2.0], 2)
        array([False,  True])
    """
    return apply_binary(_GREATER_EQUAL, a, b)


@recorded
def less(a: Operand, b: Operand) -> Value:
    """Return True where `a` is less than `b`.

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, dtype bool.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> less([1.0, 2.0], 2)
        array([ True, False])
    """
    return apply_binary(_GREATER, b, a)


@recorded
def less_equal(a: Operand, b: Operand) -> Value:
    """Return True where `a` is at most `b`.

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, dtype bool.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> less_equal([1.0, 2.0], 1)
        array([ True, False])
    """
    return apply_binary(_GREATER_EQUAL, b, a)


@recorded
def equal(a: Operand, b: Operand) -> Value:
    """Return True where two arrays are equal; a NaN equals nothing.

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, dtype bool.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> equal([1.0, 2.0], 2)
        array([False,  True])
    """
    return apply_binary(_EQUAL, a, b)


@recorded
def not_equal(a: Operand, b: Operand) -> Value:
    """Return True where two arrays differ; a NaN differs from everything.

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, dtype bool.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> not_equal([1.0, 2.0], 2)
        array([ True, False])
    """
    return apply_binary(_NOT_EQUAL, a, b)


@recorded
def logical_and(a: Operand, b: Operand) -> Value:
    """Return True where both are true (not 0).

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, dtype bool.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> logical_and([1.0, 0.0], True)
        array([ True, False])
    """
    return apply(_AND, cast(a, "bool"), cast(b, "bool"))


@recorded
def logical_or(a: Operand, b: Operand) -> Value:
    """Return True where at least one is true (not 0).

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, dtype bool.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> logical_or([1.0, 0.0], False)
        array([ True, False])
    """
    return apply(_OR, cast(a, "bool"), cast(b, "bool"))


@recorded
def logical_not(x: Operand) -> Value:
    """Return True where `x` is false (0).

    Args:
        x: Number, array or tensor.

    Returns:
        Same shape, dtype bool.

    Example:
        >>> logical_not([1.0, 0.0])
        array([False,  True])
    """
    return apply(_NOT, cast(x, "bool"))


@recorded
def where(condition: Operand, a: Operand, b: Operand) -> Value:
    """Take `a` where the condition is true (not 0), else `b`.

    Args:
        condition: Array or tensor.
        a: Number, array or tensor.
        b: Number, array or tensor; the three shapes broadcast together.

    Returns:
        The broadcast shape, in the common dtype of `a` and `b`.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> where([True, False], [1.0, 2.0], 0)
        array([1., 0.], dtype=float32)
    """
    return apply(Where(), cast(condition, "bool"), *promoted(a, b))


OPERATORS.update(greater=greater, greater_equal=greater_equal, less=less, less_equal=less_equal)
OPERATORS.update(equal=equal, not_equal=not_equal)
