"""Tensors, operations, and the rule by which an operation is applied.

A `Tensor` is a symbolic handle: a spec and the node that makes it. An `Op` is one differentiable
operation (`ops/operation.py`). `apply` adds a node to the graph when an input is symbolic, and runs the
kernels now when all are arrays. So a layer or a loss can be called on arrays, to look, and traced.

Leaves of a graph are inputs (plain tensors without a node), `Constant` values and `Variable` weights.
Outside a trace a variable means its current value.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from streamfit._base import uses
from streamfit._base.checks import check_same_shape, not_numbers, storable
from streamfit._base.config import floatx
from streamfit._base.specs import Array, Spec
from streamfit.kernels import run
from streamfit.ops.home import Home
from streamfit.ops.operation import Op as Op
from streamfit.ops.operation import with_outputs as with_outputs
from streamfit.ops.operation import workspace as workspace
from streamfit.ops.operation import workspace_from as workspace_from


class Tensor:
    """Represent an array that does not exist yet.

    Args:
        spec: Shape and dtype; a leading `None` is the batch size.
        name: A name for messages and for dictionaries of inputs.
    """

    # NumPy must not take part in `array + tensor`: our reflected operators do.
    __array_ufunc__ = None

    mask: Tensor | None = None
    """Which positions count, not 0 where one does: its axes are the first of this tensor. None for all."""
    sparse = ragged = False  # as some tensors of Keras are
    call: Any = None
    """The `PublicCall` that returned this tensor, or None."""

    def __init__(self, spec: Spec, name: str = "", node: Node | None = None, index: int = 0) -> None:
        self.spec, self.name, self.node, self.index = spec, name, node, index

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Return the length of each axis; None for the batch and for axes whose length the data decide."""
        return self.spec.shape

    @property
    def dtype(self) -> DType:
        """Return the dtype of the elements."""
        return self.spec.dtype

    @property
    def ndim(self) -> int:
        """Count the axes."""
        return len(self.spec.shape)

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        return f"<{type(self).__name__} shape={self.shape} dtype={self.dtype}{name}>"

    def __bool__(self) -> bool:
        raise TypeError(
            "a symbolic Tensor has no truth value: `if` and `while` cannot look at data while a model is "
            "traced; use ops.where, ops.maximum or ops.clip instead"
        )

    def __iter__(self) -> Iterator[Tensor]:
        raise TypeError(
            f"a symbolic Tensor of shape {self.shape} cannot be iterated; use ops on the whole of it"
        )

    def __add__(self, other: Operand) -> Value:
        return _operator("add", self, other)

    def __radd__(self, other: Operand) -> Value:
        return _operator("add", other, self)

    def __sub__(self, other: Operand) -> Value:
        return _operator("subtract", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return _operator("subtract", other, self)

    def __mul__(self, other: Operand) -> Value:
        return _operator("multiply", self, other)

    def __rmul__(self, other: Operand) -> Value:
        return _operator("multiply", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return _operator("divide", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return _operator("divide", other, self)

    def __pow__(self, other: Operand) -> Value:
        return _operator("power", self, other)

    def __rpow__(self, other: Operand) -> Value:
        return _operator("power", other, self)

    def __matmul__(self, other: Operand) -> Value:
        return _operator("matmul", self, other)

    def __getitem__(self, key: object) -> Value:
        return _operator("getitem", self, key)

    def __neg__(self) -> Value:
        return _operator("negative", self)

    def __abs__(self) -> Value:
        return _operator("abs", self)

    def __gt__(self, other: Operand) -> Value:
        return _operator("greater", self, other)

    def __ge__(self, other: Operand) -> Value:
        return _operator("greater_equal", self, other)

    def __lt__(self, other: Operand) -> Value:
        return _operator("less", self, other)

    def __le__(self, other: Operand) -> Value:
        return _operator("less_equal", self, other)

    # Tensors are keys of dictionaries, so a tensor equals only itself. But in a user's formula `a == b`
    # compares elements; there, a comparison of identities would give a wrong number without an error.
    def __eq__(self, other: object) -> Any:
        return _operator("equal", self, other) if _trace.comparing else self is other

    def __ne__(self, other: object) -> Any:
        return _operator("not_equal", self, other) if _trace.comparing else self is not other

    __hash__ = object.__hash__

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        raise TypeError(
            "NumPy cannot compute with a symbolic Tensor, which has no numbers yet; use the functions of "
            "streamfit.ops, such as ops.round and ops.mean for np.round and np.mean"
        )


Value = Tensor | Array
"""What an operation returns: a tensor in a graph, else an array."""

Operand = Tensor | npt.ArrayLike
"""What an operation takes: a tensor, or a number, a list or anything else that NumPy turns into an array."""

DType = np.dtype[np.generic]
"""The dtype of an array whose scalar type is only known at run time."""

OPERATORS: dict[str, Callable[..., Value]] = {}
"""The functions behind the operators of `Tensor`. Each module of operations adds its own, so that this
module imports none of them."""


def _operator(name: str, *operands: object) -> Value:
    return OPERATORS[name](*operands)


class Constant(Tensor):
    """Hold a fixed array inside a graph."""

    def __init__(self, value: Array) -> None:
        super().__init__(Spec.of(value))
        self.value = np.array(value, order="C")

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.value = np.array(self.value, order="C")  # in a worker the array may lie in shared memory

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self.value, dtype=dtype)


class Variable(Tensor):
    """Hold a weight: an array that persists from step to step.

    Args:
        value: The first value; copied.
        name: Name of the weight, such as ``"kernel"``.
        trainable: Whether the optimizer may change it.
        constraint: What every update of the optimizer is followed by, composed of `ops`; or None.

    Example:
        >>> import numpy as np
        >>> weight = Variable(np.zeros((2, 3), "float32"), name="kernel")
        >>> weight.assign(np.ones((2, 3)))
        >>> float(weight.value.sum())
        6.0
    """

    def __init__(
        self,
        value: Array,
        name: str = "",
        trainable: bool = True,
        constraint: Callable[[Tensor], Value] | None = None,
    ) -> None:
        super().__init__(Spec.of(value), name)
        self.memory: Array = np.array(value, order="C")  # rows of tables may be behind in it, see `value`
        self.trainable = trainable
        self.constraint = constraint
        self.home: Home | None = None  # the owner of the flat vector that `memory` is a view of

    @property
    def value(self) -> Array:
        """Return the array itself, with all of its rows up to date."""
        if self.home is not None:
            self.home.settle()
        return self.memory

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "memory": self.value, "home": None}  # no flat vector is pickled

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.memory = np.array(self.memory, order="C")  # in a worker the array may lie in shared memory

    def assign(self, value: Operand) -> None:
        """Overwrite the value in place; inside the `call` of a layer that is traced, as `ops.assign` does.

        Args:
            value: Numbers in the variable's shape; floats are rounded to its dtype.

        Raises:
            ValueError: The shape differs; nothing is broadcast. Or a whole number does not fit the dtype.
            TypeError: The variable holds whole numbers or truth values, and the value holds others.
        """
        self._write("assign", value)

    def assign_add(self, value: Operand) -> None:
        """Add to the value in place; with the arguments and errors of `assign`.

        Example:
            >>> import numpy as np
            >>> count = Variable(np.zeros(2, "float32"), "count", trainable=False)
            >>> count.assign_add([1, 2])
            >>> count.numpy()
            array([1., 2.], dtype=float32)
        """
        self._write("assign_add", value, "add")

    def assign_sub(self, value: Operand) -> None:
        """Subtract from the value in place; with the arguments and errors of `assign`."""
        self._write("assign_sub", value, "subtract")

    def _write(self, what: str, value: Operand, change: str = "") -> None:
        if _trace.active:  # a layer's `call`: it takes effect at the end of each step
            traced = as_operand(value, self.dtype)
            check_same_shape(f"weight {self.name!r}", traced.shape, self.shape)
            OPERATORS["assign"](self, OPERATORS[change](self, traced) if change else traced)
            return
        array = storable(f"weight {self.name!r}", value, self.value.shape, self.dtype)

        def put() -> None:
            self.put(getattr(np, change)(self.value, array) if change else array)

        uses.write(what, self.name, frozenset((self,)), put)

    def put(self, array: Array) -> None:
        """Overwrite the value; the caller ensures that no other thread uses it."""
        self.value[...] = array

    def move(self, memory: Array, home: Home) -> None:
        """Keep the value in `memory` (same shape and dtype) from now on."""
        memory[...] = self.value
        self.memory, self.home = memory, home

    def numpy(self) -> Array:
        """Return a copy of the value; while another thread trains, the copy is made between two steps."""
        return uses.read("numpy", self.name, frozenset((self,)), lambda: self.value.copy())

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype)


