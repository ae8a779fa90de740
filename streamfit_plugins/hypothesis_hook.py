"""The hook that Hypothesis calls when it is imported: strategies for our types."""

from __future__ import annotations

import importlib
import sys


def register() -> None:
    """Register strategies for ``from_type`` if streamfit is imported; a later import does it itself."""
    if "streamfit.streams" in sys.modules:
        importlib.import_module("streamfit.testing.strategies")
