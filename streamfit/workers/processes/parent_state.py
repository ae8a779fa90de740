"""Sends the state of this process, on which loads depend beside their data, to worker processes.

The working folder and the search path, warning filters, NumPy's error state, logging (`log_records`),
limits of the interpreter, variables of the environment, the default float type, and the settings of the
user's modules (`module_settings`). The state is taken when a data pass begins; workers that have another one
get it before their next load.

Guarantees kept here: a state that did not change is not sent again; only what changed since the last state
is set in a worker, so settings that it has changed itself (in `worker_init`, in a load) stay; its state
makes a worker import nothing except modules that a differing setting refers to.
"""

from __future__ import annotations

import mmap
import os
import pickle
import re
import sys
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, TypedDict, cast

import cloudpickle
import numpy as np

from streamfit._base.config import floatx, set_floatx
from streamfit._base.uninterrupted import uninterrupted
from streamfit.workers.contract import fresh_id
from streamfit.workers.processes import interpreter, log_records, module_settings
from streamfit.workers.transport import descriptors, slots

_MOST_STATES = 8

# A pattern as text and flags; or the text itself, which some versions of Python keep; or nothing.
_Pattern = tuple[str, int] | str | None
# A class as its module and name, or as pickle bytes; None for one that cannot travel.
_Category = tuple[str, str] | bytes | None
Filter = tuple[str, _Pattern, _Category, _Pattern, int]
"""One warning filter, ready to travel: action, message, category, module, line."""
ErrorModes = dict[str, Literal["ignore", "warn", "raise", "call", "print", "log"]]
ErrorState = tuple[ErrorModes, bytes | None]
"""How NumPy handles floating-point errors, and the function it calls, as pickle bytes."""


class State(TypedDict, total=False):
    """The parts of a state, as they are sent."""

    folder: str | None
    path: list[str]
    filters: list[Filter]
    numpy: ErrorState
    logging: log_records.Levels
    recursion: int
    digits: int
    floatx: str
    environment: dict[str, str | None]
    settings: dict[str, module_settings.Entries]


# --- the main process


class StateSnapshot:
    """The state of this process at one moment.

    Attributes:
        key: number of this state.
        data: its pickle bytes.
        fd: anonymous memory that holds them.
    """

    def __init__(self, data: bytes) -> None:
        self.key, self.data = fresh_id(), data
        self.fd = slots.create("state", len(data))
        self._finalizer = weakref.finalize(self, descriptors.close, self.fd, descriptors.identity(self.fd))
        self._finalizer.atexit = False  # a thread may still be sending it then
        slots.write(self.fd, memoryview(data), 0)

    def close(self) -> None:
        """Release the memory; workers that have mapped it keep it."""
        self._finalizer()


class StateRecorder:
    """Takes the state of this process.

    Attributes:
        unsent: names of parts of it that cannot be passed on.
    """

    def __init__(self) -> None:
        self._collector = module_settings.Collector()
        self._environment: dict[str, str] = {}
        self._states: deque[StateSnapshot] = deque()  # the last one counts; others may still be on their way
        self.unsent: list[str] = []

    def note_environment(self) -> None:
        """Note the environment that workers inherit which are started now."""
        self._environment = interpreter.own_environment()

    def take(self) -> StateSnapshot:
        """Return the state now; the same object as before if nothing has changed."""
        parts: State = {
            "folder": _folder(),
            "path": interpreter.search_path(),
            "filters": [_packed_filter(entry) for entry in warnings.filters],
            "numpy": (cast("ErrorModes", np.geterr()), self._error_call()),
            "logging": log_records.levels(),
            "recursion": sys.getrecursionlimit(),
            "digits": sys.get_int_max_str_digits(),
            "floatx": floatx(),
            "environment": self._changes(),
            "settings": self._collector.collect(),
        }
        data = pickle.dumps(parts, 5)
        if not self._states or self._states[-1].data != data:
            uninterrupted(lambda: self._keep(data))
        return self._states[-1]

    def clear(self) -> None:
        """Release all memory."""
        uninterrupted(lambda: self._drop(0))

    def _keep(self, data: bytes) -> None:
        self._states.append(StateSnapshot(data))
        self._drop(_MOST_STATES)

    def _drop(self, most: int) -> None:
        while len(self._states) > most:
            self._states.popleft().close()

    def _error_call(self) -> bytes | None:
        call = np.geterrcall()
        if call is None:
            return None
        try:
            return bytes(cloudpickle.dumps(call))
        except Exception:  # it holds an open file, for one
            self.unsent.append("numpy.seterrcall's function")
            return None

    def _changes(self) -> dict[str, str | None]:
        """Return variables that were set, changed or (None) deleted since workers were started."""
        now, then = interpreter.own_environment(), self._environment
        if now == then:
            return {}
        changes: dict[str, str | None] = dict.fromkeys(then.keys() - now.keys())
        return changes | {name: value for name, value in now.items() if then.get(name) != value}


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was deleted, and with it all relative paths
        return None


