"""Pickles a loader for the workers: once, with its arrays apart.

Guarantees kept here: a loader is pickled once for each change and sent to each worker once; classes and
functions that workers cannot import (those of `__main__`, of a notebook, of a test module) travel by value;
a part that cannot travel is named.
"""

from __future__ import annotations

import hashlib
import io
import sys
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FunctionType, ModuleType

import cloudpickle
import numpy as np

from streamfit._base.errors import PicklingError, WorkerError
from streamfit._base.uninterrupted import uninterrupted
from streamfit.workers.contract import AnyLoader, fresh_id, name_of
from streamfit.workers.transport import descriptors, segments, shared_arrays, slots
from streamfit.workers.transport.unpicklable import explain

_KEEP = 4
_MIN_SHARED_BYTES = 512  # less than what an array needs besides its elements


class PickledLoader:
    """A pickled loader.

    Args:
        data: its pickle bytes.
        blocks: the memory of its arrays.
        places: for each array the key of a segment and the offset in it.
        modules: modules that its classes and functions are imported from.
        retired: gets the key when nobody refers to the pickled loader any more.

    Attributes:
        key: number by which workers know it.
        fd: anonymous memory with its pickle bytes, and the places of its arrays behind them.
        size: number of pickle bytes.
        segments: the segments that hold its arrays.
        modules: modules that its classes and functions are imported from.
    """

    def __init__(
        self,
        data: memoryview,
        blocks: list[segments.Block],
        places: list[tuple[int, int]],
        modules: set[str],
        retired: deque[int],
    ) -> None:
        self.key = fresh_id()
        self.size = len(data)
        self.blocks = blocks
        self.segments = list({block.segment.key: block.segment for block in blocks}.values())
        self.modules = modules
        table = np.array(places, np.int64).tobytes()
        self._digest = _digest(data, table)
        self.fd = slots.create("loader", max(len(data) + len(table), 1))
        known = descriptors.identity(self.fd)
        self._finalizer = weakref.finalize(self, _retire, self.fd, known, self.key, retired)
        self._finalizer.atexit = False  # daemon threads may still use it then
        slots.write(self.fd, data, 0)
        slots.write(self.fd, memoryview(table), len(data))

    def equals(self, other: PickledLoader) -> bool:
        """Return whether workers would get the same loader from both."""
        return self._digest == other._digest

    def close(self) -> None:
        """Release the memory."""
        self._finalizer()
        for segment in self.segments:
            segment.close()


class LoaderRegistry:
    """The loaders of one pool and their pickled loaders, the most recently used one last.

    Attributes:
        retired: keys of pickled loaders that nobody refers to any more; workers may forget them.
    """

    def __init__(self) -> None:
        self.retired: deque[int] = deque()
        self._pickled_loaders: dict[int, tuple[AnyLoader, PickledLoader]] = {}

    def pickled_loader_for(self, loader: AnyLoader) -> PickledLoader:
        """Return the pickled loader of a loader, pickling it if it is new or may have changed.

        Raises:
            PicklingError: something in it cannot be sent to another process.
        """
        known = self._pickled_loaders.get(id(loader))
        if known is None or getattr(loader, "may_change", False):
            pickled = _pickle(loader, name_of(loader))
            uninterrupted(lambda: self._keep(loader, pickled))
        else:
            self._pickled_loaders[id(loader)] = self._pickled_loaders.pop(id(loader))  # to the end
        return self._pickled_loaders[id(loader)][1]

    def pickle(self, value: object, name: str) -> PickledLoader:
        """Pickle a function that workers call, with everything it refers to.

        Args:
            value: the function.
            name: its name in messages.

        Raises:
            PicklingError: something in it cannot be sent to another process.
        """
        pickled, made = _pickle(value, name, share=False), list[PickledLoader]()
        data = pickled.file.getbuffer()
        uninterrupted(lambda: made.append(PickledLoader(data, [], [], pickled.modules, self.retired)))
        return made[0]

    def clear(self) -> None:
        """Release all memory; workers that have mapped it keep what they need."""
        uninterrupted(self._clear)

    def _keep(self, loader: AnyLoader, pickled: _LoaderPickler) -> None:
        """Keep a loader that was just pickled, unless the one that is there is the same."""
        known = [
            block for _, pickled_loader in self._pickled_loaders.values() for block in pickled_loader.blocks
        ]
        _, pickled_loader = self._pickled_loaders.pop(id(loader), (None, None))
        blocks, places = pickled.gathering.place(
            known, pickled_loader.blocks if pickled_loader is not None else []
        )
        made = PickledLoader(pickled.file.getbuffer(), blocks, places, pickled.modules, self.retired)
        if pickled_loader is None or not made.equals(pickled_loader):
            pickled_loader = made
        self._pickled_loaders[id(loader)] = (loader, pickled_loader)
        while len(self._pickled_loaders) > _KEEP:
            del self._pickled_loaders[next(iter(self._pickled_loaders))]

    def _clear(self) -> None:
        for _, pickled_loader in self._pickled_loaders.values():
            pickled_loader.close()
        self._pickled_loaders.clear()


