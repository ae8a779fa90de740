"""A signal handler that raises at any moment of a run: no resources are left, and the next run works."""

from __future__ import annotations

from pathlib import Path

import pytest
from oracles.scripts import complaints, run

pytestmark = [
    pytest.mark.timeout(100),
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to look at descriptors"),
]

HEAD = """
import fcntl, gc, mmap, os, random, signal, socket, subprocess, time
import numpy as np
import streamfit
from streamfit.testing import nothing_left_behind

class Stop(BaseException):
    pass

def stop(*_):
    raise Stop

class Data(streamfit.Sequence):
    def __init__(self):
        super().__init__()
        self.table = np.arange(2000.0)
    def __len__(self):
        return 6
    def __getitem__(self, index):
        return np.full((8, 3), self.table[index])

def read(workers=1):
    got = []
    with streamfit.stream(Data(), workers=workers, use_multiprocessing=True) as batches:
        for _ in range(2):
            got += [int(batch[0, 0]) for batch in batches]
    return got

EXPECTED = [*range(6), *range(6)]
assert read() == EXPECTED
signal.signal(signal.SIGALRM, stop)
"""

AT_EACH_CALL = """
# A signal comes in the middle of the n-th call that makes or gives back something, for every n.
calls = 0
limit = 0

def counted(function):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if MOMENT == "before" and calls == limit:
            os.kill(os.getpid(), signal.SIGALRM)
        made = function(*args, **kwargs)
        if MOMENT == "after" and calls == limit:
            os.kill(os.getpid(), signal.SIGALRM)
        return made
    return call

for owner, name in (
    (os, "memfd_create"), (os, "close"), (fcntl, "fcntl"), (socket, "socketpair"), (subprocess, "_fork_exec"),
):
    if hasattr(owner, name):
        setattr(owner, name, counted(getattr(owner, name)))

interrupted = 0
for limit in range(1, 200, STEP):
    calls = 0
    with nothing_left_behind():
        try:
            finished = read() == EXPECTED and calls < limit
        except Stop:
            interrupted += 1
            finished = False
        gc.collect()
    if finished:
        break
limit = 0
print(finished, interrupted > 5, read() == EXPECTED)
"""

AT_MOMENTS = """
draw = random.Random(SEED)
began = time.perf_counter()
read(2)
whole = time.perf_counter() - began
interrupted = 0
for number in range(COUNT):
    with nothing_left_behind():
        try:
            signal.setitimer(signal.ITIMER_REAL, whole * draw.random() + 1e-5, 0.003 * (number % 4 == 3))
            try:
                read(2)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Stop:
            interrupted += 1
        gc.collect()
print(interrupted > COUNT / 3, read() == EXPECTED)
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_handler_that_raises_in_any_call_that_makes_something(moment: str, tmp_path: Path) -> None:
    text = HEAD + f"MOMENT, STEP = {moment!r}, 4\n" + AT_EACH_CALL
    code, out, err = run(text, "script", tmp_path, seconds=90)
    assert (code, out.strip(), complaints(err)) == (0, "True True True", "")


def test_a_handler_that_raises_at_random_moments(tmp_path: Path) -> None:
    text = HEAD + "SEED, COUNT = 3, 12\n" + AT_MOMENTS
    code, out, err = run(text, "script", tmp_path, seconds=90)
    assert (code, out.strip(), complaints(err)) == (0, "True True", "")
