"""Texts of the progress bar: numbers, durations and lines, with Keras 3's layout.

A line is a list of (style, text) pieces. It is first clipped to the width of the terminal and then
coloured, so the escape sequences never count as columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from streamfit._base.specs import Array

__all__ = [
    "Glyphs",
    "Line",
    "clip",
    "coloured",
    "duration",
    "measures",
    "number",
    "plain",
    "progress_line",
    "step_time",
    "summary_line",
]

Line = list[tuple[str, str]]

_STYLES = {"bold": "\x1b[1m", "done": "\x1b[32m", "rest": "\x1b[37m"}
_RESET = "\x1b[0m"
_MOST_SHOWN = 4  # along an axis of an array: a line has no room for more
# Callbacks log the learning rate under its old name too; on the screen once is enough.
_ALIASES = {"lr": "learning_rate"}


@dataclass(frozen=True)
class Glyphs:
    """Characters of the bar: those of done and of remaining steps, and how many there are."""

    done: str = "━"
    rest: str = "━"
    width: int = 20


def number(value: object) -> str:
    """Format a logged value: four decimals, or an exponent below 0.001; of many values the first and last;
    anything else as text.

    Example:
        >>> number(1.79581), number(2e-4), number(-3)
        ('1.7958', '2.0000e-04', '-3.0000')
        >>> number([0.5, 0.75])
        '[0.5000, 0.7500]'
    """
    if isinstance(value, str):
        return value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):  # a callback may put anything into the logs
        return str(value)
    if array.dtype.kind not in "iufb":
        return str(value)
    return _several(array) if array.ndim else _one(float(array))


def _one(value: float) -> str:
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"


def _several(values: Array) -> str:
    """Format an array in one line, its middle left out where it is long."""
    parts = [
        _one(float(part)) if part.ndim == 0 else _several(part) for part in map(np.asarray, _ends(values))
    ]
    if len(values) > _MOST_SHOWN:
        parts.insert(len(parts) - 1, "...")
    return f"[{', '.join(parts)}]"


def _ends(values: Array) -> Iterable[Array]:
    return values if len(values) <= _MOST_SHOWN else [*values[: _MOST_SHOWN - 1], values[-1]]


def measures(logs: Mapping[str, object]) -> str:
    """Format logs.

    Example:
        >>> measures({"loss": 0.5, "mae": 0.25})
        ' - loss: 0.5000 - mae: 0.2500'
    """
    shown = [name for name in logs if _ALIASES.get(name) not in logs]
    return "".join(f" - {name}: {number(logs[name])}" for name in shown)


def duration(seconds: float) -> str:
    """Format the time that is left.

    Example:
        >>> duration(7.9), duration(61), duration(3723)
        ('7s', '1:01', '1:02:03')
    """
    whole = int(seconds)
    if seconds > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}" if seconds > 60 else f"{whole}s"


def step_time(seconds: float) -> str:
    """Format the time of one step in seconds, milliseconds or microseconds.

    Example:
        >>> step_time(2.0), step_time(0.0254), step_time(3e-6)
        ('2s/step', '25ms/step', '3us/step')
    """
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/step"
    return f"{seconds * 1e3:.0f}ms/step" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/step"


def progress_line(done: int, target: int | None, time: str, step: float, logs: str, glyphs: Glyphs) -> Line:
    """Lay out the line with the bar.

    Args:
        done: Steps finished.
        target: Steps in all, None if unknown.
        time: The time left while running, the time taken at the end.
        step: Seconds a step takes.
        logs: Formatted logs.
        glyphs: Characters of the bar.

    Example:
        >>> plain(progress_line(2, 4, "1s", 0.5, " - loss: 0.1000", Glyphs("=", ".", 4)))
        '2/4 ==.. 1s 500ms/step - loss: 0.1000'
        >>> plain(progress_line(12, None, "3s", 0.025, "", Glyphs()))
        '     12/Unknown 3s 25ms/step'
    """
    tail = [("", " "), ("bold", time), ("", f" {step_time(step)}{logs}")]
    if not target or done > target:
        return [("", f"{done:7d}/Unknown"), *tail]
    full = glyphs.width * done // target
    bar = [("done", glyphs.done * full), ("rest", glyphs.rest * (glyphs.width - full))]
    return [("bold", _count(done, target)), ("", " "), *bar, *tail]


def summary_line(done: int, target: int | None, elapsed: str, step: float, logs: str) -> str:
    """Lay out the one line of an epoch for ``verbose=2``.

    Example:
        >>> summary_line(2, 10, "0s", 0.006, " - loss: 1.7958")
        ' 2/10 - 0s - 6ms/step - loss: 1.7958'
    """
    return f"{_count(done, target or done)} - {elapsed} - {step_time(step)}{logs}"


def _count(done: int, target: int) -> str:
    return f"{done:{len(str(target))}d}/{target}"


def clip(line: Line, columns: int) -> Line:
    """Cut a line after `columns` characters.

    Example:
        >>> clip([("bold", "1/2"), ("", " abc")], 5)
        [('bold', '1/2'), ('', ' a')]
    """
    kept: Line = []
    for style, text in line:
        kept.append((style, text[:columns]))
        columns -= len(kept[-1][1])
    return kept


def plain(line: Line) -> str:
    """Return the text of a line without styles."""
    return "".join(text for _, text in line)


def coloured(line: Line) -> str:
    """Return the text of a line with the escape sequences of its styles."""
    return "".join(f"{_STYLES[style]}{text}{_RESET}" if style and text else text for style, text in line)
