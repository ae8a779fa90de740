from __future__ import annotations

from streamfit.streams.batch import Batch
from streamfit.streams.cursor import Cursor
from streamfit.streams.pass_reader import PassReader


def reader(retried: int, restarts: int) -> PassReader:
    return PassReader(lambda most: Batch(None), lambda: None, lambda: (retried, restarts), lambda count: None)


def test_a_pass_is_finished_only_when_it_has_begun() -> None:
    cursor = Cursor()
    cursor.length = 0
    assert not cursor.finished
    cursor.begin_pass(2)
    assert (cursor.finished, cursor.place) == (False, (0, 0))
    cursor.number = 2
    assert (cursor.finished, cursor.place) == (True, (1, 0))
    assert cursor.next_pass() == 0
    assert (cursor.begun, cursor.length, cursor.place) == (False, None, (1, 0))


def test_counts_of_readers_add_up() -> None:
    cursor = Cursor()
    assert cursor.release_reader() is None
    for retried, restarts in [(2, 1), (3, 0)]:
        cursor.reader = reader(retried, restarts)
        assert cursor.release_reader() is not None
    cursor.reader = reader(1, 1)
    assert cursor.counts() == (6, 2)


def test_batches_of_all_epochs_are_counted() -> None:
    cursor = Cursor()
    for epoch in range(2):
        tally = cursor.begin_epoch(7, None, audit=False)
        assert (cursor.epoch, cursor.done) == (epoch, 0)
        tally.add(3, 1)
    assert (cursor.done, cursor.done_in_all) == (1, 2)


def test_an_interrupted_epoch_goes_on_with_its_number() -> None:
    cursor = Cursor()
    cursor.begin_pass(5)
    cursor.begin_epoch(7, None, audit=False).add(3, 1)
    cursor.number = 1
    for within in (True, False):
        other = Cursor()
        other.resume(cursor.state(within=within), 5)
        assert other.place == (0, 1)
        tally = other.begin_epoch(7, None, audit=False)
        assert (other.epoch, tally.done, tally.added, other.interrupted) == (
            (0, 1, 0, None) if within else (1, 0, 0, None)
        )
