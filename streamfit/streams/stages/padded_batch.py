"""`padded_batch`: batches of elements of different shapes, filled up to one shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.leaves import brief
from streamfit.streams.stages.batch_stage import BatchStage
from streamfit.streams.stages.elements import Element, as_mapping, form_of, map_leaves, named_leaves
from streamfit.streams.stages.stage import Pass, Stage

Settings = object
"""One value for all leaves, or a tuple, list or dictionary of the element's form that has one for each."""


class PaddedBatch(BatchStage):
    """Stack elements after filling each leaf up at its end.

    Args:
        stage: Whose elements to stack.
        batch_size: Elements in a batch.
        padding_values: What to fill with: one value, or one for each leaf in the element's form; None in its
            place stands for 0, and for empty text.
        padded_shapes: The shape of each leaf, in the element's form; None for an axis, or for a leaf, fills
            up to the longest of the batch.
        drop_remainder: Whether a smaller last batch is left out.
    """

    def __init__(
        self,
        stage: Stage,
        batch_size: int,
        padding_values: Settings = 0,
        padded_shapes: Settings = None,
        drop_remainder: bool = False,
    ) -> None:
        super().__init__(stage, batch_size, drop_remainder)
        self.padding_values, self.padded_shapes = padding_values, padded_shapes

    def specs(self) -> Element:
        """Return None: how long the axes are is known when they are filled up."""
        return None

    def __repr__(self) -> str:
        given = "" if self.padding_values == 0 else f", padding_values={self.padding_values!r}"
        given += "" if self.padded_shapes is None else f", padded_shapes={self.padded_shapes!r}"
        return (
            f"padded_batch({self.batch_size}{given}{', drop_remainder=True' if self.drop_remainder else ''})"
        )

    def stack_by_id(self, p: Pass, ids: Array) -> Element:
        """Return one batch of elements of a seekable input."""
        return self._pad(self.input.fetch(p, ids), [f"sample {name}" for name in ids.tolist()])

    def stack(self, elements: Sequence[Element]) -> Element:
        """Return one batch of elements that were read in order."""
        return self._pad(elements, [f"element {at} of the batch" for at in range(len(elements))])

    def _pad(self, elements: Sequence[Element], called: list[str]) -> Element:
        wanted = form_of(elements[0])
        for at, element in enumerate(elements):
            if form_of(element) != wanted:
                raise DataError(
                    f"{called[0]} is {wanted} and {called[at]} is {form_of(element)}; all samples of a batch "
                    "must have one form"
                )
        values = settings_of(elements[0], self.padding_values, "padding_values")
        shapes = settings_of(elements[0], self.padded_shapes, "padded_shapes")
        columns = [[np.asarray(leaf) for _, leaf in named_leaves(element)] for element in elements]
        names = [name for name, _ in named_leaves(elements[0])]
        padded = iter(
            [
                _padded([row[at] for row in columns], names[at], called, values[at], shapes[at])
                for at in range(len(names))
            ]
        )
        return map_leaves(elements[0], lambda _: next(padded))


def settings_of(element: Element, given: Settings, name: str, part: str = "") -> list[Settings]:
    """Return the setting for each leaf of an element, in the order of its leaves.

    Example:
        >>> settings_of((np.zeros(2), {"a": 1}), ([None], {"a": []}), "padded_shapes")
        [[None], []]
        >>> settings_of((1, 2), -1, "padding_values")
        [-1, -1]
    """
    if element is None:
        return []
    mapping = as_mapping(element)
    entries = list(mapping.items()) if mapping is not None else None
    if isinstance(element, (tuple, list)):
        entries = [(str(at), entry) for at, entry in enumerate(element)]
    if entries is None:
        return [given]
    choices = as_mapping(given)
    if mapping is not None and choices is not None:
        chosen: list[Settings] = [choices.get(key) for key, _ in entries]
        known = set(choices) <= set(mapping)
    elif mapping is None and isinstance(given, (tuple, list)):
        chosen, known = list(given), len(given) == len(entries)
    else:  # one for all
        chosen = [given] * len(entries)
        known = given is None or (not isinstance(given, (tuple, list)) and choices is None)
    if not known:
        raise ValueError(
            f"{name}{part} is {given!r}, but the element there is {form_of(element)}; write one entry for "
            "each of its parts"
        )
    steps = [f"[{key!r}]" if mapping is not None else f"[{key}]" for key, _ in entries]
    found = []
    for (_, entry), choice, step in zip(entries, chosen, steps, strict=True):
        found += settings_of(entry, choice, name, part + step)
    return found


def _padded(leaves: list[Array], name: str, called: list[str], value: Settings, shape: Settings) -> Array:
    first = leaves[0]
    for at, leaf in enumerate(leaves):
        if leaf.ndim != first.ndim or leaf.dtype != first.dtype:
            raise DataError(
                f"{name} has {first.ndim} axes and dtype {first.dtype} in {called[0]}, and {leaf.ndim} axes "
                f"and dtype {leaf.dtype} in {called[at]}; padding changes neither"
            )
    longest = np.array([leaf.shape for leaf in leaves]).reshape(len(leaves), first.ndim)
    wanted = _shape(name, first.ndim, shape)
    sizes = [int(longest[:, axis].max()) if size is None else size for axis, size in enumerate(wanted)]
    for at, leaf in enumerate(leaves):
        if any(have > size for have, size in zip(leaf.shape, sizes, strict=True)):
            raise DataError(
                f"{name} has shape {leaf.shape} in {called[at]}, which is more than padded_shapes={shape!r}; "
                "make the shape larger, or cut the samples in a map"
            )
    out = np.full((len(leaves), *sizes), _fill(name, value, first.dtype), first.dtype)
    for at, leaf in enumerate(leaves):
        room = out[at, ...]  # an array also where samples are single numbers
        room[tuple(map(slice, leaf.shape))] = leaf
    return out


def _shape(name: str, axes: int, given: Settings) -> list[int | None]:
    if given is None:
        return [None] * axes
    sizes = list(given) if isinstance(given, (tuple, list)) else None
    if sizes is None or not all(size is None or isinstance(size, (int, np.integer)) for size in sizes):
        raise ValueError(f"padded_shapes for {name} is {given!r}; write a shape, such as [None, 3]")
    if len(sizes) != axes:
        raise DataError(f"padded_shapes for {name} is {given!r}, but the samples have {axes} axes")
    return [None if size is None or size == -1 else int(size) for size in cast("list[int | None]", sizes)]


def _fill(name: str, value: Settings, dtype: np.dtype[np.generic]) -> Array:
    text = dtype.kind in "US"
    if value is None or (text and isinstance(value, int) and value == 0):
        return np.zeros((), dtype)
    try:
        fill = np.asarray(value)
        with np.errstate(invalid="ignore"):  # refused below, with the name of the part
            cast_value = fill.astype(dtype)
        floats = dtype.kind in "fc" and fill.dtype.kind in "biufc"
        exact = fill.ndim == 0 and (floats or bool(cast_value == fill))
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact:
        raise ValueError(f"padding_values for {name} is {brief(value)}, which {dtype} cannot hold")
    return cast_value
