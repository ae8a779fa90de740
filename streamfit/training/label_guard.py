"""`LabelGuard`: stops a step before it reads a class that does not exist."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.ops.core import Op


@kernel
def check_labels(labels: Array, classes: int, ignored: int) -> None:
    """Stop the call loop when a label is not a whole number in [0, classes) and not the ignored one."""
    for i in range(labels.shape[0]):
        label = labels[i]
        if not (0 <= label < classes and label == np.floor(label)) and label != ignored:
            raise FloatingPointError


@kernel
def check_counted_labels(labels: Array, classes: int, ignored: int, weights: Array, repeat: int) -> None:
    """Do as `check_labels` for the labels whose weight is not 0."""
    for i in range(labels.shape[0]):
        label = labels[i]
        right = (0 <= label < classes and label == np.floor(label)) or label == ignored
        if not right and weights[i // repeat] != 0:
            raise FloatingPointError


class LabelGuard(Op):
    """Stop a step before it reads a class that does not exist; has no output.

    Its inputs are the labels, and the weights where these are given.
    """

    differentiable = False

    def __init__(self, classes: int, ignored: int | None) -> None:
        self._classes = classes
        self._ignored = 0 if ignored is None else ignored  # class 0 always exists

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return nothing."""
        return ()

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        labels = inputs[0].reshape(-1)
        if len(inputs) == 1:
            return [(check_labels, (labels, self._classes, self._ignored))]
        weights = inputs[1].reshape(-1)
        repeat = len(labels) // len(weights)
        return [(check_counted_labels, (labels, self._classes, self._ignored, weights, repeat))]
