from __future__ import annotations

import collections
import gc
import os
import signal
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.sequences import Drawing, Numbered

from streamfit._base.errors import DataError, StreamfitError
from streamfit.streams import (
    ArraySource,
    Batch,
    Feed,
    GeneratorSource,
    SequenceSource,
    Source,
    SourceTraits,
    Ticket,
)
from streamfit.workers import Pool, make_pool


def numbers(feed: Feed, limit: int | None = None) -> list[tuple[int, int]]:
    return [(batch.data_epoch, batch.number) for batch in feed.run(limit)]


def arrays(n: int = 10, size: int = 1, **options: Any) -> ArraySource:
    return ArraySource(np.arange(n), np.arange(n), batch_size=size, **options)


def expected_epochs(batches: int, limits: list[int | None], wrap: bool) -> list[list[tuple[int, int]]]:
    """Say what each epoch must deliver, one batch after the other."""
    epoch = number = 0
    epochs = []
    for limit in limits:
        delivered: list[tuple[int, int]] = []
        while True:
            delivered.append((epoch, number))
            number += 1
            if number == batches:
                epoch, number = epoch + 1, 0
                if not wrap or limit is None:
                    break
            if len(delivered) == limit:
                break
        epochs.append(delivered)
    return epochs


LIMITS = st.lists(st.one_of(st.none(), st.integers(1, 15)), min_size=1, max_size=6)


@given(
    batches=st.integers(1, 12),
    limits=LIMITS,
    wrap=st.booleans(),
    kind=st.sampled_from(["arrays", "sequence", "iterable"]),
)
def test_epochs_are_joined_from_passes(batches: int, limits: list[int | None], wrap: bool, kind: str) -> None:
    source: Source
    if kind == "arrays":
        source = arrays(batches)
    elif kind == "sequence":
        source = SequenceSource(Numbered(batches))
    else:
        source = GeneratorSource([(np.zeros(1), np.zeros(1))] * batches)
    feed = Feed(source, wrap=wrap)
    want = expected_epochs(batches, limits, wrap)
    for index, (limit, epoch) in enumerate(zip(limits, want, strict=True)):
        planned = feed.steps(limit)
        assert numbers(feed, limit) == epoch
        receipt = feed.receipt()
        assert receipt.epoch == index
        assert receipt.planned == receipt.delivered == len(epoch)
        if kind != "iterable":
            assert planned == len(epoch)
            assert feed.exhausted == (limit is not None and len(epoch) < limit)
        assert not feed.dry


@given(
    n=st.integers(1, 80),
    size=st.integers(1, 9),
    limits=st.lists(st.integers(1, 12), min_size=1, max_size=12),
    wrap=st.booleans(),
    shuffle=st.sampled_from([True, False, "batch"]),
    seed=st.integers(0, 2**63 - 1),
)
def test_each_pass_has_every_sample_once_however_it_is_cut(
    n: int, size: int, limits: list[int], wrap: bool, shuffle: Any, seed: int
) -> None:
    source = arrays(n, size, shuffle=shuffle, seed=seed)
    feed = Feed(source, wrap=wrap)
    passes: dict[int, list[int]] = {}
    for limit in limits:
        for batch in feed.run(limit):
            passes.setdefault(batch.data_epoch, []).extend(batch.ids.tolist())
    for epoch, ids in passes.items():
        whole = np.concatenate([batch.ids for batch in source.make_reader().read(epoch)]).tolist()
        assert ids == whole[: len(ids)]
        assert len(ids) == n or epoch == max(passes)


def test_the_decided_examples() -> None:
    def counts(limit: int) -> list[int]:
        feed = Feed(arrays(10))
        return [len(numbers(feed, limit)) for _ in range(4)]

    assert counts(9) == [9, 1, 9, 1]
    assert counts(5) == [5, 5, 5, 5]
    assert counts(11) == [10, 10, 10, 10]
    wrapped = Feed(arrays(10), wrap=True)
    assert [len(numbers(wrapped, 9)) for _ in range(4)] == [9, 9, 9, 9]


def test_exhausted_tells_whether_the_pass_ended_before_the_limit() -> None:
    feed = Feed(arrays(10))
    seen = []
    for _ in range(4):
        numbers(feed, 9)
        seen.append(feed.exhausted)
    assert seen == [False, True, False, True]
    assert not feed.dry


