"""Log records of loads in worker processes: made there, handled by the loggers of the main process.

The loggers of a worker have the levels of the main process. Their records go to the logger of the same name
there, with its filters, its handlers and those of its parents. Handlers that `worker_init` or a load adds in
a worker work besides.

Guarantees kept here: the records of a worker are handled in their order; one that is too large, or that
cannot be pickled, arrives as text; a handler that fails in the main process ends nothing.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypedDict


class Levels(TypedDict):
    """The settings of a process that decide which records are made."""

    root: int
    disabled: int
    handled: bool
    warnings: bool
    names: dict[int, str]
    loggers: dict[str, int]


_MOST_TEXT = 1 << 18
_MOST_ARGUMENTS = 1 << 16
_OWN = ("args", "msg", "exc_info", "exc_text", "relativeCreated", "processName", "message", "asctime")


# --- the main process


def levels() -> Levels:
    """Return the settings of this process that decide which records are made."""
    root = logging.root
    loggers = list(root.manager.loggerDict.items())
    return {
        "root": root.level,
        "disabled": root.manager.disable,
        "handled": bool(root.handlers),
        "warnings": getattr(logging, "_warnings_showwarning", None) is not None,
        "names": dict(getattr(logging, "_levelToName", {})),
        "loggers": {name: x.level for name, x in loggers if isinstance(x, logging.Logger) and x.level},
    }


def handle(data: bytes, worker: int | None) -> None:
    """Handle a record that a worker made as one of this process.

    Args:
        data: the bytes that the worker sent.
        worker: its process id.
    """
    try:
        facts, text, arguments = pickle.loads(data)
        record = logging.makeLogRecord(facts)
        record.msg, record.args = text, None
        if arguments is not None:
            try:
                record.msg, record.args = pickle.loads(arguments)
            except Exception:  # a class that only the worker has; the text is the same
                record.msg, record.args = text, None
        record.processName = f"streamfit-worker-{worker}"
        started = getattr(logging, "_startTime", record.created)
        if isinstance(started, float):  # later versions count in nanoseconds
            record.relativeCreated = (record.created - started) * 1000
        logging.getLogger(None if record.name == "root" else record.name).handle(record)
    except Exception:  # code of the user's handlers runs here; its failure must not end the run
        if logging.raiseExceptions and sys.stderr is not None:
            traceback.print_exc()


# --- a worker


class Relay:
    """Sends the records of this process to another.

    Args:
        send: takes the bytes of a record; called from any thread.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send, self._owner = send, os.getpid()
        self._placeholder = (
            logging.NullHandler()
        )  # so that basicConfig does nothing where it did nothing in the main process
        self._set: set[str] = set()
        self._call_handlers = logging.Logger.callHandlers
        relay = self

        def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            relay.relay(logger, record)

        logging.Logger.callHandlers = call_handlers  # type: ignore[assignment, method-assign]

    def relay(self, logger: logging.Logger, record: logging.LogRecord) -> None:
        """Send a record, and give it to the handlers of this process."""
        forked = os.getpid() != self._owner  # by a load: the socket is not its own
        if forked:
            logging.root.removeHandler(self._placeholder)
        else:
            self._send(_packed(record))
        if forked and not logger.hasHandlers() and logging.lastResort is not None:
            logging.lastResort.handle(record)  # on standard error, whatever its level
        elif logger.hasHandlers():
            self._call_handlers(logger, record)

    def follow(self, levels: Levels) -> None:
        """Make the records that the main process would make."""
        for level, name in levels["names"].items():
            logging.addLevelName(level, name)
        logging.root.setLevel(levels["root"])
        logging.disable(levels["disabled"])
        logging.captureWarnings(levels["warnings"])
        logging.root.removeHandler(self._placeholder)
        if levels["handled"]:
            logging.root.addHandler(self._placeholder)
        wanted = levels["loggers"]
        for name in self._set - wanted.keys():
            logging.getLogger(name).setLevel(logging.NOTSET)
        for name, level in wanted.items():
            logging.getLogger(name).setLevel(level)
        self._set = set(wanted)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Undo changes that modules make to loggers while they are imported: they made them in the main process
    too, and the state there counts."""
    before = {logger: (logger.level, list(logger.handlers)) for logger in _loggers()}
    try:
        yield
    finally:
        for logger in _loggers():
            level, handlers = before.get(logger, (logging.NOTSET, []))
            logger.setLevel(level)
            for handler in [found for found in logger.handlers if found not in handlers]:
                logger.removeHandler(handler)


def _loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [logging.root, *(logger for logger in list(known) if isinstance(logger, logging.Logger))]


def _packed(record: logging.LogRecord) -> bytes:
    facts = {name: _portable(value) for name, value in vars(record).items() if name not in _OWN}
    if record.exc_info and not record.exc_text:
        record.exc_text = logging.Formatter().formatException(record.exc_info)
    facts["exc_text"] = _shortened(record.exc_text)
    return pickle.dumps((facts, _shortened(_message(record)), _arguments(record)))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # as wrong here as in a handler, which would report it
        return f"{record.msg!r} with arguments {record.args!r} ({type(error).__name__}: {error})"


def _arguments(record: logging.LogRecord) -> bytes | None:
    """Pickle message and arguments, for filters that look at them; None where only the text can travel."""
    try:
        data = pickle.dumps((record.msg, record.args), 5)
    except Exception:  # code of the user's may run; the text is there
        return None
    return data if len(data) <= _MOST_ARGUMENTS and b"__main__" not in data else None


def _portable(value: object) -> object:
    if value is None or type(value) in (str, int, float, bool):
        return _shortened(value) if type(value) is str else value
    try:
        data = pickle.dumps(value, 5)
        simple = len(data) <= _MOST_ARGUMENTS and b"__main__" not in data
    except Exception:  # likewise
        simple = False
    return value if simple else _shortened(str(value))


def _shortened(text: str | None) -> str | None:
    if text is None or len(text) <= _MOST_TEXT:
        return text
    return f"{text[:_MOST_TEXT]}... ({len(text) - _MOST_TEXT:,} more characters were left out)"
