"""`draw_stages`: the stages of a stream as bars: busy, waiting for input, waiting for output."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence

from streamfit._base.plotting import matplotlib_module
from streamfit.streams.profiling.stage_times import StageTimes
from streamfit.streams.profiling.verdict import size_text

_BUSY, _LIMIT, _INPUT, _OUTPUT = "#2563a8", "#c2410c", "#f6dcb4", "#e6e9ed"
_TEXT, _SOFT = "#1d2733", "#66717f"
_LONGEST_NAME = 34


def draw_stages(
    rows: Sequence[StageTimes],
    limit: str,
    verdict: str,
    summary: str,
    elements: int,
    path: str | os.PathLike[str],
) -> None:
    """Draw the bars, that of the stage that limits in a colour of its own; see `Profile.plot`."""
    figures, patches = (matplotlib_module(name, "plot") for name in ("figure", "patches"))
    title = textwrap.wrap(verdict, 112)
    above = 0.78 + 0.19 * len(title)  # inches for the verdict and the legend
    height = above + 0.62 * max(1, len(rows)) + 0.62
    figure = figures.Figure(figsize=(10.5, height), layout="none", facecolor="white")
    # Inches from the edges, so that many stages look as a few do.
    axes = figure.add_axes((0.27, 0.62 / height, 0.5, 1 - (above + 0.62) / height))
    lefts = [0.0] * len(rows)
    for name, colour in (("busy", _BUSY), ("input", _INPUT), ("output", _OUTPUT)):
        widths = [100 * getattr(row, name) / (row.whole or 1.0) for row in rows]
        bars = axes.barh(range(len(rows)), widths, 0.6, left=lefts, color=colour)
        for bar, row in zip(bars, rows, strict=True):
            if name == "busy" and row.name == limit:
                bar.set_facecolor(_LIMIT)
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    for at, row in enumerate(rows):
        _label(axes, at, row, elements)
    axes.set(xlim=(0, 100), ylim=(len(rows) - 0.5, -0.5), xticks=range(0, 101, 25))
    axes.set_yticks([])
    axes.set_facecolor("white")
    axes.set_xticklabels([f"{tick} %" for tick in range(0, 101, 25)], color=_SOFT)
    axes.tick_params(length=0)
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(False)
    style = {"va": "top", "fontsize": 10.5, "fontweight": "bold", "color": _TEXT}
    figure.text(0.02, 1 - 0.2 / height, "\n".join(title), **style)
    figure.text(0.02, 0.14 / height, summary, va="bottom", fontsize=8.5, color=_SOFT)
    colours = {"busy": _BUSY, "busy, and what limits": _LIMIT, "waits for input": _INPUT}
    colours["waits for output"] = _OUTPUT
    axes.legend(
        handles=[patches.Patch(color=colour, label=label) for label, colour in colours.items()],
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=4,
        frameon=False,
        labelcolor=_TEXT,
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
        rate = f"{size_text(row.bytes_a_second)}/s while busy"
        text(102, at + 0.05, rate, ha="left", va="top", fontsize=8, color=_SOFT)


__all__ = ["draw_stages"]
