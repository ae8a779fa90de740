"""Messages about arrays that do not hold numbers: what they hold, and what to write instead."""

from __future__ import annotations

import itertools
import numbers
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np

from streamfit._base.checks import is_mapping
from streamfit._base.specs import Array

_INSPECTED = 10_000  # elements of an array of objects, at most
_SAME_SHAPE = "give every sample the same shape and a numeric dtype"
_ADVICE = {
    "U": "encode the text as numbers first",
    "S": "encode the text as numbers first",
    "M": "turn the dates into numbers first, for example (dates - start) / np.timedelta64(1, 's')",
    "m": "turn the times into numbers first, for example times / np.timedelta64(1, 's')",
    "c": "pass the real and the imaginary part as two arrays",
}


def refusal(array: Array, name: str, *, expression: str = "") -> str:
    """Explain why an array cannot be used for training, and what to write instead.

    Args:
        array: The array.
        name: Its name.
        expression: A column of a table as an expression in Python; empty if the name is one.

    Example:
        >>> refusal(np.array(["Rome", "Oslo"]), "x")
        "x has dtype <U4, which is no number; encode the text as numbers first (the first value is 'Rome')"
    """
    kind = array.dtype.kind
    text = f"{name} has dtype {array.dtype}, which is no number"
    if kind == "O":
        found = _of_objects(array, expression or name)
        return f"{text}; " + ("" if expression else f"{_SAME_SHAPE}: ") + found
    if kind == "V":
        return f"{text}; {_of_bytes(array, name)}"
    first = f" (the first value is {_shown(array.flat[0].item())})" if array.size else ""
    return f"{text}; {_ADVICE[kind]}{first}"


def _of_bytes(array: Array, name: str) -> str:
    fields = [repr(field) for field in array.dtype.names or ()]
    if fields:
        return (
            "convert it to a dtype of NumPy, or pass its fields as a dict: "
            f"{{{fields[0]}: {name}[{fields[0]}], ...}}"
        )
    return "convert it to a dtype of NumPy, for example array.astype('float32')"


def ragged(samples: Iterable[Any]) -> str:
    """Describe how the shapes of samples differ; empty if they do not differ.

    Example:
        >>> ragged([[1, 2], [3]])
        'its samples differ in shape, such as (2,) and (1,): pad them to one shape'
    """
    shapes: list[tuple[object, ...]] = []
    for sample in itertools.islice(samples, _INSPECTED):
        try:
            shape = np.shape(sample)
        except ValueError:  # the sample itself is ragged
            shape = (len(sample), "...")
        if shape not in shapes:
            shapes.append(shape)
        if len(shapes) > 1:
            return f"its samples differ in shape, such as {shapes[0]} and {shapes[1]}: pad them to one shape"
    return ""


def stack_hint(entries: object, name: str) -> str:
    """Advise how to make one array of a list of single samples; empty if it does not look like such a list.

    Example:
        >>> stack_hint([np.zeros(3), np.zeros(3)], "x")
        '. If each of these 2 arrays is one sample, make one array of them: np.stack(x)'
    """
    if not isinstance(entries, (list, tuple)) or len(entries) < 2:
        return ""
    if not all(hasattr(entry, "shape") for entry in entries):
        return ""
    differ = ragged(entries)
    remedy = f"np.stack({name})" + (f", once they have one shape ({differ})" if differ else "")
    return f". If each of these {len(entries)} arrays is one sample, make one array of them: {remedy}"


def _of_objects(array: Array, name: str) -> str:
    if array.ndim == 0:
        return f"it is one {type(array.item()).__name__}"
    inspected = list(itertools.islice(array.flat, _INSPECTED))
    if all(hasattr(item, "shape") or isinstance(item, (list, tuple)) for item in inspected):
        return ragged(inspected) or f"its elements are arrays of one shape, so write np.stack({name})"
    for place, item in enumerate(inspected):
        if _is_number(item):
            continue
        where = ", ".join(map(str, np.unravel_index(place, array.shape)))
        return f"{name}[{where}] is {_shown(item)}, so {_remedy(item, name)}"
    return f"its elements are Python objects, so write {name}.astype('float32')"


def _is_number(item: object) -> bool:
    return isinstance(item, (numbers.Real, Decimal, np.bool_))


def _shown(item: object) -> str:
    text = repr(item)
    return text if len(text) <= 60 else f"a {type(item).__name__}"


def _remedy(item: object, name: str) -> str:
    if isinstance(item, (str, bytes)):
        return "encode the text as numbers first"
    if item is None or type(item).__name__ in ("NAType", "NaTType"):
        return "fill what is missing with a number, or leave these samples out"
    if is_mapping(item):
        return "pass one dict of arrays, {key: array of all samples}, in place of a list of dicts"
    if isinstance(item, (set, frozenset)):
        return "a set has no order: pass a list or an array"
    if isinstance(item, (list, tuple)) or hasattr(item, "shape"):
        return "give every sample the same shape"
    if hasattr(item, "timestamp"):
        return "turn the dates into numbers first, for example (dates - start) / np.timedelta64(1, 's')"
    return f"pass numbers, as in an array of a numeric dtype such as {name}.astype('float32')"
