"""Results of metrics as logs have them: numbers as floats, arrays as arrays, dictionaries by their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamfit import metrics
from streamfit._base.specs import Array
from streamfit.training.compile_config import unique


@dataclass(frozen=True)
class Measure:
    """A quantity in the logs.

    Attributes:
        name: Its name in the logs, with the output's.
        label: Its own name: that of the metric, or the key of its result.
        direction: Which way is better, ``"up"`` or ``"down"``; None if unknown.
        shape: The shape of its value, ``()`` for a number; None if it is not known yet.
    """

    name: str
    label: str
    direction: str | None
    shape: tuple[int, ...] | None = ()


def entries(result: object, label: str, what: str) -> list[tuple[str, float | Array]]:
    """Return the quantities in the result of a metric, each with its own name.

    Args:
        result: A number, an array, or a dictionary of these (also of dictionaries).
        label: The name of a result that is no dictionary.
        what: The metric, for messages.

    Raises:
        TypeError: It is nothing of that kind.

    Example:
        >>> entries({"low": np.float32(0.5), "each": [1, 2]}, "mine", "metric 'mine'")
        [('low', 0.5), ('each', array([1, 2]))]
    """
    if isinstance(result, Mapping):
        found: list[tuple[str, float | Array]] = []
        for key, value in result.items():
            found += entries(value, str(key), f"{what}, key {key!r},")
        return found
    return [(label, _plain(result, what))]


def _plain(result: object, what: str) -> float | Array:
    if isinstance(result, float):
        return float(result)
    array = None if result is None or isinstance(result, (str, bytes)) else _as_array(result)
    if array is None or array.dtype.kind not in "iufb":
        hint = "; does it lack a `return`?" if result is None else ""
        raise TypeError(
            f"{what} has the result {result!r} ({type(result).__name__}){hint}; a metric's result must be a "
            "number, an array of numbers, or a dictionary of these"
        )
    return array if array.ndim else float(array)


def _as_array(result: object) -> Array | None:
    """Return a copy: a metric may return its own state, and changes it later."""
    try:
        return np.array(result)
    except (TypeError, ValueError):
        return None


def key_names(found: Sequence[tuple[str, object]], own: str, prefix: str, taken: set[str]) -> list[str]:
    """Return the names in the logs for the keys of a dictionary.

    Args:
        found: From `entries`.
        own: The name of the metric, which then stands for nothing else.
        prefix: Text before the keys: the output's name, where there are several.
        taken: The names in use; the returned names are added.

    Example:
        >>> key_names([("f1", 0.5), ("loss", 2.0)], "f1", "", {"loss", "f1"})
        ['f1', 'loss_1']
    """
    taken.discard(own)
    return [unique(f"{prefix}{key}", taken) for key, _ in found]


def all_measures(losses: Sequence[str], trackers: Sequence[tuple[str, str, object, str]]) -> list[Measure]:
    """Describe the logs, as far as they can be known before the first data.

    Args:
        losses: The names of the losses.
        trackers: For each metric its name in the logs, its own name, the metric (or the user's argument for
            it), and the text before the keys of a dictionary.
    """
    found = [Measure(name, "loss", "down") for name in losses]
    taken = {*losses, *(name for name, *_ in trackers)}
    for name, label, identifier, prefix in trackers:
        found += _measures_of(name, label, identifier, prefix, taken)
    return found


def _measures_of(name: str, label: str, identifier: object, prefix: str, taken: set[str]) -> list[Measure]:
    said = metrics.direction(identifier)

    def direction(key: str) -> str | None:
        return said.get(key) if isinstance(said, dict) else said

    if not isinstance(identifier, metrics.Metric):
        return [Measure(name, label, direction(label))]
    try:
        result = identifier.result()
        found = entries(result, label, "")
    except Exception:  # it may have no result before it has seen data
        return [Measure(name, label, direction(label), None)]
    names = key_names(found, name, prefix, taken) if isinstance(result, Mapping) else [name]
    return [
        Measure(key_name, key, direction(key), np.shape(value))
        for key_name, (key, value) in zip(names, found, strict=True)
    ]
