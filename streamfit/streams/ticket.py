"""`Ticket`: the small picklable request for one batch.

Guarantee kept here: a ticket holds everything that a load may depend on (pass, batch, samples, randomness),
so every load of a ticket gives the same batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ticket:
    """Request one batch.

    Args:
        data_epoch: Number of the pass over the data, from 0.
        number: Number of the batch within the pass, from 0.
        ids: Ids of the data to load: an int64 array of sample ids for arrays, the index of the batch for a
            `Sequence`, the running number for a generator.
        key: Key of the randomness of this pass.
        payload: A value of the source beside the ids: the item pulled from a generator, the number of a
            batch.

    Example:
        >>> Ticket(0, 3, ids=7)
        Ticket(data_epoch=0, number=3, ids=7, key=0, payload=None)
    """

    data_epoch: int
    number: int
    ids: Any = None
    key: int = 0
    payload: object = None

    def __reduce__(self) -> tuple[Callable[..., Ticket], tuple[object, ...]]:
        # The default of a frozen slotted dataclass looks up its fields on every pickle: five times slower.
        return Ticket, (self.data_epoch, self.number, self.ids, self.key, self.payload)
