"""Carries exceptions from a worker to the consumer, and adds the place in the data to them.

An exception keeps its type. Where a type cannot travel, its name, text and traceback do.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable

import cloudpickle

from streamfit._base.errors import WorkerDiedError, WorkerError
from streamfit.workers.recovery.crash_report import WorkerExit

_MAX_TEXT = 20_000
# Exceptions that mean something to the interpreter or to a for loop. Raised by a load they are mistakes: let
# through, StopIteration would end an epoch early and silently, and SystemExit would end the program.
_CONTROL = (StopIteration, StopAsyncIteration, SystemExit, KeyboardInterrupt, GeneratorExit)


def pack(error: BaseException) -> bytes:
    """Return the bytes of an exception raised in a worker."""
    trace = _text(lambda: "".join(traceback.format_exception(error)))[-_MAX_TEXT:]
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    text = _text(lambda: str(error))[:_MAX_TEXT]
    return pickle.dumps((_portable(error), name, text, trace))


def unpack(data: bytes) -> Exception:
    """Return the exception that `pack` was given, or a `WorkerError` with its name, text and traceback."""
    body, name, text, trace = pickle.loads(data)
    error = _revive(body) if body is not None else None
    if error is None or type(error).__qualname__ != name.rpartition(".")[2]:
        error = WorkerError(f"the loader raised {name}: {text} (the exception itself cannot be pickled)")
    error.add_note(f"Traceback in the worker:\n{trace.rstrip()}")
    return error


def ordinary(error: BaseException) -> Exception:
    """Return `error`, or a `WorkerError` in place of one that would be taken for a control signal."""
    if isinstance(error, Exception) and not isinstance(error, _CONTROL):
        return error
    stand_in = WorkerError(
        f"the loader raised {type(error).__name__}: {_text(lambda: str(error))}. Raise an ordinary exception "
        "to report an error; to end the data early, plan fewer batches."
    )
    stand_in.__cause__ = error
    return stand_in


def add_place(error: Exception, where: str) -> Exception:
    """Add the place in the data to an exception, once, and return it."""
    note = f"While loading {where}"
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
    return error


def death(where: str, last: WorkerExit, attempts: int) -> WorkerDiedError:
    """Return the error for a ticket on which worker after worker died.

    Args:
        where: the place in the data.
        last: how the last worker ended; its crash report becomes a note.
        attempts: how many times the load was started.
    """
    error = WorkerDiedError(
        f"{attempts} workers in a row died while loading {where}; the last one {last.how()}.{last.memory()} "
        "Load these samples with workers=0 to see it happen in this process."
    )
    add_stacks(error, last)
    return error


def add_stacks(error: WorkerError, last: WorkerExit) -> None:
    """Add a worker's crash report, if it had any, to an exception."""
    if last.stacks:
        error.add_note(f"Crash report of the worker:\n{last.stacks}")


def _portable(error: BaseException) -> bytes | None:
    """Pickle an exception so that it is known to load again, or return None."""
    if not isinstance(error, Exception) or isinstance(error, _CONTROL):
        return None
    whole: Callable[[], object] = lambda: error  # noqa: E731
    parts: Callable[[], object] = lambda: (type(error), error.args, dict(vars(error)))  # noqa: E731
    for form in (whole, parts):
        try:
            data: bytes = cloudpickle.dumps(form())
            if type(_revive(data)) is type(error):
                return data
        except BaseException:  # user code runs here; after a failure the next form is tried
            continue
    return None


def _revive(data: bytes) -> Exception | None:
    """Load an exception; if its `__init__` does not accept its `args`, it is not called."""
    try:
        body = pickle.loads(data)
        if isinstance(body, tuple):
            cls, args, attributes = body
            body = cls.__new__(cls, *args)
            vars(body).update(attributes)
    except Exception:  # user code runs here; the text is still delivered
        return None
    return body if isinstance(body, Exception) else None


def _text(make: Callable[[], str]) -> str:
    try:
        return make()
    except BaseException as broken:  # a __str__ of the user's may fail; the error itself still counts
        return f"<text not available: {type(broken).__name__}>"
