"""Logs as callbacks get them: a fresh dictionary of plain Python floats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamfit.training.callbacks.base import Logs

__all__ = ["plain_logs"]


def plain_logs(logs: Mapping[str, object] | None) -> Logs:
    """Copy `logs` with every number as a Python float.

    Args:
        logs: Names and values in the order they shall be shown, or None for none.

    Returns:
        A new dictionary in the same order. Other values (of a metric with one for each
        class, the outputs of a prediction) stay as they are.

    Example:
        >>> import numpy as np
        >>> plain_logs({"loss": np.float32(0.5), "hits": 3})
        {'loss': 0.5, 'hits': 3.0}
    """
    return {name: _plain(value) for name, value in logs.items()} if logs else {}


def _plain(value: Any) -> object:
    if type(value) is float:
        return value
    if isinstance(value, str) or getattr(value, "ndim", 0) != 0:
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return value
