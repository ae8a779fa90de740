"""Modules of matplotlib, which only pictures need, and what pictures have in common."""

from __future__ import annotations

import io
import os
from types import ModuleType
from typing import Any, TypeAlias

from streamfit._base.optional import require

BLUE, ORANGE, TEXT, SOFT, GRID = "#2563a8", "#c2410c", "#1d2733", "#66717f", "#e6e9ed"
DOTS_PER_INCH = 130

Drawn: TypeAlias = Any
"""A figure or axes of matplotlib, which may not be installed."""


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


class Picture:
    """A picture: a notebook shows it, `save` writes it.

    Args:
        figure: The figure of matplotlib, to draw further on.
    """

    def __init__(self, figure: Drawn) -> None:
        self.figure = figure

    @classmethod
    def empty(cls, width: float, height: float) -> Picture:
        """Return a white picture.

        Args:
            width: In inches.
            height: In inches.
        """
        figures = matplotlib_module("figure", "plot")
        return cls(figures.Figure(figsize=(width, height), layout="constrained", facecolor="white"))

    @property
    def axes(self) -> list[object]:
        """The axes of the figure, in the order in which they were made."""
        return list(self.figure.axes)

    def save(self, path: str | os.PathLike[str], dpi: float = DOTS_PER_INCH) -> None:
        """Write the picture to a file; the ending of its name says the format: PNG, PDF, SVG."""
        self.figure.savefig(path, dpi=dpi)

    def _repr_png_(self) -> bytes:
        """Return the picture for a notebook."""
        with io.BytesIO() as made:
            self.figure.savefig(made, format="png", dpi=DOTS_PER_INCH)
            return made.getvalue()

    def __repr__(self) -> str:
        width, height = self.figure.get_size_inches()
        return f"Picture({width:.3g} x {height:.3g} inches; .save(path) writes it)"


def plain_axes(axes: Drawn, title: str = "") -> None:
    """Draw axes with a light grid and no frame."""
    axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold", color=TEXT)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=SOFT)
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(False)


def empty_axes(axes: Drawn) -> None:
    """Draw axes without frame, grid and numbers, for an image."""
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(False)
