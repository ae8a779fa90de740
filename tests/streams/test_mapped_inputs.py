"""Sources whose x goes through a function where it is loaded."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from oracles.sequences import Growing, Numbered

from streamfit import DataError, interleave, source
from streamfit._base.errors import SampleError
from streamfit.streams import Feed, LoadPolicy, open_source, with_mapped_inputs
from streamfit.workers import make_pool

X, Y = np.arange(26.0).reshape(13, 2), np.arange(13)


def hundred(x: Any) -> Any:
    """Return another array of equally many samples."""
    return x.reshape(len(x), -1)[:, :1] * 100


def sources() -> list[Any]:
    """Return a maker of each kind of source."""

    def generator() -> Any:
        yield from ((X[at : at + 4], Y[at : at + 4]) for at in range(0, 13, 4))

    def reused() -> Any:
        buffer = np.zeros((2, 2))
        for number in range(6):
            buffer[:] = number
            yield buffer, np.full(2, number)

    keep = source(X, Y).filter(lambda x, y: y % 3 > 0)
    return [
        lambda: open_source(X, Y, batch_size=4, shuffle=True, seed=3),
        lambda: open_source(Numbered(), seed=3, shuffle=True),
        lambda: open_source(Growing(), seed=3),
        lambda: open_source(generator(), seed=3),
        lambda: open_source(reused(), seed=3),
        lambda: open_source(source(X, Y).shuffle().batch(4), seed=3),
        lambda: open_source(keep.batch(4), seed=3),
        lambda: open_source(interleave([keep.batch(2), source(X, Y).batch(3)]), seed=3),
    ]


def read(made: Any, kind: str, passes: int = 2) -> list[tuple[list[Any], list[Any], Any]]:
    found = []
    with make_pool(kind, 2, 4) as pool, Feed(made, pool, ahead=3) as feed:
        for _ in range(passes if made.traits.rewinds else 1):
            for batch in feed.run():
                found.append((batch.x.tolist(), batch.y.tolist(), np.asarray(batch.ids).tolist()))
            found.append(([feed.receipt().digest], [], None))
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["inline", "threads", "processes"])
@pytest.mark.parametrize("place", range(len(sources())))
def test_order_ids_and_receipts_are_those_of_the_source_below(place: int, kind: str) -> None:
    make = sources()[place]
    plain = [
        (hundred(np.asarray(x)).tolist() if len(y) else x, y, ids) for x, y, ids in read(make(), "inline")
    ]
    mapped = with_mapped_inputs(make(), hundred)
    assert read(mapped, kind) == plain
    assert mapped.identity()["kind of source"] == make().identity()["kind of source"]


def test_items_that_were_not_used_are_still_there_unmapped() -> None:
    items = iter([(X[at : at + 1], Y[at : at + 1]) for at in range(8)])
    for begin in (0, 3):
        with Feed(with_mapped_inputs(open_source(items), hundred), ahead=4, total=8) as feed:
            found = [batch.x.item() for batch in feed.run(3)]
        assert found == [200.0 * at for at in range(begin, begin + 3)]


def test_it_runs_in_the_worker() -> None:
    seen = []

    def note(x: Any) -> Any:
        seen.append(threading.current_thread())
        return x

    with make_pool("threads", 2, 4) as pool:
        made = with_mapped_inputs(open_source(X, Y, batch_size=4), note)
        with Feed(made, pool, ahead=3) as feed:
            assert len(list(feed.run())) == 4
    assert len(seen) == 4
    assert threading.main_thread() not in seen


@pytest.mark.timeout(60)
def test_arrays_that_change_between_epochs_are_read_anew_by_processes() -> None:
    x = np.zeros((4, 1))
    mapped = with_mapped_inputs(open_source(x, batch_size=4), hundred)
    with make_pool("processes", 1, 2) as pool, Feed(mapped, pool, ahead=1) as feed:
        assert [batch.x.sum() for batch in feed.run()] == [0.0]
        x += 1
        assert [batch.x.sum() for batch in feed.run()] == [400.0]


def test_errors_name_the_sample_and_the_batch() -> None:
    def refuse(x: Any) -> Any:
        raise SampleError("row 1 is wrong", 1)

    words = r"row 1 is wrong \(sample 1, source 'train', pass 0, batch 0, samples"
    mapped = with_mapped_inputs(open_source(X, Y, batch_size=4, name="train"), refuse)
    with Feed(mapped) as feed, pytest.raises(DataError, match=words):
        list(feed.run())


def test_traits_are_those_of_the_source_below_and_rows_of_arrays_are_work() -> None:
    mapped = [with_mapped_inputs(make(), hundred).traits for make in sources()]
    plain = [make().traits for make in sources()]
    assert [traits.in_workers for traits in mapped] == [True, True, True, False, False, True, False, False]
    for name in ("rewinds", "seekable", "pulled_ahead", "endless"):
        assert [getattr(each, name) for each in mapped] == [getattr(each, name) for each in plain]
    assert not any(traits.one_layout or traits.copies_rows for traits in mapped)


def test_rows_that_are_mapped_have_their_layout_checked() -> None:
    mapped = with_mapped_inputs(open_source(X, Y, batch_size=4), lambda x: x[:, :1] if len(x) == 4 else x)
    with Feed(mapped) as feed, pytest.raises(DataError, match=r"batch 3.*samples had shape \(1,\)"):
        list(feed.run())


def test_samples_behind_a_generator_cannot_be_skipped() -> None:
    mapped = with_mapped_inputs(open_source(iter([(X, Y)]), name="train"), hundred)
    with pytest.raises(ValueError, match="on_bad_sample='skip' cannot be used: source 'train'"):
        LoadPolicy(on_bad_sample="skip", max_bad_samples=1).check(mapped, "threads")


@pytest.mark.parametrize("ahead", [0, 3])
def test_exceptions_of_a_generator_keep_their_place(ahead: int) -> None:
    def torn() -> Any:
        yield X, Y
        raise OSError("cannot read")

    mapped = with_mapped_inputs(open_source(torn(), name="train"), hundred)
    with Feed(mapped, ahead=ahead) as feed, pytest.raises(OSError, match="cannot read") as caught:
        list(feed.run())
    notes = caught.value.__notes__
    assert "while the generator made item 1 of source 'train', pass 0" in notes
    assert any("thread of its own" in note for note in notes) == bool(ahead)


def test_replayed_batches_are_mapped() -> None:
    for make in (sources()[0], sources()[1], sources()[6]):
        with Feed(with_mapped_inputs(make(), hundred)) as feed:
            wanted = [batch.x.tolist() for batch in feed.run()]
            assert [feed.receipt().batch(at).x.tolist() for at in range(len(wanted))] == wanted
