"""Sends settings in the user's own modules to worker processes, which import these modules anew.

The main process collects the simple globals of the user's modules, and the simple attributes of their
classes. As soon as a worker has imported a module, it compares them with those of its own import, and takes
over those that differ. A container is changed in place, so that modules which imported it by name see the
change too. A setting that differs and cannot travel (a lock, a large array, a function put in the place of
another) is named.

Guarantees kept here: no code of the user is called except what pickle calls for plain objects; the work for
one global is bounded; a module that a worker does not import costs it nothing; a setting that a worker has
changed itself stays until the main process sets it anew.
"""

from __future__ import annotations

import enum
import io
import pickle
import random
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeGuard, cast

import numpy as np

from streamfit._base.inspection import is_foreign

if TYPE_CHECKING:
    from importlib.abc import Loader

MOST_BYTES = 64 << 10
"""Of one global; a larger one is described, so that it is known whether it differs."""

_MOST_BYTES_IN_ALL = 1 << 20
_PROBE = 4096
_PLAIN = frozenset((type(None), bool, int, float, complex))
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType)
_SIZED = (dict, list, tuple, set, frozenset, str, bytes)
_CONTAINERS = (dict, list, tuple, set, frozenset, str, int, float, bytes, enum.Enum)
# Open files, and generators whose state would make all workers draw the same numbers.
_ALIVE = (io.IOBase, random.Random)
_HOOKS = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__")
_MISSING = object()
_RAW: Final = 0
_PICKLED: Final = 1
_NAMED: Final = 2
_DESCRIBED: Final = 3
Plain = bool | int | float | complex | str | bytes | None
# A value as it is, pickled, as a module and a name in it, or as a description to compare. A path to it is the
# name of a global, or of a class and its attribute.
Entry = (
    tuple[Literal[0], Plain]
    | tuple[Literal[1], bytes]
    | tuple[Literal[2], tuple[str, str]]
    | tuple[Literal[3], str]
)
Entries = dict[str, Entry]


# --- the main process


class Collector:
    """Collects the settings of the user's modules that this process has imported."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._modules: list[_Module] = []

    def collect(self) -> dict[str, Entries]:
        """Return the entries of each of the user's modules, by name."""
        if new := sys.modules.keys() - self._seen:
            self._seen |= new
            self._modules += [_Module(name) for name in sorted(new) if _is_users(name, sys.modules.get(name))]
        found, left = {}, _MOST_BYTES_IN_ALL
        for known in self._modules:
            module = sys.modules.get(known.name)
            if module is not None:
                with suppress(Exception):  # code of the user's metaclasses may run, and fail
                    found[known.name], left = known.entries(vars(module), left)
        return found


def _is_users(name: str, module: object) -> bool:
    return isinstance(getattr(module, "__file__", None), str) and not is_foreign(name)


