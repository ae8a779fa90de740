"""`Bar`: one line that shows the progress of a run of steps, drawn on a terminal or written once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from streamfit.training.callbacks import progress_text as text
from streamfit.training.callbacks.terminal import Terminal

__all__ = ["NEVER", "Bar"]

NEVER = sys.maxsize
# Most steps between two readings of the clock: more would save next to nothing, and a bar whose steps have
# become slow would stand still for long.
_LONGEST_STRIDE = 16


class Bar:
    """Show the progress of one epoch, evaluation or prediction.

    Args:
        verbose: 1 for a bar, 2 for one line at the end, anything else for nothing.
        target: Steps in all, None if unknown.
        terminal: Where to write.
        logs: Called for the values to show, at each redraw and at no other time.
        clock: Returns seconds.
        interval: Seconds between redraws, at least.
        width: Characters of the bar.
    """

    def __init__(
        self,
        verbose: int,
        target: int | None,
        terminal: Terminal,
        logs: Callable[[], Mapping[str, object]],
        clock: Callable[[], float],
        interval: float,
        width: int,
    ) -> None:
        self._verbose = verbose
        self._target = target
        self._terminal = terminal
        self._logs = logs
        self._clock = clock
        self._interval = max(interval, terminal.least_interval)
        self._glyphs = _glyphs(terminal, width)
        self._shown: Mapping[str, object] = {}
        self._length = 0  # of the text that the next redraw has to cover
        self._stride = 1
        self._looked = self._drawn = float("-inf")
        self._first: tuple[int, float] | None = None  # the first step compiles and warms up: not a measure
        self._steps_end: float | None = None
        self._start = clock()

    def look(self, done: int) -> int:
        """Redraw if it is time to, and return the number of the step for the next call."""
        now = self._clock()
        if self._first is None:
            self._first = (done, now)
        if self._verbose != 1 or not self._terminal.redraws:
            return NEVER  # the next line is the last
        self._adapt(now)
        if now - self._drawn >= self._interval:
            self._drawn = now
            self._shown = dict(self._logs())
            self._redraw(self._line(done, now), final=False)
        return done + self._stride

    def hold(self) -> None:
        """Stop the clock of the steps: validation is not training."""
        self._steps_end = self._clock()

    def finish(self, done: int, logs: Mapping[str, object] | None) -> None:
        """Write the last line, with `logs` or, if None, with those that were shown last."""
        if self._verbose not in (1, 2):
            return
        now = self._clock()
        if logs is not None:
            self._shown = logs
        if self._verbose == 1:
            self._redraw(self._line(done, now, final=True), final=True)
        else:
            self._terminal.write(self._summary(done, now) + "\n")

    def _adapt(self, now: float) -> None:
        """Read the clock less often while readings come faster than needed, and more often otherwise."""
        quick = now - self._looked < self._interval / 4
        self._stride = min(self._stride * 2, _LONGEST_STRIDE) if quick else max(self._stride // 2, 1)
        self._looked = now

    def _summary(self, done: int, now: float) -> str:
        step, logs = self._step_seconds(done, now), text.measures(self._shown)
        return text.summary_line(done, self._target, self._elapsed(now), step, logs)

    def _line(self, done: int, now: float, *, final: bool = False) -> text.Line:
        step = self._step_seconds(done, now)
        target = done if final and self._target is None else self._target
        running = not final and target is not None
        time = text.duration(step * max((target or 0) - done, 0)) if running else self._elapsed(now)
        return text.progress_line(done, target, time, step, text.measures(self._shown), self._glyphs)

    def _elapsed(self, now: float) -> str:
        return f"{now - self._start:.0f}s"

    def _redraw(self, line: text.Line, *, final: bool) -> None:
        if not self._terminal.redraws:
            self._terminal.write(text.plain(line) + "\n")
            return
        columns = self._terminal.columns
        if columns and not final:
            line = text.clip(line, columns - 1)  # a line that wraps could not be drawn over
        length = len(text.plain(line))
        drawn = text.coloured(line) if self._terminal.colours else text.plain(line)
        cover = " " * (self._length - length)
        self._length = length
        self._terminal.write(f"\r{drawn}{cover}" + "\n" * final)

    def _step_seconds(self, done: int, now: float) -> float:
        end = now if self._steps_end is None else self._steps_end
        if self._first is not None and done > self._first[0]:
            return (end - self._first[1]) / (done - self._first[0])
        return (end - self._start) / done if done else 0.0


def _glyphs(terminal: Terminal, width: int) -> text.Glyphs:
    """Choose characters that the stream can encode; without colours, done and remaining steps differ."""
    if not terminal.encodes("━─"):
        return text.Glyphs("=", ".", width)
    return text.Glyphs("━", "━" if terminal.colours else "─", width)
