"""Modules of matplotlib, which only pictures need."""

from __future__ import annotations

from types import ModuleType

from streamfit._base.optional import require


def matplotlib_module(name: str, extra: str) -> ModuleType:
    """Import a module of matplotlib.

    Pictures are made of `matplotlib.figure.Figure`, which opens no window and keeps no list of figures.

    Args:
        name: Name of the module, such as ``"figure"``.
        extra: The extra of streamfit that installs matplotlib for the caller.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib", extra)
    return require(f"matplotlib.{name}", extra)
