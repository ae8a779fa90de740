"""The hooks of the loop that call the callbacks; logs are made only where a callback listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from streamfit.training.callbacks import CallbackList
from streamfit.training.callbacks.list import HookObject
from streamfit.training.loop import Hooks
from streamfit.training.model_call import ModelCall

Mode = Literal["train", "test", "predict"]


class BetweenSteps(Protocol):
    """The part of a call, or of its runner, that hooks use between two steps."""

    def refresh_bindings(self) -> None:
        """Bring the weights back to where the programs expect them."""

    def logs(self) -> dict[str, object]:
        """Return the running results by name."""


class BatchHooks:
    """Call the callbacks that listen to batches, each when it is its turn.

    A callback may train another model that has layers of this one; so weights are brought back after it.

    Args:
        callbacks: All callbacks of the run.
        call: The call that takes the steps.
        mode: What the steps do.
        done: How many steps of this epoch were done before an interruption.
        total: How many steps the epoch has; None if that is not known.
        logs_before: The running results at an interruption, for an epoch of which no step is left.
    """

    def __init__(
        self,
        callbacks: CallbackList,
        call: ModelCall,
        mode: Mode,
        done: int,
        total: int | None,
        logs_before: Mapping[str, object],
    ) -> None:
        self._callbacks, self._call, self._mode = callbacks, call, mode
        # A call that only reads may change its runner.
        self._steps: BetweenSteps = call.main if call.writes else call
        self._done, self._total, self._logs_before = done, total, logs_before
        self._begin, self._end = f"on_{mode}_batch_begin", f"on_{mode}_batch_end"
        self._result: object = None

    def begin(self, step: int) -> None:
        """Call the callbacks that listen to the beginning of this step."""
        self._report(self._begin, self._callbacks.due(self._begin, step), step)

    def end(self, step: int, result: object) -> None:
        """Call the callbacks that listen to the end of this step."""
        self._done, self._result = step + 1, result
        last = self._done == self._total
        listeners = self._callbacks.listeners(self._end) if last else self._callbacks.due(self._end, step)
        self._report(self._end, listeners, step)

    def finish(self, done: int) -> None:
        """Call the callbacks that listen to the end of the last step, unless it was known to be the last."""
        if done and done != self._total:
            called = self._callbacks.due(self._end, done - 1)
            left = [callback for callback in self._callbacks.listeners(self._end) if callback not in called]
            self._report(self._end, left, done - 1)

    def steps_per_execution(self) -> int:
        """Return how many steps may be done before a callback must be called."""
        most = self._call.steps_per_execution(self._mode)
        return most if most == 1 else min(most, self._callbacks.batches_until_call(self._mode, self._done))

    def _report(self, hook: str, listeners: Sequence[HookObject], step: int) -> None:
        if listeners:
            self._callbacks.call_batch_hook(hook, listeners, step, self._logs(hook))
            self._steps.refresh_bindings()

    def _logs(self, hook: str) -> Mapping[str, object]:
        if hook == self._begin:
            return {}
        if self._mode == "predict":
            return {"outputs": self._result}
        return self._steps.logs() or self._logs_before


def make_hooks(
    callbacks: CallbackList,
    call: ModelCall,
    mode: Mode,
    stopped: Callable[[], bool],
    *,
    done: int = 0,
    total: int | None = None,
    logs_before: Mapping[str, object] | None = None,
) -> Hooks:
    """Return the hooks of a mode; arguments as for `BatchHooks`."""
    begins, ends = (bool(callbacks.listeners(f"on_{mode}_batch_{edge}")) for edge in ("begin", "end"))
    if not (begins or ends):
        return Hooks(None, None, callbacks.tick, stopped, lambda: call.steps_per_execution(mode))
    hooks = BatchHooks(callbacks, call, mode, done, total, logs_before or {})
    return Hooks(
        begin=hooks.begin if begins else None,
        end=hooks.end,
        tick=callbacks.tick,
        stopped=stopped,
        steps_per_execution=hooks.steps_per_execution,
        finish=hooks.finish if ends else None,
    )
