"""Data that layers adapt to: arrays, or whatever else `fit` reads; and several layers at once.

Layers do not know sources, so `training` puts the function that reads them here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from streamfit._base.checks import is_mapping
from streamfit._base.errors import DataError, ShapeError
from streamfit._base.specs import Array
from streamfit.layers.base import Layer


class BatchReader(Protocol):
    """Reads one pass over data."""

    def __call__(self, data: object, batch_size: int | None, steps: int | None) -> Iterator[object]:
        """Yield x of each batch: an array, or a structure of arrays."""
        ...


@runtime_checkable
class AdaptingLayer(Protocol):
    """A layer that learns from data before training, batch by batch."""

    def reset_state(self) -> None:
        """Forget what was seen."""
        ...

    def update_state(self, data: object) -> None:
        """Take a batch in."""
        ...

    def finalize_state(self) -> None:
        """Put what was seen into effect."""
        ...


@runtime_checkable
class _Checked(Protocol):
    def check_adaptable(self) -> None: ...


class _Registered:
    reader: BatchReader | None = None


_registered = _Registered()


def register_reader(reader: BatchReader) -> None:
    """Have layers read data with this function."""
    _registered.reader = reader


def batches_of(data: object, batch_size: int | None = None, steps: int | None = None) -> Iterator[object]:
    """Yield x of each batch of one pass over data.

    Args:
        data: Arrays, a generator, a `Sequence`, a `Source` or a pipeline; targets are ignored.
        batch_size: Samples in a batch, for arrays.
        steps: The number of batches to read; None for a whole pass.
    """
    if _registered.reader is None:
        raise RuntimeError("nothing reads data yet: import streamfit before its layers")
    yield from _registered.reader(data, batch_size, steps)


def adapt_layers(
    layers: Mapping[str | tuple[str, ...], object],
    data: object,
    batch_size: int | None = None,
    steps: int | None = None,
) -> None:
    """Adapt layers to columns of data, all of them in one pass.

    Each layer has the state that its own `adapt` finds for its column. A column of single values comes as in
    `fit` for an ``Input((1,))``: in the shape (batch, 1).

    Args:
        layers: For each column the layer, or a list of layers, that adapts to it: any with `reset_state`,
            `update_state` and `finalize_state`, such as `Normalization`, `Discretization`, `StringLookup`,
            `IntegerLookup` and `TextVectorization`. A layer that stands at several columns adapts to all of
            them together: a vocabulary that they share. A tuple of names stands for these columns joined
            along the last axis, as by `Concatenate`: one `Normalization` of many numbers.
        data: What the `adapt` of a layer reads, with a dictionary of columns as x: a dictionary of arrays, or
            a pipeline, a generator or a `Sequence` of such; targets, and columns that are not named, are
            ignored.
        batch_size: Samples that are looked at together, for arrays and for pipelines without batches.
        steps: The number of batches to read; None for a whole pass.

    Raises:
        TypeError: Something is no layer that adapts.
        DataError: The data have no named columns, or not these.
        ShapeError: Columns that are to be joined have different numbers of axes or samples.
        TypeError: `layers` is no dictionary.
        ValueError: There are no layers or no data, or a layer was made with what it would find.
        SampleError: As in the `adapt` of the layer, which a note names the column for. As after any other
            error while data are read, no layer has changed.

    Example:
        >>> from streamfit.layers import Normalization, StringLookup
        >>> from streamfit.utils import adapt_layers
        >>> age, job = Normalization(), StringLookup()
        >>> columns = {"age": np.array([20.0, 40.0]), "job": np.array(["cook", "pilot"]), "id": np.arange(2)}
        >>> adapt_layers({"age": age, "job": job}, columns)
        >>> age.mean, job.get_vocabulary()
        (array([[30.]], dtype=float32), ['[UNK]', 'pilot', 'cook'])
    """
    if not is_mapping(layers):
        raise TypeError(f"layers={layers!r}: write a dictionary by column, such as {{'age': layer}}")
    plan = [(column, layer) for column, found in layers.items() for layer in _adapting(column, found)]
    if not plan:
        raise ValueError("there are no layers to adapt; pass for example {'age': Normalization()}")
    every = list({id(layer): layer for _, layer in plan}.values())
    for layer in every:
        if isinstance(layer, _Checked):
            layer.check_adaptable()
        layer.reset_state()
    try:
        for x in batches_of(data, batch_size, steps):
            known: dict[str | tuple[str, ...], Array] = {}
            for column, layer in plan:
                if column not in known:
                    known[column] = _column(x, column)
                try:
                    layer.update_state(known[column])
                except Exception as error:
                    error.add_note(f"while a layer adapted to {_words(column)}")
                    raise
    except BaseException:
        for layer in every:
            layer.reset_state()
        raise
    for layer in every:
        layer.finalize_state()


def _adapting(column: str | tuple[str, ...], found: object) -> list[AdaptingLayer]:
    """List the layers for a column."""
    names = column if isinstance(column, tuple) else (column,)
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError(f"columns are named by a string, or by a tuple of them, got {column!r}")
    listed = list(found) if isinstance(found, (list, tuple)) else [found]
    adapting = [layer for layer in listed if isinstance(layer, AdaptingLayer)]
    if len(adapting) < len(listed):
        other = next(layer for layer in listed if not isinstance(layer, AdaptingLayer))
        shown = f"layer {other.name!r}" if isinstance(other, Layer) else repr(other)
        raise TypeError(
            f"{_words(column)}: {shown} has nothing to adapt; leave it out, or pass a layer such as "
            "Normalization or StringLookup"
        )
    return adapting


def _words(column: str | tuple[str, ...]) -> str:
    return f"column {column!r}" if isinstance(column, str) else f"columns {list(column)}"


def _column(x: object, column: str | tuple[str, ...]) -> Array:
    """Return a column of a batch, or several joined, with an axis behind that of the batch."""
    if isinstance(column, str):
        array = np.asarray(_named(x, column))
        return array[:, np.newaxis] if array.ndim == 1 else array
    parts = [_column(x, name) for name in column]
    if len({part.shape[:-1] for part in parts}) > 1:
        raise ShapeError(
            f"columns {list(column)} cannot be joined along the last axis: their batches have the shapes "
            f"{', '.join(str(part.shape) for part in parts)}"
        )
    return np.concatenate(parts, axis=-1)


def _named(x: object, name: str) -> object:
    if not isinstance(x, Mapping):
        raise DataError(
            "adapt_layers reads a dictionary of named columns, such as {'age': ages}; the data are not named"
        )
    if name not in x:
        raise DataError(f"the data have no column {name!r}; their columns are {sorted(map(str, x))}")
    return x[name]
