"""The layer that writes whole numbers as rows of zeros and ones, or of counts."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from streamfit import ops
from streamfit._base.configs import Config
from streamfit._base.errors import ShapeError
from streamfit._base.specs import may_equal
from streamfit.layers.base import Layer, LayerOptions
from streamfit.layers.checks import dense_only, length, one_of
from streamfit.ops.core import Value


class CategoryEncoding(Layer):
    """Write whole numbers in [0, num_tokens) as rows of length `num_tokens`.

    A number outside stops the step, before anything changes, with an error that names the sample and the
    position.

    Args:
        num_tokens: How many numbers there are.
        output_mode: ``'one_hot'``: a row for each number, with a 1 in its column; an axis of length 1 becomes
            the row. ``'multi_hot'``: a row for each sample, that is for the last axis of the input, with a 1
            for each number that occurs. ``'count'``: likewise, how often it occurs; with `count_weights` in
            the call, an array or a tensor in the shape of the input, the sum of the weights of its
            occurrences. ``'binary'`` is an old name of ``'multi_hot'``.
        sparse: Must be False.
        **options: As for `Layer`; `dtype` is that of the rows.

    Raises:
        ValueError: `num_tokens` is not a whole number of at least 1, or `output_mode` is none of these. When
            called: `count_weights` in another mode than ``'count'``.
        SampleError: When called: a number that is not whole or not in [0, num_tokens).
        ShapeError: When called: `count_weights` has another shape than the numbers.

    Example:
        >>> import numpy as np
        >>> CategoryEncoding(4)([[0, 1], [0, 0], [1, 2], [3, 1]])  # the example of Keras
        array([[1., 1., 0., 0.],
               [1., 0., 0., 0.],
               [0., 1., 1., 0.],
               [0., 1., 0., 1.]], dtype=float32)
        >>> layer = CategoryEncoding(4, "count")
        >>> layer([[0, 1, 0]], count_weights=np.array([[0.1, 0.2, 0.3]]))
        array([[0.4, 0.2, 0. , 0. ]], dtype=float32)
    """

    input_dtype = "int64"
    alike_inputs = False
    fixed = Layer.fixed | {"num_tokens", "output_mode"}

    def __init__(
        self,
        num_tokens: int | None = None,
        output_mode: str = "multi_hot",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        dense_only(sparse)
        if num_tokens is None:
            raise ValueError(
                "CategoryEncoding needs num_tokens; if it is not known, put an IntegerLookup in its place, "
                "whose adapt finds the numbers"
            )
        self.num_tokens = length("num_tokens", num_tokens)
        if output_mode == "binary":
            output_mode = "multi_hot"
        self.output_mode = one_of("output_mode", output_mode, ("multi_hot", "one_hot", "count"))

    def __call__(self, *inputs: object, count_weights: object = None, **settings: Any) -> Any:
        """Apply the layer; `count_weights` is a second input, under its name or behind the first one."""
        if count_weights is not None:
            weights = (
                count_weights if ops.is_symbolic(count_weights) else np.asarray(count_weights, self.dtype)
            )
            inputs = (*inputs, weights)
        return super().__call__(*inputs, **settings)

    def call(self, x: Value, count_weights: Value | None = None) -> Value:
        """Encode the numbers."""
        if count_weights is not None:
            count_weights = self._checked_weights(x, count_weights)
        indices = ops.checked_indices(x, self.num_tokens, f"layer {self.name!r}")
        if self.output_mode == "one_hot":
            if len(x.shape) > 1 and x.shape[-1] == 1:
                indices = ops.squeeze(indices, -1)
            return ops.one_hot(indices, self.num_tokens, self.dtype)
        if len(x.shape) < 2:  # each number is a sample
            indices = ops.expand_dims(indices, -1)
            count_weights = None if count_weights is None else ops.expand_dims(count_weights, -1)
        if self.output_mode == "multi_hot":
            return ops.multi_hot(indices, self.num_tokens, self.dtype)
        return ops.bincount(indices, self.num_tokens, count_weights, self.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the output: a row for a single number, too."""
        return super().compute_output_shape(input_shape) if len(input_shape) else (self.num_tokens,)

    def _checked_weights(self, x: Value, weights: Value) -> Value:
        if self.output_mode != "count":
            raise ValueError(
                f"layer {self.name!r} has output_mode={self.output_mode!r}; count_weights go with "
                "output_mode='count'"
            )
        if not may_equal(x.shape, weights.shape):
            raise ShapeError(
                f"layer {self.name!r} takes a weight for each number: its input has the shape "
                f"{tuple(x.shape)}, count_weights {tuple(weights.shape)}"
            )
        return ops.cast(weights, self.dtype)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "num_tokens": self.num_tokens, "output_mode": self.output_mode}
