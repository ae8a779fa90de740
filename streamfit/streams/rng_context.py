"""`RngContext`: the stream, pass and object to which a draw of `Sequence.rng` belongs.

A load runs in a context: the seed and the pass of its stream, and the object that the stream reads (the
root). Code that draws during a load finds its context: in the same thread by a context variable, in other
threads among the active loads. An object inside the root has draws of its own, keyed by its path (``.left``,
``.parts[0]``), which is the same in every process.

Guarantee kept here: a draw within a stream is keyed by seed, pass, index and object, or it is an error; it is
never a constant.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar, Token
from types import CellType, FunctionType, MethodType, ModuleType
from weakref import WeakKeyDictionary

import numpy as np

from streamfit._base.errors import StreamfitError
from streamfit._base.identity import IdentityMap
from streamfit._base.inspection import attributes_of
from streamfit._base.keys import derive
from streamfit.workers.contract import inside_worker

Word = int | str
_Step = tuple[str, object]  # kind and name of one step of a path: an attribute or an item

_DEEP, _WIDE, _MANY = 6, 1000, 20_000  # limits of the search for objects inside the root
_LEAVES = (str, bytes, int, float, complex, bool, type(None), np.ndarray, np.generic, type, ModuleType)


class RngContext:
    """Enter the context of a load, in a ``with`` statement.

    Args:
        seed: Seed of the stream.
        data_epoch: Number of the pass.
        root: The object that the stream reads. A wrapper names the wrapped object in its attribute
            ``stands_for``; its draws are those of the wrapped object.
        words: Words that distinguish this context from others of the same pass.
    """

    __slots__ = ("_numbers", "_token", "data_epoch", "root", "seed", "words")

    def __init__(self, seed: int, data_epoch: int, root: object, *words: Word) -> None:
        self.seed, self.data_epoch, self.words = seed, data_epoch, words
        self.root = getattr(root, "stands_for", root)
        self._numbers: dict[int, tuple[int, object]] | None = None
        self._token: Token[RngContext | None] | None = None

    def __enter__(self) -> RngContext:
        outer = _here.get()
        if outer is not None and outer.root is not self.root and hasattr(outer.root, "tickets"):
            # A source that loads from other sources: each of them has draws of its own.
            self.words += _path_words(outer, self.root) or ("made", outer.number(self.root))
        self._token = _here.set(self)
        _active.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _active.remove(self)
        assert self._token is not None
        _here.reset(self._token)

    def same(self) -> tuple[object, ...]:
        """Return a value that is equal for contexts with the same draws."""
        return self.seed, self.data_epoch, self.words, id(self.root)

    def number(self, thing: object) -> int:
        """Number the objects that the root does not hold, in the order of their first draws."""
        if self._numbers is None:
            self._numbers = {}
        return self._numbers.setdefault(id(thing), (len(self._numbers), thing))[0]


_here: ContextVar[RngContext | None] = ContextVar("streamfit rng context", default=None)
_active: list[RngContext] = []  # one for each thread that loads
_read: WeakKeyDictionary[object, tuple[RngContext, int]] = WeakKeyDictionary()


def current() -> RngContext | None:
    """Return the context in which this code runs, or None outside of loads."""
    return _here.get()


def loading() -> bool:
    """Return whether this code runs in a load, not in a hook or in a call by hand."""
    context = _here.get()
    return context is not None and context.words[:1] not in (("begin",), ("end",))


def bind(reader: object, seed: int, data_epoch: int, root: object) -> None:
    """Record the pass of `reader`, for calls by hand between its loads, as long as the reader lives."""
    _read[reader] = RngContext(seed, data_epoch, root), threading.get_ident()


def unbind(reader: object) -> None:
    """Remove the record of `reader`."""
    _read.pop(reader, None)


def key(thing: object, index: int) -> int:
    """Return the key of the draws of one object for one batch or sample.

    Raises:
        StreamfitError: The stream, or the object inside it, cannot be determined.
    """
    context = _here.get()
    if context is not None:
        words = _path_words(context, thing)
        if words is None:  # created in the load, or held by a module
            words = ("made", context.number(thing))
    else:
        context = _elsewhere(thing)
        words = _path_words(context, thing) or ()
    return derive(context.seed, context.data_epoch, index, "sequence", *context.words, *words)


def _elsewhere(thing: object) -> RngContext:
    """Return the context of a call from a thread other than that of the load, or from outside of loads."""
    under_way, read = list(_active), list(_read.values())
    in_loop = threading.get_ident() in {who for _, who in read}
    found = _those_of(under_way, thing)
    if not found:
        found = _those_of([context for context, _ in read], thing)
        if in_loop:  # a call by hand or by a callback: it belongs to the stream that began first
            found = found[:1]
    if len(found) > 1:
        raise StreamfitError(
            f"{_call(thing)}: several streams or passes read this object at this moment, and the call comes "
            "from a thread that belongs to none of them. Call self.rng(index) in __getitem__ itself and hand "
            "the generator that it returns to your threads"
        )
    if found:
        return found[0]
    if _is_being_made(thing):
        raise StreamfitError(
            f"{_call(thing)} in __init__: no stream reads the object yet, so there is no seed and no pass, "
            "and the draws would be the same in every run. Draw in __getitem__ or in on_epoch_begin, or from "
            "np.random.default_rng(seed) with a seed of your own"
        )
    if inside_worker() or (under_way and not in_loop):
        raise StreamfitError(
            f"{_call(thing)}: the call comes from a thread of its own, and no stream that is being read "
            "holds this object. Keep it in an attribute of the object that is read, or call self.rng(index) "
            "in __getitem__ itself and hand the generator that it returns to your threads"
        )
    return RngContext(0, 0, thing)


def _those_of(contexts: list[RngContext], thing: object) -> list[RngContext]:
    found = {context.same(): context for context in contexts if _path_words(context, thing) is not None}
    return list(found.values())


def _call(thing: object) -> str:
    return f"rng of a {type(thing).__name__}"


def _is_being_made(thing: object) -> bool:
    """Return whether the call comes from the ``__init__`` of an object like this one."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_name in ("__init__", "__post_init__") and code.co_argcount:
            maker = frame.f_locals.get(code.co_varnames[0])
            if maker is thing or hasattr(type(maker), "rng"):
                return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


