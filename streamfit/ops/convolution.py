"""Convolution over one, two or three spatial axes, channels last, with bias and activation in one node.

A convolution is the product of patches (`kernels/patches.py`) and kernel, computed tile by tile
(`kernels/patch_products.py`): nothing is kept for the gradient but inputs and outputs. Where the patches are
the input itself in another shape, as for a kernel of one pixel, nothing is gathered.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call
from streamfit.kernels.bias_activation import FUSED
from streamfit.kernels.matrix import copy_into, fill_zero
from streamfit.kernels.patch_products import convolve, input_gradient, kernel_gradient
from streamfit.ops.casting import floating, promoted
from streamfit.ops.core import Op, Operand, Value, apply, flat, rows, workspace
from streamfit.ops.public_calls import recorded
from streamfit.ops.sliding_window import (
    AXES,
    PADDINGS,
    Lengths,
    SlidingWindow,
    channels_last,
    lengths_of,
    lines,
    padding_of,
    windows_are_the_input,
)

_TILE_BYTES = 1 << 19
"""Of the patches and outputs of one tile: half of the cache that a core has for itself."""
_FEWEST_ROWS, _MOST_ROWS = 128, 4096
"""Of a tile. With fewer, a product spends its time on arranging the kernel instead of multiplying."""


class Conv(Op):
    """Compute ``activation(conv(x, kernel) + bias)``.

    Args:
        window: The window of the kernel; its `size` is that of the kernel.
        activation: One of `FUSED`; 'linear' where there is no bias.
        who: How messages name the user of the operation.
    """

    rowwise = True

    def __init__(self, window: SlidingWindow, activation: str, who: str = "conv") -> None:
        self.window, self.activation, self.who = window, FUSED.index(activation), who

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the spec of the output: positions in place of lengths, filters in place of channels."""
        x, w = specs[:2]
        channels, filters = x.shape[-1], w.shape[-1]
        if channels is None or not w.shape[-2] or not filters or channels % w.shape[-2] or not channels:
            raise ShapeError(_mismatch(self.who, x, w))
        groups = channels // w.shape[-2]
        if filters % groups:
            raise ShapeError(
                f"{self.who} has {filters} filters, which {groups} groups cannot share evenly; "
                "make filters a multiple of groups"
            )
        if len(specs) > 2 and specs[2].shape != (filters,):
            raise ShapeError(f"{self.who} needs a bias of shape ({filters},), got {specs[2].shape}")
        counts = self.window.checked_counts(self.who, "kernel", x.shape[1:-1])
        return (x.with_shape((x.shape[0], *counts, filters)),)

    def multiply_adds(self, inputs: Sequence[Spec], outputs: Sequence[Spec]) -> int:
        """Return one for each output and element of its kernel, also where that meets padding."""
        return prod(outputs[0].at(0)) * prod(inputs[1].at(0)[:-1])

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        x, w = inputs[:2]
        tiling = _Tiling(self.window, x, w, rows(outputs[0]))
        bias = inputs[2] if len(inputs) > 2 else np.empty(0, x.dtype)
        arrays = (lines(x), tiling.matrix(x), rows(w), bias, tiling.patches(), tiling.y)
        return [(convolve, (*arrays, *tiling.numbers, self.activation))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls for the gradients of x, kernel and bias."""
        x, w = inputs[:2]
        gx, gw, gb = (*input_grads, None)[:3]
        tiling = _Tiling(self.window, x, w, rows(outputs[0]))
        patches, deltas = tiling.patches(), self._deltas(tiling, output_grads[0])
        calls: list[Call] = []
        if gw is not None or gb is not None:
            gw_rows = rows(w)[:0] if gw is None else rows(gw)
            totals = workspace((0 if gb is None else gb.size,), np.float64)
            arrays = (lines(x), tiling.matrix(x), *deltas, patches, gw_rows, totals)
            calls += [(fill_zero, (flat(gw_rows),)), (fill_zero, (totals,))]
            calls.append((kernel_gradient, (*arrays, *tiling.numbers, self.activation)))
            calls += [] if gb is None else [(copy_into, (totals, gb))]
        if gx is not None:
            arrays = (rows(w), *deltas, patches, lines(gx), tiling.matrix(gx))
            calls.append((input_gradient, (*arrays, *tiling.numbers, self.activation)))
        return calls

    def _deltas(self, tiling: _Tiling, gy: Array) -> tuple[Array, ...]:
        """Return what kernels need to compute the gradient before the activation."""
        if not self.activation:
            return (flat(tiling.y), flat(gy), np.empty(0, gy.dtype), rows(gy))
        delta = workspace((tiling.tile, tiling.y.shape[1]), gy.dtype)
        return (flat(tiling.y), flat(gy), flat(delta), delta)


class _Tiling:
    """How one use of a convolution is computed tile by tile: its numbers and its memory.

    Args:
        window: The window.
        x: The input.
        w: The kernel.
        y: The output, shape (positions, filters).

    Attributes:
        y: The output.
        tile: How many positions are computed at a time; it does not depend on the batch.
        numbers: Geometry of the window, number of groups, and `tile`.
    """

    def __init__(self, window: SlidingWindow, x: Array, w: Array, y: Array) -> None:
        geometry, groups = window.geometry(x.shape[1:-1]), x.shape[-1] // w.shape[-2]
        self._inner, self._dtype, self.y = w.size // w.shape[-1], x.dtype, y
        fitting = _TILE_BYTES // (x.dtype.itemsize * (self._inner + w.shape[-1]))
        self.tile = min(max(fitting, _FEWEST_ROWS), _MOST_ROWS)
        self.numbers = (geometry, groups, self.tile)
        self._gathers = groups > 1 or not windows_are_the_input(geometry)

    def matrix(self, x: Array) -> Array:
        """Return x as patches, or an array without rows where patches must be gathered."""
        return np.empty((0, self._inner), x.dtype) if self._gathers else x.reshape(len(self.y), self._inner)

    def patches(self) -> Array:
        """Return room for the patches of one group in one tile."""
        return workspace((self.tile if self._gathers else 0, self._inner), self._dtype)


def _mismatch(who: str, x: Spec | Value, w: Spec | Value) -> str:
    return (
        f"{who} needs inputs of shape (batch, ..., channels) and a kernel of shape (window..., "
        f"channels / groups, filters), got {x.shape} and {w.shape}"
    )


@recorded
def conv(
    inputs: Operand,
    kernel: Operand,
    strides: Lengths = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Lengths = 1,
    groups: int | None = None,
    bias: Operand | None = None,
    activation: str = "linear",
    who: str = "conv",
) -> Value:
    """Convolve over one, two or three spatial axes; in the sense of Keras, so the kernel is not turned round.

    Position p of filter f is the sum, over the elements t of the window and the channels c of the filter's
    group, of ``inputs[p * strides - before + t * dilation_rate, c] * kernel[t, c, f]``; padding counts as 0.
    Products are added up in the dtype of the operands.

    Args:
        inputs: Array or tensor of shape (batch, length, channels), (batch, height, width, channels) or
            (batch, depth, height, width, channels); spatial axes may be free (None).
        kernel: Shape (window..., channels / groups, filters), with as many lengths in front as `inputs` has
            spatial axes.
        strides: How far the window moves, a whole number or one for each spatial axis.
        padding: ``'valid'`` for none, ``'same'`` for so much that strides of 1 keep the lengths, or,
            with one spatial axis, ``'causal'`` for the same in front.
        data_format: None or ``'channels_last'``.
        dilation_rate: The distance of neighbouring elements of the window, as `strides`. Unlike in Keras both
            may be larger than 1.
        groups: The number of groups of channels, each with its own share of the filters; by default what the
            shapes say.
        bias: Shape (filters,), added to each position; None for none.
        activation: What is applied after the bias: ``'linear'``, ``'relu'``, ``'tanh'`` or ``'sigmoid'``.
        who: How messages name the operation.

    Returns:
        Shape (batch, positions..., filters), floats.

    Raises:
        ShapeError: The shapes do not fit together, or the window fits nowhere.
        ValueError: An argument has a value that is not listed here.

    Example:
        >>> conv([[[1.0], [2.0], [4.0]]], [[[1.0]], [[10.0]]])
        array([[[21.],
                [42.]]], dtype=float32)
        >>> conv([[[1.0], [2.0], [4.0]]], [[[1.0]], [[10.0]]], padding="causal").ravel()
        array([10., 21., 42.], dtype=float32)
    """
    channels_last(data_format)
    if activation not in FUSED:
        raise ValueError(
            f"{who} fuses the activations {FUSED}, got {activation!r}; apply another one after it"
        )
    if bias is None and activation != "linear":
        raise ValueError(f"{who} fuses an activation with a bias only, got {activation!r} and no bias")
    operands = [inputs, kernel] if bias is None else [inputs, kernel, bias]
    values = [floating(value) for value in promoted(*operands)]
    x, w = values[:2]
    rank = len(x.shape) - 2
    if len(w.shape) != rank + 2 or not 1 <= rank <= AXES:
        raise ShapeError(_mismatch(who, x, w))
    if groups is not None and x.shape[-1] != groups * (w.shape[-2] or 0):
        raise ShapeError(f"{who} with groups={groups}: {_mismatch('it', x, w)}")
    window = SlidingWindow(
        tuple(length or 0 for length in w.shape[:-2]),
        lengths_of("strides", strides, rank),
        lengths_of("dilation_rate", dilation_rate, rank),
        padding_of(padding, (*PADDINGS, "causal") if rank == 1 else PADDINGS),
    )
    return apply(Conv(window, activation, who), *values)
