"""The kernels of warps: joining segments, and taking pixels."""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.augment.warp_aligned import keeps_axes, resample
from streamfit.augment.warp_moves import move, moves_whole_pixels
from streamfit.augment.warp_points import SLACK
from streamfit.augment.warp_rows import warp_rows
from streamfit.kernels.decorator import inlined, kernel, superword_kernel


@kernel
def merge_segments(
    matrices: Array,
    sizes: Array,
    made_sizes: Array,
    modes: Array,
    values: Array,
    spans: Array,
    counts: Array,
) -> None:
    """Multiply the matrices of neighbouring segments where nothing in between can be outside a frame.

    Args:
        matrices: float64 (n, segments, 9), the segment of the last step first; merged in place.
        sizes: Height and width of the frame that each leads into, float64 (n, segments, 2).
        made_sizes: Height and width of the results, int64 (n, 2).
        modes: int64 (n, segments).
        values: float64 (n, segments).
        spans: Cells of the displacement in front of the first segment, 0 for none, int64 (n, 2).
        counts: Gets how many segments each image has left, int64 (n,).
    """
    for i in range(matrices.shape[0]):
        kept = 0
        for s in range(1, matrices.shape[1]):
            height, width = float(made_sizes[i, 0]), float(made_sizes[i, 1])
            if kept > 0:
                height, width = sizes[i, kept - 1, 0], sizes[i, kept - 1, 1]
            displaced = kept == 0 and spans[i, 0] > 0
            if not displaced and _stays_inside(matrices[i, kept], height, width, sizes[i, kept]):
                _multiply(matrices[i, s], matrices[i, kept])
                modes[i, kept], values[i, kept] = modes[i, s], values[i, s]
            elif not displaced and _only_turns(matrices[i, s], sizes[i, kept], sizes[i, s]):
                # What is outside a turned frame is the same as turning what is outside.
                _multiply(matrices[i, s], matrices[i, kept])
            else:
                kept += 1
                for k in range(9):
                    matrices[i, kept, k] = matrices[i, s, k]
                modes[i, kept], values[i, kept] = modes[i, s], values[i, s]
            sizes[i, kept, 0], sizes[i, kept, 1] = sizes[i, s, 0], sizes[i, s, 1]
        counts[i] = kept + 1


@inlined
def _stays_inside(m: Array, height: float, width: float, frame: Array) -> bool:
    """Return whether a matrix leads the corners of one frame, and so all of it, into another."""
    for corner in range(4):
        x = width if corner % 2 else 0.0
        y = height if corner >= 2 else 0.0
        w = m[6] * x + m[7] * y + m[8]
        if not w > 0:
            return False
        u, v = (m[0] * x + m[1] * y + m[2]) / w, (m[3] * x + m[4] * y + m[5]) / w
        if not (u >= -SLACK and v >= -SLACK and u <= frame[1] + SLACK and v <= frame[0] + SLACK):
            return False
    return True


@inlined
def _only_turns(m: Array, frame: Array, image: Array) -> bool:
    """Return whether a matrix mirrors, or turns by quarters, all of an image into a frame of its size."""
    if not moves_whole_pixels(m):
        return False
    height, width = (image[1], image[0]) if m[0] == 0 else (image[0], image[1])
    if height != frame[0] or width != frame[1]:
        return False
    # The upper left corner of the frame must be a corner of the image, and the matrix lead into the image.
    right = image[1] if m[0] + m[1] < 0 else 0.0
    bottom = image[0] if m[3] + m[4] < 0 else 0.0
    return bool(m[2] == right and m[5] == bottom)


@inlined
def _multiply(a: Array, b: Array) -> None:
    """Write the product of two matrices in place of the second, (9,)."""
    for column in range(3):
        x, y, w = b[column], b[3 + column], b[6 + column]
        for row in range(3):
            b[3 * row + column] = a[3 * row] * x + a[3 * row + 1] * y + a[3 * row + 2] * w


