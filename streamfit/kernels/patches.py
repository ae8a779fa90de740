"""Patches: what a sliding window sees at each of its positions, gathered as rows of a matrix, and back.

A row of patches is one position, in the order of memory of the outputs: (sample, depth, height, width). Its
columns are (depth, height, width, channel) inside the window, the order of a kernel's leading axes. So a
convolution is the product of patches and kernel. A few rows are gathered at a time: all together would be as
many times larger than the input as the window has elements.

Kernels are told about the window by `geometry`, int64 of shape (6, 3): a row for each of the constants below,
a column for each spatial axis. They see the input as lines, (samples, depth, height, width * channels).
"""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel

SIZE, STRIDE, DILATION, BEFORE, LENGTH, COUNT = range(6)
"""Rows of `geometry`: size, stride and dilation of the window, padding in front of the input, length of the
input, number of positions."""


_SHORT = 16
"""Runs of fewer numbers are copied number by number along the positions: loops over them were too short."""


@kernel
def copy_pixels(
    line: Array, left: int, first: int, behind: int, start: int, out: Array, at: int, geometry: Array
) -> None:
    """Copy what the window sees of a line at some positions, pixel by pixel; zero where that is padding.

    Args:
        line: Shape (width * channels,).
        left: Where the window of position 0 begins, in pixels; may be negative.
        first: The first position.
        behind: The position behind the last.
        start: The first channel to copy.
        out: Patches, shape (positions, window * channels).
        at: Where the line begins in a row of patches.
        geometry: The window.
    """
    stride, apart, length = geometry[STRIDE, 2], geometry[DILATION, 2], geometry[LENGTH, 2]
    size, channels = geometry[SIZE, 2], line.shape[0] // length
    used = out.shape[1] // (geometry[SIZE, 0] * geometry[SIZE, 1] * size)
    zero = out.dtype.type(0)
    for k in range(size):
        place = at + k * used
        for p in range(first, behind):
            pixel = left + p * stride + k * apart
            target = out[p, place : place + used]
            if 0 <= pixel < length:
                begin = pixel * channels + start
                source = line[begin : begin + used]
                for c in range(used):
                    target[c] = source[c]
            else:
                for c in range(used):
                    target[c] = zero


@kernel
def add_pixels(
    line: Array, left: int, first: int, behind: int, start: int, out: Array, at: int, geometry: Array
) -> None:
    """Add patches to what the window sees of a line; see `copy_pixels`."""
    stride, apart, length = geometry[STRIDE, 2], geometry[DILATION, 2], geometry[LENGTH, 2]
    size, channels = geometry[SIZE, 2], line.shape[0] // length
    used = out.shape[1] // (geometry[SIZE, 0] * geometry[SIZE, 1] * size)
    for k in range(size):
        place = at + k * used
        for p in range(first, behind):
            pixel = left + p * stride + k * apart
            if 0 <= pixel < length:
                begin = pixel * channels + start
                target, source = line[begin : begin + used], out[p, place : place + used]
                for c in range(used):
                    target[c] += source[c]


@kernel
def copy_runs(
    line: Array, left: int, first: int, behind: int, run: int, step: int, out: Array, at: int
) -> None:
    """Copy what the window sees of a line at positions that lie inside it, as one run of numbers each.

    Args:
        line: Shape (width * channels,).
        left: Where the run of position 0 begins in the line.
        first: The first position.
        behind: The position behind the last.
        run: The length of a run.
        step: From the beginning of one run to that of the next.
        out: Patches, shape (positions, window * channels).
        at: Where the line begins in a row of patches.
    """
    if run < _SHORT:
        for j in range(run):
            source, target = line[left + first * step + j :: step], out[first:behind, at + j]
            for p in range(target.shape[0]):
                target[p] = source[p]
    else:
        for p in range(first, behind):
            begin = left + p * step
            source, target = line[begin : begin + run], out[p, at : at + run]
            for j in range(run):
                target[j] = source[j]


@kernel
def add_runs(
    line: Array, left: int, first: int, behind: int, run: int, step: int, out: Array, at: int
) -> None:
    """Add patches to what the window sees of a line at positions that lie inside it; see `copy_runs`."""
    if run < _SHORT:
        for j in range(run):
            target, source = line[left + first * step + j :: step], out[first:behind, at + j]
            for p in range(source.shape[0]):
                target[p] += source[p]
    else:
        for p in range(first, behind):
            begin = left + p * step
            target, source = line[begin : begin + run], out[p, at : at + run]
            for j in range(run):
                target[j] += source[j]


@kernel
def move_line(
    line: Array, left: int, count: int, start: int, out: Array, at: int, geometry: Array, back: int
) -> None:
    """Copy what the window sees of a line at `count` positions to patches; if `back`, add patches to it."""
    stride, apart, length = geometry[STRIDE, 2], geometry[DILATION, 2], geometry[LENGTH, 2]
    size, channels = geometry[SIZE, 2], line.shape[0] // length
    used = out.shape[1] // (geometry[SIZE, 0] * geometry[SIZE, 1] * size)
    first, behind = count, count
    if apart == 1 and used == channels:  # the pixels of a window lie side by side
        first = min(max(0, -(left // stride)), count)
        behind = max(first, min(count, (length - size - left) // stride + 1))
    run, step, begin = size * channels, stride * channels, left * channels
    if back:
        add_pixels(line, left, 0, first, start, out, at, geometry)
        if first < behind:
            add_runs(line, begin, first, behind, run, step, out, at)
        add_pixels(line, left, behind, count, start, out, at, geometry)
    else:
        copy_pixels(line, left, 0, first, start, out, at, geometry)
        if first < behind:
            copy_runs(line, begin, first, behind, run, step, out, at)
        copy_pixels(line, left, behind, count, start, out, at, geometry)


@kernel
def move_patches(
    x: Array, row: int, rows: int, start: int, patches: Array, geometry: Array, back: int
) -> None:
    """Gather positions into patches; or add patches to x, if `back`.

    Args:
        x: The input as lines.
        row: The number of the first position.
        rows: How many positions.
        start: The first channel; patches have columns for as many as they take.
        patches: Shape (at least rows, window * channels).
        geometry: The window.
        back: 0 or 1.
    """
    zero = patches.dtype.type(0)
    run = patches.shape[1] // (geometry[SIZE, 0] * geometry[SIZE, 1])
    count_d, count_h, count_w = geometry[COUNT, 0], geometry[COUNT, 1], geometry[COUNT, 2]
    done = 0
    while done < rows:
        rest, ow = (row + done) // count_w, (row + done) % count_w
        rest, oh = rest // count_h, rest % count_h
        n, od = rest // count_d, rest % count_d
        count = min(count_w - ow, rows - done)
        out = patches[done : done + count]
        left = ow * geometry[STRIDE, 2] - geometry[BEFORE, 2]
        for kd in range(geometry[SIZE, 0]):
            d = od * geometry[STRIDE, 0] - geometry[BEFORE, 0] + kd * geometry[DILATION, 0]
            for kh in range(geometry[SIZE, 1]):
                h = oh * geometry[STRIDE, 1] - geometry[BEFORE, 1] + kh * geometry[DILATION, 1]
                at = (kd * geometry[SIZE, 1] + kh) * run
                if 0 <= d < geometry[LENGTH, 0] and 0 <= h < geometry[LENGTH, 1]:
                    move_line(x[n, d, h], left, count, start, out, at, geometry, back)
                elif not back:
                    for p in range(count):
                        for j in range(run):
                            out[p, at + j] = zero
        done += count
