"""`BatchLayout`: check that the batches of a stream are alike.

Guarantee kept here: a batch whose x, y and weights differ in length, or whose layout differs from that of the
first batch, raises an error that names the batch; nothing is cut off or broadcast.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy import ndarray  # looked up for every batch

from streamfit._base.errors import DataError
from streamfit._base.specs import Array, may_equal
from streamfit.streams.batch import ROLES, Batch, Part
from streamfit.streams.leaves import brief, leaves
from streamfit.streams.naming import name_batch, name_ids
from streamfit.streams.objects import stack_hint

Alike = Literal["shapes", "ranks", "nothing"]
"""What the batches of a stream must have in common beside their structure and the kinds of their dtypes."""
_OfOne = tuple[tuple[int | None, ...], str]  # of one array: shape without the batch axis, and kind of dtype
_Form = _OfOne | list[_OfOne | None] | dict[str, _OfOne | None] | None
_WHAT = {"b": "truth values", "i": "whole numbers", "u": "whole numbers", "f": "floats"}


class BatchLayout:
    """Compare each batch with the first one: structure, shapes without the batch axis, kinds of dtype.

    Args:
        alike: What batches must have in common: ``'ranks'`` lets the lengths of axes differ from batch to
            batch, ``'nothing'`` checks no batch against another. The lengths within a batch must agree in any
            case.

    Example:
        >>> check = BatchLayout()
        >>> check(Batch(np.zeros((2, 3)), np.zeros(2), size=2), "train")
        >>> check(Batch(np.zeros((1, 4)), np.zeros(1), size=1), "a")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        streamfit._base.errors.DataError: source 'a', pass 0, batch 0, ids None: x has shape (1, 4), ...
    """

    def __init__(self, alike: Alike = "shapes") -> None:
        self._alike, self._ranks = alike != "nothing", alike == "ranks"
        self._first: tuple[_Form, ...] | None = None
        self._shown = ""
        self._last: tuple[object, ...] | None = None  # of the batch before: nearly every batch is like it

    def __call__(self, batch: Batch, source: str) -> None:
        """Check one batch.

        Args:
            batch: The batch.
            source: Name of its source, for messages.

        Raises:
            DataError: It differs from the first batch, or its parts differ in length.
        """
        x, y = batch.x, batch.y
        plain: tuple[object, ...] | None = None  # of plain arrays without weights: the shapes and dtypes
        if type(x) is ndarray and batch.sample_weight is None:
            if y is None:
                plain = x.shape, x.dtype
            elif type(y) is ndarray:
                plain = x.shape, x.dtype, y.shape, y.dtype
            if plain == self._last and plain is not None:
                return
        ranks = self._ranks
        form = _form(batch.x, ranks), _form(batch.y, ranks), _form(batch.sample_weight, ranks)
        self._check_lengths(batch, source)
        if self._first is None:
            self._first = form
            self._shown = brief(tuple(part for part in batch.parts() if part is not None))
        elif self._alike and form != self._first:
            raise self._difference(batch, form, source)
        self._last = plain

    def _check_lengths(self, batch: Batch, source: str) -> None:
        size = batch.size
        for part in (batch.x, batch.y, batch.sample_weight):
            if part is not None and not (isinstance(part, np.ndarray) and len(part) == size):
                break
        else:
            return
        for role, part in zip(ROLES, batch.parts(), strict=True):
            for name, array in leaves(part, role):
                if len(array) != size:
                    raise DataError(
                        f"{_name(batch, source)}: x and y of one batch must have the same number of "
                        f"samples; x has {size} and {name} has {len(array)}{stack_hint(batch.x, 'x')}"
                    )

    def _difference(self, batch: Batch, form: tuple[_Form, ...], source: str) -> DataError:
        before, where = self._first, _name(batch, source)
        assert before is not None
        for role, part, new, old in zip(ROLES, batch.parts(), form, before, strict=True):
            if new == old:
                continue
            olds = dict(_named(old, role))
            for name, array in leaves(part, role):
                shape, kind = olds.get(name, (None, None))
                if shape is not None and not may_equal(shape, array.shape[1:]):
                    if self._ranks:
                        return DataError(
                            f"{where}: {name} has shape {array.shape}, but its samples had {len(shape)} "
                            "axes in "
                            "the batches before; every sample of a stream must have the same number of axes"
                        )
                    return DataError(
                        f"{where}: {name} has shape {array.shape}, but its samples had shape {shape} in the "
                        "batches before; every sample of a stream must have the same shape"
                    )
                if kind is not None and kind != _kind(array):
                    return DataError(
                        f"{where}: {name} has dtype {array.dtype}, but the batches before it held "
                        f"{_WHAT[kind]}; convert it where it is made"
                    )
        now = brief(tuple(part for part in batch.parts() if part is not None))
        return DataError(f"{where}: the batch is {now}, but the first batch was {self._shown}")


def _kind(array: Array) -> str:
    kind: str = array.dtype.kind
    return "i" if kind == "u" else kind


def _form(part: Part, ranks: bool = False) -> Any:
    """Return the layout of one part, as a value that can be compared; with `ranks` lengths do not count."""
    if part is None:
        return None
    if isinstance(part, np.ndarray):
        return (None,) * (part.ndim - 1) if ranks else part.shape[1:], _kind(part)
    if isinstance(part, dict):
        return {key: _form(array, ranks) for key, array in part.items()}
    return [_form(array, ranks) for array in part]


def _named(form: _Form, name: str) -> list[tuple[str, _OfOne]]:
    if form is None:
        return []
    if isinstance(form, tuple):
        return [(name, form)]
    entries = form.items() if isinstance(form, dict) else enumerate(form)
    return [(f"{name}[{key!r}]", entry) for key, entry in entries if entry is not None]


def _name(batch: Batch, source: str) -> str:
    return name_batch(source, batch.data_epoch, batch.number, name_ids(batch.ids))
