"""The learning rate in the logs, under its present name and the one it had in Keras 2."""

from __future__ import annotations

from streamfit.optimizers import Optimizer
from streamfit.training.callbacks.base import Logs
from streamfit.training.model_graph import CompiledModel

__all__ = ["ADDED", "log_learning_rate", "needs_rate"]

ADDED = ("learning_rate", "lr")
"""The names that `log_learning_rate` adds."""


def log_learning_rate(logs: Logs, optimizer: Optimizer) -> float:
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


def needs_rate(model: CompiledModel, owner: str) -> None:
    """Raise unless the learning rate of a model can be set.

    Raises:
        TypeError: It follows a schedule.
    """
    if getattr(model.optimizer, "follows_schedule", False):
        raise TypeError(
            f"{owner} sets the learning rate, but that of this optimizer follows a schedule and cannot be "
            f"set; make the optimizer with a number, such as learning_rate=0.01, or leave {owner} out"
        )
