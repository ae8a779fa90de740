"""The shape that targets and weights must have for an output, and how they are reshaped to it.

Nothing is broadcast: a target of shape (n, 2) for an output of shape (n, 1) is an error, not twice as many
differences. The one exception is an axis of length 1 at the end (`with_last_axis_of`): targets (n,) fit an
output (n, 1) and the other way round, and labels may be (n,) or (n, 1). The rule is the same for every loss
and metric, for ours and for the user's, in training and on arrays, and for weights.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamfit import ops
from streamfit._base.errors import DataError, ShapeError
from streamfit._base.specs import Array, Shape, may_equal
from streamfit.ops.casting import floating
from streamfit.ops.core import Operand, Value, as_operand

Rule = Callable[[str, Shape, Shape, str], Shape]


def _output(name: str) -> str:
    return f"output {name!r}" if name else "the output"


def _sample(shape: Shape) -> str:
    return str(shape).replace("None", "batch")


def with_last_axis_of(target: Shape, output: Shape) -> Shape:
    """Add to a shape, or remove from it, a last axis of length 1 so that it fits the other shape.

    Args:
        target: The shape to change, batch axis first.
        output: The shape to fit.

    Example:
        >>> with_last_axis_of((8,), (8, 1)), with_last_axis_of((8, 5, 1), (8, 5))
        ((8, 1), (8, 5))
    """
    if target and len(output) == len(target) + 1 and output[-1] == 1 and may_equal(output[1:-1], target[1:]):
        return (*target, 1)
    if len(target) == len(output) + 1 and may_equal(target[1:-1], output[1:]) and target[-1] == 1:
        return target[:-1]
    return target


def any_target(loss: str, target: Shape, output: Shape, name: str) -> Shape:
    """Return the shape to give the targets of an unknown loss; only a last axis of length 1 is changed."""
    return with_last_axis_of(target, output)


def weight_shape(weights: Shape, values: Shape) -> Shape:
    """Return the shape to give the weights of values: the first axes of the values.

    Raises:
        ShapeError: The weights cannot have that shape.

    Example:
        >>> weight_shape((8, 1), (8,)), weight_shape((8,), (8, 5))
        ((8,), (8,))
    """
    for shape in (weights, weights[:-1] if weights[-1:] == (1,) else weights):
        if may_equal(shape, values[: len(shape)]):
            return shape
    raise ShapeError(
        f"sample weights have shape {weights} for values of shape {values}; give one weight a sample, or one "
        "for each value"
    )


def same_target(loss: str, target: Shape, output: Shape, name: str) -> Shape:
    """Return the shape to give the targets of a loss that compares element by element.

    Raises:
        ShapeError: The targets cannot have the shape of the output.
    """
    target = with_last_axis_of(target, output)
    if not may_equal(target[1:], output[1:]) or len(target) != len(output):
        raise ShapeError(
            f"{loss} compares targets and predictions element by element: {_output(name)} has shape "
            f"{_sample(output)} and its targets have shape {_sample(target)}; give targets of the shape of "
            "the output, or the last layer as many units as the targets have columns"
        )
    return target


def one_hot_target(loss: str, target: Shape, output: Shape, name: str) -> Shape:
    """Return the shape to give targets that are one row of class probabilities a sample.

    Raises:
        ShapeError: The shape is another; the message has special advice for integer classes.
    """
    classes = output[-1] if output else 1
    rows = any(may_equal(target[1:], shape) for shape in (output[1:-1], (*output[1:-1], 1)))
    if classes != 1 and rows:
        raise ShapeError(
            f"{loss} expects targets of shape {_sample(output)}, one column a class, and got targets of "
            f"shape {_sample(target)} for {_output(name)}; convert integer classes with "
            f"streamfit.utils.to_categorical(y, {classes}), or use sparse_categorical_crossentropy for them"
        )
    return same_target(loss, target, output, name)


def label_target(loss: str, target: Shape, output: Shape, name: str) -> Shape:
    """Return the shape to give targets that are one integer class a row of the output.

    Raises:
        ShapeError: The shape is another; the message has special advice for one-hot rows.
    """
    wanted = output[:-1]
    shape = with_last_axis_of(target, wanted)
    if len(shape) == len(wanted) and may_equal(shape[1:], wanted[1:]):
        return shape
    hint = "give one integer a row"
    if may_equal(target[1:], output[1:]):
        hint = "they look one-hot: use the categorical version without 'sparse', or give y.argmax(-1)"
    raise ShapeError(
        f"{loss} expects one integer class for each row of {_output(name)} of shape {_sample(output)}, "
        f"that is targets of shape {_sample(wanted)}, and got {_sample(target)}; {hint}"
    )


def check_labels(labels: Array, n_classes: int, where: str = "", ignored: int | None = None) -> None:
    """Check that labels are whole numbers in [0, n_classes).

    Args:
        labels: Array of labels of any shape and numeric dtype.
        n_classes: Number of classes.
        where: The beginning of the message, such as the source and the batch.
        ignored: A label that is allowed also outside of that range.

    Raises:
        DataError: A label is fractional or out of range.

    Example:
        >>> check_labels(np.array([0, 2]), 3)
    """
    array = np.asarray(labels)
    wrong = (array < 0) | (array >= n_classes) | (array != np.floor(array))
    if ignored is not None:
        wrong &= array != ignored
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        start = f"{where}: " if where else ""
        position = place if len(place) > 1 else place[0]
        raise DataError(
            f"{start}label {array[place]!s} at position {position} is not one of the {n_classes} classes 0 "
            f"to {n_classes - 1}; number the classes from 0 and give the last layer a unit for each"
        )


def aligned(rule: Rule, loss: str, y_true: Operand, y_pred: Operand) -> tuple[Value, Value]:
    """Give targets the shape that a rule asks for and, unless they are labels, the dtype of the output.

    Args:
        rule: One of the rules above.
        loss: Name of the loss, for messages.
        y_true: Targets.
        y_pred: Predictions; whole numbers become `floatx`.

    Returns:
        The targets and the predictions, as tensors or arrays.

    Raises:
        ShapeError: The targets cannot have the shape, or differ from the predictions in number.
    """
    y_pred = floating(y_pred)
    y_true = as_operand(y_true)
    target, output = tuple(y_true.shape), tuple(y_pred.shape)
    shape = rule(loss, target, output, "")
    if target and output and None not in (target[0], output[0]) and target[0] != output[0]:
        raise ShapeError(f"{loss}: {target[0]} targets for {output[0]} predictions; give one target a sample")
    if shape != target:
        y_true = ops.reshape(y_true, shape)
    return ops.cast(y_true, "int64" if rule is label_target else y_pred.dtype), y_pred
