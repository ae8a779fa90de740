"""What an object holds and loads advance: generators, iterators, open files, objects that augment.

`held_states` looks before and after loads; `cause_of_change` names the attribute behind a batch that changes.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import random
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from itertools import islice
from types import CodeType, FunctionType, GeneratorType, MethodType

import numpy as np

from streamfit._base.inspection import attributes_of, is_foreign
from streamfit.testing.object_state import fingerprint

_DEEPEST, _MOST = 3, 512  # levels below the object, and things that are looked at
# Where np.random.shuffle and random.shuffle draw; check_random_state(None) of scikit-learn returns the first.
GLOBAL_DRAWS: tuple[object, ...] = (np.random.mtrand._rand, random._inst)
_DRAWS = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
Parts = list[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Held:
    """Something that loads may advance.

    Attributes:
        kind: ``'draws'``, ``'iterates'``, ``'reads'`` (an open file), or ``'augments'`` where a package
            draws.
        text: Its type, with an article.
        state: Text that differs when it was advanced; None if that cannot be seen.
    """

    kind: str
    text: str
    state: str | None


def parts_of_object(thing: object) -> Iterator[tuple[str, object]]:
    """Yield what the attributes of an object hold, some levels deep, with names like ``self.parts[0].x``;
    then what its functions read: variables of their modules and of functions around them.
    """
    seen = {id(thing)}
    waiting = [(name, value, 0) for name, value in (*_of_object("self", thing), *_of_functions(thing))]
    while waiting and len(seen) < _MOST:
        name, value, depth = waiting.pop(0)
        if id(value) in seen or value is None or isinstance(value, (bool, int, float, str, bytes)):
            continue
        seen.add(id(value))
        yield name, value
        if depth < _DEEPEST:
            deeper = depth + (not _is_stage(value))
            waiting += [(inner, part, deeper) for inner, part in inner_parts(name, value)]


def inner_parts(name: str, value: object) -> Parts:
    """List the entries of a container, the attributes of an object of a class of the user or of a stage of a
    source, or what a function reads.
    """
    if isinstance(value, Mapping):
        return [(f"{name}[{key!r}]", entry) for key, entry in list(value.items())[:64]]
    if isinstance(value, (list, tuple, deque)):
        return [(f"{name}[{at}]", entry) for at, entry in enumerate(islice(value, 64))]
    if isinstance(value, functools.partial):
        held = (("func", value.func), ("args", value.args), ("keywords", value.keywords))
        return [(f"{name}.{key}", part) for key, part in held]
    if isinstance(value, FunctionType):
        return _of_function(value)
    if isinstance(value, (np.ndarray, type)) or (is_library(value) and not _is_stage(value)):
        return []
    return [*_of_object(name, value), *_of_functions(value)]


def _of_object(name: str, value: object) -> Parts:
    """List the attributes of an object; what stages of a source hold has the name of its class."""
    if _is_stage(value):
        held = [entry for _, entry in attributes_of(value)]
        flat = [one for entry in held for one in (entry if isinstance(entry, tuple) else (entry,))]
        return [(type(entry).__name__, entry) for entry in flat]
    return [(f"{name}.{key}", entry) for key, entry in attributes_of(value)]


def _is_stage(value: object) -> bool:
    return type(value).__module__.startswith("streamfit.streams.")


def _of_functions(thing: object) -> Parts:
    """List what the classes of the user behind an object hold, and what their methods read."""
    found: Parts = []
    for kind in type(thing).__mro__:
        if not _is_users(kind.__module__):
            continue
        for name, entry in list(vars(kind).items()):
            method = getattr(entry, "__func__", entry)
            if isinstance(method, FunctionType):
                found += _of_function(method)
            elif not name.startswith("__"):
                found.append((f"{kind.__name__}.{name}", entry))
    return found


def _of_function(function: FunctionType) -> Parts:
    """List the variables of modules and of functions around it that a function reads, with their places."""
    if not _is_users(function.__module__ or ""):
        return []
    module, code = function.__globals__, function.__code__
    found: Parts = []
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # it is not set yet
            file = os.path.basename(code.co_filename)
            found.append((f"{name} of {code.co_name} ({file}:{code.co_firstlineno})", cell.cell_contents))
    names = [name for each in _codes_in(code) for name in each.co_names if name in module]
    return found + [(f"{function.__module__}.{name}", module[name]) for name in names]


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes_in(const)


def _is_users(module: str) -> bool:
    return module in ("__main__", "__mp_main__") or not is_foreign(module)


def is_library(value: object) -> bool:
    """Return whether the class of an object is not the user's."""
    return not _is_users(type(value).__module__)


