"""`Loss`: values per sample, and their reduction to one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from streamfit import ops
from streamfit._base.configs import Configurable
from streamfit._base.errors import ShapeError
from streamfit._base.names import Registry, describe_callable, did_you_mean, snake_case
from streamfit._base.specs import Array, Shape, Spec
from streamfit.losses.calling import ValuesFunction, values_of
from streamfit.losses.meaning import Meaning
from streamfit.losses.targets import aligned, any_target, check_labels, label_target, weight_shape
from streamfit.ops.casting import floating
from streamfit.ops.core import Operand, Value

registry: Registry[type[Loss]] = Registry("loss function")

REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none")


class Loss(Configurable):
    """Base of all losses.

    A subclass defines ``call(y_true, y_pred)``, composed of `streamfit.ops`, which returns one value
    a sample: shape (batch,), or (batch, ...) where the output has a value for each step.

    Args:
        reduction: The result of calling the loss, from weights w, values l and their number N:
            ``'sum_over_batch_size'`` (also ``'mean'``) is sum(w l) / N, ``'sum'`` is sum(w l),
            ``'mean_with_sample_weight'`` is sum(w l) / sum(w), ``'none'`` (or None) is w l itself.
        name: A name; by default the class name in snake case.

    Example:
        >>> class Cubed(Loss):
        ...     def call(self, y_true, y_pred):
        ...         return ops.mean(ops.abs(y_pred - y_true) ** 3, axis=-1)
        >>> float(Cubed()(np.zeros((2, 1)), np.array([[1.0], [2.0]])))
        4.5
    """

    rule: ClassVar[Callable[..., Shape]] = staticmethod(any_target)
    """The shape that the targets must have: one of the rules of `streamfit.losses.targets`."""
    default_name: ClassVar[str | None] = None
    direction: str = "down"
    """Whether lower or higher is better, for callbacks that watch the loss."""
    meaning: ClassVar[Meaning | None] = None
    """The targets that make sense, for a warning; None where all do."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = None) -> None:
        reduction = "none" if reduction is None else reduction
        if reduction not in REDUCTIONS:
            hint = did_you_mean(str(reduction), REDUCTIONS)
            raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}.{hint}")
        self.reduction = reduction
        self.name = name or self.default_name or snake_case(type(self).__name__)

    def call(self, y_true: Value, y_pred: Value) -> Operand:
        """Return one value a sample."""
        raise TypeError(f"{type(self).__name__} must define call(self, y_true, y_pred)")

    # -- called by training --------------------------------------------------------------------

    @property
    def sparse(self) -> bool:
        """Return whether the targets are integer classes."""
        return self.rule is label_target

    def target_spec(self, output: Spec, target_shape: Shape, output_name: str = "") -> Spec:
        """Return the spec of the targets as `values` takes them.

        Args:
            output: Spec of the predictions.
            target_shape: Shape of the targets as the user gave them, batch axis first.
            output_name: Name of the output, for messages.

        Raises:
            ShapeError: Such targets do not fit that output.
        """
        shape = self.rule(self._what, tuple(target_shape), output.shape, output_name)
        dtype = np.dtype(np.int64) if self.sparse else output.dtype
        return Spec((output.shape[0], *shape[1:]), dtype)

    def check(self, target_shape: Shape, output_shape: Shape, output_name: str = "") -> None:
        """Check the shape of targets against that of an output, batch axis first in both.

        Raises:
            ShapeError: They do not fit.
        """
        self.rule(self._what, tuple(target_shape), tuple(output_shape), output_name)

    def check_targets(self, targets: Array, output_shape: Shape, where: str = "") -> None:
        """Check the content of a batch of targets: labels must be classes.

        Raises:
            DataError: A label is no class.
        """
        if self.sparse:
            check_labels(targets, int(output_shape[-1] or 0), where, getattr(self, "ignore_class", None))

    def mask(self, y_true: Value) -> Value | None:
        """Return 1 where a value counts and 0 where it does not, or None when all count."""
        return None

    @property
    def _what(self) -> str:
        return f"loss {self.name!r}"

    # -- values ---------------------------------------------------------------------------------

    def values(self, y_true: Operand, y_pred: Operand) -> Value:
        """Return the values per sample, of tensors or of arrays.

        Returns:
            Shape (batch,) or (batch, ...). A loss that returns one number for the whole batch gives that
            number to each sample.

        Raises:
            ShapeError: The targets do not fit the predictions.
        """
        y_true, y_pred = aligned(self.rule, self._what, y_true, y_pred)
        return per_sample(values_of(self.call, y_true, y_pred, self._what), y_pred, self._what)

    def __call__(self, y_true: Operand, y_pred: Operand, sample_weight: Operand | None = None) -> Value:
        """Return the reduced loss.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: Weights of shape (batch,), or of the shape of the values.
        """
        y_true, y_pred = aligned(self.rule, self._what, y_true, y_pred)
        values = per_sample(values_of(self.call, y_true, y_pred, self._what), y_pred, self._what)
        return reduced(values, sample_weight, self.mask(y_true), self.reduction)