# -- the path from the root to an object inside it ------------------------------------------------


_paths: IdentityMap[dict[int, tuple[_Step, ...]]] = IdentityMap()


def _path_words(context: RngContext, thing: object) -> tuple[Word, ...] | None:
    """Return the words for an object inside the root: none for the root, None for an object outside."""
    root = context.root
    if thing is root:
        return ()
    paths = _paths.get(root)
    if paths is None:
        paths = {}
        _paths.put(root, paths)
    path = paths.get(id(thing))
    if path is None or _follow(root, path) is not thing:
        path = _search(root, thing)
        if path is None:
            return None
        paths[id(thing)] = path
    return ("in", "".join(f".{name}" if kind == "attribute" else f"[{name!r}]" for kind, name in path))


def _follow(root: object, path: tuple[_Step, ...]) -> object:
    for step in path:
        held = getattr(root, "__dict__", {}) if step[0] == "attribute" else root
        if isinstance(held, dict) and step[1] in held:
            root = held[step[1]]
        else:
            root = next((part for found, part in _parts(root) if found == step), None)
    return root


def _search(root: object, thing: object) -> tuple[_Step, ...] | None:
    """Return the shortest path from the root to an object, the first one of several."""
    return next((path for part, path in _walk(root) if part is thing), None)


def inside(root: object) -> list[object]:
    """Return an object and the objects inside it that have an `rng` method, as a `Sequence` has."""
    found = [part for part, path in _walk(root) if len(path) <= _DEEP and hasattr(type(part), "rng")]
    return [root, *found]


def _walk(root: object) -> Iterator[tuple[object, tuple[_Step, ...]]]:
    """Yield the objects inside an object with their paths, the nearest first."""
    queue: deque[tuple[object, tuple[_Step, ...]]] = deque([(root, ())])
    seen, kept = {id(root)}, [root]  # kept alive, so that no address is reused during the search
    while queue and len(seen) < _MANY:
        holder, path = queue.popleft()
        for step, part in _parts(holder):
            if id(part) in seen:
                continue
            yield part, (*path, step)
            if len(path) < _DEEP:
                seen.add(id(part))
                kept.append(part)
                queue.append((part, (*path, step)))


def _parts(holder: object) -> Iterator[tuple[_Step, object]]:
    """Yield the objects that an object holds, without plain values."""
    for number, (step, part) in enumerate(_all_parts(holder)):
        if number >= _WIDE:
            return
        if not isinstance(part, _LEAVES):
            yield step, part


def _all_parts(holder: object) -> Iterator[tuple[_Step, object]]:
    if isinstance(holder, dict):
        yield from ((("item", name), part) for name, part in list(holder.items()))
    elif isinstance(holder, (list, tuple, deque)):
        yield from ((("item", place), part) for place, part in enumerate(list(holder)))
    elif isinstance(holder, FunctionType):
        for name, cell in zip(holder.__code__.co_freevars, holder.__closure__ or (), strict=False):
            yield ("attribute", name), _content(cell)
        yield from ((("item", place), part) for place, part in enumerate(holder.__defaults__ or ()))
    elif isinstance(holder, MethodType):
        yield ("attribute", "__self__"), holder.__self__
    elif isinstance(holder, functools.partial):
        yield from ((("attribute", name), getattr(holder, name)) for name in ("func", "args", "keywords"))
    else:
        yield from ((("attribute", name), part) for name, part in attributes_of(holder))


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not set yet
        return None
