"""The strategies draw what they promise, and the machine finds sources that break their order."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from oracles import faulty
from oracles.leaks import nothing_left_behind
from oracles.scripts import environment

import streamfit
from streamfit.streams import Batch, Ticket, open_source
from streamfit.testing import CheckFailure, assert_same_bits, check_sequence, simulate, strategies
from streamfit.testing.checked_reader import CheckedReader

pytestmark = pytest.mark.timeout(60)
QUICK = settings(max_examples=25, stateful_step_count=15, deadline=None)
FINDING = settings(
    QUICK,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],  # without explanations, which take most of the time
)


@given(strategies.data_sets())
def test_data_sets_go_through_streams_unchanged(data: Any) -> None:
    x, y = data
    with streamfit.stream(x, y, batch_size=7) as stream:
        batches = list(stream)
    native = [part.astype(part.dtype.newbyteorder("=")) for part in data]
    joined = [np.concatenate([batch[side] for batch in batches]) for side in (0, 1)]
    assert_same_bits([part.astype(part.dtype.newbyteorder("=")) for part in joined], native)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda array: array.dtype == np.float16,
        lambda array: not array.dtype.isnative,
        lambda array: array.ndim == 3 and not array.flags.c_contiguous,
        lambda array: not array.flags.writeable,
        lambda array: array.dtype.kind == "f" and np.isnan(array).any(),
        lambda array: len(array) == 1,
    ],
)
def test_odd_arrays_are_drawn(wanted: Any) -> None:
    quiet = settings(max_examples=4000, deadline=None, derandomize=True, database=None)
    find(strategies.arrays(), wanted, settings=quiet)


@given(strategies.arrays(9, odd=False, special=False))
def test_plain_arrays_are_plain(array: Any) -> None:
    assert len(array) == 9
    assert array.dtype.name in strategies.PLAIN_DTYPES
    assert np.isfinite(array).all()


@given(strategies.ragged(5))
def test_ragged_arrays_have_lengths_of_their_own(rows: Any) -> None:
    assert len(rows) == 5
    assert all(row.ndim == 1 and len(row) <= 6 for row in rows)


@given(strategies.sequences(), strategies.worker_settings(kinds=("inline", "threads")))
@settings(max_examples=20)
def test_sequences_have_known_contents_for_any_workers(sequence: Any, workers: Any) -> None:
    with streamfit.stream(sequence, **workers) as stream:
        for number, (x, y) in enumerate(stream):
            assert x.shape == (sequence.sizes[number], 2)
            assert (x == number).all()
            assert len(y) == len(x)


@given(strategies.generators())
def test_generators_end_or_raise_where_they_say(factory: Any) -> None:
    items: list[Any] = []
    raising = pytest.raises(type(factory.error)) if factory.error else contextlib.nullcontext()
    with raising as caught:
        items.extend(factory())
    assert caught is None or caught.value is factory.error
    assert caught is not None or len(items) == factory.count


@given(strategies.fault_plans())
def test_fault_plans_are_survived_in_the_simulator(plan: Any) -> None:
    assert simulate(plan, 12).delivered == list(range(12))


@given(
    strategies.epochs(),
    strategies.resume_points(),
    strategies.batch_sizes(),
    strategies.worker_settings(most=2),
)
def test_settings_are_in_range(epochs: Any, place: Any, size: int, workers: Any) -> None:
    assert 1 <= epochs["epochs"] <= 3
    assert place >= (0, 0)
    assert size >= 1
    assert (workers["workers"] == 0) == (not workers["use_multiprocessing"] and workers["workers"] == 0)


@given(st.from_type(Ticket), st.from_type(Batch))
def test_types_of_the_library_can_be_drawn(ticket: Ticket, batch: Batch) -> None:
    assert isinstance(ticket, Ticket)
    assert len(batch.x) == len(batch.y) == batch.size


@given(strategies.sequences(most=3))
@settings(max_examples=2, suppress_health_check=[HealthCheck.too_slow])
def test_drawn_sequences_pass_the_checks(sequence: Any) -> None:
    check_sequence(sequence, workers=1, only=["length", "content", "form", "any_order", "resume"])


def test_without_hypothesis_the_rest_works_and_the_message_says_what_to_install() -> None:
    program = """
import sys
sys.modules["hypothesis"] = sys.modules["pytest"] = None
import streamfit.testing
from streamfit import MissingExtraError
assert streamfit.testing.FaultPlan(1).fault(0, 0) is None
try:
    import streamfit.testing.strategies