class FunctionLoss(Loss):
    """Make a loss of a function ``(y_true, y_pred) -> values``.

    Args:
        function: Composed of `streamfit.ops`; returns one value a sample, or one for the batch.
        reduction: As for `Loss`.
        name: By default the name of the function.

    Example:
        >>> loss = FunctionLoss(lambda y, p: ops.abs(p - y), name="distance")
        >>> float(loss(np.zeros(2), np.array([1.0, 2.0])))
        1.5
    """

    def __init__(
        self,
        function: ValuesFunction,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, name or describe_callable(function))
        self.function = function

    def call(self, y_true: Value, y_pred: Value) -> Operand:
        """Call the function."""
        return self.function(y_true, y_pred)


def per_sample(values: Operand, y_pred: Value, what: str) -> Value:
    """Check that values have the batch axis, and give a single value to each sample.

    Raises:
        ShapeError: The first axis is not the batch.
    """
    values = floating(values)
    batch = y_pred.shape[0] if len(y_pred.shape) else 1
    if len(values.shape) == 0:
        return ops.add(values, _zeros(y_pred))
    if values.shape[0] != batch:
        raise ShapeError(
            f"{what} returned shape {tuple(values.shape)} for {batch or 'batch'} samples; return one value a "
            "sample, such as ops.mean(difference, axis=-1), or one number"
        )
    return values


def _zeros(y_pred: Value) -> Value:
    axes = tuple(range(1, len(y_pred.shape)))
    return ops.zeros_like(ops.sum(y_pred, axes) if axes else y_pred)


def reduced(values: Value, weights: Operand | None, mask: Value | None, reduction: str) -> Value:
    """Reduce values per sample to one number.

    Args:
        values: Shape (batch, ...).
        weights: Shape (batch,) or more of the axes of `values`, or None.
        mask: The shape of `values`, or None.
        reduction: One of `REDUCTIONS`.
    """
    factor = None if weights is None else weights_for(values, weights)
    if mask is not None:
        factor = mask if factor is None else ops.multiply(factor, mask)
    weighted = values if factor is None else _times(values, factor)
    if reduction == "none":
        return weighted
    total = ops.sum(weighted)
    if reduction == "mean_with_sample_weight" and factor is not None:
        total = ops.divide(total, ops.sum(ops.add(factor, ops.zeros_like(values))))
    elif reduction != "sum":
        total = ops.mean(weighted) if mask is None else ops.divide(total, ops.sum(mask))
    return total[()] if isinstance(total, np.ndarray) else total


def _times(values: Value, factor: Value) -> Value:
    """Multiply; where the factor is 0 the product is 0, also of NaN and infinity."""
    return ops.where(ops.equal(factor, 0.0), 0.0, ops.multiply(values, factor))


def weights_for(values: Value, weights: Operand) -> Value:
    """Give weights the number of axes that `values` has.

    Raises:
        ShapeError: Their axes are not the first ones of `values`.

    Example:
        >>> weights_for(np.zeros((2, 3)), np.ones(2)).shape
        (2, 1)
    """
    weights = ops.cast(weights, values.dtype)
    wanted = tuple(values.shape)
    shape = weight_shape(tuple(weights.shape), wanted)
    padded = (*shape, *[1] * (len(wanted) - len(shape)))
    return ops.reshape(weights, padded)
