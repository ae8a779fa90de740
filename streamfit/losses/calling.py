"""Calling what computes the values of a loss or a metric, with words for what goes wrong in users' code.

A function ``(y_true, y_pred)`` is traced to train and called on arrays to look. Where targets and outputs
have different shapes it must not broadcast one against the other: that is looked up in its graph, so a
function that turns class numbers into rows, say, may have targets of any shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from streamfit._base.errors import ShapeError, StreamfitError
from streamfit._base.specs import Shape, Spec
from streamfit.ops.binary import Binary
from streamfit.ops.casting import Cast
from streamfit.ops.comparisons import Where
from streamfit.ops.core import Constant, Node, Tensor, comparing
from streamfit.ops.unary import Unary

Call = Callable[[Any, Any], Any]


def values_of(call: Call, y_true: Any, y_pred: Any, what: str) -> Any:
    """Return what `call` computes of targets and predictions that were brought together.

    Args:
        call: The function ``(y_true, y_pred)``.
        y_true: Targets, tensor or array.
        y_pred: Predictions, likewise.
        what: What it is, for messages, such as ``"loss 'mine'"``.

    Raises:
        ShapeError: Targets and predictions have different shapes and are broadcast.
        TypeError: It returns nothing, or cannot be traced.
    """
    target, output = tuple(y_true.shape), tuple(y_pred.shape)
    differ = target[1:] != output[1:] or len(target) != len(output)
    symbolic = isinstance(y_true, Tensor) or isinstance(y_pred, Tensor)
    if differ and not symbolic:
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
    if differ and isinstance(values, Tensor):
        _check_graph(values, y_true, y_pred, what)
    return values


def _check_values(values: Any, what: str) -> None:
    if values is None:
        raise TypeError(f"{what} returned None; does it lack a `return`? It must return one value a sample")
    if isinstance(values, (bool, np.bool_)):
        raise TypeError(f"{what} returned {values!r}; it must return one value a sample, or one number")
    if not isinstance(values, Tensor) and not _numeric(values):
        raise TypeError(
            f"{what} returned {type(values).__name__}; it must return a tensor or an array with one value a "
            "sample, or one number"
        )


def _numeric(values: Any) -> bool:
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


def _try_symbolic(call: Call, y_true: Any, y_pred: Any, what: str) -> None:
    """Trace the function as training would, for arrays whose batch may fit another axis by accident."""
    tensors = [Tensor(Spec((None, *array.shape[1:]), array.dtype)) for array in (y_true, y_pred)]
    try:
        values_of(call, tensors[0], tensors[1], what)
    except ShapeError as error:
        found = str(error.__cause__ or error).partition("; ")[0].replace("None", "batch")
        raise ShapeError(_differing(what, y_true.shape, y_pred.shape, found)) from None
    except Exception:  # a function of arrays alone: what would be broadcast is known by the shapes only
        try:
            np.broadcast_shapes(y_true.shape, y_pred.shape)
        except ValueError:
            return
        raise ShapeError(_differing(what, y_true.shape, y_pred.shape, "they would be broadcast")) from None


def _check_graph(values: Tensor, y_true: Tensor, y_pred: Tensor, what: str) -> None:
    """Raise where targets as they are, or changed one by one, are broadcast against predictions."""
    targets, predictions = {y_true}, {y_pred}
    for node in _nodes(values, (y_true, y_pred)):
        inputs = [tensor for tensor in node.inputs if not isinstance(tensor, Constant)]
        if any(tensor in predictions for tensor in inputs):
            predictions.update(node.outputs)
        elif inputs and _one_by_one(node.op) and all(tensor in targets for tensor in inputs):
            targets.update(node.outputs)
        if isinstance(node.op, (Binary, Where)):
            ours = [tensor.shape for tensor in inputs if tensor in targets]
            theirs = [tensor.shape for tensor in inputs if tensor in predictions]
            if any(a != b and a and b for a in ours for b in theirs):
                found = f"{node.op.name} broadcasts {ours[0]} and {theirs[0]}".replace("None", "batch")
                raise ShapeError(_differing(what, y_true.shape, y_pred.shape, found)) from ShapeError(found)


def _one_by_one(op: Any) -> bool:
    return op.is_view or isinstance(op, (Binary, Cast, Unary))


def _nodes(values: Tensor, ends: tuple[Tensor, ...]) -> Iterator[Node]:
    """Yield the nodes behind `values` down to `ends`, each after all that it reads."""
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
