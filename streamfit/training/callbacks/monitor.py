"""`Monitor`: finds a quantity in the logs and tells whether it has improved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from streamfit._base.telling import warn
from streamfit.training.callbacks.names import LogNames, watched

__all__ = ["Monitor"]

# Parts of names that say which way is better, for quantities that no metric of the model answers for.
_UPWARDS = (
    *("acc", "auc", "precision", "recall", "sensitivity", "specificity", "f1", "fbeta", "iou", "dice", "r2"),
    *("similarity", "true_"),
)
_DOWNWARDS = (
    *("loss", "error", "mse", "mae", "rmse", "mape", "msle", "entropy", "divergence", "kld", "hinge"),
    *("poisson", "cosh", "perplexity", "false_"),
)
_MODES = {1.0: "max", -1.0: "min", 0.0: ""}


class Monitor:
    """Watch one quantity in the logs.

    Args:
        name: Name in the logs, such as ``"val_loss"``.
        mode: ``"min"`` if less is better, ``"max"`` if more is, ``"auto"`` to decide by the model's metric
            of that name, or else by the name.
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

    def resolve(self, model: Any) -> None:
        """Decide which way is better.

        Args:
            model: Its ``metrics`` are asked first: objects with a ``name`` and a ``direction``, ``"up"``
                or ``"down"``.

        Raises:
            ValueError: In mode 'auto', neither a metric nor the name can tell.
        """
        mode = self.mode if self.mode != "auto" else self._direction(model)
        self._sign = 1.0 if mode == "max" else -1.0

    def value(self, logs: Mapping[str, Any] | None, doing: str) -> Any:
        """Return the quantity, or None with a warning if it is not there and never was.

        Args:
            logs: Logs of an epoch or a batch.
            doing: Beginning of the warning, such as ``"Early stopping"``.
        """
        value = (logs or {}).get(self.name)
        if value is not None:
            self.seen = True
        elif not (self.seen or self.expected):  # else it is only an epoch without validation
            names = ",".join(logs or {})
            warn(
                f"{doing} conditioned on metric `{self.name}` which is not available. "
                f"Available metrics are: {names}",
                stacklevel=3,
            )
        return value

    def improved(self, value: float, reference: float | None) -> bool:
        """Tell whether `value` is better than `reference` by more than `min_delta`.

        Anything is better than None, and any number is better than NaN.

        Raises:
            TypeError: `value` is no single number.
        """
        if np.ndim(value):
            raise TypeError(
                f"{self._owner} got monitor={self.name!r}, which has {np.size(value)} values (shape "
                f"{np.shape(value)}); watch a single number, such as a metric with one threshold or class"
            )
        if reference is None or (reference != reference and value == value):
            return True
        return bool(self._sign * (value - reference) > self.min_delta)

    def check_names(self, names: LogNames) -> None:
        """Refuse a name that no epoch will ever log.

        Raises:
            ValueError: It is such a name.
        """
        self.expected = watched(self.name, names, self._owner)

    def state_dict(self) -> dict[str, Any]:
        """Return what the values that a callback remembers belong to."""
        return {"name": self.name, "sign": self._sign, "seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with remembered values.

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

    def _direction(self, model: Any) -> str:
        name = self.name.removeprefix("val_")
        for metric in getattr(model, "metrics", None) or ():
            direction = getattr(metric, "direction", None)
            if direction in ("up", "down") and name in _log_names(metric, model):
                return "max" if direction == "up" else "min"
        if any(part in name for part in _DOWNWARDS):
            return "min"
        if any(part in name for part in _UPWARDS):
            return "max"
        raise ValueError(
            f"{self._owner} got monitor={self.name!r} and cannot tell whether more or less of it is better; "
            "pass mode='max' or mode='min'"
        )


def _log_names(metric: Any, model: Any) -> Iterator[str]:
    """Yield the names under which a metric can be logged: with several outputs theirs come first."""
    yield metric.name
    for output in getattr(model, "output_names", None) or ():
        yield f"{output}_{metric.name}"
