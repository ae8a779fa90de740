"""Call lists in sections: the same bits with any number of threads, and the same error of a guard."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit._base.specs import Array
from streamfit.kernels import CallList, KernelStoppedError, kernel
from streamfit.kernels.decorator import JIT_ENABLED
from streamfit.kernels.matrix import add_into, copy_into
from streamfit.kernels.products import product_by_blas
from streamfit.kernels.section_loop import MOST_BLOCKS
from streamfit.kernels.sections import Section, SectionedCallList, parallel, serial
from streamfit.kernels.team import Team
from streamfit.kernels.thread_choice import ThreadChoice

THREADS = [1, 2, 4]


@kernel
def mix_rows(x: Array, out: Array, rounds: int) -> None:
    """Write the sum of a row after some rounds of arithmetic, whose bits depend on their order."""
    for _ in range(rounds):
        for i in range(x.shape[0]):
            out[0] = out[0] * 0.75 + x[i] / (1 + out[0] * out[0])


@kernel
def add_up(parts: Array, total: Array) -> None:
    """Add all parts to the total, in order."""
    for i in range(parts.shape[0]):
        total[0] += parts[i]


@kernel
def count_up(x: Array) -> None:
    """Add 1."""
    x[0] += 1


@kernel
def stop_above(x: Array, limit: int) -> None:
    """Raise if x[0] is above the limit, as guards do."""
    if x[0] > limit:
        raise FloatingPointError


@kernel
def stop_above_too(x: Array, limit: int) -> None:
    """Raise as `stop_above` does; another kernel, to tell the two apart."""
    if x[0] > limit:
        raise FloatingPointError


class Mixing:
    """Rows that are mixed in blocks of different durations, then added up; twice a step."""

    def __init__(self, durations: Sequence[int], threads: int | ThreadChoice) -> None:
        count = len(durations)
        self.x = np.random.default_rng(3).normal(size=(count, 7))
        self.parts, self.total = np.zeros(count), np.zeros(1)
        blocks = [
            [(mix_rows, (self.x[i], self.parts[i : i + 1], rounds))] for i, rounds in enumerate(durations)
        ]
        adding = serial([(add_up, (self.parts, self.total))])
        self.calls = SectionedCallList([parallel(blocks), adding] * 2, threads)

    def bits(self, steps: int = 3) -> bytes:
        for _ in range(steps):
            self.calls.run()
        return self.parts.tobytes() + self.total.tobytes()


@pytest.mark.jit
@pytest.mark.timeout(60)
@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=12))
def test_any_number_of_threads_gives_the_same_bits(durations: list[int]) -> None:
    expected = Mixing(durations, 1).bits()
    for threads in THREADS[1:]:
        assert Mixing(durations, threads).bits() == expected


def test_the_sections_compute_what_one_list_of_calls_computes() -> None:
    mixing = Mixing([5, 1, 9], 2)
    expected = Mixing([5, 1, 9], 1)
    plain = CallList(expected.calls.calls)
    for _ in range(3):
        plain.run()
    assert mixing.bits() == expected.parts.tobytes() + expected.total.tobytes()


def test_the_number_of_threads_may_change_at_any_step() -> None:
    mixing, expected = Mixing([50, 3, 20], 1), Mixing([50, 3, 20], 1)
    for threads in (1, 3, 2, 1, 4):
        mixing.calls.threads = threads
        assert mixing.calls.threads == threads
        assert mixing.bits(1) == expected.bits(1)


@pytest.mark.parametrize("sections", [[], [parallel([])], [serial([])], [parallel([[], []]), serial([])]])
@pytest.mark.parametrize("threads", THREADS)
def test_nothing_to_do_is_done(sections: list[Section], threads: int) -> None:
    SectionedCallList(sections, threads).run()


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        SectionedCallList([], 0)
    blocks = Section(((),) * (MOST_BLOCKS + 1))
    with pytest.raises(ValueError, match=f"{MOST_BLOCKS + 1} blocks, more than {MOST_BLOCKS}"):
        SectionedCallList([blocks])


# --- guards


class Guarded:
    """Four blocks, of which the second and the fourth stop where their number is above 3; then a count."""

    def __init__(self, threads: int) -> None:
        self.x, self.after = np.zeros((4, 1)), np.zeros((5, 1))
        guards = (None, stop_above, None, stop_above_too)
        blocks = [
            [
                (mix_rows, (np.ones(4), np.ones(1), 400 if i == 1 else 0)),  # the first to stop is the last
                *([(guard, (self.x[i], 3))] if guard else []),
                (count_up, (self.after[i],)),
            ]
            for i, guard in enumerate(guards)
        ]
        self.calls = SectionedCallList([parallel(blocks), serial([(count_up, (self.after[4],))])], threads)


@pytest.mark.parametrize("threads", THREADS)
def test_the_guard_of_the_first_block_is_named_and_no_later_section_runs(threads: int) -> None:
    for _ in range(20):
        guarded = Guarded(threads)
        guarded.x[:] = 9
        with pytest.raises(KernelStoppedError, match="stop_above stopped") as caught:
            guarded.calls.run()
        assert caught.value.kernel is stop_above
        assert guarded.after.ravel().tolist() == [1, 0, 1, 0, 0]  # all blocks ran, as far as they could
        guarded.x[:] = 0
        guarded.calls.run()
        assert guarded.after.ravel().tolist() == [2, 1, 2, 1, 1]


@pytest.mark.parametrize("threads", THREADS)
def test_a_guard_of_a_serial_section_stops_the_step(threads: int) -> None:
    x, after = np.ones(1), np.zeros(2)
    calls = SectionedCallList(
        [
            serial([(stop_above, (x, 0)), (count_up, (after[:1],))]),
            parallel([[(count_up, (after[1:],))], [(count_up, (x,))]]),
        ],
        threads,
    )
    with pytest.raises(KernelStoppedError) as caught:
        calls.run()
    assert caught.value.kernel is stop_above
    assert after.tolist() == [0, 0]
    assert x[0] == 1


# --- data that changes from step to step


class Reading:
    """Add the rows of a step to a total, in two blocks, and stop above 50."""

    def __init__(self, threads: int | ThreadChoice) -> None:
        self.staging, self.total = np.zeros(4, "float32"), np.zeros(4, "float32")
        blocks = [[(add_into, (self.staging[i : i + 2], self.total[i : i + 2]))] for i in (0, 2)]
        guard = serial([(stop_above, (self.total, 50))])
        self.calls = SectionedCallList([parallel(blocks), guard], threads)
        self.reader = self.calls.input_pointer(self.staging)

    def run_steps(self, steps: int, asked: int = 0) -> int:
        rows = np.ones((steps, 4), "float32").reshape(-1)
        return self.calls.run_steps([self.reader], [rows], steps, np.full(1, asked))


@pytest.mark.parametrize("threads", THREADS)
def test_data_is_fed_to_all_blocks(threads: int) -> None:
    reading = Reading(threads)
    for data in (np.array([1, 2, 3, 4], "float32"), np.array([1, 2, 3, 4], "int16")):
        reading.reader.feed(data)
        reading.calls.run()
    assert reading.total.tolist() == [2, 4, 6, 8]


@pytest.mark.parametrize("threads", [1, 2, ThreadChoice(2, shortest=0)])
def test_several_steps_run_in_one_call(threads: int | ThreadChoice) -> None:
    reading = Reading(threads)
    assert reading.run_steps(20) == 20
    assert reading.total.tolist() == [20] * 4
    assert reading.run_steps(7, asked=1) == 1
    assert reading.total.tolist() == [21] * 4
    with pytest.raises(KernelStoppedError) as caught:
        reading.run_steps(40)
    assert caught.value.step == 29
    assert reading.total.tolist() == [51] * 4
    reading.total[:] = 0
    reading.reader.feed(np.zeros(4, "float32"))
    reading.calls.run()  # the list can be used again
    assert reading.total.tolist() == [0] * 4


@pytest.mark.timeout(60)
def test_a_choice_is_asked_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    choice = ThreadChoice(2, shortest=0)
    add = choice.add
    monkeypatch.setattr(choice, "add", lambda seconds, steps=1: (told.append(steps), add(seconds, steps)))
    mixing, expected = Mixing([20, 3], choice), Mixing([20, 3], 1)
    assert mixing.calls.threads is choice
    assert mixing.bits(200) == expected.bits(200)
    if JIT_ENABLED:
        assert sum(told) == 200


@pytest.mark.jit
@pytest.mark.timeout(60)
def test_of_short_steps_few_are_timed() -> None:
    choice = ThreadChoice(2, shortest=1)
    calls, told, add = Mixing([1], choice).calls, list[int](), choice.add
    while not choice.is_short:
        calls.run()
    choice.add = lambda seconds, steps=1: (told.append(steps), add(seconds, steps))  # type: ignore[method-assign,misc]
    for _ in range(1000):
        calls.run()
    assert 9 <= len(told) <= 11  # one of a hundred
    assert choice.threads == 1


# --- memory, BLAS, and where there is no machine code


@pytest.mark.jit
@pytest.mark.timeout(60)
def test_memory_stays_with_the_list_and_is_free_after_it() -> None:
    for _ in range(50):
        x = np.ones((2, 5000))
        alive = weakref.ref(x)
        calls = SectionedCallList([parallel([[(copy_into, (x[i], x[i]))] for i in range(2)])] * 3, 2)
        del x
        calls.run()
        assert alive() is not None
        del calls
        gc.collect()
        assert alive() is None


@pytest.mark.timeout(60)
def test_products_of_blas_have_the_same_bits_in_two_threads() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(8, 40, 60)).astype("float32"), draw.normal(size=(60, 50)).astype("float32")
    results = []
    for threads in (1, 2):
        y = np.zeros((8, 40, 50), "float32")
        calls = SectionedCallList(
            [parallel([[(product_by_blas, (a[i], b, y[i]))] for i in range(8)])], threads
        )
        for _ in range(20):
            calls.run()
        results.append(y)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_allclose(results[0], a @ b, rtol=1e-4, atol=1e-4)


def test_without_machine_code_python_runs_the_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SectionedCallList, "_loop", lambda self: None)
    guarded = Guarded(2)
    assert not guarded.calls.native
    guarded.x[:] = 9
    with pytest.raises(KernelStoppedError) as caught:
        guarded.calls.run()
    assert caught.value.kernel is stop_above
    assert guarded.after.ravel().tolist() == [1, 0, 1, 0, 0]
    reading = Reading(2)
    assert reading.run_steps(20) == 20
    assert reading.total.tolist() == [20] * 4


@pytest.mark.jit
@pytest.mark.timeout(60)
def test_two_callers_of_one_team_do_not_disturb_each_other() -> None:
    team, results = Team(), list[bytes]()
    expected = Mixing([30, 5, 60], 1).bits(300)

    def work() -> None:
        mixing = Mixing([30, 5, 60], 2)
        mixing.calls = SectionedCallList(mixing.calls.sections, 2, team)
        results.append(mixing.bits(300))

    callers = [threading.Thread(target=work) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(50)
    assert results == [expected] * 3
    assert team.helpers == 1
