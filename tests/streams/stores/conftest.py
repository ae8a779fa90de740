"""What every store promises, checked through its pipeline."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from streamfit import stream


def ids_of(made: Any, **settings: Any) -> list[list[int]]:
    """Read a pass; the column `id` of x is the number of the sample."""
    found = []
    with stream(made, seed=1, **settings) as batches:
        for batch in batches.epoch(0):
            x = batch.x
            assert x["id"].tolist() == batch.ids.tolist()
            found.append(x["id"].tolist())
    return found


def rest(source: Any, start: int, batches: int) -> Iterator[list[int]]:
    """Read a pass from a batch on, as a resumed run does."""
    reader = source.make_reader().in_pool(None, (0, start))
    if reader is None:  # arrays in memory need no pool
        yield from (batch.x["id"].tolist() for batch in source.make_reader().read(0, start))
        return
    for _ in range(start, batches):
        yield reader.take(1).x["id"].tolist()
    reader.close()


def check(rows: Any, count: int) -> None:
    """Check order, once, any workers, resume at every batch, and the union of shards."""
    in_order = ids_of(rows.batch(7))
    assert list(itertools.chain(*in_order)) == list(range(count))
    shuffled = rows.shuffle(9).batch(7)
    wanted = ids_of(shuffled)
    assert sorted(itertools.chain(*wanted)) == list(range(count))
    assert count < 10 or wanted != in_order
    assert ids_of(shuffled, workers=2) == wanted
    source = shuffled.open_source(seed=1, text=True)
    for start in range(len(wanted)):
        assert list(rest(source, start, len(wanted))) == wanted[start:]
    if count >= 3:
        shards = [ids_of(rows.shuffle(9).shard(3, k).batch(4)) for k in range(3)]
        assert sorted(itertools.chain(*itertools.chain(*shards))) == list(range(count))


@pytest.fixture
def check_store() -> Callable[[Any, int], None]:
    """Check a pipeline of samples `({"id": ..., ...}, ...)` with so many samples."""
    return check


@pytest.fixture
def read_ids() -> Callable[..., list[list[int]]]:
    """Read the ids of a pass, batch by batch."""
    return ids_of


def mutations(data: bytes, count: int, seed: int = 0) -> list[bytes]:
    """Return damaged copies of a file: bytes changed, cut out, doubled, cut off, numbers made large."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        raw = bytearray(data)
        at = int(rng.integers(len(raw)))
        kind = number % 5
        if kind == 0:
            for place in rng.integers(len(raw), size=int(rng.integers(1, 9))):
                raw[place] ^= int(rng.integers(1, 256))
        elif kind == 1:
            del raw[at : at + int(rng.integers(1, 64))]
        elif kind == 2:
            raw[at:at] = raw[at : at + int(rng.integers(1, 64))]
        elif kind == 3:
            del raw[at:]
        else:
            at -= at % 4
            raw[at : at + 4] = rng.choice(
                [b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x80"]
            )
        found.append(bytes(raw))
    return found


@pytest.fixture
def damaged() -> Callable[..., list[bytes]]:
    """Make damaged copies of a file."""
    return mutations
