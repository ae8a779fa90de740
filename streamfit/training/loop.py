"""The one loop of training, validation, evaluation and prediction: it takes batches, does steps, calls hooks.

The data side and the math side meet in this package. The loop depends on neither: it sees an iterator of
batches and a step, not the origin of the batches or the content of a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar


class JoinedSteps(Protocol):
    """A batch, or several joined ones."""

    @property
    def steps(self) -> int:
        """Return the number of batches."""


Joined = TypeVar("Joined", bound=JoinedSteps)


@dataclass(slots=True)
class Hooks:
    """The functions that the loop calls around a step.

    Attributes:
        begin: Called with the number of the step before it, or None.
        end: Called with the number of the step, or of the last of several, and the return value; or None.
        tick: Called with the count of finished steps.
        stopped: Asked after each step whether to stop.
        steps_per_execution: Asked before each step how many may be done in one go.
        finish: Called after the last step with the count of finished steps, or None.
    """

    begin: Callable[[int], None] | None
    end: Callable[[int, object], None] | None
    tick: Callable[[int], None]
    stopped: Callable[[], bool]
    steps_per_execution: Callable[[], int]
    finish: Callable[[int], None] | None = None


def run_steps(
    batches: Iterable[Joined], step: Callable[[Joined], object], hooks: Hooks, done: int = 0
) -> int:
    """Take each batch through `step`; joined batches count as the steps they stand for.

    Args:
        batches: The batches.
        step: Called with each.
        hooks: Called around it.
        done: How many steps of this epoch were done before an interruption.

    Returns:
        How many steps of the epoch are done now.
    """
    begin, end, tick, stopped = hooks.begin, hooks.end, hooks.tick, hooks.stopped
    for batch in batches:
        if begin is not None:
            begin(done)
        result = step(batch)
        done += batch.steps
        if end is not None:
            end(done - 1, result)
        tick(done)
        if stopped():
            break
    if hooks.finish is not None:
        hooks.finish(done)
    return done
