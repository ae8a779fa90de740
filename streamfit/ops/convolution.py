"""Convolution over one, two or three spatial axes, channels last, with bias and activation in one node.

A convolution is the product of patches (`kernels/patches.py`) and kernel, computed tile by tile
(`kernels/patch_products.py`): nothing is kept for the gradient but inputs and outputs. Where the patches are
the input itself in another shape, as for a kernel of one pixel, nothing is gathered.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Shape, Spec
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
from streamfit.ops.core import Op, Operand, Value, apply, flat, rows
from streamfit.ops.sliding_window import (
    AXES,
    PADDINGS,
    Lengths,
    SlidingWindow,
    channels_last,
    elements,
    lengths_of,
    padding_of,
    spatial,
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
        counts = self.window.checked_counts(self.who, x.shape[1:-1])
        return (x.with_shape((x.shape[0], *counts, filters)),)

    def workspace(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the specs of a tile of patches, a tile of one group's outputs, and the kernel by groups."""
        x, w = specs[:2]
        groups, inner, filters = self._sizes(x.shape, w.shape)
        tile = _tile(inner, groups * filters, x.dtype.itemsize)
        several = groups > 1
        return (
            Spec((0 if self._is_direct(x.shape, groups) else tile, inner), x.dtype),
            Spec((tile if several else 0, filters), x.dtype),
            Spec((groups if several else 0, inner, filters), x.dtype),
        )

    def backward_workspace(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return those of `workspace`, and the specs of what gradients need beside them."""
        x, w = specs[:2]
        groups, inner, filters = self._sizes(x.shape, w.shape)
        tile = _tile(inner, groups * filters, x.dtype.itemsize)
        return (
            *self.workspace(*specs),
            Spec((tile if self.activation else 0, groups * filters), x.dtype),
            Spec((inner, filters), x.dtype),
            Spec((groups if groups > 1 else 0, inner, filters), x.dtype),
            Spec((groups * filters,), np.dtype(np.float64)),
        )

    def scratch(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return both workspaces."""
        return (*self.workspace(*specs), *self.backward_workspace(*specs))

    def _sizes(self, x: Shape, w: Shape) -> tuple[int, int, int]:
        """Return the number of groups, and the rows and the columns of the kernel of each as a matrix."""
        channels, own, filters = (length or 0 for length in (x[-1], w[-2], w[-1]))
        groups = channels // own
        return groups, elements(self.window) * own, filters // groups

    def _is_direct(self, x: Shape, groups: int) -> bool:
        lengths = [length for length in x[1:-1] if length is not None]
        if groups > 1 or len(lengths) < self.window.rank:
            return False
        return windows_are_the_input(self.window.geometry(lengths))

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return the call that convolves; the kernel of several groups is arranged before it."""
        x, w = inputs[:2]
        patches, part, packed = scratch[:3]
        y, (calls, by_group) = rows(outputs[0]), self._by_group(w, packed)
        function = forward_by_loops if _is_small(y, w) else forward_by_blas
        bias = inputs[2] if len(inputs) > 2 else np.empty(0, x.dtype)
        arrays = (_lines(x), self._matrix(x, y, by_group), by_group, bias, patches, part, y)
        return [*calls, (function, (*arrays, *self._numbers(x, by_group)))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls for the gradients of x, kernel and bias."""
        gx, gw, gb = (*input_grads, None)[:3]
        calls: list[Call] = []
        if gw is not None or gb is not None:
            calls += self._kernel_gradient(inputs, outputs[0], scratch[-7:], output_grads[0], gw, gb)
        if gx is not None:
            calls += self._input_gradient(inputs, outputs[0], scratch[-7:], output_grads[0], gx)
        return calls

    def _kernel_gradient(
        self,
        inputs: Sequence[Array],
        output: Array,
        workspace: Sequence[Array],
        gy: Array,
        gw: Array | None,
        gb: Array | None,
    ) -> list[Call]:
        (x, w), y = inputs[:2], rows(output)
        patches, part, packed, delta, gw_part, gw_packed, totals = workspace
        by_group = packed if len(packed) else self._one_group(w)
        gw_by_group, totals = by_group[:0], totals[:0] if gb is None else totals
        if gw is not None:
            gw_by_group = gw_packed if len(gw_packed) else self._one_group(gw)
        function = kernel_gradient_by_loops if _is_small(y, w) else kernel_gradient_by_blas
        arrays = (
            _lines(x),
            self._matrix(x, y, by_group),
            *self._deltas(y, gy, delta),
            patches,
            part,
            gw_part,
        )
        calls: list[Call] = [(fill_zero, (flat(gw_by_group),)), (fill_zero, (totals,))]
        calls.append((function, (*arrays, gw_by_group, totals, *self._numbers(x, by_group))))
        if gw is not None and len(gw_packed):
            calls.append((unpack_groups, (gw_packed, _taps(gw))))
        if gb is not None:
            calls.append((copy_into, (totals, gb)))
        return calls

    def _input_gradient(
        self, inputs: Sequence[Array], output: Array, workspace: Sequence[Array], gy: Array, gx: Array
    ) -> list[Call]:
        (x, w), y = inputs[:2], rows(output)
        patches, part, packed, delta, *_ = workspace
        calls, by_group = self._by_group(w, packed)
        function = input_gradient_by_loops if _is_small(y, w) else input_gradient_by_blas
        arrays = (by_group, *self._deltas(y, gy, delta), patches, part)
        gradient = (_lines(gx), self._matrix(gx, y, by_group))
        return [*calls, (function, (*arrays, *gradient, *self._numbers(x, by_group)))]

    def _deltas(self, y: Array, gy: Array, delta: Array) -> tuple[Array, ...]:
        """Return what kernels need to compute the gradient before the activation."""
        return (flat(y), flat(gy), flat(delta), delta if self.activation else rows(gy))

    def _by_group(self, w: Array, packed: Array) -> tuple[list[Call], Array]:
        """Return the kernel as (groups, rows, columns), and the call that makes it if there are several."""
        if len(packed):
            return [(pack_groups, (_taps(w), packed))], packed
        return [], self._one_group(w)

    def _one_group(self, w: Array) -> Array:
        return w.reshape(1, w.size // w.shape[-1], w.shape[-1])

    def _matrix(self, x: Array, y: Array, by_group: Array) -> Array:
        """Return x as patches; no rows where they must be gathered."""
        inner = by_group.shape[1]
        return (
            x.reshape(len(y), inner)
            if self._is_direct(x.shape, len(by_group))
            else np.empty((0, inner), x.dtype)
        )

    def _numbers(self, x: Array, by_group: Array) -> tuple[Array, int, int]:
        tile = _tile(by_group.shape[1], len(by_group) * by_group.shape[2], x.dtype.itemsize)
        return self.window.geometry(x.shape[1:-1]), tile, self.activation


def _tile(inner: int, filters: int, itemsize: int) -> int:
    """Return how many positions to compute at a time; it does not depend on the batch."""
    return min(max(_TILE_BYTES // (itemsize * (inner + filters)), _FEWEST_ROWS), _MOST_ROWS)


def _is_small(y: Array, w: Array) -> bool:
    return len(y) * w.size <= LOOPS_UP_TO


def _lines(x: Array) -> Array:
    """Return (batch, depth, height, width * channels), in the same memory."""
    n, depth, height, width, channels = spatial(x).shape
    return x.reshape(n, depth, height, width * channels)


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
    *,
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
    if groups is not None and x.shape[-1] != groups * w.shape[-2]:
        raise ShapeError(f"{who} with groups={groups}: {_mismatch('it', x, w)}")
    window = SlidingWindow(
        tuple(length or 0 for length in w.shape[:-2]),
        lengths_of("strides", strides, rank),
        lengths_of("dilation_rate", dilation_rate, rank),
        padding_of(padding, (*PADDINGS, "causal") if rank == 1 else PADDINGS),
    )
    return apply(Conv(window, activation, who), *values)
