"""Products of patches and kernels, tile by tile: convolution and its gradients.

A tile is a few hundred positions (`kernels/patches.py`). Its patches are gathered, multiplied and forgotten,
so that no array of the size of all patches exists. Groups of channels are multiplied one after the other.
"""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.kernels.bias_activation import activation_delta, add_bias_and_activate
from streamfit.kernels.calls import Kernel
from streamfit.kernels.decorator import kernel
from streamfit.kernels.patches import COUNT, LENGTH, move_patches
from streamfit.kernels.products import (
    left_by_blas,
    product_by_blas,
    product_by_sums,
    product_by_tiles,
    right_by_blas,
    turned_product_by_tiles,
)


@kernel
def pack_groups(w: Array, packed: Array) -> None:
    """Copy w (window, channels, groups * filters) to packed (groups, window * channels, filters)."""
    channels, filters = w.shape[1], packed.shape[2]
    for g in range(packed.shape[0]):
        for i in range(packed.shape[1]):
            for f in range(filters):
                packed[g, i, f] = w[i // channels, i % channels, g * filters + f]


@kernel
def unpack_groups(packed: Array, w: Array) -> None:
    """Reverse `pack_groups`."""
    channels, filters = w.shape[1], packed.shape[2]
    for g in range(packed.shape[0]):
        for i in range(packed.shape[1]):
            for f in range(filters):
                w[i // channels, i % channels, g * filters + f] = packed[g, i, f]


@kernel
def put_columns(part: Array, first: int, y: Array) -> None:
    """Copy part into the columns of y from `first` on."""
    for i in range(y.shape[0]):
        for j in range(part.shape[1]):
            y[i, first + j] = part[i, j]


@kernel
def take_columns(y: Array, first: int, part: Array) -> None:
    """Copy the columns of y from `first` on into part."""
    for i in range(y.shape[0]):
        for j in range(part.shape[1]):
            part[i, j] = y[i, first + j]


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
def add_matrix(part: Array, total: Array) -> None:
    """Add part to total."""
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += part[i, j]


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
def forward_tiles(
    product: Kernel,
    x: Array,
    matrix: Array,
    w: Array,
    b: Array,
    patches: Array,
    part: Array,
    y: Array,
    geometry: Array,
    tile: int,
    activation: int,
) -> None:
    """Convolve tile by tile.

    Args:
        product: Computes y = a @ b of three matrices.
        x: The input as lines, see `kernels/patches.py`.
        matrix: The input as patches, shape (positions, window * channels); no rows where it must be gathered.
        w: Shape (groups, window * channels of a group, filters of a group).
        b: Shape (filters,), or (0,) for none.
        patches: Room for the patches of one group in one tile.
        part: Room for the outputs of one group in one tile, if there are several groups.
        y: Shape (positions, filters).
        geometry: The window.
        tile: Positions in a tile.
        activation: Place in `FUSED`.
    """
    groups, gathers = w.shape[0], matrix.shape[0] == 0
    channels = x.shape[3] // geometry[LENGTH, 2] // groups
    for row in range(0, y.shape[0], tile):
        behind = min(row + tile, y.shape[0])
        count = behind - row
        for g in range(groups):
            if gathers:
                move_patches(x, row, count, g * channels, patches, geometry, 0)
            seen = patches[:count] if gathers else matrix[row:behind]
            product(seen, w[g], y[row:behind] if groups == 1 else part[:count])
            if groups > 1:
                put_columns(part, g * w.shape[2], y[row:behind])
        if b.shape[0]:
            add_bias_and_activate(b, y[row:behind], activation)


@kernel
def forward_by_blas(
    x: Array,
    matrix: Array,
    w: Array,
    b: Array,
    patches: Array,
    part: Array,
    y: Array,
    geometry: Array,
    tile: int,
    activation: int,
) -> None:
    """Convolve tile by tile with BLAS; see `forward_tiles`."""
    forward_tiles(product_by_blas, x, matrix, w, b, patches, part, y, geometry, tile, activation)


@kernel
def forward_by_loops(
    x: Array,
    matrix: Array,
    w: Array,
    b: Array,
    patches: Array,
    part: Array,
    y: Array,
    geometry: Array,
    tile: int,
    activation: int,
) -> None:
    """Convolve tile by tile with loops; see `forward_tiles`."""
    forward_tiles(product_by_tiles, x, matrix, w, b, patches, part, y, geometry, tile, activation)


@kernel
def kernel_gradient_tiles(
    right: Kernel,
    x: Array,
    matrix: Array,
    y: Array,
    gy: Array,
    delta: Array,
    deltas: Array,
    patches: Array,
    part: Array,
    gw_part: Array,
    gw: Array,
    totals: Array,
    geometry: Array,
    tile: int,
    activation: int,
) -> None:
    """Differentiate `forward_tiles` with respect to kernel and bias.

    Args:
        right: Computes gb = a.T @ gy of three matrices.
        x: The input as lines.
        matrix: The input as patches; no rows where it must be gathered.
        y: The outputs as a vector.
        gy: Their gradient, likewise.
        delta: Room for the gradient before the activation in one tile, as a vector; not used by 'linear'.
        deltas: `delta` as rows of filters; all of `gy` for 'linear'.
        patches: Room for the patches of one group in one tile.
        part: Room for the outputs of one group in one tile, if there are several groups.
        gw_part: Room for the gradient of the kernel of one group.
        gw: To be added to: the gradient of w, by group; no groups where it is not needed.
        totals: To be added to: the gradient of the bias, float64; empty where it is not needed.
        geometry: The window.
        tile: Positions in a tile.
        activation: Place in `FUSED`.
    """
    groups, gathers = gw.shape[0], matrix.shape[0] == 0
    channels = x.shape[3] // geometry[LENGTH, 2] // max(1, groups)
    filters = deltas.shape[1]
    end = y.shape[0] // filters
    for row in range(0, end, tile):
        behind = min(row + tile, end)
        count = behind - row
        if activation:
            first, last = row * filters, behind * filters
            activation_delta(y[first:last], gy[first:last], delta, activation)
        whole = deltas[:count] if activation else deltas[row:behind]
        if totals.shape[0]:
            add_rows(whole, totals)
        for g in range(groups):
            if groups > 1:
                take_columns(whole, g * gw.shape[2], part)
            if gathers:
                move_patches(x, row, count, g * channels, patches, geometry, 0)
            seen = patches[:count] if gathers else matrix[row:behind]
            right(seen, whole if groups == 1 else part[:count], gw_part)
            add_matrix(gw_part, gw[g])


@kernel
def kernel_gradient_by_blas(
    x: Array,
    matrix: Array,
    y: Array,
    gy: Array,
    delta: Array,
    deltas: Array,
    patches: Array,
    part: Array,
    gw_part: Array,
    gw: Array,
    totals: Array,
    geometry: Array,
    tile: int,
    activation: int,
) -> None:
    """Differentiate with BLAS; see `kernel_gradient_tiles`."""
    kernel_gradient_tiles(
        right_by_blas,
        x,
        matrix,
        y,
        gy,
        delta,
        deltas,
        patches,
        part,
        gw_part,
        gw,
        totals,
        geometry,
        tile,
        activation,
    )


@kernel
def kernel_gradient_by_loops(
    x: Array,
    matrix: Array,
    y: Array,
    gy: Array,
    delta: Array,
    deltas: Array,
    patches: Array,
    part: Array,
    gw_part: Array,
    gw: Array,
    totals: Array,
    geometry: Array,
    tile: int,
    activation: int,
) -> None:
    """Differentiate with loops; see `kernel_gradient_tiles`."""
    kernel_gradient_tiles(
        turned_product_by_tiles,
        x,
        matrix,
        y,
        gy,
        delta,
        deltas,
        patches,
        part,
        gw_part,
        gw,
        totals,
        geometry,
        tile,
        activation,
    )


@kernel
def input_gradient_tiles(
    left: Kernel,
    w: Array,
    y: Array,
    gy: Array,
    delta: Array,
    deltas: Array,
    patches: Array,
    part: Array,
    gx: Array,
    gx_matrix: Array,
    geometry: Array,
    tile: int,
    activation: int,
) -> None:
    """Differentiate `forward_tiles` with respect to the input.

    Args:
        left: Computes ga = gy @ b.T of three matrices.
        w: The kernel by group.
        y: The outputs as a vector.
        gy: Their gradient, likewise.
        delta: Room for the gradient before the activation in one tile, as a vector; not used by 'linear'.
        deltas: `delta` as rows of filters; all of `gy` for 'linear'.
        patches: Room for the patches of one group in one tile.
        part: Room for the outputs of one group in one tile, if there are several groups.
        gx: To be filled: the gradient of x as lines.
        gx_matrix: `gx` as patches; no rows where patches must be added to it.
        geometry: The window.
        tile: Positions in a tile.
        activation: Place in `FUSED`.
    """
    groups, adds, cleared = w.shape[0], gx_matrix.shape[0] == 0, 0
    channels = gx.shape[3] // geometry[LENGTH, 2] // groups
    positions = geometry[COUNT, 0] * geometry[COUNT, 1] * geometry[COUNT, 2]
    filters = deltas.shape[1]
    end = y.shape[0] // filters
    for row in range(0, end, tile):
        behind = min(row + tile, end)
        count, samples = behind - row, (behind - 1) // positions + 1
        if activation:
            first, last = row * filters, behind * filters
            activation_delta(y[first:last], gy[first:last], delta, activation)
        whole = deltas[:count] if activation else deltas[row:behind]
        if adds:
            clear_samples(gx, cleared, samples)
            cleared = samples
        for g in range(groups):
            if groups > 1:
                take_columns(whole, g * w.shape[2], part)
            own = whole if groups == 1 else part[:count]
            left(own, w[g], patches[:count] if adds else gx_matrix[row:behind])
            if adds:
                move_patches(gx, row, count, g * channels, patches, geometry, 1)


@kernel
def input_gradient_by_blas(
    w: Array,
    y: Array,
    gy: Array,
    delta: Array,
    deltas: Array,
    patches: Array,
    part: Array,
    gx: Array,
    gx_matrix: Array,
    geometry: Array,
    tile: int,
    activation: int,
) -> None:
    """Differentiate with BLAS; see `input_gradient_tiles`."""
    input_gradient_tiles(
        left_by_blas, w, y, gy, delta, deltas, patches, part, gx, gx_matrix, geometry, tile, activation
    )


@kernel
def input_gradient_by_loops(
    w: Array,
    y: Array,
    gy: Array,
    delta: Array,
    deltas: Array,
    patches: Array,
    part: Array,
    gx: Array,
    gx_matrix: Array,
    geometry: Array,
    tile: int,
    activation: int,
) -> None:
    """Differentiate with loops; see `input_gradient_tiles`."""
    input_gradient_tiles(
        product_by_sums, w, y, gy, delta, deltas, patches, part, gx, gx_matrix, geometry, tile, activation
    )
