"""Call the function of a loss or a metric, with clear messages for errors in users' code.

A function ``(y_true, y_pred)`` is traced for training and called on arrays otherwise. Where targets and
outputs have different shapes it must not broadcast one against the other. This is checked in its graph, so a
function that turns class numbers into rows, for example, may have targets of any shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from streamfit._base.errors import ShapeError, StreamfitError
from streamfit._base.specs import Array, Shape, Spec
from streamfit.ops.binary import Binary
from streamfit.ops.casting import Cast
from streamfit.ops.comparisons import Where
from streamfit.ops.core import Constant, Node, Op, Operand, Tensor, Value, comparing
from streamfit.ops.unary import Unary

ValuesFunction = Callable[[Value, Value], Operand]
"""From targets and predictions to one value a sample, or to one number."""


def values_of(call: ValuesFunction, y_true: Value, y_pred: Value, what: str) -> Operand:
    """Return the values that `call` computes of targets and predictions that a rule has aligned.

    Args:
        call: The function ``(y_true, y_pred)``.
        y_true: Targets, tensor or array.
        y_pred: Predictions, likewise.
        what: The name of the caller for messages, such as ``"loss 'mine'"``.

    Raises:
        ShapeError: Targets and predictions have different shapes and are broadcast.
        TypeError: `call` returns nothing, or cannot be traced.
    """
    target, output = tuple(y_true.shape), tuple(y_pred.shape)
    differ = target[1:] != output[1:] or len(target) != len(output)
    symbolic = isinstance(y_true, Tensor) or isinstance(y_pred, Tensor)
    if differ and isinstance(y_true, np.ndarray) and isinstance(y_pred, np.ndarray):
        _try_symbolic(call, y_true, y_pred, what)
    try:
        with comparing():
            values = call(y_true, y_pred)
    except StreamfitError as error:
        if differ and isinstance(error, ShapeError):
            raise ShapeError(_differing(what, target, output, str(error))) from error
        raise
    except (TypeError, AttributeError) as error:
        if symbolic:
            raise TypeError(_untraceable(what, error)) from error
        raise
    _check_values(values, what)
    if differ and isinstance(values, Tensor) and isinstance(y_true, Tensor) and isinstance(y_pred, Tensor):
        _check_graph(values, y_true, y_pred, what)
    return values


def _check_values(values: object, what: str) -> None:
    if values is None:
        raise TypeError(f"{what} returned None; does it lack a `return`? It must return one value a sample")
    if isinstance(values, (bool, np.bool_)):
        raise TypeError(f"{what} returned {values!r}; it must return one value a sample, or one number")
    if not isinstance(values, Tensor) and not _numeric(values):
        raise TypeError(
            f"{what} returned {type(values).__name__}; it must return a tensor or an array with one value a "
            "sample, or one number"
        )


def _numeric(values: object) -> bool:
    try:
        return np.asarray(values).dtype.kind in "iufb"
    except (TypeError, ValueError):  # a list that holds tensors, or rows of several lengths
        return False


def _untraceable(what: str, error: Exception) -> str:
    text = str(error).partition("\n")[0]
    subclass = ", or make it a Metric subclass, whose update_state gets arrays" if "metric" in what else ""
    return (
        f"{what} failed on symbolic tensors ({type(error).__name__}: {text}). It is traced once and compiled "
        f"into the step, so write it with the functions of streamfit.ops, such as ops.round and ops.mean for "
        f"np.round and np.mean{subclass}"
    )


def _differing(what: str, target: Shape, output: Shape, found: str) -> str:
    def named(shape: Shape) -> str:
        return str(shape).replace("None", "batch")

    return (
        f"{what}: targets of shape {named(target)} and predictions of shape {named(output)} do not go "
        f"together ({found}); nothing is broadcast: give targets of the shape of the predictions"
    )


def _try_symbolic(call: ValuesFunction, y_true: Array, y_pred: Array, what: str) -> None:
    """Trace the function as training does: the batch of arrays may fit another axis by accident."""
    tensors = [Tensor(Spec((None, *array.shape[1:]), array.dtype)) for array in (y_true, y_pred)]
    try:
        values_of(call, tensors[0], tensors[1], what)
    except ShapeError as error:
        found = str(error.__cause__ or error).partition("; ")[0].replace("None", "batch")
        raise ShapeError(_differing(what, y_true.shape, y_pred.shape, found)) from None
    except Exception:  # a function of arrays alone: only the shapes show what would be broadcast
        try:
            np.broadcast_shapes(y_true.shape, y_pred.shape)
        except ValueError:
            return
        raise ShapeError(_differing(what, y_true.shape, y_pred.shape, "they would be broadcast")) from None


def _check_graph(values: Tensor, y_true: Tensor, y_pred: Tensor, what: str) -> None:
    """Raise where targets, unchanged or changed element by element, are broadcast against predictions."""
    targets, predictions = {y_true}, {y_pred}
    for node in _nodes(values, (y_true, y_pred)):
        inputs = [tensor for tensor in node.inputs if not isinstance(tensor, Constant)]
        if any(tensor in predictions for tensor in inputs):
            predictions.update(node.outputs)
        elif inputs and _elementwise(node.op) and all(tensor in targets for tensor in inputs):
            targets.update(node.outputs)
        if isinstance(node.op, (Binary, Where)):
            ours = [tensor.shape for tensor in inputs if tensor in targets]
            theirs = [tensor.shape for tensor in inputs if tensor in predictions]
            if any(a != b and a and b for a in ours for b in theirs):
                found = f"{node.op.name} broadcasts {ours[0]} and {theirs[0]}".replace("None", "batch")
                raise ShapeError(_differing(what, y_true.shape, y_pred.shape, found)) from ShapeError(found)


def _elementwise(op: object) -> bool:
    return isinstance(op, Op) and (op.is_view or isinstance(op, (Binary, Cast, Unary)))


def _nodes(values: Tensor, ends: tuple[Tensor, ...]) -> Iterator[Node]:
    """Yield the nodes that compute `values` from `ends`, each after the nodes of its inputs."""
    done: set[Node] = set()
    stack = [(values.node, False)]
    while stack:
        node, ready = stack.pop()
        if node is None or node in done:
            continue
        if ready:
            done.add(node)
            yield node
            continue
        stack.append((node, True))
        stack += [(tensor.node, False) for tensor in node.inputs if tensor not in ends]
