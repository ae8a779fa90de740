"""What every source must do. A source that is not in `CASES` fails the last test."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.sequences import Drawing, Numbered

from streamfit import streams
from streamfit.streams import (
    ArraySource,
    DelegatingSource,
    Feed,
    GeneratorSource,
    Sequence,
    SequenceSource,
    Source,
)
from streamfit.workers import make_pool

ROWS, TARGETS = np.arange(44.0).reshape(22, 2), np.arange(22)


def mapped(path: Path) -> Any:
    np.save(path / "rows.npy", ROWS)
    return np.load(path / "rows.npy", mmap_mode="r")


CASES: dict[str, tuple[type[Source], Callable[[Path], Source]]] = {
    "memory": (ArraySource, lambda path: ArraySource(ROWS, TARGETS, batch_size=4, seed=3)),
    "memory in order": (ArraySource, lambda path: ArraySource(ROWS, TARGETS, batch_size=4, shuffle=False)),
    "memory by batch": (ArraySource, lambda path: ArraySource(ROWS, TARGETS, batch_size=4, shuffle="batch")),
    "mapped": (ArraySource, lambda path: ArraySource(mapped(path), TARGETS, batch_size=4, seed=3)),
    "sequence": (SequenceSource, lambda path: SequenceSource(Numbered(6), seed=3)),
    "shuffled sequence": (SequenceSource, lambda path: SequenceSource(Drawing(), shuffle=True, seed=3)),
    "wrapped": (
        DelegatingSource,
        lambda path: DelegatingSource(ArraySource(ROWS, TARGETS, batch_size=4, seed=3)),
    ),
    "iterable": (GeneratorSource, lambda path: GeneratorSource([(ROWS[k:], TARGETS[k:]) for k in range(6)])),
}


@pytest.fixture(params=CASES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    return CASES[request.param][1](tmp_path)


def read(source: Source, data_epoch: int, start: int = 0) -> list[Any]:
    return [
        (b.data_epoch, b.number, np.array(b.ids).tolist(), b.x.tolist(), b.y.tolist())
        for b in source.make_reader().read(data_epoch, start)
    ]


def test_a_pass_is_the_same_whenever_it_is_read(source: Source) -> None:
    if isinstance(source, GeneratorSource):  # its ids go on counting
        assert [row[3:] for row in read(source, 1)] == [row[3:] for row in read(source, 1)]
    else:
        assert read(source, 1) == read(source, 1)


def test_batches_are_numbered_from_0_and_belong_to_their_pass(source: Source) -> None:
    rows = read(source, 2)
    assert [row[:2] for row in rows] == [(2, number) for number in range(len(rows))]
    assert len(rows) == 6
    assert source.batches(2) in (6, None)


def test_a_pass_can_be_entered_at_any_batch(source: Source) -> None:
    whole = [row[3:] for row in read(source, 1)]
    for start in range(7):
        assert [row[3:] for row in read(source, 1, start)] == whole[start:]


def test_loading_a_ticket_depends_on_the_ticket_alone(source: Source) -> None:
    tickets = list(source.tickets(1))
    forwards = [source.load(ticket) for ticket in tickets]
    backwards = [source.load(ticket) for ticket in reversed(tickets)][::-1]
    for one, two in zip(forwards, backwards, strict=True):
        assert np.array_equal(one[0], two[0])
        assert np.array_equal(one[1], two[1])


def test_a_source_for_workers_travels(source: Source) -> None:
    if source.traits.in_workers:
        twin = pickle.loads(pickle.dumps(source))
        assert read(twin, 1) == read(source, 1)


def test_descriptions_name_the_source_and_the_batch(source: Source) -> None:
    source.name = "some name"
    text = source.describe(list(source.tickets(1))[2])
    assert text.startswith("source 'some name', pass 1, batch 2")


def test_uniform_sources_know_their_specs(source: Source) -> None:
    assert not source.traits.one_layout or source.spec() is not None


class Modules(Sequence):
    """Tells whether the process that loads has a compiler in it."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return np.array([int("numba" in sys.modules), int("streamfit.streams" in sys.modules)])


@pytest.mark.timeout(30)
def test_a_worker_does_not_wait_for_a_compiler() -> None:
    with make_pool("processes", 1) as pool, Feed(SequenceSource(Modules(), shuffle=True), pool) as feed:
        assert [batch.x.tolist() for batch in feed.run()] == [[0, 1]]


def test_every_source_has_a_case() -> None:
    public = {getattr(streams, name) for name in streams.__all__}
    sources = {thing for thing in public if isinstance(thing, type) and issubclass(thing, Source)} - {Source}
    assert sources == {kind for kind, _ in CASES.values()}
