"""`timeseries_dataset_from_array`: windows of a series, as in Keras 3, from memory or from files."""

from __future__ import annotations

from typing import Literal

from streamfit._base.checks import truth, whole, whole_or_none
from streamfit._base.keys import seed_or_none
from streamfit.streams.pipeline import Pipeline, source


def timeseries_dataset_from_array(
    data: object,
    targets: object,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: Literal["tf", "grain"] | None = None,
) -> Pipeline:
    """Make a pipeline of windows of a series, and of their targets.

    Window i holds the steps ``start, start + sampling_rate, ...`` for ``start = i * sequence_stride``, and
    its target is **that of its first step**, as in Keras. So to forecast the step behind a window, give
    ``data[:-length]`` and ``targets[length:]``; or write it as a pipeline: ``source(data).window(length,
    shift=1, horizon=1)``.

    A series that is a memory map or lies in files is not loaded: the rows of a batch are read where the batch
    is.

    Args:
        data: The series: an array (steps, ...), a memory map, or a pipeline of single steps that can be
            reached by number, such as ``files.npy("series-*.npy")``.
        targets: The same, with a target for each window's first step; None for windows alone. There are no
            more windows than targets reach.
        sequence_length: Steps in a window.
        sequence_stride: How many steps further the next window begins.
        sampling_rate: How far the steps of a window lie apart.
        batch_size: Windows in a batch; None for single windows.
        shuffle: Whether the windows come in another order in each pass; all of them are shuffled.
        seed: Of the orders; None follows the run.
        start_index: The first step that is used.
        end_index: The step behind the last one that is used; None for all.
        format: ``'tf'`` and ``'grain'`` are accepted for scripts of Keras; the result is a pipeline.

    Raises:
        ValueError: An argument is out of range, or the series has fewer steps than a window.

    Example:
        >>> import numpy as np
        >>> windows = timeseries_dataset_from_array(
        ...     np.arange(8), np.arange(8) * 10, sequence_length=3, sampling_rate=2, batch_size=2
        ... )
        >>> next(iter(windows))
        (array([[0, 2, 4],
               [1, 3, 5]]), array([ 0, 10]))
    """
    size, shuffle = whole_or_none("batch_size", batch_size, 1), truth("shuffle", shuffle)
    seed = seed_or_none(seed)
    if format not in (None, "tf", "grain"):
        raise ValueError(f"format={format!r}: the result is a pipeline of this library; leave it out")
    steps = _steps("data", data, seed)
    values = None if targets is None else _steps("targets", targets, seed)
    first = whole_or_none("start_index", start_index, 0) or 0
    end = whole_or_none("end_index", end_index, 1) or len(steps)
    if not first < end <= len(steps):
        raise ValueError(
            f"start_index={start_index} and end_index={end_index} must be in order and inside of the "
            f"{len(steps):,} steps of the series"
        )
    length = whole("sequence_length", sequence_length, 1)
    stride, rate = whole("sequence_stride", sequence_stride, 1), whole("sampling_rate", sampling_rate, 1)
    windows = _windows(steps, values, (first, end), length, stride, rate)
    windows = windows.shuffle(seed=seed) if shuffle else windows
    return windows if size is None else windows.batch(size)


def _windows(
    steps: Pipeline, values: Pipeline | None, part: tuple[int, int], length: int, stride: int, rate: int
) -> Pipeline:
    first, end = part
    places = end - first - (length - 1) * rate  # steps that a window may begin at
    if values is not None:
        places = min(places, len(values) - first)
    if places < 1:
        raise ValueError(
            f"there is no window: {length} steps, {rate} apart, need {(length - 1) * rate + 1} steps and a "
            f"target for the first one; there are {end - first:,} steps"
            + ("" if values is None else f" and {len(values):,} targets")
        )
    windows = _part(steps, first, end).window(length, stride, rate).take(-(-places // stride))
    if values is None:
        return windows
    chosen = _part(values, first, first + places)
    return windows.zip(chosen if stride == 1 else chosen.shard(stride, 0))


def _steps(name: str, steps: object, seed: int | None) -> Pipeline:
    made = source(steps, name=name, seed=seed)
    if not made.stage.traits.seekable or made.stage.traits.batched:
        raise ValueError(
            f"{name} must be an array, or a pipeline of single samples that can be reached by number, got "
            f"{made!r}"
        )
    if isinstance(made.stage.specs(), tuple):
        raise ValueError(
            f"{name} must be one series, and the elements of {made!r} are (x, y); take one of them, or write "
            ".window(length, shift=1, horizon=...), which makes windows of both"
        )
    return made


def _part(steps: Pipeline, first: int, end: int) -> Pipeline:
    kept = steps.take(end) if end < len(steps) else steps
    return kept.skip(first) if first else kept
