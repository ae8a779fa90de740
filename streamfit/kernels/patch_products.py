"""Products of patches and kernels, tile by tile: convolution and its gradients.

A tile is a few hundred positions (`kernels/patches.py`). Its patches are gathered, multiplied and forgotten,
so that no array of the size of all patches exists. A group of channels has its own columns of the kernel and
of the outputs; groups are multiplied one after the other.
"""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.kernels.bias_activation import activation_delta, add_bias_and_activate
from streamfit.kernels.decorator import kernel
from streamfit.kernels.gemm import gemm
from streamfit.kernels.patches import COUNT, LENGTH, move_patches


@kernel
def add_rows(delta: Array, totals: Array) -> None:
    """Add the rows of delta to totals, four at a time."""
    count = delta.shape[0]
    whole = count - count % 4
    for i in range(0, whole, 4):
        for j in range(totals.shape[0]):
            totals[j] += (delta[i, j] + delta[i + 1, j]) + (delta[i + 2, j] + delta[i + 3, j])
    for i in range(whole, count):
        for j in range(totals.shape[0]):
            totals[j] += delta[i, j]


@kernel
def clear_samples(x: Array, first: int, behind: int) -> None:
    """Set the samples of x from `first` to `behind` (exclusive) to zero."""
    zero = x.dtype.type(0)
    for n in range(first, behind):
        for d in range(x.shape[1]):
            for h in range(x.shape[2]):
                for w in range(x.shape[3]):
                    x[n, d, h, w] = zero


@kernel
def convolve(
    x: Array,
    matrix: Array,
    w: Array,
    b: Array,
    patches: Array,
    y: Array,
    geometry: Array,
    groups: int,
    tile: int,
    activation: int,
) -> None:
    """Convolve tile by tile.

    Args:
        x: The input as lines, see `kernels/patches.py`.
        matrix: The input as patches, shape (positions, window * channels); no rows where it must be gathered.
        w: Shape (window * channels of a group, filters).
        b: Shape (filters,), or (0,) for none.
        patches: Room for the patches of one group in one tile.
        y: To be filled, shape (positions, filters).
        geometry: The window.
        groups: The number of groups.
        tile: Positions in a tile.
        activation: Place in `FUSED`.
    """
    gathers, each = matrix.shape[0] == 0, y.shape[1] // groups
    channels = x.shape[3] // geometry[LENGTH, 2] // groups
    for row in range(0, y.shape[0], tile):
        behind = min(row + tile, y.shape[0])
        count = behind - row
        for g in range(groups):
            first, last = g * each, (g + 1) * each
            if gathers:
                move_patches(x, row, count, g * channels, patches, geometry, 0)
            seen = patches[:count] if gathers else matrix[row:behind]
            gemm(seen, w[:, first:last], y[row:behind, first:last], 0, 0, 0)
        if b.shape[0]:
            add_bias_and_activate(b, y[row:behind], activation)


@kernel
def kernel_gradient(
    x: Array,
    matrix: Array,
    y: Array,
    gy: Array,
    delta: Array,
    deltas: Array,
    patches: Array,
    gw: Array,
    totals: Array,
    geometry: Array,
    groups: int,
    tile: int,
    activation: int,
) -> None:
    """Differentiate `convolve` with respect to kernel and bias.

    Args:
        x: The input as lines.
        matrix: The input as patches; no rows where it must be gathered.
        y: The outputs as a vector.
        gy: Their gradient, likewise.
        delta: Room for the gradient before the activation in one tile, as a vector; not used by 'linear'.
        deltas: `delta` as rows of filters; all of `gy` for 'linear'.
        patches: Room for the patches of one group in one tile.
        gw: To be added to: the gradient of w; no rows where it is not needed.
        totals: To be added to: the gradient of the bias, float64; empty where it is not needed.
        geometry: The window.
        groups: The number of groups.
        tile: Positions in a tile.
        activation: Place in `FUSED`.
    """
    filters, gathers, each = deltas.shape[1], matrix.shape[0] == 0, deltas.shape[1] // groups
    channels, end = x.shape[3] // geometry[LENGTH, 2] // groups, y.shape[0] // filters
    for row in range(0, end, tile):
        behind = min(row + tile, end)
        count = behind - row
        if activation:
            begin, stop = row * filters, behind * filters
            activation_delta(y[begin:stop], gy[begin:stop], delta, activation)
        whole = deltas[:count] if activation else deltas[row:behind]
        if totals.shape[0]:
            add_rows(whole, totals)
        if gw.shape[0]:
            for g in range(groups):
                first, last = g * each, (g + 1) * each
                if gathers:
                    move_patches(x, row, count, g * channels, patches, geometry, 0)
                seen = patches[:count] if gathers else matrix[row:behind]
                gemm(seen, whole[:, first:last], gw[:, first:last], 1, 0, 1)


@kernel
def input_gradient(
    w: Array,
    y: Array,
    gy: Array,
    delta: Array,
    deltas: Array,
    patches: Array,
    gx: Array,
    gx_matrix: Array,
    geometry: Array,
    groups: int,
    tile: int,
    activation: int,
) -> None:
    """Differentiate `convolve` with respect to the input.

    Args:
        w: Shape (window * channels of a group, filters).
        y: The outputs as a vector.
        gy: Their gradient, likewise.
        delta: Room for the gradient before the activation in one tile, as a vector; not used by 'linear'.
        deltas: `delta` as rows of filters; all of `gy` for 'linear'.
        patches: Room for the patches of one group in one tile.
        gx: To be filled: the gradient of x as lines.
        gx_matrix: `gx` as patches; no rows where patches must be added to it.
        geometry: The window.
        groups: The number of groups.
        tile: Positions in a tile.
        activation: Place in `FUSED`.
    """
    filters, adds, each = deltas.shape[1], gx_matrix.shape[0] == 0, deltas.shape[1] // groups
    channels, end = gx.shape[3] // geometry[LENGTH, 2] // groups, y.shape[0] // filters
    positions, cleared = geometry[COUNT, 0] * geometry[COUNT, 1] * geometry[COUNT, 2], 0
    for row in range(0, end, tile):
        behind = min(row + tile, end)
        count, samples = behind - row, (behind - 1) // positions + 1
        if activation:
            begin, stop = row * filters, behind * filters
            activation_delta(y[begin:stop], gy[begin:stop], delta, activation)
        whole = deltas[:count] if activation else deltas[row:behind]
        if adds:
            clear_samples(gx, cleared, samples)
            cleared = samples
        for g in range(groups):
            first, last = g * each, (g + 1) * each
            seen = patches[:count] if adds else gx_matrix[row:behind]
            gemm(whole[:, first:last], w[:, first:last], seen, 0, 1, 0)
            if adds:
                move_patches(gx, row, count, g * channels, patches, geometry, 1)
