"""`ProgressBar`: shows the progress of training, evaluation or prediction.

The bar reads the logs only when it redraws: the loop calls `tick` after each step, which reads the clock
only now and then and redraws at most every 0.05 s. So a bar costs a few dozen
nanoseconds a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TextIO

from streamfit._base.checks import integer
from streamfit.training.callbacks.bar import NEVER, Bar
from streamfit.training.callbacks.base import Callback, Logs, Params
from streamfit.training.callbacks.terminal import Terminal

__all__ = ["ProgressBar"]


def _no_logs() -> Mapping[str, object]:
    return {}


class ProgressBar(Callback):
    """Show progress on the standard output, as Keras 3 does.

    With ``verbose=1`` or ``'auto'`` a terminal or notebook shows a bar that moves; anything else (a file, a
    pipe) gets one plain line at the end of each epoch. ``verbose=2`` is one line an epoch, ``verbose=0``
    nothing. Validation inside `fit` has no bar of its own: its results are in the line of the epoch.

    Args:
        width: Characters of the bar.
        interval: Seconds between redraws, at least.
        stream: Where to write; None for the standard output.
        clock: Returns seconds; for tests.

    Example:
        >>> bar = ProgressBar(clock=iter([0.0, 1.0, 1.5]).__next__)
        >>> bar.set_params({"verbose": 1, "epochs": 1, "steps": 2})
        >>> bar.on_train_begin()
        >>> bar.on_epoch_begin(0)
        >>> bar.tick(1)
        >>> bar.tick(2)
        >>> bar.on_epoch_end(0, {"loss": 0.5})
        2/2 ━━━━━━━━━━━━━━━━━━━━ 2s 500ms/step - loss: 0.5000
    """

    def __init__(
        self,
        *,
        width: int = 20,
        interval: float = 0.05,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._width = width
        self._interval = interval
        self._stream = stream
        self._clock = clock
        self._verbose = 1
        self._logs: Callable[[], Mapping[str, object]] = _no_logs
        self._bar: Bar | None = None  # while there is progress to show
        self._in_fit = False
        self._done = 0
        self._holding = False  # while validation counts its own steps; `_trained` keeps those of the epoch
        self._trained = 0
        self._next_look = NEVER
        self._learned_steps: int | None = None  # of an epoch whose length was unknown before its end

    def set_params(self, params: Params) -> None:
        """Take the arguments of the run.

        Raises:
            ValueError: ``params["verbose"]`` is neither a number from 0 nor 'auto'.
        """
        super().set_params(params)
        verbose = params.get("verbose", 1)
        number = 1 if verbose == "auto" else int(verbose) if isinstance(verbose, bool) else integer(verbose)
        if number is None or number < 0:
            raise ValueError(f"verbose must be 0, 1, 2 or 'auto', got {verbose!r}")
        self._verbose = number

    def watch(self, logs: Callable[[], Mapping[str, object]]) -> None:
        """Ask `logs` for the values to show at each redraw, and at no other time."""
        self._logs = logs

    def tick(self, done: int) -> None:
        """Note that `done` steps are finished in this epoch, evaluation or prediction."""
        self._done = done
        if done >= self._next_look and self._bar:
            self._next_look = self._bar.look(done)

    def interrupt(self) -> None:
        """Close the line of a run that ends in an exception, so that a traceback starts in column 0."""
        if self._holding:
            self._resume()
        self._in_fit = False
        if self._done:
            self._finish(None)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Get ready for epochs."""
        self._in_fit = True
        self._learned_steps = None

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Forget the run."""
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Start the bar of an epoch, under a headline if there are several."""
        terminal = self._begin()
        epochs = (self.params or {}).get("epochs") or 1
        if self._verbose and epochs > 1:
            terminal.write(f"Epoch {epoch + 1}/{epochs}\n")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Show the values of the epoch."""
        self._learned_steps = self._done
        self._finish(logs or {})

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Start a bar, or stand still for the validation of an epoch."""
        if not self._in_fit:
            self._begin()
        elif self._bar:
            self._bar.hold()
            self._holding, self._trained, self._next_look = True, self._done, NEVER

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Show the results of `evaluate`; the results of a validation are in the line of the epoch."""
        if self._holding:
            self._resume()
        elif not self._in_fit:
            self._finish(logs or {})

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Start a bar."""
        self._begin()

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Show the full bar."""
        self._finish({})

    def _begin(self) -> Terminal:
        terminal = Terminal(self._stream)
        steps: int | None = (self.params or {}).get("steps")
        target = self._learned_steps if steps is None else steps
        self._bar = Bar(self._verbose, target, terminal, self._logs, self._clock, self._interval, self._width)
        self._done = 0
        self._next_look = 1 if self._verbose else NEVER
        return terminal

    def _resume(self) -> None:
        self._holding, self._done = False, self._trained

    def _finish(self, logs: Mapping[str, object] | None) -> None:
        bar, self._bar = self._bar, None
        self._next_look = NEVER
        if bar:
            bar.finish(self._done, logs)
