"""`MonitorCallback`: base of callbacks that wait for a quantity to improve."""

from __future__ import annotations

from typing import ClassVar

from streamfit.training.callbacks.base import Callback, State
from streamfit.training.callbacks.log_names import LogNames
from streamfit.training.callbacks.monitor import Monitor
from streamfit.training.trainable import Trainable

__all__ = ["MonitorCallback"]


class MonitorCallback(Callback):
    """Watch one quantity, and keep what is remembered of it over an interruption.

    A subclass makes `_monitor`, and names in `_remembered` the attributes that a resumed run needs.
    """

    _remembered: ClassVar[tuple[str, ...]] = ()
    _monitor: Monitor
    model: Trainable

    def check_names(self, names: LogNames) -> None:
        """Refuse a quantity that no epoch will log."""
        self._monitor.check_names(names)

    def state_dict(self) -> State:
        """Return the attributes in `_remembered`, and the quantity that they belong to."""
        return {
            "monitor": self._monitor.state_dict(),
            **{name: getattr(self, name) for name in self._remembered},
        }

    def load_state_dict(self, state: State) -> None:
        """Continue with remembered attributes.

        Raises:
            ValueError: It is the state of another quantity.
        """
        self._monitor.load_state_dict(state["monitor"])
        for name in self._remembered:
            setattr(self, name, state[name])
