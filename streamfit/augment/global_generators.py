"""The random generators of others, seeded for one call: Python's `random`, NumPy's and torch's global ones.

Guarantee kept here: what a call draws depends on its seed alone, and the global generators are behind it as
they were in front. As all threads of a process share them, one thread at a time has them; a program that
draws from them in a thread of its own at the same time is not kept out, as nothing can be.
"""

from __future__ import annotations

import functools
import inspect
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType, ModuleType
from typing import Protocol, cast

import numpy as np

from streamfit._base.keys import derive

_lock = threading.RLock()
_DEPTH, _MANY = 5, 2000  # limits of the search for generators inside a function


class _TorchGenerator(Protocol):
    def get_state(self) -> object: ...

    def set_state(self, state: object, /) -> object: ...

    def manual_seed(self, seed: int, /) -> object: ...


Seed = Callable[[int], None]
"""Seeds the global generators with a key."""


@contextmanager
def global_generators() -> Iterator[Seed]:
    """Keep other threads from the global generators, and put these back in the end.

    Yields:
        A function that seeds them with a key: NumPy's, Python's, and torch's where torch is imported.
    """
    with _lock:
        python, numpy = random.getstate(), np.random.get_state(legacy=False)
        torch = _torch()
        torch_state = None if torch is None else torch.get_state()
        try:
            yield _seed
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            if torch is not None:
                torch.set_state(torch_state)


def imported_torch() -> bool:
    """Return whether torch is imported, and so seeded."""
    return _torch() is not None


def _seed(key: int) -> None:
    random.seed(derive(key, "python"))
    word = derive(key, "numpy")
    np.random.seed([word & 0xFFFFFFFF, word >> 32])
    torch = _torch()
    if torch is not None:
        torch.manual_seed(derive(key, "torch"))


def _torch() -> _TorchGenerator | None:
    module = sys.modules.get("torch")
    # The generator of the processor alone: seeding that of a graphics card would start its driver.
    return cast("_TorchGenerator | None", getattr(module, "default_generator", None))


class OwnGenerators:
    """The generators that a function holds: in its attributes, its closure, and the globals that it names.

    Args:
        function: The function, or an object that can be called.
    """

    def __init__(self, function: object) -> None:
        self._seeds: list[Seed] = []
        self._seen: dict[int, object] = {}
        self._find(function, 0)

    def __len__(self) -> int:
        return len(self._seeds)

    def seed(self, key: int) -> None:
        """Seed each of them with a key of its own."""
        for place, seed in enumerate(self._seeds):
            seed(derive(key, "own", place))

    def _find(self, thing: object, depth: int) -> None:
        if isinstance(thing, (str, bytes, int, float, complex, type(None), np.ndarray, type, ModuleType)):
            return
        if depth > _DEPTH or id(thing) in self._seen or len(self._seen) > _MANY:
            return
        self._seen[id(thing)] = thing
        seed = _seeding(thing)
        if seed is not None:
            self._seeds.append(seed)
            return
        for part in _parts(thing):
            self._find(part, depth + 1)


def _seeding(thing: object) -> Seed | None:
    """Return what seeds an object that draws random numbers; None for any other object."""
    if isinstance(thing, np.random.Generator):
        bits = thing.bit_generator
        return lambda key: setattr(bits, "state", type(bits)(key).state)
    if isinstance(thing, np.random.RandomState):
        return lambda key: thing.seed(key >> 32)
    if isinstance(thing, random.Random):
        return thing.seed
    if callable(getattr(thing, "manual_seed", None)) and callable(getattr(thing, "initial_seed", None)):
        return functools.partial(_call, cast("_TorchGenerator", thing).manual_seed)  # of torch
    # Albumentations: one generator for all transforms inside. With a seed each of them would begin alike, and
    # whatever is drawn with one probability would be drawn together.
    together = getattr(thing, "set_random_state", None)
    if callable(together):
        return functools.partial(_share, together)
    for name in ("set_random_seed", "seed_"):
        method = getattr(thing, name, None)
        if callable(method):
            return functools.partial(_call_short, method)
    return None


def _call(method: Callable[[int], object], key: int) -> None:
    method(key)


def _share(method: Callable[[np.random.Generator, random.Random], object], key: int) -> None:
    method(np.random.default_rng(derive(key, "numpy")), random.Random(derive(key, "python")))


def _call_short(method: Callable[[int], object], key: int) -> None:
    method(key >> 33)  # 31 bits, which every library takes


def _parts(thing: object) -> Iterator[object]:
    if isinstance(thing, dict):
        yield from list(thing.values())
    elif isinstance(thing, (list, tuple)):
        yield from list(thing)
    elif isinstance(thing, functools.partial):
        yield from (thing.func, thing.args, thing.keywords)
    elif isinstance(thing, MethodType):
        yield from (thing.__self__, thing.__func__)
    elif isinstance(thing, FunctionType):
        yield from (cell.cell_contents for cell in thing.__closure__ or () if _filled(cell))
        yield from (thing.__globals__.get(name) for name in thing.__code__.co_names)
        yield from (thing.__defaults__, thing.__kwdefaults__)
    else:
        yield from list(getattr(thing, "__dict__", {}).values())
        call = inspect.getattr_static(type(thing), "__call__", None)
        if isinstance(call, FunctionType):
            yield call


def _filled(cell: object) -> bool:
    try:
        cell.cell_contents  # type: ignore[attr-defined]  # noqa: B018 - reading it may raise
    except ValueError:
        return False
    return True


def _new_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # the thread that has the lock does not live on in a child
    os.register_at_fork(after_in_child=_new_lock)
