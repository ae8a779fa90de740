"""Replay: any batch that was trained on, loaded again from the same source.

Guarantee kept here: a replayed batch has the ids of the one that was delivered and, where the data have not
changed since, its bits: what a load draws is keyed by seed, pass and sample, so loading again draws the same.
With an audit, a batch whose bytes differ from those that were delivered is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.identity import IdentityMap
from streamfit.streams.audit import Contents
from streamfit.streams.batch import Batch
from streamfit.streams.source import Source


@dataclass(frozen=True, slots=True)
class Delivered:
    """What an epoch read: enough to load any of its batches again.

    Args:
        source: The source.
        checksums: The running checksum before each batch and behind the last, with an audit.
    """

    source: Source
    checksums: Sequence[int]

    def load(self, number: int, passes: Sequence[Sequence[int]], skipped: Iterable[object]) -> Batch:
        """Load one batch of the epoch again.

        Args:
            number: Its number in the epoch.
            passes: As in the receipt.
            skipped: Ids of the samples that were left out.
        """
        source = self.source
        first, data_epoch, start = next(each for each in reversed(passes) if each[0] <= number)
        at = start + number - first
        if not source.traits.rewinds:
            raise DataError(
                f"source {source.name!r}: a generator cannot be read again, so batch {number} cannot be "
                "replayed; use arrays, a Sequence, or an iterable that starts anew at each iter()"
            )
        batch: Batch = source.make_reader().replayed(data_epoch, at, frozenset(_hashable(skipped)))
        if self.checksums:
            contents = Contents(self.checksums[number])
            contents.add(batch)
            if contents.value != self.checksums[number + 1]:
                raise DataError(
                    f"source {source.name!r}, pass {data_epoch}, batch {at}: the data have changed since "
                    "this batch was trained on; its checksum is another"
                )
        return batch


delivered: IdentityMap[Delivered] = IdentityMap()
"""What each receipt of this process is of."""


def _hashable(ids: Iterable[object]) -> Iterable[object]:
    return (name.item() if isinstance(name, np.generic) else name for name in ids)
