"""Uses: which calls of which threads read and write shared things just now, and how they get out of each
other's way.

A `Use` is one call (`fit`, `predict`, ...) of one thread, at work on a set of things: a model and its
weights. Uses that have nothing in common know nothing of each other. The rules for the others:

* Of several threads one writes at a time. Who would join a long write is refused; who meets a short one
  waits for its end.
* Who reads beside a writer copies what it needs *between two steps* of the writer, and goes on with that.
* Who read before a writer came is moved to a copy by the writer, before that takes its first step.

So a reader sees the things as they were at one moment, and a writer never waits longer than for one step of a
reader. No cycle of waiting is possible: a use waits only for uses that began before it, and only between
their steps.
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

_mutex = threading.Lock()  # held for moments; a `with` of a lock written in C cannot be torn by Ctrl-C
_active: list[weakref.ref[Use]] = []  # in the order of their beginning; what its caller lost is gone


class Use:
    """One call of one thread at work on things.

    Args:
        what: Name of the call, for messages.
        name: Name of the model, for messages.
        things: What is read or written: models and weights, compared by identity.
        writes: Whether they are written.
        long: Whether others are refused, and do not wait, while this one writes.
        seat: Something that serves one thread at a time, such as the memory of a model's programs.

    Attributes:
        lock: Held by the call's own thread while it takes a step.
        asked: Whether somebody waits to come between two steps.
        word: The same as a machine word, for native loops: not 0 when somebody waits, int64 (1,); or None.
        live: Whether the call is at work on the things themselves, not on a copy.
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
        """Begin, or go on with other things; return the uses of other threads that share some of them.

        A reader holds its own `lock` meanwhile, so that a writer that comes now waits until it is set up.

        Raises:
            ModelInUseError: Another thread is at a long write, or this is one and another thread writes.
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
        with rivals[0].lock:  # a short write holds it from beginning to end
            pass

    def _move_aside(self, readers: Sequence[Use]) -> None:
        """Move readers to copies; those that began inside of others go first."""
        try:
            for reader in reversed(readers):
                between_steps([reader], reader.detach)
        except BaseException:
            self.end()
            raise

    def detach(self) -> None:
        """Go on with a copy from now on; called between two steps."""
        if self.live:
            self.step_aside()
            self.live = False

    def step_aside(self) -> None:
        """Move to a copy: what reads over several steps defines it; called perhaps on another thread."""

    def end(self) -> None:
        """End, if it has begun."""
        self.live = False
        with _mutex:
            if self._ref in _active:
                _active.remove(self._ref)

    def let_pass(self) -> None:
        """Wait until who asks has come between two steps; called by the owner, without its lock."""
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
    # The last first: who waits then holds only what began after that which it waits for.
    return uses[-1].ask(lambda: between_steps(uses[:-1], act))


def read(what: str, name: str, things: frozenset[object], act: Callable[[], T]) -> T:
    """Run a short `act` that reads `things`, at a moment when nobody writes to them."""
    use = Use(what, name, things)
    with use.lock:
        try:
            return between_steps([other for other in use.begin() if other.writes], act)
        finally:
            use.end()


def write(what: str, name: str, things: frozenset[object], act: Callable[[], T]) -> T:
    """Run a short `act` that writes to `things`.

    Raises:
        ModelInUseError: Another thread is at a long write.
    """
    use = Use(what, name, things, writes=True)
    with use.lock, use:
        return act()


def written(things: frozenset[object]) -> bool:
    """Return whether another thread writes to some of `things` just now."""
    if not _active:
        return False
    me = threading.get_ident()
    with _mutex:
        return any(
            use.writes and use.live and use.thread != me and not use.things.isdisjoint(things)
            for use in _living()
        )


def _living() -> list[Use]:
    """List the uses under way; those that their callers have lost are dropped."""
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
    """Forget the uses of threads that a child process does not have."""
    global _mutex
    _mutex = threading.Lock()
    me = threading.get_ident()
    _active[:] = [ref for ref in _active if (use := ref()) is not None and use.thread == me]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
