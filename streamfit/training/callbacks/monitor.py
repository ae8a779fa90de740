"""`Monitor`: finds a quantity in the logs and compares its values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from streamfit._base.names import did_you_mean
from streamfit._base.telling import warn
from streamfit.metrics import Metric
from streamfit.training.callbacks.base import Logs, State
from streamfit.training.callbacks.directions import direction_by_name
from streamfit.training.callbacks.log_names import LogNames, watched
from streamfit.training.results import Measure

__all__ = ["Monitor"]

_RATES = ("learning_rate", "lr")  # names that our own callbacks add to the logs
_MODES = {1.0: "max", -1.0: "min", 0.0: ""}


class Monitor:
    """Watch one quantity in the logs.

    Args:
        name: Name in the logs, such as ``"val_loss"``.
        mode: ``"min"`` if less is better, ``"max"`` if more is, ``"auto"`` to read the direction of the
            model's metric or loss of that name, or else to decide by the words of its own name.
        min_delta: A change that is not larger than this is no improvement.
        owner: Name of the callback, for messages.

    Example:
        >>> monitor = Monitor("val_loss", "auto", 0.1, "EarlyStopping")
        >>> monitor.resolve(None)
        >>> monitor.improved(0.5, None), monitor.improved(0.45, 0.5), monitor.improved(0.3, 0.5)
        (True, False, True)
    """

    def __init__(self, name: str, mode: str, min_delta: float, owner: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{owner} got monitor={name!r}; write a name in the logs, such as 'val_loss'")
        if mode not in ("auto", "min", "max"):
            warn(f"{owner} mode '{mode}' is unknown, fallback to auto mode.", stacklevel=3)
            mode = "auto"
        self.name = name
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.seen = False
        self.expected = False  # the name is sure to be logged, in some later epoch perhaps
        self._owner = owner
        self._sign = 0.0
        self._pending: object = None  # the model, where it is built only later

    def resolve(self, model: object, *, required: bool = True) -> None:
        """Decide which way is better.

        Where the model is not built yet, it is decided at the first value.

        Args:
            model: Its `session` describes the logs, or else its ``metrics``: objects with a ``name`` and a
                ``direction``, ``"up"`` or ``"down"``.
            required: Whether a quantity of which nothing at all is known is an error.

        Raises:
            ValueError: The quantity is an array; or it is unknown which way it is better.
        """
        self._pending = None
        logs = _Logs(model, self.name)
        self.expected = self.expected or self.name in logs.names
        if logs.measure is not None:
            self._check_shape(logs.measure.shape, logs.names)
        direction = {"max": "up", "min": "down"}.get(self.mode) or logs.direction()
        if direction is not None:
            self._sign = 1.0 if direction == "up" else -1.0
        elif not logs.names and hasattr(model, "session"):
            self._pending = model
        elif logs.known or required:
            raise ValueError(self._unknown(logs))

    def value(self, logs: Logs | None, doing: str) -> float | None:
        """Return the quantity, or None with a warning if it is not there and never was.

        Args:
            logs: Logs of an epoch or a batch.
            doing: Beginning of the warning, such as ``"Early stopping"``.

        Raises:
            ValueError: It is an array, which cannot be compared.
        """
        value = (logs or {}).get(self.name)
        if value is not None:
            self.seen = True
            self._check_shape(np.shape(value), list(logs or {}))
            if self._pending is not None:
                self.resolve(self._pending)
            return value if np.ndim(value) == 0 else float(np.reshape(value, ()))
        if not (self.seen or self.expected):  # else it is only an epoch without validation
            names = ",".join(logs or {})
            warn(
                f"{doing} conditioned on metric `{self.name}` which is not available. "
                f"Available metrics are: {names}",
                stacklevel=3,
            )
        return value

    def improved(self, value: float, reference: float | None) -> bool:
        """Return whether `value` is better than `reference` by more than `min_delta`.

        Anything is better than None, and any number is better than NaN.
        """
        if reference is None or (reference != reference and value == value):
            return True
        return bool(self._sign * (value - reference) > self.min_delta)

    def _check_shape(self, shape: tuple[int, ...] | None, names: Iterable[str]) -> None:
        if shape is not None and np.prod(shape, dtype=int) != 1:
            others = ", ".join(name for name in names if name != self.name)
            raise ValueError(
                f"{self._owner} got monitor={self.name!r}, which is an array of shape {shape} and cannot be "
                f"compared; monitor a single number (the logs have: {others}), or let the metric return one, "
                "or a dictionary with a key for each"
            )

    def check_names(self, names: LogNames) -> None:
        """Refuse a name that no epoch will ever log.

        Raises:
            ValueError: It is such a name.
        """
        self.expected = watched(self.name, names, self._owner)

    def state_dict(self) -> State:
        """Return the quantity that the values of a callback belong to."""
        return {"name": self.name, "sign": self._sign, "seen": self.seen}

    def load_state_dict(self, state: State) -> None:
        """Continue with remembered values.

        Raises:
            ValueError: They are those of another quantity, or of another direction.
        """
        if state["name"] != self.name:
            raise ValueError(
                f"the backup has the state of {self._owner} with monitor={state['name']!r}, this one has "
                f"monitor={self.name!r}; pass the same callbacks in the same order, or begin anew with "
                "another backup folder"
            )
        before, now = _MODES[state["sign"]], _MODES[self._sign]
        if before and now and before != now:
            raise ValueError(
                f"the backup has the state of {self._owner} with mode={before!r}, this one has mode={now!r} "
                f"for monitor={self.name!r}; pass mode={before!r}, or begin anew with another backup folder"
            )
        self.seen = state["seen"]

    def _unknown(self, logs: _Logs) -> str:
        text = f"{self._owner} got monitor={self.name!r}"
        if logs.names and not logs.known:
            text += f", which is not in the logs; these have: {logs.listed()}.{logs.hint()}"
            return f"{text} If a callback adds it to the logs, pass mode='max' or mode='min'"
        listed = f" (the logs have: {logs.listed()})" if logs.names else ""
        return (
            f"{text} and cannot tell whether more or less of it is better{listed}; pass mode='max' or "
            "mode='min', or give the metric an attribute direction, 'up' or 'down'"
        )


class _Logs:
    """The logs, as far as they are known before the first step.

    Args:
        model: As for `Monitor.resolve`.
        name: The quantity.
    """

    def __init__(self, model: object, name: str) -> None:
        session = getattr(model, "session", None)
        describe = getattr(session, "measures", None)
        measures: list[Measure] = describe() if describe else []
        self._model, self._name = model, name.removeprefix("val_")
        self.names: list[str] = session.log_names() if session and measures else []
        self.measure = next((m for m in measures if m.name == self._name), None)
        self.known = self.measure is not None or name in _RATES
        plain = [measure.name for measure in measures]
        self._candidates = [*plain, *(f"val_{name}" for name in plain)]
        self._wanted = name

    def listed(self) -> str:
        """List the names in the logs."""
        return ", ".join(self.names)

    def hint(self) -> str:
        """Return a hint to the name that was meant, or an empty string."""
        return did_you_mean(self._wanted, self._candidates)

    def direction(self) -> str | None:
        """Return ``"up"`` or ``"down"``, or None where neither a metric nor a name says it."""
        if self.measure is not None:
            return self.measure.direction or direction_by_name(self.measure.label)
        for metric in getattr(self._model, "metrics", None) or ():
            said: str | None = getattr(metric, "direction", None)
            if said in ("up", "down") and self._name in _log_names(metric, self._model):
                return said
        return direction_by_name(self._own_name())

    def _own_name(self) -> str:
        """Return the name without that of an output, which stands first where there are several."""
        outputs = getattr(self._model, "output_names", None) or ()
        for output in sorted(outputs, key=len, reverse=True):
            if len(outputs) > 1 and self._name.startswith(f"{output}_"):
                return self._name.removeprefix(f"{output}_")
        return self._name


def _log_names(metric: Metric, model: object) -> Iterator[str]:
    """Yield the names of a metric in the logs: with several outputs, the name of one comes first."""
    yield metric.name
    for output in getattr(model, "output_names", None) or ():
        yield f"{output}_{metric.name}"
