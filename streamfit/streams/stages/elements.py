"""Elements of a pipeline: an array, a tuple (x, y) or (x, y, sample_weight), a dictionary of arrays.

Guarantee kept here: nothing is guessed, cast or broadcast. Elements that cannot become one batch are refused
with the part that differs and the samples that hold it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import numpy as np

from streamfit._base.checks import is_mapping
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.leaves import brief
from streamfit.streams.ownership import detached
from streamfit.workers import empty

Element = object
"""An array or a number, or a tuple, list or dictionary of elements; None where there is nothing."""

_SIMPLE = (np.ndarray, int, float, bool, np.float32, np.float64, np.int64, type(None))
ROLES = ("x", "y", "sample_weight")


def map_leaves(element: Element, convert: Callable[[object], object]) -> Element:
    """Return the same structure with each leaf converted; None stays None.

    Example:
        >>> map_leaves(({"a": 1}, None, [2]), lambda leaf: leaf * 10)
        ({'a': 10}, None, [20])
    """
    if element is None:
        return None
    mapping = as_mapping(element)
    if mapping is not None:
        return {key: map_leaves(entry, convert) for key, entry in mapping.items()}
    if isinstance(element, (tuple, list)):
        entries = [map_leaves(entry, convert) for entry in element]
        if isinstance(element, list):
            return entries
        make: Callable[..., Element] = type(element)
        return make(*entries) if hasattr(element, "_fields") else tuple(entries)
    return convert(element)


def as_mapping(element: Element) -> Mapping[str, Element] | None:
    """Return an element that is a mapping, None for any other."""
    return cast("Mapping[str, Element]", element) if is_mapping(element) else None


def named_leaves(element: Element, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield each leaf with the words that name it: ``x``, ``y``, ``x['age']``, ``x[0]``.

    Example:
        >>> list(named_leaves((1, {"a": 2})))
        [('x', 1), ("y['a']", 2)]
    """
    if element is None:
        return
    mapping = as_mapping(element)
    if mapping is not None:
        for key, entry in mapping.items():
            yield from named_leaves(entry, f"{name}[{key!r}]")
    elif isinstance(element, (tuple, list)):
        roles = not name and isinstance(element, tuple) and 1 <= len(element) <= 3
        for place, entry in enumerate(element):
            yield from named_leaves(entry, ROLES[place] if roles else f"{name}[{place}]")
    else:
        yield name or "x", element


def form_of(element: Element) -> str:
    """Describe the form of an element, without shapes: two elements of one form can be in one batch.

    Example:
        >>> form_of((np.zeros(3), {"a": 1}, None)), form_of(np.zeros(3))
        ("(array, {'a': array}, None)", 'array')
    """
    if element is None:
        return "None"
    mapping = as_mapping(element)
    if mapping is not None:
        return "{" + ", ".join(f"{key!r}: {form_of(entry)}" for key, entry in mapping.items()) + "}"
    if isinstance(element, tuple):
        return "(" + ", ".join(map(form_of, element)) + (",)" if len(element) == 1 else ")")
    if isinstance(element, list):
        return "[" + ", ".join(map(form_of, element)) + "]"
    return "array"


def collate(elements: Sequence[Element], ids: object = None) -> Element:
    """Stack elements to one batch: each leaf of shape s becomes one of shape (n, \\*s), with its dtype.

    Args:
        elements: At least one; all of one form, with leaves of equal shapes and dtypes.
        ids: Ids of the elements, for messages.

    Raises:
        DataError: The elements differ in form, shape or dtype.

    Example:
        >>> x, y = collate([(np.zeros(2), 1), (np.ones(2), 0)])
        >>> x.shape, y.tolist()
        ((2, 2), [1, 0])
    """
    first = elements[0]
    if isinstance(first, tuple) and not hasattr(first, "_fields") and all(map(_is_plain, first)):
        # The usual case, without recursion: (x, y) of arrays and numbers.
        if not all(type(element) is tuple and len(element) == len(first) for element in elements):
            _refuse_forms(elements, ids)
        pairs = zip(*elements, strict=True)
        return tuple(_stack(list(column), ROLES[place], ids) for place, column in enumerate(pairs))
    if _is_plain(first):
        return _stack(list(elements), "x", ids)
    wanted = form_of(first)
    if any(form_of(element) != wanted for element in elements):
        _refuse_forms(elements, ids)
    columns = [[leaf for _, leaf in named_leaves(element)] for element in elements]
    names = [name for name, _ in named_leaves(first)]
    stacked = iter([_stack([row[at] for row in columns], name, ids) for at, name in enumerate(names)])
    return map_leaves(first, lambda _: next(stacked))


def _is_plain(leaf: object) -> bool:
    return isinstance(leaf, (np.ndarray, np.generic, int, float))


def _stack(leaves: list[object], name: str, ids: object) -> Array:
    if set(map(type, leaves)) == {np.ndarray}:  # without a loop of our own over samples
        found = cast("list[Array]", leaves)
        if len({array.shape for array in found}) == len({array.dtype for array in found}) == 1:
            return _stacked(found)
    arrays = [np.asarray(leaf) for leaf in leaves]
    shape, dtype = arrays[0].shape, arrays[0].dtype
    for place, array in enumerate(arrays):
        if array.shape != shape:
            raise DataError(
                f"{name} has shape {shape} in {_sample(ids, 0)} and {array.shape} in "
                f"{_sample(ids, place)}; a batch needs samples of one shape. Make them equal in a map, "
                "or pad them: .padded_batch(batch_size)"
            )
        text = array.dtype.kind == dtype.kind and dtype.kind in "US"  # the widest holds them all
        if array.dtype != dtype and not text:
            raise DataError(
                f"{name} has dtype {dtype} in {_sample(ids, 0)} and {array.dtype} in "
                f"{_sample(ids, place)}; a batch needs one dtype. Cast in a map: array.astype({dtype.name!r})"
            )
    return _stacked(arrays)


