"""A signal handler that raises while native code runs: the next run knows nothing of the one before."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import numpy as np
import pytest

from streamfit._base.specs import Array
from streamfit.kernels import CallList, KernelStoppedError, futex, kernel
from streamfit.kernels.atomics import add, read
from streamfit.kernels.calls import Call
from streamfit.kernels.futex import nanoseconds, pause
from streamfit.kernels.sections import SectionedCallList, parallel, serial
from streamfit.kernels.thread_choice import ThreadChoice

pytestmark = [
    pytest.mark.jit,
    pytest.mark.timeout(60),
    pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="sends a signal to a thread"),
    pytest.mark.skipif(not futex.AVAILABLE, reason="needs threads that can sleep in native code"),
]
LIMIT = 10.0


class HandlerError(Exception):
    """Raised by the handler, as KeyboardInterrupt is."""


@kernel
def wait_for(arrived: int) -> None:
    """Note that this kernel runs; go on when somebody else has noted that too, or after ten seconds."""
    add(arrived, 1)
    until = nanoseconds() + 10_000_000_000
    while read(arrived) < 2 and nanoseconds() < until:
        pause()


@kernel
def stop_above(x: Array, limit: int) -> None:
    """Raise if x[0] is above the limit, as guards do."""
    if x[0] > limit:
        raise FloatingPointError


@kernel
def count_up(x: Array) -> None:
    """Add 1."""
    x[0] += 1


@pytest.fixture
def handler_raises() -> Iterator[None]:
    def handle(number: int, frame: FrameType | None) -> None:
        raise HandlerError

    before = signal.signal(signal.SIGUSR1, handle)
    yield
    signal.signal(signal.SIGUSR1, before)


Make = Callable[[list[Call], list[Call]], CallList]
LISTS: dict[str, Make] = {
    "one list": lambda first, second: CallList([*first, *second]),
    "sections": lambda first, second: SectionedCallList([serial(first), parallel([second, []])]),
    "two threads": lambda first, second: SectionedCallList([serial(first), parallel([second, []])], 2),
    "a choice": lambda first, second: SectionedCallList(
        [serial(first), parallel([second, []])], ThreadChoice(2, shortest=0)
    ),
}


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("make", LISTS.values(), ids=list(LISTS))
@pytest.mark.usefixtures("handler_raises")
def test_a_stop_that_nobody_has_read_is_forgotten(make: Make, steps: int) -> None:
    arrived, x, count, rows = np.zeros(1, np.int64), np.ones(1), np.zeros(1), np.zeros(steps)
    calls = make([(wait_for, (arrived.ctypes.data,))], [(stop_above, (x, 0)), (count_up, (count,))])
    reader = calls.input_pointer(np.zeros(1))

    def run() -> None:
        if steps == 1:
            calls.run()
        else:
            calls.run_steps([reader], [rows], steps)

    def interrupt() -> None:
        until = time.monotonic() + LIMIT
        while arrived[0] == 0 and time.monotonic() < until:
            time.sleep(0.001)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        arrived[0] = 2

    other = threading.Thread(target=interrupt)
    other.start()
    with pytest.raises(HandlerError):
        run()
    other.join(LIMIT)
    x[0] = 0
    run()
    assert count[0] == steps
    x[0] = 1
    with pytest.raises(KernelStoppedError):
        run()
    assert count[0] == steps