def held_states(thing: object) -> dict[str, Held]:
    """Describe all that an object holds and that loads may advance, by the name of the attribute.

    Example:
        >>> class Noisy:
        ...     def __init__(self):
        ...         self.noise = np.random.default_rng(0)
        >>> held_states(Noisy())["self.noise"].text
        'a numpy.random.Generator'
    """
    found: dict[str, Held] = {}
    for name, value in parts_of_object(thing):
        held = _held(value)
        if held is None and isinstance(value, MethodType):  # draw = rng.normal
            held = _held(value.__self__)
        owner = getattr(value, "__self__", None)
        if held is None and isinstance(owner, _DRAWS):
            held = _held(owner)
        if held is not None:
            found[name] = held
    return found


def _held(value: object) -> Held | None:
    kind = type(value)
    if any(value is each for each in GLOBAL_DRAWS):  # nobody holds it: another check tells of its use
        return None
    if isinstance(value, _DRAWS):
        name = "random.Random" if isinstance(value, random.Random) else f"numpy.random.{kind.__name__}"
        return Held("draws", f"a {name}", _state_of_draws(value))
    top = kind.__module__.partition(".")[0]
    if isinstance(value, GeneratorType):
        return Held("iterates", "a running generator", None if value.gi_frame is None else "running")
    if top in _SEEDED:
        return Held("augments", f"an object of {top}", None)
    if isinstance(value, io.IOBase):
        return Held("reads", "an open file", _position(value))
    if _is_iterator(value):
        return Held("iterates", f"{_article(kind)} {kind.__name__} iterator", _repr_of_count(value))
    return None


def _is_iterator(value: object) -> bool:
    foreign = type(value).__module__ in ("builtins", "itertools", "_csv", "csv", "pandas.io.parsers.readers")
    return foreign and hasattr(value, "__next__") and hasattr(value, "__iter__")


def _article(kind: type) -> str:
    return "an" if kind.__name__[0] in "aeiou" else "a"


def _repr_of_count(value: object) -> str | None:
    return repr(value) if type(value).__name__ in ("count", "repeat") else None


def _state_of_draws(value: object) -> str:
    if isinstance(value, random.Random):
        with contextlib.suppress(Exception):  # SystemRandom has no state
            return fingerprint(repr(value.getstate()))
        return ""
    if isinstance(value, np.random.RandomState):
        return fingerprint(value.get_state(legacy=False))
    bits = getattr(value, "bit_generator", value)
    return fingerprint(getattr(bits, "state", None))


def _position(file: io.IOBase) -> str | None:
    try:
        return str(file.tell())
    except (OSError, ValueError):
        try:
            return str(os.lseek(file.fileno(), 0, os.SEEK_CUR))
        except (OSError, ValueError):
            return None


def advanced(before: dict[str, Held], after: dict[str, Held]) -> list[str]:
    """List the names of what was advanced for certain."""
    return [name for name, held in before.items() if name in after and held.state != after[name].state]


_WHY = {
    "draws": "which every load advances",
    "iterates": "which every load advances: it gives each of its items once",
    "reads": "whose position every load moves",
}


def cause_of_change(before: dict[str, Held], after: dict[str, Held]) -> str:
    """Write which attribute makes a batch another one each time; empty if none is seen to."""
    sure = advanced(before, after)
    for name in sorted(sure, key=lambda name: before[name].kind != "draws"):
        return f" {name} is {before[name].text}, {_WHY[before[name].kind]}."
    for name, held in before.items():
        if held.kind == "augments":
            how = _SEEDED[held.text.rpartition(" ")[2]].replace("self.augment", name)
            return (
                f" {name} is {held.text}, which draws from random states of its own: seed it in each "
                f"load, as by {how}."
            )
    for name, held in before.items():
        if held.kind == "iterates":
            return f" {name} is {held.text}, which gives each of its items once."
    return ""


_SEEDED = {
    "albumentations": "self.augment.set_random_seed(int(self.rng(index).integers(2**32)))",
    "imgaug": "self.augment.seed_(int(self.rng(index).integers(2**31)))",
    "torchvision": "torch.manual_seed(int(self.rng(index).integers(2**32))), inside torch.random.fork_rng()",
    "cv2": "cv2.setRNGSeed(int(self.rng(index).integers(2**31)))",
}


# -- data that loads change --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of a container or of an object of a container, as they were."""

    thing: object
    entries: dict[object, str]


