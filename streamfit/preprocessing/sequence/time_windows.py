"""`TimeseriesGenerator`: windows of a series with the value that follows, as batches by number.

Guarantee kept here: each window comes once per pass, shuffled or not. (Keras draws shuffled windows with
replacement, from NumPy's global state: about a third of them are missing in a pass, and others come twice.)
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from streamfit._base.checks import truth, whole, whole_or_none
from streamfit._base.configs import Config
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams import rng_context
from streamfit.streams.sequence import Sequence

_ORDER = -1  # the number whose key is that of the order of a pass; batches are numbered from 0


class TimeseriesGenerator(Sequence):
    """Windows of a series, each with the target at the step behind it; the batches are those of Keras 2.

    The window of step ``i`` is ``data[i - length : i : sampling_rate]`` and its target ``targets[i]``, for
    each `stride`-th step from ``start_index + length`` to `end_index`. For series in files, or several of
    them, write ``source(data, targets).window(length, shift=1, horizon=1)``.

    Args:
        data: The series: an array (steps, ...), or something with a length that can be sliced.
        targets: The target of each step.
        length: How many steps a window reaches back.
        sampling_rate: Every how many steps of a window are in it.
        stride: How many steps further the next window begins.
        start_index: The first step that a window may hold.
        end_index: The last step that may be a target; None for the last of all.
        shuffle: Whether the windows come in another order in each pass, each of them once. The order belongs
            to seed and pass; that of Keras is other: it draws each batch with replacement, from steps between
            the strides too, so that windows come several times or not at all.
        reverse: Whether the last step of a window comes first.
        batch_size: Windows in a batch.

    Raises:
        ValueError: An argument is out of range, no window is left, or `data` and `targets` differ in length.

    Example:
        >>> windows = TimeseriesGenerator(np.arange(6), np.arange(6) * 10, length=2, batch_size=3)
        >>> len(windows), windows[0]
        (2, (array([[0, 1],
               [1, 2],
               [2, 3]]), array([20, 30, 40])))
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        super().__init__()
        if len(data) != len(targets):
            raise ValueError(
                f"data has {len(data)} steps and targets has {len(targets)}; give one for each step"
            )
        self.data, self.targets = data, targets
        self.length, self.sampling_rate = whole("length", length, 1), whole("sampling_rate", sampling_rate, 1)
        self.stride, self.batch_size = whole("stride", stride, 1), whole("batch_size", batch_size, 1)
        self.shuffle, self.reverse = truth("shuffle", shuffle), truth("reverse", reverse)
        self.start_index = whole("start_index", start_index, 0) + self.length
        last = len(data) - 1
        wanted = whole_or_none("end_index", end_index, 0)
        self.end_index = last if wanted is None else wanted
        if self.end_index > last:
            raise ValueError(
                f"end_index={end_index} is behind the last step, {last}; leave it out for all steps"
            )
        if self.start_index > self.end_index:
            raise ValueError(
                f"start_index + length = {self.start_index} is behind the last target, {self.end_index}, "
                "so there is no window; make length smaller, or give a longer series"
            )

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-self._count // self.batch_size)

    @property
    def _count(self) -> int:
        return (self.end_index - self.start_index) // self.stride + 1

    def get_config(self) -> Config:
        """Return the arguments, `data` and `targets` as texts of JSON.

        As in Keras, `start_index` holds the first target, ``start_index + length``, and
        `timeseries_generator_from_json` takes that into account.

        Raises:
            DataError: The series cannot be written as JSON.
        """
        return {
            "data": _as_json("data", self.data),
            "targets": _as_json("targets", self.targets),
            "length": self.length,
            "sampling_rate": self.sampling_rate,
            "stride": self.stride,
            "start_index": self.start_index,
            "end_index": self.end_index,
            "shuffle": self.shuffle,
            "reverse": self.reverse,
            "batch_size": self.batch_size,
        }

    def to_json(self, **options: Any) -> str:
        """Return the arguments as JSON, for `timeseries_generator_from_json`.

        Args:
            **options: As for `json.dumps`.
        """
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **options)

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        """Return a batch: windows (n, steps, ...) and targets (n, ...)."""
        if not 0 <= index < len(self):
            raise IndexError(f"there is no batch {index}; there are {len(self)}")
        first = self.batch_size * index
        numbers = np.arange(first, min(first + self.batch_size, self._count))
        if self.shuffle:
            # Imported here: a worker that only loads needs no compiler.
            from streamfit.streams.order import Order

            numbers = Order(self._count, rng_context.key(self, _ORDER)).ids(first, len(numbers))
        steps = self.start_index + numbers * self.stride
        windows, targets = self._windows(steps), np.array([self.targets[step] for step in steps])
        return (windows[:, ::-1] if self.reverse else windows), targets

    def _windows(self, steps: Array) -> Array:
        if isinstance(self.data, np.ndarray):
            found: Array = self.data[steps[:, None] + np.arange(-self.length, 0, self.sampling_rate)]
            return found
        return np.array(
            [self.data[step - self.length : step : self.sampling_rate] for step in steps.tolist()]
        )


def timeseries_generator_from_json(json_string: str) -> TimeseriesGenerator:
    """Return the generator whose `to_json` this is, also one that Keras 2 wrote; series come as lists.

    Keras 2 takes the first target for the first step, so that its copy lacks as many windows as a window has
    steps; this one has all.

    Raises:
        DataError: It is none.

    Example:
        >>> windows = TimeseriesGenerator(np.arange(6), np.arange(6) * 10, length=2, batch_size=3)
        >>> timeseries_generator_from_json(windows.to_json())[1][1].tolist()
        [50]
    """
    try:
        config = dict(json.loads(json_string)["config"])
        data, targets = json.loads(config.pop("data")), json.loads(config.pop("targets"))
        config["start_index"] -= config["length"]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"this is no JSON of a TimeseriesGenerator: {error!r}") from None
    return TimeseriesGenerator(data, targets, **config)


def _as_json(name: str, series: object) -> str:
    try:
        return json.dumps(series.tolist() if isinstance(series, np.ndarray) else series)
    except TypeError as error:
        raise DataError(f"{name} cannot be written as JSON: {error}; give an array or a list") from None
