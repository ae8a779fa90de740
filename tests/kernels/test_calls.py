"""Calls bound to their arguments: the native loop computes the same as Python, and refuses bad arguments."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import mmap
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit._base.specs import Array
from streamfit.kernels import CallList, KernelStoppedError, kernel, run
from streamfit.kernels import calls as machinery
from streamfit.kernels.arguments import signature_of, thunk_at, words_of
from streamfit.kernels.matrix import add_into, copy_into, fill_zero


@kernel
def scale_by(x: Array, factor: int) -> None:
    """Multiply the vector x by a whole number."""
    for i in range(x.shape[0]):
        x[i] *= factor


@kernel
def number_cells(x: Array, first: int, second: int) -> None:
    """Write first + second to the corner of a cube, and the place of each cell elsewhere."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                x[i, j, k] = 100 * i + 10 * j + k
    x[0, 0, 0] = first + second


@kernel
def add_ten(
    a: Array,
    b: Array,
    c: Array,
    d: Array,
    e: Array,
    f: Array,
    g: Array,
    h: Array,
    i: Array,
    j: Array,
    out: Array,
) -> None:
    """Add ten matrices, which makes a hundred words of arguments."""
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            out[row, column] = (
                a[row, column] + b[row, column] + c[row, column] + d[row, column] + e[row, column]
                + f[row, column] + g[row, column] + h[row, column] + i[row, column] + j[row, column]
            )  # fmt: skip


@kernel
def stop_above(x: Array, limit: int) -> None:
    """Raise if x[0] is above the limit, as guards do."""
    if x[0] > limit:
        raise FloatingPointError("above the limit")


@kernel
def added_nowhere_else(x: Array) -> None:
    """Add 1; only the test of the announcement calls it."""
    for i in range(x.shape[0]):
        x[i] += 1


def test_run_calls_in_order() -> None:
    x = np.ones(3)
    run([(add_into, (x, x)), (scale_by, (x, 3)), (add_into, (x, x))])
    assert x.tolist() == [12, 12, 12]


def test_a_list_does_what_run_does_every_time() -> None:
    x, total = np.array([1.0, 2.0]), np.zeros(2)
    calls = CallList([(scale_by, (x, -1)), (add_into, (x, total))])
    for wanted in ([-1, -2], [0, 0], [-1, -2]):
        calls.run()
        assert total.tolist() == wanted


def test_an_empty_list_runs() -> None:
    CallList([]).run()


def test_arguments_of_several_shapes_and_signs_arrive() -> None:
    cube = np.zeros((2, 3, 4))
    CallList([(number_cells, (cube, 2**62, -(2**62) - 5))]).run()
    assert cube[0, 0, 0] == -5
    assert cube[1, 2, 3] == 123


def test_a_hundred_words_of_arguments() -> None:
    matrices = [np.full((2, 3), 2.0**i) for i in range(10)]
    out = np.zeros((2, 3))
    CallList([(add_ten, (*matrices, out))]).run()
    assert out.tolist() == [[1023] * 3] * 2


@given(
    st.lists(st.tuples(st.sampled_from(["add", "copy", "zero", "scale"]), st.integers(-3, 3)), max_size=40)
)
def test_any_list_gives_the_bits_that_python_gives(steps: list[tuple[str, int]]) -> None:
    def make() -> tuple[list[Any], Array, Array]:
        a, b = np.arange(5, dtype="float32"), np.ones(5, "float32")
        made = {
            "add": lambda n: (add_into, (a, b) if n > 0 else (b, a)),
            "copy": lambda n: (copy_into, (a, b) if n > 0 else (b, a)),
            "zero": lambda n: (fill_zero, (a[: abs(n)],)),
            "scale": lambda n: (scale_by, (b, n)),
        }
        return [made[name](n) for name, n in steps], a, b

    calls, a, b = make()
    CallList(calls).run()
    wanted_calls, wanted_a, wanted_b = make()
    run(wanted_calls)
    np.testing.assert_array_equal(a, wanted_a)
    np.testing.assert_array_equal(b, wanted_b)


