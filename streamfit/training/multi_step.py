"""Joined batches: several steps one after another in the same arrays; their parts and their names."""

from __future__ import annotations

import numpy as np

from streamfit._base.tree import transform
from streamfit.streams import Batch
from streamfit.streams.leaves import leaves


def rows_of_step(batch: Batch, step: int) -> slice:
    """Return the rows of one of the joined batches."""
    size = len(leaves(batch.x)[0][1]) // batch.steps
    return slice(step * size, (step + 1) * size)


def one_step(batch: Batch, step: int) -> Batch:
    """Return one of the joined batches.

    Example:
        >>> batch = Batch(np.arange(6), ids=np.arange(6), number=4, steps=3)
        >>> one_step(batch, 1).x.tolist(), one_step(batch, 1).number
        ([2, 3], 5)
    """
    rows = rows_of_step(batch, step)

    def cut(array: object) -> object:
        return array[rows] if isinstance(array, np.ndarray) else array

    x, y, weight = transform(cut, batch.parts())
    return Batch(x, y, weight, cut(batch.ids), batch.number + step, batch.data_epoch, rows.stop - rows.start)


def earlier_steps(batch: Batch, count: int) -> Batch:
    """Return the first `count` of the joined batches, at least one of them.

    Example:
        >>> batch = Batch(np.arange(6), ids=np.arange(6), number=4, size=6, steps=3)
        >>> first = earlier_steps(batch, 2)
        >>> first.x.tolist(), first.number, first.steps
        ([0, 1, 2, 3], 4, 2)
    """
    return _steps(batch, 0, count)


def later_steps(batch: Batch, done: int) -> Batch:
    """Return the joined batches that are left when `done` of them are done.

    Example:
        >>> batch = Batch(np.arange(6), ids=np.arange(6), number=4, size=6, steps=3)
        >>> rest = later_steps(batch, 1)
        >>> rest.x.tolist(), rest.number, rest.steps
        ([2, 3, 4, 5], 5, 2)
    """
    return _steps(batch, done, batch.steps)


def _steps(batch: Batch, begin: int, end: int) -> Batch:
    rows = slice(rows_of_step(batch, begin).start, rows_of_step(batch, end).start)
    x, y, weight, ids = transform(
        lambda part: part[rows] if isinstance(part, np.ndarray) else part, (*batch.parts(), batch.ids)
    )
    steps, number = end - begin, batch.number + begin
    size = batch.size * steps // batch.steps
    return Batch(x, y, weight, ids, number, batch.data_epoch, size, steps)


def where(batch: Batch, epoch: int | None = None) -> str:
    """Say which batch this is, for messages.

    Args:
        batch: The batch.
        epoch: The training epoch, if there is one; it is named where it is not the number of the pass.

    Example:
        >>> where(Batch(np.zeros(2), ids=np.array([7, 4]), number=3))
        'pass 0, batch 3, samples 7, 4'
        >>> where(Batch(np.zeros(2), number=3), epoch=5)
        'epoch 5, pass 0, batch 3'
    """
    text = f"pass {batch.data_epoch}, batch {batch.number}"
    if epoch is not None and epoch != batch.data_epoch:
        text = f"epoch {epoch}, {text}"
    ids = batch.ids
    if isinstance(ids, np.ndarray) and ids.size:
        shown = ", ".join(map(str, ids.reshape(-1)[:8].tolist())) + (", ..." if ids.size > 8 else "")
        text += f", samples {shown}"
    elif ids is not None:
        text += f", sample ids {ids}"
    return text
