"""Uses: which calls of which threads read or write shared objects now, and how conflicts are resolved.

A `Use` is one call (`fit`, `predict`, ...) of one thread that works on a set of objects: a model and its
weights. Uses without common objects do not affect each other. The rules for the others:

* Only one thread writes at a time. A call that meets a long write is refused; a call that meets a short
  write waits for its end.
* A reader that begins beside a writer copies the values it needs *between two steps* of the writer, and
  works on the copies.
* A reader that began before a writer is moved to copies by the writer, before the writer's first step.

So a reader sees the state of one moment, and a writer waits for one step of a reader at most. Deadlock is
impossible: a use waits only for uses that began before it, and only between their steps.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

from streamfit._base.errors import ModelInUseError
from streamfit._base.specs import Array

T = TypeVar("T")

building = threading.RLock()
"""Held while layers make their weights and models their graphs: once in the life of each."""

_mutex = threading.Lock()  # held briefly; Ctrl-C cannot interrupt a `with` of a lock that is written in C
_active: list[weakref.ref[Use]] = []  # in the order of their beginning; a use that its caller lost is dropped


class Use:
    """One call of one thread that works on shared objects.

    Args:
        what: Name of the call, for messages.
        name: Name of the model, for messages.
        things: The models and weights that are read or written, compared by identity.
        writes: Whether they are written.
        long: Whether other calls are refused instead of waiting while this one writes.
        seat: A resource that one thread can use at a time, such as the memory of a model's programs.

    Attributes:
        lock: Held by the call's own thread while it takes a step.
        asked: Whether another thread waits to run code between two steps.
        word: The same for native loops: int64 (1,), not 0 while a thread waits; or None.
        live: Whether the call works on the objects themselves, not on copies.
    """

    __slots__ = (
        *("what", "name", "things", "writes", "long", "seat"),
        *("thread", "lock", "asked", "word", "live", "_queue", "_ref", "__weakref__"),
    )

    def __init__(
        self,
        what: str,
        name: str,
        things: frozenset[object],
        *,
        writes: bool = False,
        long: bool = False,
        seat: object = None,
    ) -> None:
        self.what, self.name, self.things = what, name, things
        self.writes, self.long, self.seat = writes, long, seat
        self.thread = threading.get_ident()
        self.lock = threading.RLock()
        self.asked, self.live = False, False
        self.word: Array | None = None
        self._queue = threading.Lock()
        self._ref = weakref.ref(self)

    def begin(self, things: frozenset[object] | None = None) -> list[Use]:
        """Begin, or continue with other objects; return the uses of other threads that share some of them.

        A reader holds its own `lock` during this call, so a new writer waits until the reader is set up.

        Raises:
            ModelInUseError: This use writes, and another thread is in a long write.
        """
        if things is not None:
            self.things = things
        while True:
            with _mutex:
                if not _active:
                    self.live = True
                    _active.append(self._ref)
                    return []
                sharing = [use for use in _living() if use is not self and use._shares(self)]
                others = [use for use in sharing if use.thread != self.thread]
                rivals = [use for use in others if use.writes] if self.writes else []
                if not rivals:
                    self.live = True
                    if self._ref not in _active:
                        _active.append(self._ref)
                    break
            self._wait_for(rivals)
        if self.writes:
            self._move_aside([use for use in sharing if not use.writes])
        return others

    def _shares(self, other: Use) -> bool:
        return self.live and not self.things.isdisjoint(other.things)

    def _wait_for(self, rivals: Sequence[Use]) -> None:
        for rival in rivals:
            if rival.long:
                raise ModelInUseError(_refusal(self, rival))
        with rivals[0].lock:  # a short write holds this lock from its beginning to its end
            pass

    def _move_aside(self, readers: Sequence[Use]) -> None:
        """Move readers to copies, starting with those that began last."""
        try:
            for reader in reversed(readers):
                between_steps([reader], reader.detach)
        except BaseException:
            self.end()
            raise

    def detach(self) -> None:
        """Continue with copies; called between two steps."""
        if self.live:
            self.step_aside()
            self.live = False

    def step_aside(self) -> None:
        """Move to copies; uses that read over several steps define it. May be called from another thread."""

    def end(self) -> None:
        """End the use, if it has begun."""
        self.live = False
        with _mutex:
            if self._ref in _active:
                _active.remove(self._ref)

    def let_pass(self) -> None:
        """Let a waiting thread run its code between two steps; called by the owner without its lock."""
        with self._queue:
            pass

    def ask(self, act: Callable[[], T]) -> T:
        """Run `act` between two steps."""
        with self._queue:
            self._call(True)
            try:
                with self.lock:
                    self._call(False)
                    return act()
            finally:
                self._call(False)

    def _call(self, asked: bool) -> None:
        self.asked = asked
        if self.word is not None:
            self.word[0] = asked

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(self, *error: object) -> None:
        self.end()


def between_steps(uses: Sequence[Use], act: Callable[[], T]) -> T:
    """Run `act` at a moment when none of `uses` (in the order of their beginning) is in a step."""
    if not uses:
        return act()
    # The last first: a waiting thread then holds only locks of uses that began after the one it waits for.
    return uses[-1].ask(lambda: between_steps(uses[:-1], act))


def read(what: str, name: str, things: frozenset[object], act: Callable[[], T]) -> T:
    """Run a short `act` that reads `things`, at a moment when no thread writes to them."""
    use = Use(what, name, things)
    with use.lock:
        try:
            return between_steps([other for other in use.begin() if other.writes], act)
        finally:
            use.end()


def write(what: str, name: str, things: frozenset[object], act: Callable[[], T]) -> T:
    """Run a short `act` that writes to `things`.

    Raises:
        ModelInUseError: Another thread is in a long write.
    """
    use = Use(what, name, things, writes=True)
    with use.lock, use:
        return act()


def written(things: frozenset[object]) -> bool:
    """Return whether another thread is writing to some of `things`."""
    if not _active:
        return False
    me = threading.get_ident()
    with _mutex:
        return any(
            use.writes and use.live and use.thread != me and not use.things.isdisjoint(things)
            for use in _living()
        )


def _living() -> list[Use]:
    """List the active uses; drop those that their callers have lost."""
    found = [use for ref in _active if (use := ref()) is not None]
    if len(found) < len(_active):
        _active[:] = [use._ref for use in found]
    return found


def _refusal(use: Use, rival: Use) -> str:
    name = next((t.name for t in threading.enumerate() if t.ident == rival.thread), str(rival.thread))
    whose = f"{rival.name!r}"
    if use.name != rival.name:
        whose += f", which shares weights or the optimizer with {use.name!r}"
    return (
        f"{use.what} of {use.name!r} is refused: another thread ({name!r}) is in {rival.what} of {whose}, "
        f"and one thread at a time may change weights. Wait until {rival.what} has returned, or work with a "
        "copy: copy.deepcopy(model). Meanwhile a model can predict and evaluate."
    )


def _after_fork() -> None:
    """Remove the uses of threads that do not exist in the child process."""
    global _mutex
    _mutex = threading.Lock()
    me = threading.get_ident()
    _active[:] = [ref for ref in _active if (use := ref()) is not None and use.thread == me]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
