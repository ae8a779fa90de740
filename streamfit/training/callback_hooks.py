"""The hooks of the loop that call the callbacks; logs are made only where a callback listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from streamfit.training.callbacks import CallbackList
from streamfit.training.loop import Hooks
from streamfit.training.model_call import ModelCall

Mode = Literal["train", "test", "predict"]


class BetweenSteps(Protocol):
    """The part of a call, or of its runner, that hooks use between two steps."""

    def refresh_bindings(self) -> None:
        """Bring the weights back to where the programs expect them."""

    def logs(self) -> dict[str, object]:
        """Return the running results by name."""


def make_hooks(callbacks: CallbackList, call: ModelCall, mode: Mode, stopped: Callable[[], bool]) -> Hooks:
    """Return the hooks of a mode."""
    steps: BetweenSteps = call.main if call.writes else call  # a call that only reads may change its runner
    on_begin = getattr(callbacks, f"on_{mode}_batch_begin")
    on_end = getattr(callbacks, f"on_{mode}_batch_end")

    # A callback may train another model that has layers of this one; then their weights are brought back.
    def begin(step: int) -> None:
        on_begin(step)
        steps.refresh_bindings()

    def end(step: int, result: object) -> None:
        on_end(step, {"outputs": result} if mode == "predict" else steps.logs())
        steps.refresh_bindings()

    begins = bool(getattr(callbacks, f"wants_{mode}_batch_begin"))
    ends = bool(getattr(callbacks, f"wants_{mode}_batch_end"))
    alone = begins or ends or mode == "predict"
    return Hooks(
        begin=begin if begins else None,
        end=end if ends else None,
        tick=callbacks.tick,
        stopped=stopped,
        steps_per_execution=lambda: 1 if alone else call.steps_per_execution(mode),
    )