@pytest.mark.jit
@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        (np.ones((3, 4)).T, ValueError, "C-contiguous"),
        (np.ones(6)[::2], ValueError, "C-contiguous"),
        (np.broadcast_to(np.ones(1), 3), ValueError, "writeable"),
        (np.frombuffer(bytearray(17), "u1")[1:].view("f8"), ValueError, "aligned"),
        (1.5, TypeError, "whole numbers, got float"),
        (None, TypeError, "whole numbers, got NoneType"),
    ],
)
def test_arguments_that_no_kernel_takes_are_refused(
    argument: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        CallList([(fill_zero, (argument,))])


@pytest.mark.jit
def test_too_many_words_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 128"):
        CallList([(add_ten, tuple(np.zeros((2, 3)) for _ in range(20)))])


@pytest.mark.jit
def test_arrays_stay_alive_with_the_list_and_die_with_it() -> None:
    x = np.ones(1000)
    alive = weakref.ref(x)
    calls = CallList([(scale_by, (x, 2))])
    del x
    gc.collect()
    calls.run()
    held = alive()
    assert held is not None
    assert held[0] == 2
    del calls, held
    gc.collect()
    assert alive() is None


def test_a_guard_ends_the_call_loop_and_is_named() -> None:
    x, after = np.array([1.0]), np.zeros(1)
    calls = CallList([(scale_by, (x, 2)), (stop_above, (x, 3)), (add_into, (x, after))])
    calls.run()
    assert after[0] == 2
    with pytest.raises(KernelStoppedError, match="stop_above") as caught:
        calls.run()
    assert caught.value.kernel is stop_above
    assert x[0] == 4
    assert after[0] == 2
    x[0] = 1
    calls.run()  # the list can be used again
    assert after[0] == 4


# --- readers


def reading(n: int = 4) -> tuple[CallList, Array, Array]:
    """Return a list that adds `staging` to `total`, in one piece and in two parts."""
    staging, total = np.zeros(n, "float32"), np.zeros(n, "float32")
    half = n // 2
    calls = CallList([(add_into, (staging, total)), (add_into, (staging[half:], total[half:]))])
    return calls, staging, total


def test_a_reader_points_at_data_that_fits_without_copying() -> None:
    calls, staging, total = reading()
    reader = calls.input_pointer(staging)
    data = np.array([1, 2, 3, 4], "float32")
    reader.feed(data)
    calls.run()
    assert total.tolist() == [1, 2, 6, 8]
    if machinery.JIT_ENABLED:
        assert not staging.any()
    data[:] = 0
    calls.run()
    if machinery.JIT_ENABLED:
        assert total.tolist() == [1, 2, 6, 8]


@pytest.mark.parametrize(
    "data",
    [
        np.array([1, 2, 3, 4], "float64"),
        np.array([1, 2, 3, 4], "int16"),
        np.array([1, 9, 2, 9, 3, 9, 4, 9], "float32")[::2],
        np.frombuffer(b"x" + np.array([1, 2, 3, 4], "float32").tobytes(), "u1")[1:].view("float32"),
    ],
)
def test_a_reader_copies_data_that_does_not_fit(data: Array) -> None:
    calls, staging, total = reading()
    reader = calls.input_pointer(staging)
    reader.feed(data)
    calls.run()
    assert total.tolist() == [1, 2, 6, 8]
    assert staging.tolist() == [1, 2, 3, 4]


def test_data_that_fits_and_data_that_does_not_can_alternate() -> None:
    calls, staging, total = reading()
    reader = calls.input_pointer(staging)
    for round_ in range(1, 4):
        for dtype in ("float32", "float64"):
            total[:] = 0
            reader.feed(np.full(4, round_, dtype))
            calls.run()
            assert total.tolist() == [round_, round_, 2 * round_, 2 * round_]


@pytest.mark.jit
def test_a_released_reader_keeps_nothing_alive() -> None:
    calls, staging, _ = reading()
    reader = calls.input_pointer(staging)
    data = np.ones(4, "float32")
    alive = weakref.ref(data)
    reader.feed(data)
    del data
    gc.collect()
    assert alive() is not None
    reader.release()
    gc.collect()
    assert alive() is None
    calls.run()


@pytest.mark.jit
def test_places_are_found_in_views_only() -> None:
    calls, staging, total = reading()
    positions, distances = calls.places(staging)
    assert distances.tolist() == [0, 8]
    assert len(positions) == 2
    assert calls.places(np.zeros(3))[0].size == 0
    assert calls.places(np.zeros(0))[0].size == 0
    assert len(calls.places(total)[0]) == 2


@pytest.mark.jit
def test_a_thunk_reads_its_own_words_and_nothing_behind_them() -> None:
    x, total = np.ones(3), np.zeros(3)
    arguments = (x, total)
    thunk = thunk_at(add_into.address(signature_of(arguments)))  # type: ignore[attr-defined]
    words = np.array(words_of(arguments), dtype=np.int64)
    with words_before_a_forbidden_page(words) as start:
        for _ in range(3):
            assert thunk(start) == 0
    assert total.tolist() == [3, 3, 3]


@pytest.mark.jit
def test_a_thunk_returns_another_status_where_its_kernel_raises() -> None:
    x = np.ones(1)
    arguments = (x, 3)
    thunk = thunk_at(stop_above.address(signature_of(arguments)))  # type: ignore[attr-defined]
    words = np.array(words_of(arguments), dtype=np.int64)
    assert thunk(words.ctypes.data) == 0
    x[0] = 4
    assert thunk(words.ctypes.data) != 0


@contextlib.contextmanager
def words_before_a_forbidden_page(words: Array) -> Iterator[int]:
    """Copy words to the end of a page whose next page cannot be read; return where they begin."""
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 2 * page)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    start = base + page - words.nbytes
    ctypes.memmove(start, words.ctypes.data, words.nbytes)
    assert protect(base + page, page, 0) == 0
    try:
        yield start
    finally:
        assert protect(base + page, page, mmap.PROT_READ | mmap.PROT_WRITE) == 0


