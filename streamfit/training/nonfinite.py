"""The error for a step that was stopped because its loss or gradient was not finite.

The step has changed nothing, so its losses, its gradient, the weights and the batch can still be
examined.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from streamfit._base.errors import NonFiniteError
from streamfit._base.specs import Array
from streamfit._base.tree import flatten
from streamfit.ops import Variable
from streamfit.streams import Batch
from streamfit.streams.batch import ROLES
from streamfit.training.model_graph import WeightOwner
from streamfit.training.multi_step import where

_SHOWN = 8


def nonfinite_error(
    batch: Batch,
    source: str,
    losses: dict[str, float],
    gradients: dict[Variable, Array],
    model: WeightOwner,
    *,
    epoch: int | None = None,
) -> NonFiniteError:
    """Return the error for a batch whose step was stopped.

    Args:
        batch: The one batch.
        source: Name of the data.
        losses: The losses of the batch by name; the total is called ``"loss"``.
        gradients: The gradient of each trained weight.
        model: Gives the weights their paths.
        epoch: The training epoch, if there is one.
    """
    paths: dict[Variable, str] = {}
    for path, weight in weight_paths(model):
        paths.setdefault(weight, path)  # a shared layer has several paths; one is enough
    wrong = [paths[weight] for weight, gradient in gradients.items() if not _finite(gradient)]
    before = [path for weight, path in paths.items() if not _finite(weight.value)]
    data = unusable_data(batch, gradients)
    text = "; ".join([*_findings(losses, wrong), *_causes(data, before)])
    return NonFiniteError(
        f"{text} (source {source!r}, {where(batch, epoch)}). Nothing of this batch was applied: weights and "
        f"optimizer are as the batch before left them. {_advice(data, before)}",
        epoch=batch.data_epoch,
        batch=batch.number,
        ids=np.array(batch.ids) if isinstance(batch.ids, np.ndarray) else batch.ids,
        loss=losses["loss"],
        weights=wrong,
        data=list(data),
    )


def weight_paths(layer: WeightOwner, prefix: str = "") -> Iterator[tuple[str, Variable]]:
    """Yield (path, weight) for each weight inside a layer; paths are made of the names of layers."""
    deeper = {weight for inner in layer.layers_inside for weight in inner.weights}
    for inner in layer.layers_inside:
        yield from weight_paths(inner, f"{prefix}{inner.name}/")
    yield from ((prefix + weight.name, weight) for weight in layer.weights if weight not in deeper)


def unusable_data(batch: Batch, gradients: Iterable[Variable]) -> dict[str, str]:
    """Find the parts of a batch that hold NaN or Inf, or will once they have the dtype of the weights.

    Returns:
        For each such part (``"x"``, ``"y"``, ``"sample_weight"``) in which samples.
    """
    dtype = next((weight.dtype for weight in gradients), np.dtype(np.float64))
    found = {}
    for name, part in zip(ROLES, batch.parts(), strict=True):
        arrays = [np.asarray(array) for array in flatten(part) if array is not None]
        rows = sorted({int(row) for array in arrays for row in _unusable_rows(array, dtype)})
        if rows:
            found[name] = _samples(rows, batch.ids)
    return found


def _unusable_rows(array: Array, dtype: np.dtype[np.generic]) -> Array:
    if array.dtype.kind != "f":
        return np.empty(0, np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        usable = np.isfinite(array.astype(dtype, copy=False))
    return np.unique(np.nonzero(~usable)[0])


def _samples(rows: Sequence[int], ids: object) -> str:
    """Name samples by their ids where each has one, else by their place in the batch."""
    if isinstance(ids, np.ndarray) and ids.ndim == 1 and len(ids) > rows[-1]:
        return "samples " + _some(str(ids[row]) for row in rows)
    return "rows " + _some(map(str, rows)) + " of the batch"


def _finite(array: Array) -> bool:
    return bool(np.isfinite(array).all())


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _findings(losses: dict[str, float], wrong: Sequence[str]) -> list[str]:
    found = [f"{name} is {value}" for name, value in losses.items() if not np.isfinite(value)]
    return found + ([f"the gradient of {_some(wrong)} holds NaN or Inf"] if wrong else [])


def _causes(data: dict[str, str], before: Sequence[str]) -> list[str]:
    found = [f"{name} holds NaN or Inf in {samples}" for name, samples in data.items()]
    found += [f"the weights {_some(before)} held NaN or Inf before this batch"] if before else []
    return found or ["the data of the batch and the weights are finite"]


def _advice(data: dict[str, str], before: Sequence[str]) -> str:
    if data:
        return "Fix these samples, or leave them out."
    if before:
        return "Go back to weights that are finite: an earlier update has overflowed."
    return "Lower the learning rate, or make the numbers smaller: scale the data or the outputs."