def _packed_filter(
    entry: Any,
) -> Filter:
    action, message, category, module, line = entry
    return action, _packed_pattern(message), _packed_category(category), _packed_pattern(module), line


def _packed_pattern(pattern: re.Pattern[str] | str | None) -> _Pattern:
    return (pattern.pattern, pattern.flags) if isinstance(pattern, re.Pattern) else pattern


def _packed_category(category: type[Warning]) -> _Category:
    if category.__module__ == "__main__":
        try:
            return bytes(cloudpickle.dumps(category))
        except Exception:  # its methods use objects that cannot travel, so its warnings cannot either
            return None
    return category.__module__, category.__qualname__


# --- a worker


class StateApplier:
    """Brings this process into the state of another.

    Args:
        send_record: sends the bytes of a log record.
        report: is called with the names of settings that differ and could not be passed on.
    """

    def __init__(self, send_record: Callable[[bytes], None], report: Callable[[list[str]], None]) -> None:
        self._send_record = send_record
        self._relay: log_records.Relay | None = None
        self._receiver = module_settings.SettingReceiver(report)
        self._inherited: dict[str, str] | None = None
        self._wanted: State = {}
        self._current: State = {}
        self._modules = 0
        self._setters: dict[str, Callable[[Any], None]] = {
            "folder": _set_folder,
            "path": _extend_path,
            "filters": self._set_filters,
            "numpy": _set_errors,
            "logging": self._set_logging,
            "recursion": sys.setrecursionlimit,
            "digits": sys.set_int_max_str_digits,
            "floatx": set_floatx,
            "environment": self._set_environment,
            "settings": self._receiver.update,
        }

    def want(self, data: bytes | mmap.mmap) -> None:
        """Take in a state, as pickle bytes; `settle` sets it."""
        self._wanted = pickle.loads(data)

    def settle(self) -> None:
        """Set the parts of the state that have changed since the last call."""
        wanted, settled = self._wanted, self._current
        if wanted is settled and len(sys.modules) == self._modules:  # as before nearly every load
            return
        if wanted is not settled:
            for name, value in wanted.items():
                if settled.get(name) != value:
                    self._setters[name](value)
            self._current = wanted
        elif wanted and any(self._unknown(entry) for entry in wanted["filters"]):
            self._set_filters(wanted["filters"])  # classes of warnings may have come with new modules
        self._modules = len(sys.modules)

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Import modules in the block, and leave the state of this process as it is.

        The main process may have imported them before it was in this state: filters may now make errors of
        warnings that were none then. And its state already contains the changes that these modules make.
        """
        errors, call, depth = np.geterr(), np.geterrcall(), sys.getrecursionlimit()
        with warnings.catch_warnings(), log_records.undisturbed():
            filters = [(_softened(entry[0]), *entry[1:]) for entry in warnings.filters]
            warnings.filters[:] = filters  # type: ignore[index]
            try:
                yield
            finally:
                sys.setrecursionlimit(depth)
                np.seterrcall(call)
                np.seterr(**errors)
                for name, value in self._current.get("environment", {}).items():
                    _set_variable(name, value)

    def _unknown(self, entry: Filter) -> bool:
        return isinstance(entry[2], tuple) and _category(entry[2]) is None

    def _set_filters(self, filters: list[Filter]) -> None:
        warnings.resetwarnings()  # also forgets which warnings were shown once
        for action, message, packed, module, line in filters:
            category = _category(packed)
            if category is not None:
                found = action, _pattern(message), category, _pattern(module), line
                warnings.filters.append(found)  # type: ignore[attr-defined]

    def _set_logging(self, levels: log_records.Levels) -> None:
        self._relay = self._relay or log_records.Relay(self._send_record)
        self._relay.follow(levels)

    def _set_environment(self, changes: dict[str, str | None]) -> None:
        if self._inherited is None:
            self._inherited = dict(os.environ)
        before = self._current.get("environment", {})
        for name in before.keys() - changes.keys():
            _set_variable(name, self._inherited.get(name))
        for name, value in changes.items():
            if name not in before or before[name] != value:
                _set_variable(name, value)


def _set_folder(folder: str | None) -> None:
    if folder is not None:
        with suppress(OSError):  # it is gone; relative paths will say so
            os.chdir(folder)


def _extend_path(path: list[str]) -> None:
    known = set(sys.path)
    sys.path.extend(entry for entry in path if entry not in known)


def _softened(action: str) -> str:
    return "default" if action == "error" else action


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _set_errors(state: ErrorState) -> None:
    errors, call = state
    np.seterrcall(None if call is None else pickle.loads(call))
    np.seterr(**errors)


def _pattern(packed: _Pattern) -> re.Pattern[str] | str | None:
    return re.compile(*packed) if isinstance(packed, tuple) else packed


def _category(packed: _Category) -> type[Warning] | None:
    """Return a class of warnings; None if its module is not imported here, so that none can be given."""
    if packed is None:
        return None
    if isinstance(packed, bytes):
        return cast("type[Warning]", pickle.loads(packed))
    module, path = packed
    found: object = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return cast("type[Warning] | None", found)
