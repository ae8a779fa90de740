"""The learning rate in the logs, under its present name and the one it had in Keras 2."""

from __future__ import annotations

from typing import Any

from streamfit.training.callbacks.base import Logs

__all__ = ["ADDED", "log_learning_rate"]

ADDED = ("learning_rate", "lr")
"""What `log_learning_rate` adds."""


def log_learning_rate(logs: Logs, optimizer: Any) -> float:
    """Add ``learning_rate`` and ``lr`` to `logs` and return the rate.

    Example:
        >>> from types import SimpleNamespace
        >>> logs = {}
        >>> log_learning_rate(logs, SimpleNamespace(learning_rate=0.5)), logs
        (0.5, {'learning_rate': 0.5, 'lr': 0.5})
    """
    rate = float(optimizer.learning_rate)
    logs["learning_rate"] = logs["lr"] = rate
    return rate