class _StepState(Tensor):
    """The class of `STEP_STATE`; a copy of a graph refers to the same tensor."""

    def __reduce__(self) -> str:
        return "STEP_STATE"


STEP_STATE = _StepState(Spec((2,), np.dtype(np.int64)), name="step_state")
"""The graph input that random operations read: [seed, number of finished training steps]."""


class Node:
    """One use of an operation in a graph, or of a layer, which the program expands into operations."""

    def __init__(self, op: Any, inputs: Sequence[Tensor], specs: Sequence[Spec]) -> None:
        self.op, self.inputs = op, tuple(inputs)
        self.outputs = tuple(Tensor(spec, node=self, index=i) for i, spec in enumerate(specs))


class Recorder:
    """What a traced `call` does beside returning results.

    Args:
        current: What to read in the place of variables: values that were assigned earlier in the same step.

    Attributes:
        assigned: The last value that each variable is given; it takes effect at the end of the step.
        losses: Scalars to add to the loss.
    """

    def __init__(self, current: Mapping[Variable, Tensor] | None = None) -> None:
        self.current: dict[Variable, Tensor] = dict(current or {})
        self.assigned: dict[Variable, Tensor] = {}
        self.losses: list[Tensor] = []


class _Trace(threading.local):
    active = False
    values: Mapping[Variable, Array] | None = None
    comparing = False
    recorder: Recorder | None = None