@superword_kernel
def move_images(
    pixels: Array,
    starts: Array,
    sizes: Array,
    made: Array,
    made_starts: Array,
    made_sizes: Array,
    channels: int,
    counts: Array,
    matrices: Array,
    modes: Array,
    values: Array,
    spans: Array,
    moved: Array,
) -> None:
    """Copy the pixels of all images if all of them move by whole pixels, as flips and crops do.

    `warp_pixels` gives the same bits, but takes ten times as long to compile.

    Args:
        pixels: See `warp_pixels` for this and what follows.
        starts: int64 (n,).
        sizes: int64 (n, 2).
        made: The results.
        made_starts: int64 (n,).
        made_sizes: int64 (n, 2).
        channels: Numbers in a pixel.
        counts: int64 (n,).
        matrices: float64 (n, segments, 9).
        modes: int64 (n, segments).
        values: float64 (n, segments).
        spans: int64 (n, 2).
        moved: Gets 1, or 0 where nothing was done; int64 (1,).
    """
    moved[0] = 0
    for i in range(starts.shape[0]):
        if counts[i] != 1 or spans[i, 0] != 0 or not moves_whole_pixels(matrices[i, 0]):
            return
    moved[0] = 1
    for i in range(starts.shape[0]):
        m, mode, value = matrices[i, 0], modes[i, 0], values[i, 0]
        move(pixels, starts[i], sizes[i], made, made_starts[i], made_sizes[i], channels, m, mode, value)


@superword_kernel
def warp_pixels(
    pixels: Array,
    starts: Array,
    sizes: Array,
    made: Array,
    made_starts: Array,
    made_sizes: Array,
    channels: int,
    counts: Array,
    matrices: Array,
    frames: Array,
    modes: Array,
    values: Array,
    interpolation: int,
    coefficients: Array,
    spans: Array,
    points: Array,
    cells: Array,
    weights: Array,
    lines: Array,
) -> None:
    """Take each pixel of the results from its point; uint8 is rounded to the nearest, halves up.

    There are three ways, which give the same bits: copying pixels, interpolating along rows and then along
    columns, and following each point.

    Args:
        pixels: The images, uint8 or float32, flat.
        starts: Where each begins, int64 (n,).
        sizes: Height and width of each, int64 (n, 2).
        made: The results, of the same dtype.
        made_starts: Where each begins, int64 (n,).
        made_sizes: Height and width of each, int64 (n, 2).
        channels: Numbers in a pixel.
        counts: Segments of each image; see `Warp` for this and what follows.
        matrices: float64 (n, segments, 9).
        frames: float64 (n, segments, 2).
        modes: int64 (n, segments).
        values: float64 (n, segments).
        interpolation: 0 for the nearest pixel, 1 for bilinear.
        coefficients: See `Displacement` for this and the next.
        spans: int64 (n, 2).
        points: Memory for a row, float64 (4, columns); `cells` too, int32 (4, columns), and `weights`,
            float32 (2, columns).
        cells: See `points`.
        weights: See `points`.
        lines: Memory for two rows: float32 (2, columns * channels + 4).
    """
    for i in range(starts.shape[0]):
        start, to, size, made_size = starts[i], made_starts[i], sizes[i], made_sizes[i]
        last = counts[i] - 1
        m, mode, value = matrices[i, last], modes[i, last], values[i, last]
        if last == 0 and spans[i, 0] == 0 and moves_whole_pixels(m):
            move(pixels, start, size, made, to, made_size, channels, m, mode, value)
        elif last == 0 and interpolation == 1 and spans[i, 0] == 0 and keeps_axes(m, made_size):
            resample(
                pixels, start, size, made, to, made_size, channels, m, mode, value, cells, weights, lines
            )
        else:
            warp_rows(
                pixels,
                start,
                size,
                made,
                to,
                made_size,
                channels,
                last,
                matrices[i],
                frames[i],
                modes[i],
                values[i],
                interpolation,
                coefficients[i],
                spans[i],
                points,
                cells,
                weights,
                lines,
            )