def _pickle(value: object, name: str, *, share: bool = True) -> _LoaderPickler:
    pickler = _LoaderPickler(io.BytesIO(), share=share)
    with pickler.by_value():
        try:
            pickler.dump(value)
        except WorkerError:
            raise
        except Exception as error:
            raise PicklingError(explain(value, name, error)) from error
    return pickler


def _retire(fd: int, known: descriptors.Identity | None, key: int, retired: deque[int]) -> None:
    descriptors.close(fd, known)
    retired.append(key)


def _digest(*parts: memoryview | bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=32)
    for part in parts:
        digest.update(part)
    return digest.digest()


class _LoaderPickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles a loader; arrays are gathered, those of mapped files go by reference.

    Args:
        file: takes the pickle bytes.
        share: whether arrays are gathered to lie in shared memory; else they are among the bytes.
    """

    def __init__(self, file: io.BytesIO, *, share: bool = True) -> None:
        super().__init__(file, protocol=5)
        self._share = share
        self.file = file
        self.gathering = segments.Gathering()
        self._seen_modules: dict[str, bool] = {}
        self._by_value: list[ModuleType] = []
        self.modules: set[str] = set()

    def reducer_override(self, obj: object) -> object:
        """Gather arrays, and register classes and functions that cannot be imported to travel by value."""
        if type(obj) is np.ndarray or type(obj) is np.memmap or type(obj) is np.recarray:
            reduced = self._reduce_array(obj)
            if reduced is not None:
                return reduced
        elif isinstance(obj, type | FunctionType):
            self._note_module(getattr(obj, "__module__", None))
        return super().reducer_override(obj)

    @contextmanager
    def by_value(self) -> Iterator[None]:
        """Undo at the end of the block which modules were registered to travel by value."""
        try:
            yield
        finally:
            for module in self._by_value:
                cloudpickle.unregister_pickle_by_value(module)

    def _reduce_array(self, array: slots.Array) -> object:
        if array.dtype.hasobject or array.dtype.kind == "T":
            return None
        place = shared_arrays.file_place(array)
        if place is not None:
            return shared_arrays.file_array, (place,)
        if type(array) is np.recarray:
            return None if vars(array) else (shared_arrays.of_records, (array.view(np.ndarray),))
        if self._share and array.nbytes >= _MIN_SHARED_BYTES:
            return shared_arrays.shared_array, self.gathering.add(array)
        if not array.flags.writeable:
            return shared_arrays.read_only, (np.array(array),)
        return np.asarray(array).__reduce_ex__(5) if type(array) is np.memmap else None

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
    """Return whether a module is found by its name, whatever is imported already."""
    path: Sequence[str] | None = None
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
            return True  # a module that stands in for a package (os.path): its parent knows it
    return True
