"""`StopFlag`: an attribute of a model that ends a run of steps, and each run of each thread has its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any


class StopFlag:
    """An attribute of a model, such as ``stop_evaluating``, that a callback sets to True.

    What runs on the thread that sets it is ended; set on a thread on which nothing runs, it ends what runs on
    all others.

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

    def flags(self, model: Any) -> dict[int | None, bool]:
        """Return the flags of a model by thread; None is for threads on which nothing runs."""
        flags: dict[int | None, bool] = model.__dict__.setdefault(self._place, {})
        return flags

    def __get__(self, model: Any, owner: type) -> Any:
        if model is None:
            return self
        flags = self.flags(model)
        return flags.get(threading.get_ident(), flags.get(None, False))

    def __set__(self, model: Any, value: Any) -> None:
        flags, me = self.flags(model), threading.get_ident()
        for thread in [me] if me in flags else [None, *flags]:
            flags[thread] = bool(value)


@contextlib.contextmanager
def running(model: Any, name: str) -> Iterator[Callable[[], bool]]:
    """Give a run on this thread a flag of its own, False at first; yield what reads it."""
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