def everything(source: Source, pool: Pool | None) -> list[Any]:
    with Feed(source, pool, wrap=True) as feed:
        batches = []
        for _ in range(3):
            batches += [(b.data_epoch, b.number, np.array(b.x), np.array(b.y)) for b in feed.run(5)]
            batches.append(feed.receipt().digest)
        return batches


def same(left: list[Any], right: list[Any]) -> None:
    assert len(left) == len(right)
    for one, two in zip(left, right, strict=True):
        if isinstance(one, str):
            assert one == two
        else:
            assert one[:2] == two[:2]
            assert np.array_equal(one[2], two[2])
            assert np.array_equal(one[3], two[3])


def test_the_same_batches_from_every_kind_of_pool(pool: Pool | None, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(80.0).reshape(40, 2))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for shuffle in (True, False, "batch"):
        source = ArraySource(mapped, np.arange(40), batch_size=6, shuffle=shuffle, seed=2)
        assert source.traits.in_workers
        same(everything(source, pool), everything(source, None))
        memory = ArraySource(np.array(mapped), np.arange(40), batch_size=6, shuffle=shuffle, seed=2)
        same(everything(memory, pool), everything(source, None))
    source_of_draws = SequenceSource(Drawing(), shuffle=True, seed=2)
    same(everything(source_of_draws, pool), everything(source_of_draws, None))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("workers", [1, 3, 8])
def test_the_number_of_workers_changes_nothing(kind: Any, workers: int) -> None:
    source = SequenceSource(Drawing(), shuffle=True, seed=4)
    with make_pool(kind, workers, 5) as pool:
        same(everything(source, pool), everything(source, None))


def test_training_and_validation_share_a_pool_without_mixing(pool: Pool | None) -> None:
    training, validation = SequenceSource(Numbered(7)), SequenceSource(Numbered(3, size=2))
    with Feed(training, pool, wrap=True) as train, Feed(validation, pool) as valid:
        for epoch in range(4):
            got = [int(batch.x[0, 0]) for batch in train.run(5)]
            assert got == [(5 * epoch + k) % 7 for k in range(5)]
            valid.restart()
            assert [(int(b.x[0, 0]), b.size, b.data_epoch) for b in valid.run(2)] == [(0, 2, 0), (1, 2, 0)]


def test_restart_begins_anew_and_closes_a_whole_pass_once() -> None:
    numbered = Numbered(3)
    feed = Feed(SequenceSource(numbered))
    for _ in range(2):
        feed.restart()
        assert numbers(feed) == [(0, 0), (0, 1), (0, 2)]
    assert numbered.events == ["begin", "end"] * 2
    feed.restart()
    assert numbers(feed, 2) == [(0, 0), (0, 1)]
    feed.restart()
    assert numbers(feed, 1) == [(0, 0)]
    assert numbered.events == ["begin", "end"] * 2 + ["begin"] * 2


def test_restart_leaves_an_iterator_where_it_is() -> None:
    feed = Feed(GeneratorSource((np.full(1, k), np.zeros(1)) for k in range(9)))
    assert [int(b.x[0]) for b in feed.run(2)] == [0, 1]
    feed.restart()
    assert [int(b.x[0]) for b in feed.run(2)] == [2, 3]


@given(st.integers(0, 4), st.integers(0, 5))
def test_a_feed_resumes_anywhere(epoch: int, number: int) -> None:
    whole = Feed(arrays(12, 2, shuffle=True, seed=3), wrap=True)
    batches = list(whole.run(36))
    resumed = Feed(arrays(12, 2, shuffle=True, seed=3), wrap=True)
    resumed.seek(epoch, number)
    assert resumed.place == (epoch, number)
    rest = batches[epoch * 6 + number :]
    for one, two in zip(rest, resumed.run(36 - epoch * 6 - number), strict=False):
        assert (one.data_epoch, one.number, one.ids.tolist()) == (
            two.data_epoch,
            two.number,
            two.ids.tolist(),
        )


@pytest.mark.parametrize("limit", [None, 2, 5])
def test_a_feed_that_is_sent_to_the_end_of_a_pass_goes_on_with_the_next(limit: int | None) -> None:
    feed = Feed(ArraySource(np.arange(6), batch_size=2, shuffle=False))
    feed.seek(0, 3)
    assert [(batch.data_epoch, batch.number) for batch in feed.run(limit)] == [(1, 0), (1, 1), (1, 2)][:limit]