class _Module:
    """One of the user's modules, with the known entries of globals that cannot change in place."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._known: dict[str, tuple[object, Entry | None]] = {}
        self._file: object = None

    def entries(self, names: dict[str, object], left: int) -> tuple[Entries, int]:
        """Return the entries of possible settings, and how many bytes are left for other modules."""
        found: Entries = {}
        self._file = names.get("__file__")
        for path, value in self._members(names):
            known = self._known.get(path)
            if known is not None and known[0] is value:
                entry = known[1]
            else:
                entry = self._entry(path, value, min(left, MOST_BYTES))
                if entry is None or entry[0] in (_RAW, _NAMED):
                    self._known[path] = value, entry
            if entry is not None:
                found[path] = entry
                left -= len(entry[1]) if entry[0] == _PICKLED else 0
        return found, left

    def _members(self, names: dict[str, object]) -> Iterator[tuple[str, object]]:
        for name, value in list(names.items()):
            yield name, value
            if not _is_class(value) or issubclass(value, enum.Enum):
                continue
            if value.__module__ == self.name and value.__qualname__ == name:
                for attribute, content in list(vars(value).items()):
                    yield f"{name}.{attribute}", content

    def _entry(self, path: str, value: object, most: int) -> Entry | None:
        """Return the entry of a value; None for a function, class or module that the source defines."""
        kind = type(value)
        name = path.rpartition(".")[2]
        if kind is FunctionType:
            return None if _is_own(value, self.name, path, self._file) else _entry(value, most)
        if name[:2] == "__" or issubclass(kind, ModuleType):
            return None
        if _is_class(value) and value.__module__ == self.name and value.__qualname__ == path:
            return None
        if name != path and (issubclass(kind, type) or hasattr(kind, "__get__")):
            return None
        return _entry(value, most)


def _is_class(value: object) -> TypeGuard[type]:
    """Return whether a value is a class, by its type: proxies may raise when asked for their class."""
    return issubclass(type(value), type)


def _is_own(value: object, module: str, path: str, file: object) -> bool:
    """Return whether a function is the one that the source of its module defines by this name."""
    return (
        type(value) is FunctionType
        and value.__module__ == module
        and value.__qualname__ == path
        and value.__code__.co_filename == file
    )


# --- both


def _entry(value: object, most: int) -> Entry | None:
    kind = type(value)
    if _is_raw(value, most):
        return _RAW, value
    if issubclass(kind, (type, *_FUNCTIONS)):
        place = _place_of(value)
        return (_DESCRIBED, _description(value)) if place is None else (_NAMED, place)
    if _is_stream(kind):
        return _DESCRIBED, _description(value)
    try:
        return _PICKLED, _pickled(value, most)
    except Exception:  # code of the user's classes may run; it is no simple value then
        return _DESCRIBED, _description(value)


def _is_raw(value: object, most: int) -> TypeGuard[Plain]:
    if type(value) is str or type(value) is bytes:
        return len(value) <= most
    return type(value) in _PLAIN


def _place_of(value: object) -> tuple[str, str] | None:
    """Return where a class or function can be imported from, or None."""
    module, path = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if not isinstance(module, str) or module == "__main__":
        return None
    return (module, path) if _at(sys.modules.get(module), path) is value else None


def _at(value: object, path: str) -> object:
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


def _description(value: object) -> str:
    """Return a text that is the same in another process if it has the same value."""
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    if _is_stream(kind):
        return "an open file"
    if type(value) is np.ndarray:
        return f"{name} {value.shape} {value.dtype} {_digest(value)}"
    if issubclass(kind, (type, *_FUNCTIONS)):
        line = f" (line {value.__code__.co_firstlineno})" if type(value) is FunctionType else ""
        module, path = (getattr(value, where, None) for where in ("__module__", "__qualname__"))
        return f"{name} {module}.{path}{line}"
    return f"{name} of {len(cast(Sized, value))}" if issubclass(kind, _SIZED) else name


def _digest(array: np.ndarray) -> int:
    if array.dtype.hasobject or not array.size:
        return 0
    step = max(1, array.size // _PROBE)
    return zlib.crc32(array.flat[::step].tobytes())


def _is_stream(kind: type) -> bool:
    """Return whether values of a type are open files, which differ from process to process."""
    return hasattr(kind, "write") and hasattr(kind, "flush")


class _NotSimpleError(Exception):
    """A part of a value cannot be passed on."""


class _Sink:
    def __init__(self, most: int) -> None:
        self.parts: list[bytes] = []
        self._left = most

    def write(self, data: bytes | pickle.PickleBuffer) -> int:
        size = memoryview(data).nbytes
        self._left -= size
        if self._left < 0:
            raise _NotSimpleError
        self.parts.append(bytes(data))
        return size


class _SettingPickler(pickle.Pickler):
    """Pickles simple values only."""

    def reducer_override(self, value: object) -> Any:
        """Refuse large values, live objects, and classes and functions that another process cannot import."""
        kind = type(value)
        if issubclass(kind, (type, *_FUNCTIONS)):
            simple = _place_of(value) is not None
        elif type(value) is np.ndarray:
            simple = value.nbytes <= MOST_BYTES and not value.dtype.hasobject
        elif issubclass(kind, (*_CONTAINERS, np.generic, np.dtype)):
            simple = True
        elif kind.__module__.partition(".")[0] in sys.stdlib_module_names:
            simple = not issubclass(kind, _ALIVE)
        else:
            simple = _is_plain(kind)
        if not simple:
            raise _NotSimpleError
        return NotImplemented


def _is_plain(kind: type) -> bool:
    """Return whether pickle takes nothing but the attributes of objects of a class."""
    return all(getattr(kind, hook, None) is getattr(object, hook, None) for hook in _HOOKS)


def _pickled(value: object, most: int) -> bytes:
    sink = _Sink(most)
    _SettingPickler(sink, 5).dump(value)
    return b"".join(sink.parts)


# --- a worker


class SettingReceiver:
    """Gives the modules of this process the settings of another, each when it has been imported.

    Args:
        report: is called with the names of settings that differ and could not be passed on.
    """

    def __init__(self, report: Callable[[list[str]], None]) -> None:
        self._report = report
        self._wanted: dict[str, Entries] = {}
        self._taken: dict[str, Entries] = {}

    def update(self, wanted: dict[str, Entries]) -> None:
        """Take over settings: now in modules that are imported, later in others."""
        self._wanted = wanted
        if wanted and self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        self._take([name for name in wanted if name in sys.modules])

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of the user's as the other finders do; its settings follow when it has run."""
        if name not in self._wanted:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None) if finder is not self else None
            spec: ModuleSpec | None = find(name, path, target) if find is not None else None
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = cast(
                        "Loader", _LoaderWithCallback(spec.loader, lambda: self._take_anew(name))
                    )
                return spec
        return None

    def _take_anew(self, name: str) -> None:
        self._taken.pop(name, None)
        self._take([name])

    def _take(self, names: list[str]) -> None:
        unsent = []
        for name in names:
            before, wanted = self._taken.get(name, {}), self._wanted[name]
            self._taken[name] = wanted
            changed = {path: entry for path, entry in wanted.items() if before.get(path) != entry}
            unsent += [f"{name}.{path}" for path in _take_over(vars(sys.modules[name]), changed)]
        if unsent:
            self._report(unsent)


