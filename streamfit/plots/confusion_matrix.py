"""`confusion_matrix`: which classes a model takes for which."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from streamfit._base.errors import DataError
from streamfit._base.plotting import SOFT, TEXT, Picture, empty_axes, matplotlib_module
from streamfit._base.specs import Array

Normalize = Literal["true", "pred", "all"]
_MOST_WRITTEN = 30  # classes up to which numbers are written into the cells
_MOST_ABREAST = 24  # classes up to which numbers stand side by side below the cells


def confusion_matrix(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    class_names: Sequence[str] | None = None,
    *,
    normalize: Normalize | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Picture:
    """Draw how many samples of each class (rows) a model gave each class (columns).

    The shade of a cell is its share of its row, so that rare classes are seen too.

    Args:
        y_true: The classes: whole numbers (n,) or (n, 1), or one-hot rows (n, classes).
        y_pred: Classes, or what `predict` returned: probabilities or logits (n, classes), of which the
        largest
            counts, or probabilities of one class (n, 1) or (n,), which count from 0.5 on.
        class_names: A name for each class; None for its number.
        normalize: Which shares to write in place of counts: ``'true'`` of the row, ``'pred'`` of the column,
            ``'all'``.
        path: Where to write the picture; None does not.

    Raises:
        DataError: The two differ in length, or a class has no name.

    Example:
        >>> picture = confusion_matrix([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        >>> picture.axes[0].get_title(loc="left")
        '2 of 3 right (66.7 %)'
    """
    if normalize not in (None, "true", "pred", "all"):
        raise ValueError(f"normalize={normalize!r}: write 'true', 'pred', 'all' or None")
    counts = _counts(_classes(y_true, "y_true"), _classes(y_pred, "y_pred"), class_names)
    size = len(counts)
    names = [str(number) for number in range(size)] if class_names is None else list(class_names)
    longest = max(map(len, names))
    turned = longest > 4 or size > _MOST_ABREAST
    # Names stand beside the cells and, turned, below them: the cells have the same room whatever they are.
    side = max(3.4, min(14.0, 1.6 + 0.52 * size)) + 0.08 * max(0, longest - 4)
    picture = Picture.empty(side, side)
    axes = picture.figure.subplots()
    empty_axes(axes)
    rows = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(rows, 1)
    colours = matplotlib_module("colors", "plot").LinearSegmentedColormap.from_list(
        "counts", ["#ffffff", "#cfe0f3", "#2563a8", "#143a66"]
    )
    axes.imshow(shares, cmap=colours, vmin=0, vmax=1)
    if size <= _MOST_WRITTEN:
        written = counts / {"true": rows, "pred": counts.sum(axis=0), "all": counts.sum()}.get(
            normalize or "", np.ones(1)
        ).clip(1)
        for row, column in np.ndindex(size, size):
            if counts[row, column]:
                text = f"{written[row, column]:.0%}" if normalize else f"{counts[row, column]:,}"
                colour = "white" if shares[row, column] > 0.5 else TEXT
                axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=colour)
    axes.set_xticks(range(size), names, rotation=90 if turned else 0)
    axes.set_yticks(range(size), names)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=TEXT)
    axes.set_xlabel("predicted", fontsize=9, color=SOFT)
    axes.set_ylabel("true", fontsize=9, color=SOFT)
    right, total = int(np.trace(counts)), int(counts.sum())
    title = f"{right:,} of {total:,} right ({right / max(1, total):.1%})".replace("%", " %")
    axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold", color=TEXT)
    if path is not None:
        picture.save(path)
    return picture


def _classes(given: ArrayLike, name: str) -> Array:
    """Return the class of each sample, int64 (n,)."""
    found = np.asarray(given)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim == 2:
        largest: Array = found.argmax(axis=1)
        return largest
    if found.ndim != 1:
        raise DataError(f"{name} must have shape (n,) or (n, classes), got {found.shape}")
    if found.dtype.kind == "f" and bool((found != np.floor(found)).any()):
        return (found >= 0.5).astype(np.int64)
    return found.astype(np.int64)


def _counts(true: Array, predicted: Array, names: Sequence[str] | None) -> Array:
    if len(true) != len(predicted):
        raise DataError(f"y_true has {len(true)} samples and y_pred {len(predicted)}")
    both = np.concatenate([true, predicted])
    if both.size and both.min() < 0:
        raise DataError(f"class {both.min()}: classes are numbers from 0 on")
    size = max(int(both.max(initial=0)) + 1, 0 if names is None else len(names))
    if names is not None and len(names) < size:
        raise DataError(f"class {size - 1} has no name: class_names has {len(names)} entries")
    return np.bincount(true * size + predicted, minlength=size * size).reshape(size, size)
