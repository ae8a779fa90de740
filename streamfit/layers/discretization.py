"""The layer that turns floats into numbers of bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, Unpack, cast

import numpy as np
from numpy.typing import ArrayLike

from streamfit import ops
from streamfit._base.checks import real
from streamfit._base.configs import Config
from streamfit._base.errors import NotAdaptedError
from streamfit._base.specs import Shape
from streamfit._base.tree import flatten
from streamfit.layers.adaptation import batches_of
from streamfit.layers.base import Layer, LayerOptions
from streamfit.layers.checks import dense_only, length, one_of
from streamfit.layers.summaries import QuantileSketch, finite_numbers
from streamfit.ops.core import Value

_MODES = ("int", "one_hot", "multi_hot", "count")


class Discretization(Layer):
    """Turn each number into the number of the bin that it lies in.

    The bins are bounded by `bin_boundaries`: ``[0., 1.]`` makes the bins below 0, from 0 to below 1, and from
    1. NaN is in the last bin. Or `adapt` chooses `num_bins` bins that hold equal shares of the data, as far
    as `epsilon` allows.

    Args:
        bin_boundaries: The bounds, ascending.
        num_bins: How many bins `adapt` makes; data of fewer different numbers make empty ones.
        epsilon: By which share of the data the bounds that `adapt` finds may be off, in rank; the smaller,
            the more memory it takes: at most some ``32 / epsilon`` numbers for each doubling of the data.
        output_mode: ``'int'``: the numbers of bins, int32, in the shape of the input. ``'one_hot'``: a row
            for each value, of the length of the number of bins; an axis of length 1 becomes the row.
            ``'multi_hot'``, ``'count'``: a row for each sample, that is for axis 1 of the input; if it has
            further axes, as in Keras one for each of their places.
        sparse: Must be False.
        **options: As for `Layer`; the input is converted to `dtype`, which is also that of rows.

    Raises:
        ValueError: Both or neither of `bin_boundaries` and `num_bins` are given, the bounds are not
            ascending, or another argument is none of those above. When called: the bounds are not known yet.

    Example:
        >>> import numpy as np
        >>> x = np.array([[-1.5, 1.0, 3.4, 0.5], [0.0, 3.0, 1.3, 0.0]])
        >>> Discretization(bin_boundaries=[0.0, 1.0, 2.0])(x)  # the examples of Keras
        array([[0, 2, 3, 1],
               [1, 3, 2, 1]], dtype=int32)
        >>> layer = Discretization(num_bins=4, epsilon=0.01)
        >>> layer.adapt(x)
        >>> layer(x)
        array([[0, 2, 3, 2],
               [1, 3, 3, 1]], dtype=int32)
    """

    fixed = Layer.fixed | {"num_bins", "epsilon", "output_mode"}
    bin_boundaries: list[float] | None
    _sketch: QuantileSketch

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        dense_only(sparse)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError(
                "Discretization takes either bin_boundaries, or num_bins and finds the boundaries in "
                f"adapt(data); got bin_boundaries={bin_boundaries!r} and num_bins={num_bins!r}"
            )
        self.num_bins = None if num_bins is None else length("num_bins", num_bins)
        share = real(epsilon)
        if share is None or not 1e-6 <= share < 1:
            raise ValueError(f"epsilon must be a number in [1e-6, 1), got {epsilon!r}")
        self.epsilon = share
        self.output_mode = one_of("output_mode", output_mode, _MODES)
        self.bin_boundaries = None if bin_boundaries is None else _ascending(bin_boundaries)
        self.reset_state()

    # -- adapting -------------------------------------------------------------------------------

    def adapt(self, data: object, batch_size: int | None = None, steps: int | None = None) -> None:
        """Find the bounds of bins that hold equal shares of data, in one pass.

        Args:
            data: Arrays, a generator, a `Sequence`, a `Source` or a pipeline of numbers; targets are ignored.
            batch_size: Samples that are looked at together, for arrays; it changes nothing in the result.
            steps: The number of batches to read; None for a whole pass.

        Raises:
            ValueError: The layer was made with `bin_boundaries`, or there are no data.
            SampleError: A number is NaN or infinite.
        """
        self.check_adaptable()
        self.reset_state()
        for x in batches_of(data, batch_size, steps):
            self.update_state(x)
        self.finalize_state()

    def check_adaptable(self) -> None:
        """Raise ValueError if the layer was made with bounds."""
        if self.num_bins is None:
            raise ValueError(
                f"layer {self.name!r} was made with bin_boundaries, so there is nothing to adapt; write "
                "num_bins=... in their place"
            )

    def reset_state(self) -> None:
        """Forget the numbers that were seen."""
        object.__setattr__(self, "_sketch", QuantileSketch(self.epsilon))

    def update_state(self, data: object) -> None:
        """Take the numbers of a batch in."""
        for leaf in flatten(data) if not isinstance(data, (list, tuple)) else [data]:
            self._sketch.add(finite_numbers(leaf, f"the data of layer {self.name!r}"))

    def finalize_state(self) -> None:
        """Make the bounds of the numbers that were seen."""
        if self.num_bins is None:
            return
        if not self._sketch.kept:
            raise ValueError(f"layer {self.name!r}: there are no data to adapt to")
        found = np.array(self._sketch.bounds(self.num_bins), self.dtype).tolist()
        self.reset_state()
        self.bin_boundaries = found

    # -- computing ------------------------------------------------------------------------------

    def call(self, x: Value) -> Value:
        """Find the bins."""
        bins = self.bin_boundaries
        if bins is None:
            raise NotAdaptedError(
                f"layer {self.name!r} has no bin_boundaries yet: call adapt(data) first, or pass "
                "bin_boundaries=..."
            )
        found = ops.digitize(ops.cast(x, self.dtype), bins)
        mode, depth = self.output_mode, self._depth()
        if mode == "int":
            return found
        if mode == "one_hot":
            one = len(x.shape) > 1 and x.shape[-1] == 1
            return ops.one_hot(ops.squeeze(found, -1) if one else found, depth, self.dtype)
        if len(x.shape) < 2:  # each number is a sample
            found = ops.expand_dims(found, -1)
        if len(found.shape) > 2:
            rank = len(found.shape)
            found = ops.transpose(found, [0, *range(2, rank), 1])
        count = ops.multi_hot if mode == "multi_hot" else ops.bincount
        return count(found, depth, dtype=self.dtype)

    def _depth(self) -> int:
        """Return the number of bins, which is known before `adapt`."""
        return (self.num_bins or 0) if self.bin_boundaries is None else len(self.bin_boundaries) + 1

    @property
    def output_dtype(self) -> str:
        """Return the dtype of the output."""
        return "int32" if self.output_mode == "int" else self.dtype

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output; `adapt` is not needed for it."""
        shape = tuple(input_shape)
        if self.output_mode == "int":
            return shape
        if self.output_mode == "one_hot":
            return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), self._depth())
        return (*shape[:1], *shape[2:], self._depth())

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer; after `adapt` the bounds are among them."""
        return {
            **super().get_config(),
            "bin_boundaries": self.bin_boundaries,
            "num_bins": self.num_bins,
            "epsilon": self.epsilon,
            "output_mode": self.output_mode,
            "sparse": False,
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make a layer from the result of `get_config`; one that was adapted has bounds and `num_bins`."""
        if config.get("num_bins") is None or config.get("bin_boundaries") is None:
            return super().from_config(config)
        layer = super().from_config({**config, "bin_boundaries": None})
        layer.bin_boundaries = _ascending(cast(ArrayLike, config["bin_boundaries"]))
        return layer


def _ascending(bounds: ArrayLike) -> list[float]:
    array = np.asarray(bounds, np.float64)
    if array.ndim != 1 or not (np.isfinite(array).all() and (array[1:] >= array[:-1]).all()):
        raise ValueError(f"bin_boundaries must be a list of ascending numbers, got {bounds!r}")
    found: list[float] = array.tolist()
    return found