def test_place_is_the_next_batch() -> None:
    feed = Feed(arrays(4))
    assert feed.place == (0, 0)
    numbers(feed, 3)
    assert feed.place == (0, 3)
    run = feed.run(3)
    next(run)
    assert feed.place == (1, 0)
    list(run)
    assert feed.place == (1, 0)


def test_leaving_early_goes_on_where_it_was_left(pool: Pool | None) -> None:
    numbered = Numbered(6)
    with Feed(SequenceSource(numbered), pool) as feed:
        for batch in feed.run(5):
            if batch.number == 1:
                break
        assert feed.receipt().delivered == 2
        assert feed.receipt().planned == 5
        assert [int(b.x[0, 0]) for b in feed.run(5)] == [2, 3, 4, 5]
        assert numbered.events == ["begin", "end"]


def test_leaving_at_the_last_batch_closes_the_pass_at_the_next_chance() -> None:
    numbered = Numbered(2)
    with Feed(SequenceSource(numbered)) as feed:
        for batch in feed.run():
            if batch.number == 1:
                break
        assert numbered.events == ["begin"]
        assert feed.steps() == 2
    assert numbered.events == ["begin", "end"]


def test_an_exception_of_the_consumer_closes_no_pass() -> None:
    numbered = Numbered(1)
    feed = Feed(SequenceSource(numbered))
    try:
        for _ in feed.run():
            raise RuntimeError("step failed")
    except RuntimeError:
        feed.close()
    with pytest.raises(ZeroDivisionError), Feed(SequenceSource(numbered)) as other:
        sum(1 // 0 for _ in other.run())
    assert numbered.events == ["begin", "begin"]


def test_an_old_run_does_not_go_on_beside_a_new_one() -> None:
    feed = Feed(arrays(9))
    old = feed.run()
    next(old)
    assert numbers(feed, 2) == [(0, 1), (0, 2)]
    with pytest.raises(StreamfitError, match="newer run"):
        next(old)


class Scripted(Source):
    """Gives the batches it is told, whether they are right or wrong."""

    name = "script"

    def __init__(self, tickets: list[Ticket], count: int | None, values: Any = None) -> None:
        self._tickets, self._count, self._values = tickets, count, values

    def batches(self, data_epoch: int) -> int | None:
        return self._count

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        yield from self._tickets[start:]

    def load(self, ticket: Ticket) -> Any:
        return self._values[ticket.number] if self._values else (np.zeros(2), None, None)


def test_a_short_pass_is_an_error_that_names_what_is_missing() -> None:
    feed = Feed(Scripted([Ticket(0, 0), Ticket(0, 1)], 4))
    with pytest.raises(
        StreamfitError, match=r"'script'.* ended after 2 of its 4 batches; batches 2\.\.3 are missing"
    ):
        numbers(feed)
    with pytest.raises(StreamfitError, match="delivered 2 of 4"):
        feed.receipt().verify()


@pytest.mark.parametrize(
    "tickets", [[Ticket(0, 0), Ticket(0, 0)], [Ticket(0, 0), Ticket(0, 2)], [Ticket(0, 0), Ticket(1, 1)]]
)
def test_a_repeated_skipped_or_foreign_batch_is_an_error(tickets: list[Ticket]) -> None:
    with pytest.raises(StreamfitError, match="batch 1 of pass 0 was due"):
        numbers(Feed(Scripted(tickets, 4)))


def test_a_source_that_has_nothing_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(DataError, match="'script': pass 0 has no batches"):
        numbers(Feed(Scripted([], None), wrap=True), 3)


def test_batches_that_are_not_alike_are_errors() -> None:
    values = [(np.zeros((2, 3)), np.zeros(2), None), (np.zeros((2, 4)), np.zeros(2), None)]
    source = Scripted([Ticket(0, 0), Ticket(0, 1)], 2, values)
    with pytest.raises(DataError, match="source 'script', pass 0, batch 1"):
        numbers(Feed(source))
    assert len(numbers(Feed(source, alike="nothing"))) == 2
    short = Scripted([Ticket(0, 0)], 1, [(np.zeros((2, 3)), np.zeros(1), None)])
    with pytest.raises(DataError, match="same number of samples; x has 2 and y has 1"):
        numbers(Feed(short, alike="nothing"))


def test_there_is_no_receipt_before_the_first_run() -> None:
    with pytest.raises(StreamfitError, match="before the first run"):
        Feed(arrays()).receipt()


def test_digests_tell_passes_apart() -> None:
    feed = Feed(arrays(8, 4, shuffle=False))
    digests = []
    for _ in range(2):
        numbers(feed)
        digests.append(feed.receipt().digest)
    assert digests[0] != digests[1]


def test_digests_tell_orders_apart() -> None:
    def digest(**options: Any) -> str:
        feed = Feed(arrays(40, 4, **options))
        numbers(feed)
        return feed.receipt().digest

    assert digest(seed=1) == digest(seed=1)
    assert len({digest(seed=1), digest(seed=2), digest(shuffle=False), digest(shuffle="batch")}) == 4


def test_a_killed_worker_shows_in_the_receipt_and_nowhere_else(tmp_path: Path) -> None:
    mark = tmp_path / "killed"
    with make_pool("processes", 2, 4) as pool, Feed(SequenceSource(Mortal(mark)), pool) as feed:
        got = [int(batch.x[0]) for batch in feed.run()]
        assert got == list(range(8))
        receipt = feed.receipt()
    assert receipt.retried >= 1
    assert receipt.restarts == 1
    assert receipt.delivered == 8


class Mortal:
    """Kills its own process once."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        if index == 3 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return np.full(2, index), np.zeros(2)


@settings(max_examples=15)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 6)), min_size=1, max_size=12))
def test_interleaved_feeds_on_threads_never_mix(schedule: list[tuple[bool, int]]) -> None:
    with make_pool("threads", 2, 3) as pool:
        one, two = (Feed(SequenceSource(Numbered(count)), pool, wrap=True) for count in (5, 7))
        rng_context = {id(one): 0, id(two): 0}
        for first, limit in schedule:
            feed, count = (one, 5) if first else (two, 7)
            start = rng_context[id(feed)]
            got = [int(batch.x[0, 0]) for batch in feed.run(limit)]
            assert got == [(start + k) % count for k in range(limit)]
            rng_context[id(feed)] += limit
        one.close()
        two.close()


class Watched(Scripted):
    """Looks, at each load, whether the batch before is still held by anybody."""

    def __init__(self, count: int) -> None:
        super().__init__([Ticket(0, k) for k in range(count)], count)
        self.watches: list[Any] = []
        self.held: list[bool] = []

    def load(self, ticket: Ticket) -> Any:
        self.held.append(any(watch() is not None for watch in self.watches))
        x = np.zeros(2)
        self.watches.append(weakref.ref(x))
        return x, None, None


@pytest.mark.parametrize("pooled", [False, True])
def test_no_batch_is_held_while_the_next_is_awaited(pooled: bool) -> None:
    source = Watched(4)
    source.traits = SourceTraits(in_workers=pooled)
    run = Feed(source, make_pool("inline", 0) if pooled else None).run()
    for _ in range(4):
        next(run)  # what it returns is dropped at once
    assert source.held == [False] * 4


def test_the_last_batch_of_a_run_is_not_held_by_the_feed() -> None:
    source = Scripted([Ticket(0, k) for k in range(3)], 3)
    feed = Feed(source)
    batch: Batch = collections.deque(feed.run(), maxlen=1).pop()
    watch = weakref.ref(batch.x)
    del batch
    gc.collect()
    assert watch() is None


@given(
    size=st.sampled_from([1, 2, 3]),
    steps_per_execution=st.integers(1, 7),
    stops=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    wrap=st.booleans(),
)
def test_joined_batches_that_were_taken_back_come_again(
    size: int, steps_per_execution: int, stops: list[int], wrap: bool
) -> None:
    joined, single = (Feed(arrays(12, size, seed=3), wrap=wrap) for _ in range(2))
    for stop in stops:
        seen: list[int] = []
        run = joined.run(10, lambda: steps_per_execution)
        for batch in run:
            taken = min(batch.steps, stop - len(seen) // size)
            seen += batch.x[: taken * size].tolist()
            if len(seen) == stop * size:
                joined.take_back(batch, taken)
                break
        run.close()
        expected: list[int] = []
        for batch in single.run(10):
            expected += batch.x.tolist()
            if len(expected) == stop * size:
                break
        assert seen == expected
        assert joined.receipt().digest == single.receipt().digest
        assert joined.state(within=True) == single.state(within=True)
        assert joined.place == single.place
