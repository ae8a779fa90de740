"""Layouts: the form of elements with dtype and number of axes of each array, to compare what is joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streamfit._base.specs import Shape, Spec
from streamfit.streams.stages.elements import Element, form_of, map_leaves, named_leaves

Layout = tuple[str, tuple[tuple[str, str, int], ...]]
"""The form of an element, and name, dtype and number of axes of each of its arrays."""


def layout_of(element: Element) -> Layout:
    """Return the layout of an element, or of its specs; lengths of axes do not count, as they can be padded.

    Example:
        >>> layout_of((np.zeros(3), 1))
        ('(array, array)', (('x', 'float64', 1), ('y', 'int64', 0)))
    """
    return form_of(element), tuple(_leaf(name, leaf) for name, leaf in named_leaves(element))


def _leaf(name: str, leaf: object) -> tuple[str, str, int]:
    if isinstance(leaf, Spec):
        return name, _dtype(leaf.dtype), len(leaf.shape)
    array = leaf if isinstance(leaf, (np.ndarray, np.generic)) else np.asarray(leaf)
    return name, _dtype(array.dtype), array.ndim


def _dtype(dtype: np.dtype[Any]) -> str:
    return "text" if dtype.kind in "US" else str(dtype)  # the longest text sets the dtype


def difference(one: Layout, other: Layout) -> str | None:
    """Say how two layouts differ, or return None.

    Example:
        >>> difference(layout_of(np.zeros(3)), layout_of(np.zeros(3, "int64")))
        'x has dtype float64 in the first and int64 in the second; cast one in a map, array.astype(...)'
    """
    if one[0] != other[0]:
        return (
            f"an element is {one[0]} in the first and {other[0]} in the second; bring one to the form of the "
            "other in a map"
        )
    for (name, dtype, axes), (_, other_dtype, other_axes) in zip(one[1], other[1], strict=True):
        if axes != other_axes:
            return (
                f"{name} has {axes} axes in the first and {other_axes} in the second; reshape one in a map, "
                "array.reshape(...)"
            )
        if dtype != other_dtype:
            return (
                f"{name} has dtype {dtype} in the first and {other_dtype} in the second; cast one in a map, "
                "array.astype(...)"
            )
    return None


def without_samples(specs: Element) -> Element:
    """Return specs of batches without the axis of the samples.

    Example:
        >>> without_samples(Spec((None, 3), np.dtype("float32")))
        Spec(shape=(3,), dtype=dtype('float32'))
    """
    return with_shapes(specs, lambda shape: shape[1:])


def with_samples(specs: Element) -> Element:
    """Return specs of samples with an axis of the samples in front.

    Example:
        >>> with_samples(Spec((3,), np.dtype("float32")))
        Spec(shape=(None, 3), dtype=dtype('float32'))
    """
    return with_shapes(specs, lambda shape: (None, *shape))


def with_shapes(specs: Element, change: Callable[[Shape], Shape]) -> Element:
    """Return specs with other shapes."""

    def changed(spec: object) -> Spec:
        assert isinstance(spec, Spec)
        return Spec(change(spec.shape), spec.dtype)

    return map_leaves(specs, changed)
