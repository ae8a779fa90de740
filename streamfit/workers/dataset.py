"""A loader on its way to the workers: pickled once, its large arrays apart.

Guarantees kept here: a loader is pickled once for each change and sent to each worker once; classes and
functions that workers cannot import (those of `__main__`, of a notebook, of a test module) travel by value;
what cannot travel is named.
"""

from __future__ import annotations

import io
import os
import sys
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle
import numpy as np

from streamfit._base.errors import PicklingError, WorkerError
from streamfit.workers import sharing, slots
from streamfit.workers.contract import Loader, fresh_id, name_of
from streamfit.workers.culprit import explain

_KEEP = 4


class Parcel:
    """A pickled loader.

    Attributes:
        key: number by which workers know it.
        fd: anonymous memory with its pickle bytes.
        arenas: what its large arrays are in.
        modules: modules that its classes and functions are imported from.
    """

    def __init__(
        self, data: bytes, arenas: list[sharing.Arena], modules: set[str], retired: deque[int]
    ) -> None:
        self.key = fresh_id()
        self.data = data
        self.arenas = arenas
        self.modules = modules
        self.fd = slots.create("loader", len(data))
        self._finalizer = weakref.finalize(self, _retire, self.fd, self.key, retired)
        with open(self.fd, "wb", closefd=False) as file:
            file.write(data)

    def close(self) -> None:
        """Give back the memory."""
        self._finalizer()
        for arena in self.arenas:
            arena.close()


class Dispatch:
    """The loaders of one pool and their parcels, the most recently used one last.

    Attributes:
        retired: keys of parcels that nobody refers to any more; workers may forget them.
    """

    def __init__(self) -> None:
        self.retired: deque[int] = deque()
        self._arrays = sharing.ArrayStore()
        self._parcels: dict[int, tuple[Loader, Parcel]] = {}

    def parcel_for(self, loader: Loader) -> Parcel:
        """Return the parcel of a loader, pickling it if it is new or may have changed.

        Raises:
            PicklingError: something in it cannot be sent to another process.
        """
        _, known = self._parcels.pop(id(loader), (None, None))
        if known is None or getattr(loader, "may_change", False):
            made = self.pickle(loader, name_of(loader))
            if known is None or made.data != known.data:
                known = made
        self._parcels[id(loader)] = (loader, known)
        while len(self._parcels) > _KEEP:
            del self._parcels[next(iter(self._parcels))]
        self._arrays.prune()
        return known

    def clear(self) -> None:
        """Give back all memory; workers that have mapped it keep what they need."""
        for _, parcel in self._parcels.values():
            parcel.close()
        self._parcels.clear()
        self._arrays = sharing.ArrayStore()

    def pickle(self, value: Any, name: str) -> Parcel:
        """Pickle a loader, or what workers call.

        Args:
            value: what to pickle.
            name: what to call it in messages.

        Raises:
            PicklingError: something in it cannot be sent to another process.
        """
        file = io.BytesIO()
        pickler = _LoaderPickler(file, self._arrays)
        try:
            with pickler.by_value():
                try:
                    pickler.dump(value)
                except WorkerError:
                    raise
                except Exception as error:
                    raise PicklingError(explain(value, name, error)) from error
        finally:
            pickler.clear_memo()
        return Parcel(file.getvalue(), list(pickler.arenas.values()), pickler.modules, self.retired)


def _retire(fd: int, key: int, retired: deque[int]) -> None:
    os.close(fd)
    retired.append(key)


class _LoaderPickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles a loader; large arrays go to arenas, mapped files by reference."""

    def __init__(self, file: io.BytesIO, arrays: sharing.ArrayStore) -> None:
        super().__init__(file, protocol=5)
        self._arrays = arrays
        self._arena: sharing.Arena | None = None
        self._seen_modules: dict[str, bool] = {}
        self._by_value: list[ModuleType] = []
        self.arenas: dict[int, sharing.Arena] = {}
        self.modules: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        """Take arrays aside and see that classes and functions can be found again."""
        kind = type(obj)
        if kind is np.ndarray or kind is np.memmap:
            reduced = self._reduce_array(obj)
            if reduced is not None:
                return reduced
        elif isinstance(obj, type | FunctionType):
            self._note_module(getattr(obj, "__module__", None))
        return super().reducer_override(obj)

    @contextmanager
    def by_value(self) -> Iterator[None]:
        """Undo afterwards what was registered to travel by value."""
        try:
            yield
        finally:
            for module in self._by_value:
                cloudpickle.unregister_pickle_by_value(module)

    def _reduce_array(self, array: sharing.Array) -> Any:
        if array.dtype.hasobject or array.dtype.kind == "T":
            return None
        place = sharing.file_place(array)
        if place is not None:
            return sharing.file_array, (place,)
        if array.nbytes < sharing.MIN_SHARED_BYTES:
            return np.asarray(array).__reduce_ex__(5) if type(array) is np.memmap else None
        self._arena = self._arena or sharing.Arena()
        arena, offset = self._arrays.place(array, self._arena)
        self.arenas[arena.key] = arena
        return sharing.arena_array, (arena.key, offset, sharing.layout_of(array))

    def _note_module(self, name: str | None) -> None:
        if not name or name == "__main__" or name in self._seen_modules:
            return
        module = sys.modules.get(name)
        found = self._seen_modules[name] = module is None or _can_be_imported(name)
        if found:
            self.modules.add(name)
        elif module is not None and name not in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.register_pickle_by_value(module)
            self._by_value.append(module)


def _can_be_imported(name: str) -> bool:
    """Return whether a module is found by its name, without looking at what is loaded already."""
    path: Any = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        spec = None
        for finder in sys.meta_path:
            spec = finder.find_spec(".".join(parts[:end]), path)
            if spec is not None:
                break
        if spec is None:
            return False
        path = spec.submodule_search_locations
        if path is None and end < len(parts):
            return True  # a module that passes for a package (os.path); its parent will know
    return True