def held_entries(thing: object) -> dict[str, Entries]:
    """Note the entries of all lists, dicts, sets, tables and objects of own classes that an object holds.

    Example:
        >>> class Rows:
        ...     def __init__(self):
        ...         self.rows = [1.0, 2.0]
        >>> rows = Rows()
        >>> before = held_entries(rows)
        >>> rows.rows.append(3.0)
        >>> changed_entries(before)  # what is only added may be a cache
        >>> rows.rows[0] = 7.0
        >>> changed_entries(before)
        'self.rows[0]'
    """
    found: dict[str, Entries] = {}
    for name, value in parts_of_object(thing):
        entries = _entries(value, name.endswith("]"))
        if entries is not None:
            found[name] = Entries(value, entries)
    return found


def _entries(value: object, in_container: bool) -> dict[object, str] | None:
    """Return the fingerprint of each entry; None for what is no container of data."""
    if isinstance(value, Mapping):
        return {key: _mark(entry) for key, entry in list(value.items())[:1000]}
    if isinstance(value, (list, bytearray, array)):
        return {at: _mark(entry) for at, entry in enumerate(value[:1000])}
    if isinstance(value, (set, deque)):
        return None if isinstance(value, deque) and value.maxlen else _without_order(value)
    if type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "to_dict"):
        return _columns(value)
    if in_container and not is_library(value) and not isinstance(value, (type, FunctionType, np.ndarray)):
        return {f".{key}": _mark(entry) for key, entry in attributes_of(value)}
    return None


def _without_order(values: Iterable[object]) -> dict[object, str]:
    """Return the entries by their fingerprints, equal ones numbered: a queue may be rotated."""
    counts: Counter[str] = Counter()
    found: dict[object, str] = {}
    for mark in map(_mark, islice(list(values), 1000)):
        counts[mark] += 1
        found[mark, counts[mark]] = ""
    return found


def _columns(table: object) -> dict[object, str] | None:
    index: list[object] = list(getattr(table, "index", ()))
    to_dict: Callable[..., Mapping[object, Sized]] = getattr(table, "to_dict", dict)
    try:
        whole = to_dict("list") if type(table).__name__ == "DataFrame" else {"values": to_dict()}
    except Exception:  # a table that cannot be written so is not judged
        return None
    order = index[:1000]
    return {key: fingerprint([order, column]) for key, column in whole.items()}


def _mark(entry: object) -> str:
    """Return a fingerprint; arrays have a check of their own, and a number that grows counts something."""
    if isinstance(entry, np.ndarray) or _held(entry) is not None:
        return "array"
    if entry is None or (isinstance(entry, (int, float)) and not isinstance(entry, bool)):
        return f"{_COUNTED}{entry}"
    if isinstance(entry, list):
        return fingerprint([_mark(one) for one in entry[:1000]] + [len(entry)])
    if isinstance(entry, (Mapping, set, deque)) or (attributes_of_user(entry) and not callable(entry)):
        return "looked into"  # it is judged by its own entries
    return fingerprint(entry, 1)


def attributes_of_user(value: object) -> bool:
    """Return whether an object is of a class of the user, and has attributes."""
    return not is_library(value) and any(True for _ in attributes_of(value))


_COUNTED = "counted "


def changed_entries(before: dict[str, Entries]) -> str | None:
    """Name what was changed of what was there before; what was only added is no change of the data."""
    for name, old in before.items():
        now = _entries(old.thing, name.endswith("]"))
        if now is None:
            continue
        gone = [key for key in old.entries if key not in now]
        if gone and len(now) < len(old.entries) and not isinstance(old.thing, Mapping):
            return name
        if gone and (isinstance(old.thing, (set, deque))):
            return name
        differ = [key for key in old.entries if key in now and now[key] != old.entries[key]]
        for key in differ:
            if not _counts(old, old.entries[key], now[key]):
                return f"{name}{key}" if str(key).startswith(".") else f"{name}[{key!r}]"
    return None


def _counts(old: Entries, before: str, now: str) -> bool:
    """Return whether an entry was empty before, or is a number that only grew: a cache or a counter."""
    if not before.startswith(_COUNTED):
        return False
    if before == f"{_COUNTED}None":
        return True
    if not now.startswith(_COUNTED) or now == f"{_COUNTED}None":
        return False
    zeros = set(old.entries.values()) <= {f"{_COUNTED}0", f"{_COUNTED}0.0"}
    one, other = before.removeprefix(_COUNTED), now.removeprefix(_COUNTED)
    whole = one.lstrip("-").isdigit() or float(one) == 0
    return (
        whole and float(other) > float(one) and (zeros or not isinstance(old.thing, (list, bytearray, array)))
    )
