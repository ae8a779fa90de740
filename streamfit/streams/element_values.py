"""Values of elements that a stage must know before it can draw: classes and weights, from one reading.

Guarantee kept here: memory is bounded. A few bytes are kept of each sample, and samples a chunk at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.class_labels import ClassLabels
from streamfit.streams.leaves import brief
from streamfit.streams.ordered import PoolRunner
from streamfit.streams.rows import ROWS
from streamfit.streams.stages import ArrayRows, Pass, Stage
from streamfit.streams.stages.balance import Label
from streamfit.streams.stages.elements import Element, form_of
from streamfit.streams.stages.resampled import check_input
from streamfit.streams.stages.stage import known_size
from streamfit.streams.stages.stage_order import only_orders
from streamfit.streams.stores.store_rows import StoreRows
from streamfit.workers import make_pool

_CHUNK = 1 << 12
_START = Pass(0, 0)


def weights_of(stage: Stage, weights: object) -> Array:
    """Return the weight of each element: as given, or what a function returns for it."""
    if not callable(weights):
        return np.asarray(weights)
    check_input(stage, "sample()")
    found, filled = np.empty(known_size(stage, _START)), 0
    for chunk in _values(stage, weights, "weights"):
        found[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    return found


def classes_of(stage: Stage, labels: object, by: Callable[..., object] | None) -> tuple[Array, list[Label]]:
    """Return the number of the class of each element, and the label of each class.

    Args:
        stage: The elements.
        labels: The label of each; None to find it.
        by: What returns the label of an element; None for its target.
    """
    check_input(stage, "balance()")
    if labels is not None and by is not None:
        raise ValueError("labels= and by= both say what the classes are; give one of them")
    chunks: Iterator[Array]
    if labels is not None:
        given = np.asarray(labels)
        if not given.ndim:
            raise DataError(f"labels={labels!r}: write an array with one label for each element")
        total = len(given)
        chunks = (given[at : at + _CHUNK] for at in range(0, total, _CHUNK))
    else:
        total = known_size(stage, _START)
        chunks = _targets(stage, total) if by is None else _values(stage, by, "by")
    found = ClassLabels(total)
    for chunk in chunks:
        found.add(chunk)
    return found.finished()


def _targets(stage: Stage, total: int) -> Iterator[Array]:
    """Yield the targets of all elements; where they are an array, without loading anything else."""
    base = only_orders(stage)
    if isinstance(base, ArrayRows):
        rows = base.source.row_parts[1]
        if isinstance(rows, ROWS):
            for first in range(0, total, _CHUNK):
                positions = np.arange(first, min(total, first + _CHUNK))
                yield rows.pick(stage.ids(_START, positions))
            return
    if isinstance(stage, StoreRows):
        for number in range(len(stage.store.lengths)):
            yield np.asarray(_target(stage.read(number).rows))
        return
    yield from _values(stage, _target, "by", whole=True)


def _target(element: Element) -> object:
    if type(element) is tuple and len(element) > 1 and element[1] is not None:
        return element[1]
    raise DataError(
        f"balance(): an element is {form_of(element)} and has no target to find its class by; pass "
        "labels=, or by= a function of the element that returns its class"
    )


def _values(
    stage: Stage, function: Callable[..., object], argument: str, *, whole: bool = False
) -> Iterator[Array]:
    """Yield what a function returns for the elements of a pass, in order, a chunk at a time.

    Args:
        stage: The elements.
        function: Called as that of `map`.
        argument: Its name, for messages.
        whole: Whether it takes an element in one argument.
    """

    def called() -> Iterator[object]:
        with make_pool("inline", 0) as pool:
            for number, (element, _) in enumerate(stage.iterate(_START, None, PoolRunner(pool, "data"))):
                arguments = element if type(element) is tuple and not whole else (element,)
                try:
                    value = function(*arguments)
                except Exception as error:
                    error.add_note(f"in {argument}= for element {number} of {stage.text()}")
                    raise
                yield _one(value, argument)

    found = called()
    while values := list(islice(found, _CHUNK)):
        yield _as_array(values, argument)


def _one(value: object, argument: str) -> object:
    array, by = np.asarray(value), argument == "by"
    if array.size != 1 or array.dtype.kind not in ("biufU" if by else "biuf"):
        hint = " or text; for one-hot targets write by=lambda x, y: y.argmax()" if by else ""
        raise DataError(f"{argument}= gave {brief(value)} for an element; it must be one number{hint}")
    return array.reshape(-1)[0].item()


def _as_array(values: list[object], argument: str) -> Array:
    if len({isinstance(value, str) for value in values}) > 1:
        raise DataError(f"{argument}= gave numbers for some elements and text for others")
    return np.array(values)
