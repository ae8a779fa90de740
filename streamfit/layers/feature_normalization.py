"""The layer that shifts and scales features by their mean and variance in the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from streamfit import ops
from streamfit._base.checks import integer
from streamfit._base.config import epsilon
from streamfit._base.configs import Config, describe
from streamfit._base.errors import DataError, ShapeError
from streamfit._base.specs import Array, Shape
from streamfit._base.tree import flatten
from streamfit.layers.adaptation import batches_of
from streamfit.layers.base import Layer, LayerOptions
from streamfit.layers.summaries import Moments, finite_numbers
from streamfit.ops.core import Value, Variable


class Normalization(Layer):
    """Compute ``(x - mean) / max(sqrt(variance), epsilon)``, with the moments of data, or given ones.

    The epsilon is `streamfit.config.epsilon()`. Gradients pass through the layer, and the optimizer leaves
    the moments alone. `adapt` may be called before and after a model is built and compiled; it takes effect
    from the next step.

    Args:
        axis: The axis or axes whose elements have a mean and a variance each, of known length; by default the
            last one. None has one mean and one variance for all.
        mean: What to subtract, in place of `adapt`: a number, or an array that is broadcast to the lengths of
            these axes.
        variance: Goes with `mean`, in the same shape.
        invert: Whether to undo it: ``mean + x * max(sqrt(variance), epsilon)``.
        **options: As for `Layer`.

    Raises:
        ValueError: One of `mean` and `variance` is given without the other, their shapes differ or have more
            axes than `axis`, or a variance is negative. When built: `mean` cannot be broadcast.
        ShapeError: When built: there is no such axis, or its length is not known.

    Attributes:
        mean: What is subtracted, as an array that is broadcast to the input that the layer was built for;
            None before that.
        variance: Likewise.
        count: A weight: over how many numbers `adapt` has averaged; int64.

    Example:
        >>> import numpy as np
        >>> layer = Normalization()
        >>> layer.adapt(np.array([[0.0, 7.0], [2.0, 9.0], [0.0, 7.0], [2.0, 9.0]]))
        >>> layer(np.array([[0.0, 9.0]]))
        array([[-1.,  1.]], dtype=float32)
        >>> layer.mean
        array([[1., 8.]], dtype=float32)
    """

    supports_masking = True
    fixed = Layer.fixed | {"axis", "input_mean", "input_variance", "invert"}
    _mean: Variable | Array | None
    _variance: Variable | Array | None
    _rank: int
    _moments: Moments

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: ArrayLike | None = None,
        variance: ArrayLike | None = None,
        invert: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.axis = _axes(axis)
        if (mean is None) != (variance is None):
            raise ValueError(
                f"mean and variance are given together or found by adapt(data); got mean={mean!r} and "
                f"variance={variance!r}"
            )
        self.input_mean, self.input_variance, self.invert = mean, variance, bool(invert)
        self._mean = self._variance = None
        if mean is not None and variance is not None:
            self._check_given(np.asarray(mean, np.float64), np.asarray(variance, np.float64))
        self.reset_state()

    def _check_given(self, mean: Array, variance: Array) -> None:
        if mean.shape != variance.shape:
            raise ValueError(
                f"mean and variance must have the same shape, got the shapes {mean.shape} and "
                f"{variance.shape}"
            )
        if mean.ndim > len(self.axis):
            raise ValueError(
                f"mean has the shape {mean.shape}, and so more axes than axis={list(self.axis)} keeps; its "
                "shape is that of the kept axes of the input"
            )
        if not (np.isfinite(mean).all() and (variance >= 0).all()):
            raise ValueError(f"a mean must be finite and a variance at least 0, got {mean} and {variance}")

    @property
    def mean(self) -> Array | None:
        """Return what is subtracted, in the shape in which it is broadcast; None before `build`."""
        return self._shown(self._mean)

    @property
    def variance(self) -> Array | None:
        """Return the squares of what is divided by, likewise."""
        return self._shown(self._variance)

    def _shown(self, moment: Variable | Array | None) -> Array | None:
        if moment is None:
            return None
        kept, lengths = self._kept(self._rank), iter(moment.shape)
        shape = [next(lengths) if axis in kept else 1 for axis in range(self._rank)]
        return np.array(moment.value if isinstance(moment, Variable) else moment).reshape(shape)

    def build(self, input_shape: Shape) -> None:
        """Create the mean, the variance and the count, unless they were given."""
        self._rank = len(input_shape)
        lengths = tuple(self._length(input_shape, axis) for axis in self._kept(len(input_shape)))
        if self.input_mean is None:
            self._mean = self.add_weight("mean", lengths, "zeros", trainable=False)
            self._variance = self.add_weight("variance", lengths, "ones", trainable=False)
            self.count = self.add_weight("count", (), "zeros", trainable=False, dtype="int64")
            return
        try:
            given = np.asarray(self.input_mean, self.dtype), np.asarray(self.input_variance, self.dtype)
            self._mean, self._variance = (np.broadcast_to(array, lengths).copy() for array in given)
        except ValueError as error:
            raise ValueError(
                f"the mean of layer {self.name!r} has the shape {np.shape(self.input_mean)}, which cannot be "
                f"broadcast to {lengths}, the lengths of axis={list(self.axis)} of an input of shape "
                f"{tuple(input_shape)}"
            ) from error

    def _kept(self, rank: int) -> list[int]:
        """Return the axes that have moments of their own, in order."""
        if any(not -rank <= axis < rank for axis in self.axis):
            raise ShapeError(
                f"layer {self.name!r} has axis={list(self.axis)}, got an input of {rank} axes, its batch "
                "included"
            )
        return sorted({axis % rank for axis in self.axis})

    def _length(self, shape: Shape, axis: int) -> int:
        length = shape[axis]
        if axis == 0 or length is None:
            raise ShapeError(
                f"layer {self.name!r} keeps a mean for each place along axis {axis}, whose length must be "
                f"known and which must not be the batch; got an input of shape {(None, *shape[1:])}. For one "
                "mean of all numbers write axis=None"
            )
        return length

    # -- adapting -------------------------------------------------------------------------------

    def adapt(self, data: object, batch_size: int | None = None, steps: int | None = None) -> None:
        """Find the mean and the variance of data, in one pass.

        They are accumulated in float64, so batches of another size change them by no more than rounding.

        Args:
            data: Arrays, a generator, a `Sequence`, a `Source` or a pipeline of numbers; or a list of
                batches, each an array or (x, y). Targets are ignored.
            batch_size: Samples that are looked at together, for arrays.
            steps: The number of batches to read; None for a whole pass.

        Raises:
            ValueError: The layer was made with a mean and a variance, or there are no data.
            SampleError: A number is NaN or infinite.
            ModelInUseError: Another thread trains with the layer.
        """
        self.check_adaptable()
        self.reset_state()
        if isinstance(data, (list, tuple)) and data and all(map(_is_batch, data)):
            data = iter(data)
        for x in batches_of(data, batch_size, steps):
            self.update_state(x)
        self.finalize_state()

    def check_adaptable(self) -> None:
        """Raise ValueError if the layer was made with a mean and a variance."""
        if self.input_mean is not None:
            raise ValueError(
                f"layer {self.name!r} was made with mean and variance, so there is nothing to adapt; leave "
                "them out"
            )

    def reset_state(self) -> None:
        """Forget the numbers that were seen; the weights stay."""
        object.__setattr__(self, "_moments", Moments())

    def update_state(self, data: object) -> None:
        """Take the numbers of a batch in; the first batch builds the layer, unless it is built."""
        leaves = flatten(data) if not isinstance(data, (list, tuple)) else [data]
        if len(leaves) > 1:
            raise DataError(
                f"layer {self.name!r} adapts to one array, got {len(leaves)}; pick one, such as data['age']"
            )
        numbers = finite_numbers(leaves[0], f"the data of layer {self.name!r}")
        self.ensure_built(numbers)
        kept = self._kept(numbers.ndim)
        lengths = tuple(numbers.shape[axis] for axis in kept)
        if self._mean is not None and lengths != self._mean.shape:
            raise ShapeError(
                f"layer {self.name!r} was built for inputs with the lengths {self._mean.shape} along "
                f"axis={list(self.axis)}, got data of shape {numbers.shape}"
            )
        self._moments.add(numbers, [axis for axis in range(numbers.ndim) if axis not in kept])

    def finalize_state(self) -> None:
        """Keep the mean and the variance of the numbers that were seen as weights."""
        moments = self._moments
        if not moments.count:
            raise ValueError(f"layer {self.name!r}: there are no data to adapt to")
        weights = [
            weight for weight in (self._mean, self._variance, self.count) if isinstance(weight, Variable)
        ]
        arrays = [moments.mean, moments.variance, np.asarray(moments.count)]
        self.put_weights("adapt", weights, arrays)
        self.reset_state()

    # -- computing ------------------------------------------------------------------------------

    def call(self, x: Value) -> Value:
        """Normalize, or undo it."""
        x = ops.cast(x, self.dtype)
        mean, variance = (self._aligned(moment, x.shape) for moment in (self._mean, self._variance))
        deviation = ops.maximum(ops.sqrt(variance), epsilon())
        if self.invert:
            return ops.add(mean, ops.multiply(x, deviation))
        return ops.divide(ops.subtract(x, mean), deviation)

    def _aligned(self, moment: Value | None, shape: Shape) -> Value:
        """Return a moment with the axes of the input from the first kept one on."""
        assert moment is not None  # the layer is built
        kept = self._kept(len(shape))
        lengths = [shape[axis] if axis in kept else 1 for axis in range(kept[0], len(shape))] if kept else []
        if tuple(length for length in (shape[axis] for axis in kept)) != tuple(moment.shape):
            raise ShapeError(
                f"layer {self.name!r} was built for inputs with the lengths {tuple(moment.shape)} along "
                f"axis={list(self.axis)}, got an input of shape {tuple(shape)}"
            )
        return ops.reshape(moment, lengths)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer; what `adapt` found are weights."""
        return {
            **super().get_config(),
            "axis": list(self.axis),
            "invert": self.invert,
            "mean": describe(self.input_mean),
            "variance": describe(self.input_variance),
        }


def _is_batch(item: object) -> bool:
    """Return whether an entry of a list is a batch of its own, rather than a row: an array, or (x, y)."""
    x = item[0] if isinstance(item, tuple) and item else item
    return isinstance(x, np.ndarray) and x.ndim > 1


def _axes(axis: object) -> tuple[int, ...]:
    given = () if axis is None else axis if isinstance(axis, (list, tuple)) else (axis,)
    found = tuple(number for number in map(integer, given) if number is not None)
    if len(found) != len(given):
        raise ValueError(f"axis must be a whole number, several of them, or None, got {axis!r}")
    return found
