"""Traits say how a source is read; the flags that they have replaced are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields
from typing import Any

import numpy as np
import pytest

from streamfit import DelegatingSource, Sequence, Source, SourceTraits, Ticket, source, stream
from streamfit.streams import ArraySource, GeneratorSource, SequenceSource
from streamfit.streams.retired_flags import RETIRED
from streamfit.streams.traits import common_traits


class Numbers(Source):
    """Batches of one number each."""

    def batches(self, data_epoch: int) -> int:
        return 3

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        return (Ticket(data_epoch, number, number) for number in range(start, 3))

    def load(self, ticket: Ticket) -> Any:
        return np.full((2, 1), ticket.number), None, None


class Twos(Sequence):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return np.full((2, 1), index), np.zeros(2)


def test_traits_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        SourceTraits().in_workers = True  # type: ignore[misc]
    assert hash(SourceTraits()) == hash(SourceTraits())


def test_the_traits_of_each_kind_of_source(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 2)))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    arrays = SourceTraits(one_layout=True, copies_rows=True)
    sequence = SourceTraits(in_workers=True, may_change=True)
    assert Numbers().traits == SourceTraits()
    assert ArraySource(np.zeros((4, 2))).traits == arrays
    assert ArraySource(mapped).traits == SourceTraits(in_workers=True, one_layout=True, copies_rows=True)
    assert SequenceSource(Twos()).traits == sequence
    assert GeneratorSource(iter([])).traits == SourceTraits(pulled_ahead=True, seekable=False, rewinds=False)
    assert GeneratorSource([]).traits == SourceTraits(pulled_ahead=True, seekable=False)
    mapping = source(np.zeros((4, 2))).map(np.sin).batch(2).open_source().traits
    assert (mapping.in_workers, mapping.may_change, mapping.seekable, mapping.batched) == (True,) * 4
    ordered = source(iter([np.zeros(2)])).map(np.sin).open_source().traits
    assert (ordered.in_workers, ordered.seekable, ordered.rewinds) == (False,) * 3


def test_a_wrapper_has_the_traits_of_what_it_wraps_unless_it_loads_itself() -> None:
    class Doubled(DelegatingSource):
        def load(self, ticket: Ticket) -> Any:
            x, y, weight = super().load(ticket)
            return x * 2, y, weight

    class Own(DelegatingSource):
        traits = SourceTraits(may_change=True)

    arrays = ArraySource(np.zeros((4, 2)))
    assert DelegatingSource(arrays).traits == arrays.traits
    assert Doubled(arrays).traits == SourceTraits(in_workers=True)
    assert Own(arrays).traits == SourceTraits(may_change=True)


@pytest.mark.parametrize("how", ["class", "object", "property"])
def test_traits_can_be_given_in_three_ways(how: str) -> None:
    wanted = SourceTraits(in_workers=True)

    class ByClass(Numbers):
        traits = wanted

    class ByObject(Numbers):
        def __init__(self) -> None:
            self.traits = wanted

    class ByProperty(Numbers):
        @property
        def traits(self) -> SourceTraits:  # type: ignore[override]
            return wanted

    made = {"class": ByClass, "object": ByObject, "property": ByProperty}[how]()
    with stream(made, workers=2) as batches:
        assert [int(x[0, 0]) for x in batches] == [0, 1, 2]


@pytest.mark.parametrize("flag", RETIRED)
def test_a_retired_flag_of_a_class_is_refused_with_what_to_write(flag: str) -> None:
    assert RETIRED[flag] in {each.name for each in fields(SourceTraits)}
    words = rf"Old: the flag '{flag}' is a trait now; write traits = SourceTraits\({RETIRED[flag]}=\.\.\.\)"
    with pytest.raises(TypeError, match=words):
        type("Old", (Numbers,), {flag: True})
    with pytest.raises(TypeError, match=words):
        type("Old", (DelegatingSource,), {flag: property(lambda self: True)})


@pytest.mark.parametrize("flag", RETIRED)
def test_a_retired_flag_of_an_object_is_refused_with_what_to_write(flag: str) -> None:
    made = Numbers()
    with pytest.raises(AttributeError, match=rf"Numbers: the flag '{flag}' .*write traits"):
        setattr(made, flag, True)


@pytest.mark.parametrize("flag", RETIRED)
def test_a_retired_flag_that_is_read_says_where_it_is_now(flag: str) -> None:
    with pytest.raises(AttributeError, match=rf"read source\.traits\.{RETIRED[flag]}"):
        getattr(Numbers(), flag)


def test_worker_init_is_called_for_loads_and_not_for_copies_of_rows() -> None:
    calls: list[int] = []
    for made, count in ((ArraySource(np.zeros((4, 2))), 0), (Numbers(), 1)):
        calls.clear()
        with stream(made, worker_init=lambda: calls.append(1)) as batches:
            assert list(batches)
        assert len(calls) == count


def test_common_traits_hold_for_all() -> None:
    one = SourceTraits(in_workers=True, rewinds=False)
    two = SourceTraits(endless=True, may_change=True, fixed_ids=False)
    assert common_traits([one, two], "mix()") == SourceTraits(
        rewinds=False, endless=True, may_change=True, fixed_ids=False
    )
    with pytest.raises(ValueError, match=r"mix\(\) needs inputs of one kind, got batches, samples"):
        common_traits([one, SourceTraits(batched=False)], "mix()")


def test_a_source_that_is_read_in_order_skips_nothing() -> None:
    class InOrder(Numbers):
        traits = SourceTraits(seekable=False)

    with pytest.raises(ValueError, match="cannot be used: source 'data' is read in order"):
        stream(InOrder(), on_bad_sample="skip", max_bad_samples=1)
