"""`run_steps`: its calls and their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from streamfit.training.loop import Hooks, run_steps


@dataclass
class Item:
    """A batch that is only a name."""

    name: str
    steps: int = 1


def events_of(
    items: list[Item], stop_after: int | None = None, listening: bool = True
) -> tuple[int, list[Any]]:
    events: list[Any] = []

    def step(item: Item) -> str:
        events.append(("step", item.name))
        return item.name.upper()

    hooks = Hooks(
        begin=(lambda number: events.append(("begin", number))) if listening else None,
        end=(lambda number, result: events.append(("end", number, result))) if listening else None,
        tick=lambda done: events.append(("tick", done)),
        stopped=lambda: stop_after is not None and events[-1] == ("tick", stop_after),
        steps_per_execution=lambda: 1,
    )
    return run_steps(iter(items), step, hooks), events


def test_a_step_is_announced_done_reported_and_counted() -> None:
    done, events = events_of([Item("a"), Item("b")])
    assert done == 2
    assert events == [
        *[("begin", 0), ("step", "a"), ("end", 0, "A"), ("tick", 1)],
        *[("begin", 1), ("step", "b"), ("end", 1, "B"), ("tick", 2)],
    ]


def test_nobody_listens() -> None:
    assert events_of([Item("a")], listening=False) == (1, [("step", "a"), ("tick", 1)])


def test_stopping_is_asked_after_each_step() -> None:
    items = [Item(name) for name in "abcd"]
    done, events = events_of(items, stop_after=2)
    assert done == 2
    assert ("step", "c") not in events


def test_joined_batches_count_as_their_steps() -> None:
    done, events = events_of([Item("a", 5), Item("b", 2)], listening=False)
    assert done == 7
    assert [event for event in events if event[0] == "tick"] == [("tick", 5), ("tick", 7)]


def test_nothing_to_do() -> None:
    assert events_of([]) == (0, [])


def test_an_error_of_a_step_comes_out_and_is_not_counted() -> None:
    ticks: list[int] = []

    def fail(item: Any) -> None:
        raise LookupError(item.name)

    hooks = Hooks(None, None, ticks.append, lambda: False, lambda: 1)
    with pytest.raises(LookupError, match="a"):
        run_steps([Item("a")], fail, hooks)
    assert ticks == []
