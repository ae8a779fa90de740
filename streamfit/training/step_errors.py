"""Errors of a step, with the source, epoch, batch and samples that they are about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array
from streamfit.kernels import KernelStoppedError
from streamfit.ops.checked import CheckedIndices
from streamfit.ops.core import Node, Tensor
from streamfit.streams import Batch
from streamfit.streams.naming import sample_named
from streamfit.training.compile_config import OutputPlan
from streamfit.training.multi_step import where


def located(error: DataError, source: str, batch: Batch, epoch: int | None = None) -> DataError:
    """Return an error of the same class that names the source, the batch, and the sample if known."""
    sample = sample_named(batch.ids, error.row if isinstance(error, SampleError) else None)
    return type(error)(f"{error} ({sample}source {source!r}, {where(batch, epoch)})")


def index_error(stopped: KernelStoppedError, nodes: Sequence[Node], batch_size: int) -> DataError | None:
    """Return the error for the index that stopped a step, or None if something else did."""
    for node in nodes:
        op = node.op
        if isinstance(op, CheckedIndices) and any(argument is op.wrong for argument in stopped.arguments):
            size = next(each.size for each in stopped.arguments if isinstance(each, np.ndarray))
            known = [length for length in node.outputs[0].shape[1:] if length is not None]
            is_free = len(known) < node.outputs[0].ndim - 1
            return op.error((batch_size, size // batch_size) if is_free else (batch_size, *known))
    return None


def label_error(
    plans: Sequence[OutputPlan],
    outputs: Sequence[Tensor],
    targets: Sequence[Array | None],
    weights: Sequence[Array | None],
) -> DataError:
    """Return the error for the labels that stopped a step; labels that weigh 0 did not stop it."""
    for plan, target, weight, output in zip(plans, targets, weights, outputs, strict=True):
        if plan.loss is not None and target is not None:
            if weight is not None:
                rows = weight.reshape(weight.shape + (1,) * (target.ndim - weight.ndim))
                target = np.where(rows == 0, 0, target)  # class 0 always exists
            try:
                plan.loss.check_targets(target, output.shape, f"output {plan.name!r}")
            except DataError as error:
                return error
    return DataError("a class label does not exist")
