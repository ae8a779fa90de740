"""`learning_curves`: the logs of the epochs of a run as curves."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.plotting import BLUE, ORANGE, SOFT, TEXT, Drawn, Picture, plain_axes

_RATES = ("learning_rate", "lr")
_MOST_COLUMNS = 3


class Logs(Protocol):
    """What `History` has of a run."""

    @property
    def history(self) -> Mapping[str, Sequence[object]]:
        """For each name the values of its epochs."""
        ...


def learning_curves(
    history: Logs | Mapping[str, Sequence[object]],
    names: Sequence[str] | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
) -> Picture:
    """Draw how loss, metrics and learning rate went over the epochs, training beside validation.

    Where a curve is best is marked: the lowest loss, and the highest value of a metric whose training curve
    rises. A list that has fewer values than there are epochs, such as that of ``validation_freq=2``, is
    drawn at the epochs that are spread evenly up to the last.

    Args:
        history: What `fit` returns, or its dictionary.
        names: Which logs to draw, each with its ``val_`` curve; None for all that are one number an epoch.
        path: Where to write the picture; None does not.

    Raises:
        DataError: There is nothing to draw, or no log of a name.

    Example:
        >>> picture = learning_curves({"loss": [1.0, 0.5], "val_loss": [1.1, 0.7]})
        >>> len(picture.axes)
        1
    """
    logs = _numbers(history if isinstance(history, Mapping) else history.history)
    shown = _names(logs, names)
    columns = min(len(shown), _MOST_COLUMNS)
    rows = math.ceil(len(shown) / columns)
    picture = Picture.empty(max(4.6, 3.7 * columns), 2.9 * rows)
    grid = picture.figure.subplots(rows, columns, squeeze=False).reshape(-1)
    epochs = max(len(values) for values in logs.values())
    for axes, name in zip(grid, shown, strict=False):
        _draw(axes, name, logs, epochs)
    for axes in grid[len(shown) :]:
        picture.figure.delaxes(axes)
    if path is not None:
        picture.save(path)
    return picture


def _numbers(history: Mapping[str, Sequence[object]]) -> dict[str, list[float]]:
    """Return the logs that are one number an epoch."""
    found = {}
    for name, values in history.items():
        if len(values) and all(np.ndim(value) == 0 for value in values):  # type: ignore[arg-type]
            found[name] = [float(value) for value in values]  # type: ignore[arg-type]
    if not found:
        raise DataError(f"there are no curves to draw: the history has {list(history) or 'no epochs'}")
    return found


def _names(logs: Mapping[str, list[float]], names: Sequence[str] | None) -> list[str]:
    known = list(dict.fromkeys(name.removeprefix("val_") for name in logs))
    if "learning_rate" in known and "lr" in known:
        known.remove("lr")  # the same numbers under the name that Keras 2 had
    if names is None:
        return known
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in logs and f"val_{name}" not in logs:
            raise DataError(f"names: there is no log {name!r}; the history has {list(logs)}")
    return wanted


def _draw(axes: Drawn, name: str, logs: Mapping[str, list[float]], epochs: int) -> None:
    plain_axes(axes, name.replace("_", " "))
    training, validation = logs.get(name), logs.get(f"val_{name}")
    for values, label, colour in ((training, "training", BLUE), (validation, "validation", ORANGE)):
        if values is None:
            continue
        at = np.round(np.linspace(epochs / len(values), epochs, len(values)))
        style = {"marker": "o" if epochs == 1 else None, "drawstyle": "steps-mid" if name in _RATES else None}
        axes.plot(at, values, color=colour, linewidth=1.8, label=label, **style)
        judged = label == "validation" or validation is None
        if judged and name not in _RATES and np.isfinite(values).any():
            best = _best(name, training or values, values)
            axes.plot(at[best], values[best], marker="o", markersize=5, color=colour)
            axes.annotate(
                f"{values[best]:.4g}",
                (at[best], values[best]),
                textcoords="offset points",
                xytext=(0, 6),
                ha="center",
                fontsize=8,
                color=TEXT,
            )
    if training is not None and validation is not None:
        axes.legend(frameon=False, fontsize=8.5, labelcolor=TEXT)
    axes.set_xlabel("epoch", fontsize=8.5, color=SOFT)
    axes.margins(y=0.16)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if epochs == 1:
        axes.set_xticks([1])  # or there are parts of epochs


def _best(name: str, training: Sequence[float], values: Sequence[float]) -> int:
    rises = "loss" not in name and training[-1] > training[0]
    found = np.nanargmax(values) if rises else np.nanargmin(values)
    return int(found)
