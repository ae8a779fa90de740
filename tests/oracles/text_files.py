"""Checks that all files of text share: every order of a pass, and files with damage."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from streamfit import stream
from streamfit._base.errors import DataError
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stages.elements import named_leaves


def write(path: Path, data: bytes | str) -> Path:
    """Write a file as it is given, without other line ends."""
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def columns_of(made: Pipeline) -> dict[str, np.ndarray]:
    """Return the columns of all blocks of a table, in which no record may be bad."""
    blocks = [made.stage.store.read(block) for block in range(len(made.stage.store.lengths))]
    assert not any(block.bad for block in blocks)
    return {name: np.concatenate([block.rows[name] for block in blocks]) for name in blocks[0].rows}


def rows(made: Pipeline, number: int = 0, **settings: object) -> list[object]:
    """Return the x of each sample of a pass, in order; a dictionary as a tuple of its values."""
    found: list[object] = []
    with stream(made, seed=3, **settings) as batches:
        for batch in batches.epoch(number):
            given = batch.given()
            x = given[0] if isinstance(given, tuple) else given
            found += (
                list(zip(*(column.tolist() for column in x.values()), strict=True))
                if isinstance(x, dict)
                else x.tolist()
            )
    return found


def check_orders(made: Pipeline, wanted: list[object]) -> None:
    """Check order, once, any workers, resume at every step and the union of shards of samples that differ."""
    assert rows(made.batch(4)) == wanted
    for ordered in (made, made.shuffle(5), made.shuffle()):
        batched = ordered.batch(4)
        source = batched.open_source(seed=3, text=True)
        alone = [source.load(ticket)[0] for ticket in source.tickets(1)]
        first = rows(batched, 1)
        assert sorted(map(repr, first)) == sorted(map(repr, wanted))
        assert rows(batched, 1, workers=2, max_queue_size=3) == first
        for start in range(len(alone)):
            reader = source.make_reader().in_pool(None, (1, start))
            resumed = [reader.take(1).x for _ in range(start, len(alone))]
            reader.close()
            assert [repr(x) for x in resumed] == [repr(x) for x in alone[start:]]
    shards = [rows(made.shuffle(5).shard(3, part).batch(4)) for part in range(3)]
    assert sorted(map(repr, itertools.chain(*shards))) == sorted(map(repr, wanted))


def mutations(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield damaged copies of a file: flipped bits, bytes that mean something, cuts, pieces put elsewhere."""
    random = np.random.default_rng(seed)
    letters = b'\n\r",{}[]:\\\0\xff\xef\xbb\xbf 0a-'
    for _ in range(count):
        made = bytearray(data)
        for _ in range(int(random.integers(1, 5))):
            place, kind = int(random.integers(len(made))), int(random.integers(5))
            if kind == 0:
                made[place] ^= 1 << int(random.integers(8))
            elif kind == 1:
                made[place] = letters[int(random.integers(len(letters)))]
            elif kind == 2:
                made.insert(place, letters[int(random.integers(len(letters)))])
            elif kind == 3:
                del made[place : place + int(random.integers(1, 40))]
            else:
                made[place:place] = made[: int(random.integers(1, 40))]
            made = made or bytearray(b"\n")
        yield bytes(made)


def check_damage(write: Callable[[bytes], object], make: Callable[[], Pipeline], data: bytes) -> None:
    """Check that a damaged file gives samples or an exception of ours, and each bad record a message."""
    outcomes = set()
    for damaged in mutations(data, 100):
        write(damaged)
        try:
            store = make().stage.store
            for block, length in enumerate(store.lengths.tolist()):
                found = store.read(block)
                assert {len(leaf) for _, leaf in named_leaves(found.rows)} == {length}
                for row, reason in found.bad.items():
                    assert reason
                    assert ", line " in store.where(block, row)
                outcomes.add("bad" if found.bad else "good")
        except DataError:
            outcomes.add("refused")
        except ValueError as error:  # the name of a column was hit
            if "column" not in str(error):
                raise
    assert "good" in outcomes
    assert len(outcomes) > 1