# --- compiling


@pytest.mark.jit
def test_slow_compilation_is_announced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(machinery, "_ANNOUNCE_AFTER", -1.0)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))  # so that there is something to compile
    x = np.zeros(1, "uint16")  # a dtype that nobody else compiles these kernels for
    CallList([(added_nowhere_else, (x,)), (scale_by, (x, 2))]).run()
    lines = capsys.readouterr().err.splitlines()
    assert any("compiling added_nowhere_else (1 to go" in line for line in lines)
    assert any("compiling scale_by (0 to go" in line for line in lines)
    assert x[0] == 2
    CallList([(added_nowhere_else, (x,))]).run()
    assert capsys.readouterr().err == ""


@pytest.mark.jit
@pytest.mark.timeout(60)
def test_lists_run_in_several_threads_at_once() -> None:
    results: list[float] = []

    def work(start: float) -> None:
        x, total = np.full(50, start), np.zeros(50)
        calls = CallList([(add_into, (x, total))] * 20)
        for _ in range(200):
            calls.run()
        results.append(float(total[7] / start))

    threads = [threading.Thread(target=work, args=(float(i + 1),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
    assert results == [4000.0] * 4


@pytest.mark.parametrize("asked", [0, 1])
def test_a_call_loop_over_several_steps_ends_when_it_is_asked_to(asked: int) -> None:
    rows, total = np.ones((6, 4), "float32"), np.zeros(4, "float32")
    calls = CallList([(add_into, (rows[0], total))])
    reader = calls.input_pointer(rows[0])
    done = calls.run_steps([reader], [rows.reshape(-1)], 6, np.full(1, asked))
    assert done == (1 if asked else 6)
    assert total.tolist() == [done] * 4