_trace = _Trace()


@contextmanager
def tracing(active: bool = True) -> Iterator[None]:
    """Make variables symbolic inside the block: operations on them add nodes instead of computing.

    With ``active=False`` they mean their values, also where a block around this one made them symbolic.
    """
    before, _trace.active = _trace.active, active
    try:
        yield
    finally:
        _trace.active = before


def is_tracing() -> bool:
    """Return whether this thread runs inside a `tracing` block."""
    return _trace.active


@contextmanager
def recording(recorder: Recorder | None) -> Iterator[None]:
    """Collect what calls on this thread do beside returning results, inside the block; None collects
    nothing.
    """
    before, _trace.recorder = _trace.recorder, recorder
    try:
        yield
    finally:
        _trace.recorder = before


def recorder() -> Recorder | None:
    """Return the recorder of the innermost `recording` block of this thread, or None."""
    return _trace.recorder


@contextmanager
def reading(values: Mapping[Variable, Array]) -> Iterator[None]:
    """Give variables other values inside the block, on this thread."""
    before, _trace.values = _trace.values, values
    try:
        yield
    finally:
        _trace.values = before


def is_reading() -> bool:
    """Return whether this thread runs inside a `reading` block."""
    return _trace.values is not None


@contextmanager
def comparing() -> Iterator[None]:
    """Let ``==`` and ``!=`` compare the elements of tensors inside the block, as in a user's formula."""
    before, _trace.comparing = _trace.comparing, True
    try:
        yield
    finally:
        _trace.comparing = before


def is_symbolic(value: object) -> bool:
    """Return whether an operation on `value` adds a node to a graph."""
    if isinstance(value, (Variable, Constant)):
        return _trace.active
    return isinstance(value, Tensor)


def as_operand(value: Operand, dtype: npt.DTypeLike | None = None, symbolic: bool = False) -> Value:
    """Convert an argument from the user into a tensor or a C-contiguous writeable array.

    Python numbers and lists of them take `dtype`, by default `floatx`; arrays keep their dtype.
    A variable stays a tensor if `symbolic` (another operand is), else it becomes its value.
    """
    if isinstance(value, Tensor):
        if symbolic or is_symbolic(value):
            if _trace.recorder is not None and isinstance(value, Variable):
                return _trace.recorder.current.get(value, value)
            return value
        copied = None if _trace.values is None else _trace.values.get(value)  # type: ignore[call-overload]
        return value.value if copied is None else copied  # type: ignore[attr-defined, no-any-return]
    if not isinstance(value, (np.ndarray, np.generic)):
        value = np.asarray(value)
        if value.dtype.kind in "iufb":
            value = value.astype(dtype or floatx())
    if value.dtype.kind not in "iufb":
        raise TypeError(not_numbers(value))
    array = np.ascontiguousarray(value).reshape(value.shape)  # ascontiguousarray makes 0-d arrays 1-d
    return array if array.flags.writeable else array.copy()


def apply(op: Op, *operands: Operand) -> Value:
    """Apply `op`: add a node if an operand is symbolic, else compute now.

    Returns:
        A tensor or an array. An operation that does not have exactly one output gives a tuple of them;
        the type names the usual case.
    """
    symbolic = any(is_symbolic(operand) for operand in operands)
    inputs = [as_operand(operand, symbolic=symbolic) for operand in operands]
    if symbolic:
        tensors = [value if isinstance(value, Tensor) else Constant(value) for value in inputs]
        outputs: Sequence[Value] = Node(op, tensors, op.infer(*(t.spec for t in tensors))).outputs
    else:
        outputs, calls = with_outputs(op, [value for value in inputs if isinstance(value, np.ndarray)])
        run(calls)
    return outputs[0] if len(outputs) == 1 else tuple(outputs)  # type: ignore[return-value]


def flat(array: Array) -> Array:
    """Return the vector of all elements, in the same memory."""
    return array.reshape(-1)


def rows(array: Array) -> Array:
    """Return the matrix (everything but the last axis, last axis), in the same memory."""
    return array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
