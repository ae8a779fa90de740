"""Convolution over one, two or three spatial axes, channels last, with bias and activation in one node.

A convolution is the product of patches (`kernels/patches.py`) and kernel, computed tile by tile
(`kernels/patch_products.py`): nothing is kept for the gradient but inputs and outputs. Where the patches are
the input itself in another shape, as for a kernel of one pixel, nothing is gathered.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call
from streamfit.kernels.bias_activation import FUSED
from streamfit.kernels.matrix import copy_into, fill_zero
from streamfit.kernels.patch_products import (
    forward_by_blas,
    forward_by_loops,
    input_gradient_by_blas,
    input_gradient_by_loops,
    kernel_gradient_by_blas,
    kernel_gradient_by_loops,
    pack_groups,
    unpack_groups,
)
from streamfit.kernels.products import LOOPS_UP_TO
from streamfit.ops.casting import floating, promoted
from streamfit.ops.core import Op, Operand, Value, apply, flat, rows, workspace
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

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return the call that convolves; the kernel of several groups is arranged before it."""
        x, w = inputs[:2]
        tiling = _Tiling(self.window, x, w, rows(outputs[0]))
        bias = inputs[2] if len(inputs) > 2 else np.empty(0, x.dtype)
        function = forward_by_loops if tiling.is_small else forward_by_blas
        calls, by_group = tiling.grouped(w)
        arrays = (lines(x), tiling.matrix(x), by_group, bias, tiling.patches(), tiling.part(), tiling.y)
        return [*calls, (function, (*arrays, tiling.geometry, tiling.tile, self.activation))]

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
        deltas = self._deltas(tiling, output_grads[0])
        calls: list[Call] = []
        if gw is not None or gb is not None:
            calls += self._kernel_gradient(tiling, x, deltas, gw, gb)
        if gx is not None:
            function = input_gradient_by_loops if tiling.is_small else input_gradient_by_blas
            arranging, by_group = tiling.grouped(w)
            arrays = (by_group, *deltas, tiling.patches(), tiling.part(), lines(gx), tiling.matrix(gx))
            calls += [*arranging, (function, (*arrays, tiling.geometry, tiling.tile, self.activation))]
        return calls

    def _deltas(self, tiling: _Tiling, gy: Array) -> tuple[Array, ...]:
        """Return what kernels need to compute the gradient before the activation."""
        if not self.activation:
            return (flat(tiling.y), flat(gy), np.empty(0, gy.dtype), rows(gy))
        delta = workspace((tiling.tile, tiling.y.shape[1]), gy.dtype)
        return (flat(tiling.y), flat(gy), flat(delta), delta)

    def _kernel_gradient(
        self, tiling: _Tiling, x: Array, deltas: tuple[Array, ...], gw: Array | None, gb: Array | None
    ) -> list[Call]:
        shape = (tiling.groups if gw is not None else 0, tiling.inner, tiling.filters)
        one_group = gw is not None and tiling.groups == 1
        gw_by_group = gw.reshape(shape) if gw is not None and one_group else workspace(shape, x.dtype)
        totals = workspace((0 if gb is None else gb.size,), np.float64)
        part = workspace((tiling.inner, tiling.filters), x.dtype)
        arrays = (lines(x), tiling.matrix(x), *deltas, tiling.patches(), tiling.part(), part)
        function = kernel_gradient_by_loops if tiling.is_small else kernel_gradient_by_blas
        calls: list[Call] = [(fill_zero, (flat(gw_by_group),)), (fill_zero, (totals,))]
        calls.append(
            (function, (*arrays, gw_by_group, totals, tiling.geometry, tiling.tile, self.activation))
        )
        if gw is not None and not one_group:
            calls.append((unpack_groups, (gw_by_group, _taps(gw))))
        if gb is not None:
            calls.append((copy_into, (totals, gb)))
        return calls


class _Tiling:
    """How one use of a convolution is computed tile by tile: its numbers and its memory.

    Args:
        window: The window.
        x: The input.
        w: The kernel.
        y: The output, shape (positions, filters).

    Attributes:
        groups: The number of groups of channels.
        inner: The rows of the kernel of one group, as a matrix.
        filters: Its columns.
        tile: How many positions are computed at a time; it does not depend on the batch.
        is_small: Whether loops are faster than BLAS.
    """

    def __init__(self, window: SlidingWindow, x: Array, w: Array, y: Array) -> None:
        self.y, self.dtype, self.geometry = y, x.dtype, window.geometry(x.shape[1:-1])
        self.groups = x.shape[-1] // w.shape[-2]
        self.inner, self.filters = w.size // w.shape[-1], w.shape[-1] // self.groups
        rows_of_tile = _TILE_BYTES // (x.dtype.itemsize * (self.inner + w.shape[-1]))
        self.tile = min(max(rows_of_tile, _FEWEST_ROWS), _MOST_ROWS)
        self.is_small = len(y) * w.size <= LOOPS_UP_TO
        self._gathers = self.groups > 1 or not windows_are_the_input(self.geometry)

    def matrix(self, x: Array) -> Array:
        """Return x as patches, or an array without rows where patches must be gathered."""
        return np.empty((0, self.inner), x.dtype) if self._gathers else x.reshape(len(self.y), self.inner)

    def patches(self) -> Array:
        """Return room for the patches of one group in one tile."""
        return workspace((self.tile if self._gathers else 0, self.inner), self.dtype)

    def part(self) -> Array:
        """Return room for the outputs of one group in one tile, if there are several groups."""
        return workspace((self.tile if self.groups > 1 else 0, self.filters), self.dtype)

    def grouped(self, w: Array) -> tuple[list[Call], Array]:
        """Return the kernel as (groups, rows, columns), and the call that makes it if there are several."""
        shape = (self.groups, self.inner, self.filters)
        if self.groups == 1:
            return [], w.reshape(shape)
        packed = workspace(shape, w.dtype)
        return [(pack_groups, (_taps(w), packed))], packed


def _taps(w: Array) -> Array:
    """Return (window, channels, filters), in the same memory."""
    return w.reshape(w.size // (w.shape[-2] * w.shape[-1]), *w.shape[-2:])


def _mismatch(who: str, x: Spec | Value, w: Spec | Value) -> str:
    return (
        f"{who} needs inputs of shape (batch, ..., channels) and a kernel of shape (window..., "
        f"channels / groups, filters), got {x.shape} and {w.shape}"
    )


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
