"""`Batch`: the data of one training step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from streamfit._base.specs import Array

T = TypeVar("T")
Structure: TypeAlias = T | list[T | None] | tuple[T | None, ...] | dict[str, T | None] | None
"""One T, or a list, tuple or dict of T with None for missing entries; None where there is none at all."""

Part: TypeAlias = Structure[Array]
"""x, y or sample_weight of a batch."""

ROLES = ("x", "y", "sample_weight")
"""Names of the parts of a batch, in the order of `Batch.parts`."""


@dataclass(slots=True)
class Batch:
    """Hold one batch.

    Args:
        x: Inputs: an array of shape (size, ...), or a list, tuple or dict of such arrays.
        y: Targets, likewise, or None.
        sample_weight: Weights, likewise, or None.
        ids: Ids of the samples: an int64 array for arrays, the index of the batch for a
            `Sequence`, the running number for a generator.
        number: Number of the batch within its pass over the data.
        data_epoch: Number of the pass.
        size: Number of samples.
        steps: How many batches are joined in these arrays, one after the other: more than 1 only if the
            consumer of a feed asked for it.
        lost: Ids of the samples that were left out because they cannot be loaded; x is None if these are
            all samples of the batch.

    Example:
        >>> import numpy as np
        >>> batch = Batch(np.zeros((2, 3)), np.ones(2), size=2)
        >>> len(batch.given()), batch.parts()[2] is None
        (2, True)
    """

    x: Part
    y: Part = None
    sample_weight: Part = None
    ids: object = None
    number: int = 0
    data_epoch: int = 0
    size: int = 0
    steps: int = 1
    lost: tuple[object, ...] = ()

    def parts(self) -> tuple[Part, Part, Part]:
        """Return x, y and sample_weight; None for a missing one."""
        return self.x, self.y, self.sample_weight

    def given(self) -> Any:
        """Return x, or (x, y), or (x, y, sample_weight), whichever was given."""
        if self.sample_weight is not None:
            return self.x, self.y, self.sample_weight
        return self.x if self.y is None else (self.x, self.y)
