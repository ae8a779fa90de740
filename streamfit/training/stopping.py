"""`StopFlag`: an attribute of a model that ends a run of steps, and each run of each thread has its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Self, overload


class StopFlag:
    """An attribute of a model, such as ``stop_evaluating``, that a callback sets to True.

    It ends the run of the thread that sets it. Set on a thread without a run, it ends the runs of all others.

    Example:
        >>> class Model:
        ...     stop_evaluating = StopFlag()
        >>> model = Model()
        >>> with running(model, "stop_evaluating"):
        ...     model.stop_evaluating = True
        ...     print(model.stop_evaluating)
        True
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._place = f"_{name}_of"

    def flags(self, model: object) -> dict[int | None, bool]:
        """Return the flags of a model by thread; None is for threads without a run."""
        flags: dict[int | None, bool] = vars(model).setdefault(self._place, {})
        return flags

    @overload
    def __get__(self, model: None, owner: type) -> Self: ...

    @overload
    def __get__(self, model: object, owner: type) -> bool: ...

    def __get__(self, model: object, owner: type) -> Self | bool:
        if model is None:
            return self
        flags = self.flags(model)
        return flags.get(threading.get_ident(), flags.get(None, False))

    def __set__(self, model: object, value: object) -> None:
        flags, me = self.flags(model), threading.get_ident()
        for thread in [me] if me in flags else [None, *flags]:
            flags[thread] = bool(value)


@contextlib.contextmanager
def running(model: object, name: str) -> Iterator[Callable[[], bool]]:
    """Give a run on this thread a flag of its own, False at first; yield a function that reads it."""
    flag: StopFlag = getattr(type(model), name)
    flags, me = flag.flags(model), threading.get_ident()
    before, flags[me] = flags.get(me), False
    try:
        yield lambda: flags[me]
    finally:
        last = flags.pop(me, False)
        if before is None:
            flags[None] = last  # the attribute reads as the run left it
        else:
            flags[me] = before
