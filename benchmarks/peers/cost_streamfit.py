"""streamfit's side of the cost benchmark: the way of a batch in `fit`, with all guarantees.

A `Sequence` becomes a source, a feed takes it through a pool of processes that lives from epoch to epoch,
checks order and shapes, and keeps the receipt. Nothing is switched off.
"""

from __future__ import annotations

from collections.abc import Iterator

import cost_common

from streamfit.streams import Feed, Sequence, SequenceSource
from streamfit.workers import live_pids, make_pool


class Numbered(Sequence):
    """An epoch of batches of one size by one loader."""

    def __init__(self, size: str, loader: str, length: int) -> None:
        super().__init__()
        self._size, self._loader, self._length = size, loader, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> cost_common.Batch:
        return cost_common.LOADERS[self._loader](self._size, index)


def main() -> None:
    """Serve epochs; each is a run of a feed on the same pool, as in `fit`."""
    chosen = cost_common.options(ahead=cost_common.AHEAD)
    with make_pool("processes", chosen.workers, chosen.ahead) as pool:
        pool.start(["streamfit.streams"])

        def epoch(count: int) -> Iterator[cost_common.Batch]:
            source = SequenceSource(Numbered(chosen.size, chosen.loader, count))
            with Feed(source, pool) as feed:
                for batch in feed.run():
                    yield batch.x
                if feed.receipt().delivered != count:
                    raise ValueError(f"the receipt says {feed.receipt()}, and {count} batches were asked for")

        cost_common.serve(epoch, live_pids)


if __name__ == "__main__":
    main()