def _stacked(arrays: list[Array]) -> Array:
    first = arrays[0]
    if first.ndim == 0 or first.dtype.hasobject or first.dtype.kind in "US":
        return np.array(arrays)
    # In a worker process this is where the batch will be sent from.
    return np.concatenate(
        arrays, out=empty((len(arrays) * len(first), *first.shape[1:]), first.dtype)
    ).reshape(len(arrays), *first.shape)


def _sample(ids: object, place: int) -> str:
    return f"element {place} of the batch" if ids is None else f"sample {np.ravel(np.asarray(ids))[place]}"


def _refuse_forms(elements: Sequence[Element], ids: object) -> None:
    wanted = form_of(elements[0])
    place = next(at for at, element in enumerate(elements) if form_of(element) != wanted)
    raise DataError(
        f"{_sample(ids, 0)} is {wanted} and {_sample(ids, place)} is {form_of(elements[place])}; all samples "
        "of a batch must have one form"
    )


def own(box: list[Element]) -> Element:
    """Return the only entry of `box`, without memory that the code that made it may write to again.

    Example:
        >>> buffer = np.zeros(2)
        >>> kept = own([buffer])
        >>> buffer[:] = 1
        >>> kept.tolist()
        [0.0, 0.0]
    """
    kind = type(box[0])
    simple = kind is np.ndarray
    if kind is tuple:
        simple = all(type(part) in _SIMPLE for part in cast("tuple[Element, ...]", box[0]))
    if simple:
        return detached(box, listed=True)
    return map_leaves(box[0], lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf)


def lists_as_arrays(element: Element) -> Element:
    """Return an element with an array in place of each list of numbers or text; lists that hold arrays stay.

    Raises:
        DataError: A list of numbers has no shape: its entries differ in length.

    Example:
        >>> lists_as_arrays(([[1, 2], [3, 4]], 0))
        (array([[1, 2],
               [3, 4]]), 0)
    """
    if type(element) in _SIMPLE:
        return element
    if isinstance(element, list) and not _holds_structure(element):
        try:
            array = np.asarray(element)
            # NumPy makes text of numbers that stand beside text, and cuts zeros off.
            return np.array(element, dtype=object) if array.dtype.kind in "US" else array
        except ValueError:
            raise DataError(
                f"a list has no shape, as its entries differ in length: {brief(element)}; make them equal, "
                "or return arrays"
            ) from None
    mapping = as_mapping(element)
    if mapping is not None:
        return {key: lists_as_arrays(entry) for key, entry in mapping.items()}
    if isinstance(element, (tuple, list)):
        entries = [lists_as_arrays(entry) for entry in element]
        if isinstance(element, list):
            return entries
        make: Callable[..., Element] = type(element)
        return make(*entries) if hasattr(element, "_fields") else tuple(entries)
    return element


def _holds_structure(values: list[object]) -> bool:
    """Return whether a list holds arrays, tuples, mappings or None, at any depth; else numbers or text."""
    return any(
        _holds_structure(value)
        if isinstance(value, list)
        else value is None or isinstance(value, (tuple, np.ndarray)) or is_mapping(value)
        for value in values
    )


def batch_size(element: Element) -> int:
    """Return the number of samples of a batch: the length of its first leaf.

    Raises:
        DataError: It has no leaf, or its first leaf has no axis, or its leaves differ in length.
    """
    sizes = [(name, _length(leaf, name)) for name, leaf in named_leaves(element)]
    if not sizes:
        raise DataError(f"a batch holds no array: {form_of(element)}")
    name, size = sizes[0]
    for other, length in sizes[1:]:
        if length != size:
            raise DataError(f"{name} of a batch holds {size} samples and {other} holds {length}")
    return size


def _length(leaf: object, name: str) -> int:
    shape = np.asarray(leaf).shape
    if not shape:
        raise DataError(
            f"{name} of a batch is a single value; its first axis must be the samples. If the items of the "
            "source are single samples, write source(..., kind='samples')"
        )
    return int(shape[0])


def split(element: Element) -> list[Element]:
    """Return the samples of a batch, in order: views of its leaves.

    Example:
        >>> [(int(x), y.tolist()) for x, y in split((np.arange(2), np.array([[1], [2]])))]
        [(0, [1]), (1, [2])]
    """
    if type(element) is np.ndarray and element.ndim:
        return list(element)
    size = batch_size(element)
    if type(element) is tuple and all(type(part) is np.ndarray for part in element):
        return list(zip(*element, strict=True))
    arrays = map_leaves(element, np.asarray)
    return [map_leaves(arrays, _at(place)) for place in range(size)]


def _at(place: int) -> Callable[[object], object]:
    return lambda leaf: leaf[place]  # type: ignore[index]


def spec_text(element: Element) -> Element:
    """Return the structure with a `Spec`-like (shape, dtype) for each leaf."""
    return map_leaves(element, lambda leaf: (np.asarray(leaf).shape, np.asarray(leaf).dtype))


def takes_rng(function: Callable[..., Element]) -> bool:
    """Return whether a function of the user's has a parameter named ``rng``."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # built-in functions may have no signature
        return False
    return "rng" in parameters


__all__ = [
    "Element",
    "batch_size",
    "collate",
    "form_of",
    "lists_as_arrays",
    "map_leaves",
    "named_leaves",
    "own",
    "spec_text",
    "split",
    "takes_rng",
]