class _LoaderWithCallback:
    """The loader of a module, with a function to call when the module has run."""

    def __init__(self, loader: Loader, after: Callable[[], None]) -> None:
        self._loader, self._after = loader, after

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leave it to the loader."""
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        """Run the module as if there were nothing else."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._after()


def _take_over(names: dict[str, object], entries: Entries) -> list[str]:
    """Give a module its settings; return the names of those that differ and cannot be passed on."""
    own = {path: _found(names, path) for path in entries}
    differing = [path for path, entry in entries.items() if _differs(own[path], entry)]
    undeliverable = [path for path in differing if entries[path][0] == _DESCRIBED]
    unsent = [path for path in undeliverable if not (path[0] == "_" and own[path] in (None, _MISSING))]
    for path in differing:
        if path in undeliverable or (undeliverable and _is_flag(path, own[path])):
            continue
        try:
            _set(names, path, own[path], _value(entries[path]))
        except Exception:  # code of the user's may run: a class is missing here, or refuses a change
            unsent.append(path)
    return unsent


def _is_flag(path: str, value: object) -> bool:
    """Return whether a global may be a flag for another setting, which could not be passed on."""
    return path[0] == "_" and value is False


def _found(names: dict[str, object], path: str) -> object:
    owner, _, attribute = path.partition(".")
    value = names.get(owner, _MISSING)
    return vars(value).get(attribute, _MISSING) if attribute and isinstance(value, type) else value


def _differs(own: object, entry: Entry) -> bool:
    kind, content = entry
    if own is _MISSING:
        return True
    if kind == _RAW:
        return type(own) is not type(content) or bool(own != content and own == own)
    if kind == _NAMED:
        return bool((getattr(own, "__module__", None), getattr(own, "__qualname__", None)) != content)
    if kind == _DESCRIBED:
        return bool(_description(own) != content)
    try:
        return bool(_pickled(own, MOST_BYTES) != content)
    except Exception:  # it is no simple value, while the other is
        return True


def _value(entry: Entry) -> object:
    if entry[0] == _PICKLED:
        return pickle.loads(entry[1])
    if entry[0] == _NAMED:
        module, path = entry[1]
        __import__(module)
        found = _at(sys.modules[module], path)
        if found is None:
            raise _NotSimpleError
        return found
    return entry[1]


def _set(names: dict[str, object], path: str, own: object, value: object) -> None:
    """Put a value in its place, or into the container that is there."""
    if type(own) is type(value) and _filled(own, value):
        return
    owner, _, attribute = path.partition(".")
    if attribute:
        setattr(names[owner], attribute, value)
    else:
        names[owner] = value


def _is_its_attributes(value: object) -> bool:
    kind = type(value)
    return hasattr(value, "__dict__") and not getattr(kind, "__slots__", None) and _is_plain(kind)


def _filled(own: object, value: Any) -> bool:
    """Give a container the content of `value`, of the same class; return whether it is one."""
    if isinstance(own, (dict, set)):
        own.clear()
        own.update(value)
    elif isinstance(own, list):
        own[:] = value
    elif isinstance(own, np.ndarray) and own.shape == value.shape and own.dtype == value.dtype:
        own[...] = value
    elif type(own) is SimpleNamespace or _is_its_attributes(own):
        vars(own).clear()
        vars(own).update(vars(value))
        return True
    else:
        return False
    if hasattr(own, "__dict__"):
        vars(own).update(vars(value))
    return True
