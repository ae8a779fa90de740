"""What Hypothesis calls when it is imported: strategies for our types, where those are in use."""

from __future__ import annotations

import importlib
import sys


def register() -> None:
    """Let ``from_type`` make batches and tickets if streamfit is in use; else importing it later does."""
    if "streamfit.streams" in sys.modules:
        importlib.import_module("streamfit.testing.strategies")
