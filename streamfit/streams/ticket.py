"""`Ticket`: the small picklable order for one batch.

Guarantee kept here: a ticket says everything that a load may depend on (which pass, which batch,
which samples, which randomness), so a batch is the same whoever loads it and however often.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ticket:
    """Order one batch.

    Args:
        epoch: Number of the pass over the data, from 0.
        number: Number of the batch within the pass, from 0.
        ids: What to load: an int64 array of sample ids for arrays, the index of the batch for a
            `Sequence`, and None where the item itself was pulled.
        key: Key of the randomness of this pass.
        item: The item that was pulled from a generator.

    Example:
        >>> Ticket(0, 3, ids=7)
        Ticket(epoch=0, number=3, ids=7, key=0, item=None)
    """

    epoch: int
    number: int
    ids: Any = None
    key: int = 0
    item: object = None

    def __reduce__(self) -> tuple[Callable[..., Ticket], tuple[object, ...]]:
        # The default of a frozen slotted dataclass looks up its fields on every pickle: five times slower.
        return Ticket, (self.epoch, self.number, self.ids, self.key, self.item)