except MissingExtraError as error:
    print(error)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=50)
    assert done.stderr == ""
    assert "pip install 'streamfit[testing]'" in done.stdout


# -- the machine --------------------------------------------------------------------------------------------


class Ordinary(strategies.StreamMachine):
    def make_source(self) -> Any:
        return faulty.Shuffled()


class Arrays(strategies.StreamMachine):
    def make_source(self) -> Any:
        return open_source(np.arange(22), batch_size=4, shuffle=True, seed=6)


class Custom(strategies.StreamMachine):
    def make_source(self) -> Any:
        return faulty.CleanSource()


TestOrdinary = Ordinary.TestCase
TestArrays = Arrays.TestCase
TestCustom = Custom.TestCase
TestOrdinary.settings = TestArrays.settings = TestCustom.settings = QUICK


class Broken(strategies.StreamMachine):
    made: Any = None

    def make_source(self) -> Any:
        return type(self).made()


@pytest.mark.parametrize(
    ("cls", "text"),
    [
        (faulty.Counting, "is not the same"),
        (faulty.IgnoresStart, "batch . of pass . is not the same"),
        (faulty.Impure, "is not the same"),
    ],
)
def test_machine_finds_what_is_wrong(cls: Any, text: str) -> None:
    Broken.made = cls
    quick = settings(FINDING, max_examples=200)
    with pytest.raises(CheckFailure, match=text):
        run_state_machine_as_test(Broken, settings=quick)


def test_machine_finds_a_race_and_names_its_line() -> None:
    Broken.made = faulty.Racing
    text = r"while batch 1 was being loaded \(batch 0 stood at faulty.py:292, line 1\)"
    with pytest.raises(CheckFailure, match=text) as found:
        run_state_machine_as_test(Broken, settings=FINDING)
    notes = "\n".join(found.value.__notes__)
    assert notes.count("state.") - notes.count("state.in_order") == 3, f"begin, the load, teardown: {notes}"
    assert "state.load_two_at_once(first=0, line=1, second=1)" in notes


@pytest.mark.parametrize("line", [0, 1, 2, 3, 4, 5, 200])
@pytest.mark.parametrize("cls", [faulty.Augmented, faulty.Shuffled, faulty.CleanSource])
def test_clean_sources_may_be_loaded_twice_at_once(cls: Any, line: int) -> None:
    reader = CheckedReader(cls)
    reader.deliver(8)
    reader.load_two(4, 1, line)
    reader.read_beside(2)
    reader.next_epoch()
    reader.close()


def test_what_depends_on_the_order_of_loads_is_found_before_workers_start() -> None:
    reader = CheckedReader(faulty.Counting)
    with pytest.raises(CheckFailure, match=r"batch 5 of pass 0 is not the same when .* in another order"):
        reader.change_workers("threads", 2)
    reader.close()


@pytest.mark.parametrize("kind", ["inline", "threads"])
def test_reader_of_one_buffer_is_right_where_one_load_runs_at_a_time(kind: Any) -> None:
    with nothing_left_behind():
        reader = CheckedReader(faulty.OneBuffer)
        reader.change_workers(kind, 1)
        reader.deliver(4)
        reader.leave_early(2)
        reader.next_epoch()
        reader.deliver(3)
        reader.close()


def test_machine_without_a_source_says_so() -> None:
    with pytest.raises(TypeError, match=r"StreamMachine must define make_source\(\)"):
        strategies.StreamMachine().make_source()


def test_reader_with_processes_leaves_nothing_behind() -> None:
    with nothing_left_behind():
        reader = CheckedReader(faulty.Shuffled)
        reader.change_workers("processes", 2)
        reader.deliver(3)
        reader.kill_worker(1)
        reader.leave_early(1)
        reader.next_epoch()
        reader.resume()
        reader.deliver(2)
        reader.change_workers("threads", 2)
        reader.next_epoch()
        assert (reader.due, reader.delivered) == ((2, 0), 10)
        reader.close()
        del reader


def test_reader_names_a_short_pass() -> None:
    class Shrinking(faulty.CleanSource):
        def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
            return (ticket for ticket in super().tickets(data_epoch, start) if not start or ticket.number < 5)

    reader = CheckedReader(Shrinking)
    reader.deliver(2)
    reader.resume()
    with pytest.raises(Exception, match=r"batches 5\.\.6 are missing"):
        reader.next_epoch()
    reader.close()
