"""`draw_stages`: the stages of a stream as bars: busy, waiting for input, waiting for output."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence

from streamfit._base.optional import require
from streamfit.streams.profiling.stage_times import StageTimes

_BUSY, _INPUT, _OUTPUT = "#2563a8", "#f0b86e", "#dfe3e8"
_TEXT, _SOFT = "#1d2733", "#66717f"
_LONGEST_NAME = 34


def draw_stages(
    rows: Sequence[StageTimes], verdict: str, summary: str, elements: int, path: str | os.PathLike[str]
) -> None:
    """Draw the bars; see `Profile.plot`."""
    matplotlib = require("matplotlib", "plot")
    figure_module = require("matplotlib.figure", "plot")
    height = 1.9 + 0.62 * max(1, len(rows))
    with matplotlib.rc_context({"font.family": "sans-serif", "font.size": 10, "text.color": _TEXT}):
        figure = figure_module.Figure(figsize=(10.5, height), layout="none", facecolor="white")
        # Inches from the edges, so that many stages look as a few do.
        axes = figure.add_axes((0.27, 0.62 / height, 0.5, (height - 1.62) / height))
        parts = (("busy", _BUSY), ("waits for input", _INPUT), ("waits for output", _OUTPUT))
        lefts = [0.0] * len(rows)
        for (label, colour), name in zip(parts, ("busy", "input", "output"), strict=True):
            widths = [100 * getattr(row, name) / (row.whole or 1.0) for row in rows]
            axes.barh(range(len(rows)), widths, 0.6, left=lefts, color=colour, label=label)
            lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
        for at, row in enumerate(rows):
            _label(axes, at, row, elements)
        axes.set(xlim=(0, 100), ylim=(len(rows) - 0.5, -0.5), xticks=range(0, 101, 25))
        axes.set_yticks([])
        axes.set_xticklabels([f"{tick} %" for tick in range(0, 101, 25)], color=_SOFT)
        axes.tick_params(length=0)
        for side in ("left", "right", "top", "bottom"):
            axes.spines[side].set_visible(False)
        title = "\n".join(textwrap.wrap(verdict, 118, max_lines=2))
        figure.text(0.02, 1 - 0.22 / height, title, va="top", fontsize=11, fontweight="bold")
        figure.text(0.02, 0.14 / height, summary, va="bottom", fontsize=8.5, color=_SOFT)
        axes.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=3,
            frameon=False,
            fontsize=9,
            handlelength=1.1,
            handleheight=1.1,
        )
        figure.savefig(path, dpi=130)


def _label(axes: object, at: int, row: StageTimes, elements: int) -> None:
    """Write name and place of a stage on the left of its bar, its speed on the right."""
    text = getattr(axes, "text")  # noqa: B009 - an object of a package that may be missing
    name = row.name if len(row.name) <= _LONGEST_NAME else f"{row.name[: _LONGEST_NAME - 1]}…"
    text(-2, at - 0.03, name, ha="right", va="bottom", fontsize=10, color=_TEXT)
    text(-2, at + 0.05, row.where, ha="right", va="top", fontsize=8, color=_SOFT)
    if row.share >= 0.08:
        text(1.2, at, f"{100 * row.share:.0f} %", ha="left", va="center", color="white", fontsize=9)
    each = f"{1e3 * row.busy / max(1, elements):.3g} ms each"
    text(102, at - 0.03, each, ha="left", va="bottom", fontsize=9.5, color=_TEXT)
    if row.nbytes:
        rate = f"{row.bytes_a_second / 1e6:,.3g} MB/s while busy"
        text(102, at + 0.05, rate, ha="left", va="top", fontsize=8, color=_SOFT)


__all__ = ["draw_stages"]
