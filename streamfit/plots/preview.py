"""`preview`: a grid of the samples of a source, as they are and as training sees them in several passes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from streamfit._base.checks import is_mapping, whole
from streamfit._base.errors import DataError
from streamfit._base.plotting import BLUE, ORANGE, SOFT, TEXT, Drawn, Picture, empty_axes, matplotlib_module
from streamfit._base.specs import Array
from streamfit.streams import Pipeline, source
from streamfit.streams.stages import BatchStage, Map, Pass, Shuffle, Stage, TakeStage
from streamfit.streams.stages.elements import Element, split

_INCH = 1.35


@dataclass(frozen=True)
class Sample:
    """One image with what is drawn on it, or one series.

    Args:
        image: (height, width), (height, width, 1), (height, width, 3) or (height, width, 4); (steps,
            channels) of a series.
        target: The target of the sample; None where there is none.
    """

    image: Array
    target: object


def preview(
    data: object,
    count: int = 8,
    passes: int = 3,
    *,
    class_names: Sequence[str] | None = None,
    image: str | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Picture:
    """Draw some samples of a source: above as they are, below as they come in several passes.

    The first row shows the samples in front of the first `map`, or as the files or arrays of an
    `ImageDataGenerator` have them; each row below it one pass, with the random numbers that training with
    this seed has there. Labels stand above, and again where a row changes them; series (steps, channels) are
    curves; masks (``'mask'``), boxes and points
    are drawn where a transform says that its targets are such (``labels=``).

    Args:
        data: A pipeline, or whatever `source` takes.
        count: How many samples; the first ones of pass 0.
        passes: How many passes.
        class_names: A name for each class; None for that of `data`, or the number.
        image: Which entry of x is the image, where x is a dictionary; None for the first that looks like one.
        path: Where to write the picture; None does not.

    Raises:
        DataError: There are no samples, or x holds neither images nor series.

    Example:
        >>> import numpy as np
        >>> from streamfit import augment, source
        >>> digits = source(np.zeros((4, 8, 8), np.uint8), np.arange(4)).map(augment.flip()).batch(2)
        >>> picture = preview(digits, count=2, passes=1)
        >>> [axes.get_title() for axes in picture.axes]
        ['0', '1', '', '']
    """
    count, passes = whole("count", count, 1), whole("passes", passes, 1)
    pipeline = data if isinstance(data, Pipeline) else source(data)
    rows = _rows(pipeline, count, passes)
    if not rows or not rows[0][1]:
        raise DataError(f"{pipeline!r} has no samples to show")
    names = class_names if class_names is not None else _class_names(data, pipeline)
    kinds = _label_kinds(pipeline.stage)
    columns = len(rows[0][1])
    shown = [(title, [_sample(element, image) for element in elements]) for title, elements in rows]
    shape = shown[0][1][0].image.shape
    height = _INCH * (0.5 if _is_series(shape) else min(2.0, max(0.5, shape[0] / shape[1])))
    picture = Picture.empty(0.6 + _INCH * columns, 0.25 + height * len(rows))
    grid = picture.figure.subplots(len(rows), columns, squeeze=False)
    for row, (title, samples) in enumerate(shown):
        low, high = _range(samples)
        for column in range(columns):
            axes = grid[row, column]
            empty_axes(axes)
            if column >= len(samples):
                continue
            sample = samples[column]
            _draw(axes, sample.image, low, high)
            _overlay(axes, sample, kinds)
            label = _label(sample.target, names)
            if row == 0 or label != _label(shown[0][1][column].target, names):  # such as of mixup
                axes.set_title(label, fontsize=8.5, color=TEXT, pad=3)
        grid[row, 0].set_ylabel(title, fontsize=8.5, color=SOFT)
    if path is not None:
        picture.save(path)
    return picture


def _rows(pipeline: Pipeline, count: int, passes: int) -> list[tuple[str, list[Element]]]:
    """Return a title and samples for each row of the grid."""
    last, first = _maps(pipeline.stage)
    start = pipeline.stage
    generated = _untransformed(start)
    if last is None and generated is not None:
        seed = 0 if pipeline.seed is None else pipeline.seed
        ids, base = _ids(start, Pass(seed, 0), count), _base(start)
        before = ("before", _load(generated, Pass(seed, 0), ids))
        return [before, *((f"pass {n}", _load(base, Pass(seed, n), ids)) for n in range(passes))]
    if last is None or first is None or not last.traits.seekable:
        found = [element for _, element in zip(range(count), pipeline.elements(0), strict=False)]
        if start.traits.batched:
            found = [sample for batch in found for sample in split(batch)][:count]
        return [("delivered", found)]
    seed = 0 if pipeline.seed is None else pipeline.seed
    rows = []
    ids = _ids(last, Pass(seed, 0), count)
    if _same_samples(last, first.input):
        rows.append(("before", _load(first.input, Pass(seed, 0), ids)))
    rows += [(f"pass {number}", _load(last, Pass(seed, number), ids)) for number in range(passes)]
    return rows


def _class_names(data: object, pipeline: Pipeline) -> Sequence[str] | None:
    """Return the names of classes that a folder has given, where there are some."""
    numbers = getattr(data, "class_indices", None)
    return list(numbers) if numbers else getattr(pipeline, "class_names", None)


def _base(stage: Stage) -> Stage:
    while len(stage.inputs) == 1:
        stage = stage.input
    return stage


def _untransformed(stage: Stage) -> Stage | None:
    """Return the samples below a stage as they are, where what reads them also transforms them."""
    make: Callable[[], Stage] | None = getattr(_base(stage), "untransformed", None)
    return None if make is None else make()


def _maps(stage: Stage) -> tuple[Map | None, Map | None]:
    """Return the last and the first map of a chain of stages."""
    found = []
    while True:
        if isinstance(stage, Map):
            found.append(stage)
        if len(stage.inputs) != 1:
            break
        stage = stage.input
    return (found[0], found[-1]) if found else (None, None)


def _same_samples(stage: Stage, below: Stage) -> bool:
    """Return whether the samples of a stage have the ids that they have further below."""
    while stage is not below:
        if not isinstance(stage, (BatchStage, Map, Shuffle, TakeStage)):
            return False
        stage = stage.input
    return True


def _ids(stage: Stage, p: Pass, count: int) -> list[tuple[int, Array | None]]:
    """Return the ids of the first samples: of samples, or of batches with those of their samples."""
    size = stage.size(p)
    if not stage.traits.batched:
        return [(int(name), None) for name in stage.ids(p, np.arange(min(count, size or 0)))]
    found: list[tuple[int, Array | None]] = []
    left = count
    for position in range(size or 0):
        batch = stage.ids(p, np.array([position]))
        members = stage.members(p, batch)
        taken = None if members is None else members[0][:left]
        found.append((int(batch[0]), taken))
        left -= left if taken is None else len(taken)
        if left <= 0:
            break
    return found


def _load(stage: Stage, p: Pass, ids: list[tuple[int, Array | None]]) -> list[Element]:
    """Return samples; those of a stage in front of `batch` are loaded by the ids of the samples of
    batches.
    """
    if not stage.traits.batched:
        alone = [np.array([name]) if members is None else members for name, members in ids]
        return stage.fetch(p, np.concatenate(alone)) if alone else []
    return [sample for name, members in ids for sample in split(stage.load(p, name, members))]


def _sample(element: Element, key: str | None) -> Sample:
    x, target = (
        (element[0], element[1] if len(element) > 1 else None)
        if isinstance(element, tuple)
        else (element, None)
    )
    if is_mapping(x):
        if key is not None and key not in x:
            raise DataError(f"image={key!r}: x has the keys {list(x)}")
        named = (
            [key] if key is not None else [name for name, entry in x.items() if _is_image(np.asarray(entry))]
        )
        if not named:
            raise DataError(f"no entry of x is an image: {list(x)}; name one, image='name'")
        x = x[named[0]]
    array = np.asarray(x)
    if not _is_image(array):
        raise DataError(
            f"x of a sample has shape {array.shape} and dtype {array.dtype}; an image is (height, width) or "
            "(height, width, channels) with 1, 3 or 4 channels"
        )
    return Sample(array, target)


def _is_image(array: Array) -> bool:
    shape = array.shape
    return array.dtype.kind in "uifb" and (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4)))


def _range(samples: Sequence[Sample]) -> tuple[float, float]:
    """Return the values that are drawn black and white, the same for all samples of a row."""
    if all(sample.image.dtype == np.uint8 for sample in samples):
        return 0.0, 255.0
    values = np.concatenate([sample.image[np.isfinite(sample.image)].reshape(-1) for sample in samples])
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and 1 < high <= 255:
        return 0.0, 255.0
    return low, high if high > low else low + 1


def _is_series(shape: Sequence[int]) -> bool:
    """Return whether a shape is (steps, channels) rather than that of a grey image."""
    return len(shape) == 2 and shape[0] >= 8 * shape[1]


def _draw(axes: Drawn, image: Array, low: float, high: float) -> None:
    if _is_series(image.shape):
        axes.plot(image, linewidth=0.9, color=BLUE if image.shape[1] == 1 else None)
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        return
    height, width = image.shape[:2]
    values = np.clip((image.astype(np.float64) - low) / (high - low), 0, 1)
    grey = values.ndim == 2 or values.shape[2] == 1
    axes.imshow(
        values.reshape(height, width) if grey else values,
        cmap="gray" if grey else None,
        vmin=0,
        vmax=1,
        extent=(0, width, height, 0),
        interpolation="nearest" if max(height, width) <= 64 else "antialiased",
    )


def _label_kinds(stage: Stage) -> object:
    """Return which targets are masks, boxes or points, as the last transform says that has any."""
    while True:
        kinds = getattr(getattr(stage, "transform", None), "label_kinds", None)
        if kinds is not None or len(stage.inputs) != 1:
            return kinds
        stage = stage.input


def _overlay(axes: Drawn, sample: Sample, kinds: object) -> None:
    if is_mapping(kinds) and is_mapping(sample.target):
        for key, kind in kinds.items():
            _overlay_one(axes, np.asarray(sample.target[key]), kind)
    elif kinds is not None and sample.target is not None:
        _overlay_one(axes, np.asarray(sample.target), kinds)


def _overlay_one(axes: Drawn, target: Array, kind: object) -> None:
    if kind == "mask":
        height, width = target.shape[:2]
        mask = target.reshape(height, width)
        shade = matplotlib_module("colors", "plot").ListedColormap([ORANGE])
        axes.imshow(
            np.ma.masked_equal(mask != 0, False),
            cmap=shade,
            alpha=0.45,
            extent=(0, width, height, 0),
            interpolation="nearest",
        )
    elif kind == "boxes":
        patches = matplotlib_module("patches", "plot")
        for left, upper, right, lower in target[(target != -1).any(axis=1)]:
            axes.add_patch(
                patches.Rectangle(
                    (left, upper), right - left, lower - upper, fill=False, color=ORANGE, linewidth=1.4
                )
            )
    elif kind == "points":
        height, width = axes.images[0].get_extent()[2], axes.images[0].get_extent()[1]
        inside = (target >= 0).all(axis=1) & (target[:, 0] <= width) & (target[:, 1] <= height)
        axes.plot(
            *target[inside].T, "o", markersize=3.5, color=BLUE, markeredgecolor="white", markeredgewidth=0.6
        )


def _label(target: object, names: Sequence[str] | None) -> str:
    """Return the words above a sample: the name of its class, or a few numbers."""
    if target is None or is_mapping(target):
        return ""
    array = np.asarray(target)
    if array.dtype.kind not in "iufbUO" or array.size > 1000 or array.ndim > 1:
        return ""
    flat = array.reshape(-1)
    if flat.size == 1:
        number = flat[0]
        known = names is not None and array.dtype.kind in "iufb" and 0 <= int(number) < len(names)
        return (
            str(names[int(number)])
            if known and names is not None
            else f"{number:.4g}"
            if array.dtype.kind == "f"
            else str(number)
        )
    top = np.argsort(-flat)[: 2 if array.dtype.kind == "f" else 1]
    words = [
        str(names[at]) if names is not None and at < len(names) else str(at) for at in top if flat[at] > 0
    ]
    if len(words) == 2:  # mixed by mixup or cutmix
        return ", ".join(f"{word}: {flat[at]:.0%}" for word, at in zip(words, top, strict=True))
    return " ".join(words)
