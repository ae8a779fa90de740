"""Workers in the company of slow loads, threads, other pools and little room: rows 1, 13 and 20 to 24."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.loaders import Numbers, Slow, expected
from oracles.scripts import complaints, environment, run

from streamfit.workers import make_pool

pytestmark = pytest.mark.timeout(60)
TOOLS = [str(Path(__file__).resolve().parents[2] / "tools")]


def test_1_a_death_is_seen_within_a_tenth_of_a_second() -> None:
    """Best of five: another program may have the processor for longer than that."""
    with make_pool("processes", 2) as pool:
        open_run = pool.open(Slow(0.001), iter(range(10**9)))
        taken = []
        for times in range(1, 6):
            next(open_run)
            began = time.monotonic()
            os.kill(pool.pids()[0], signal.SIGKILL)
            while pool.restarts < times:
                next(open_run)
            taken.append(time.monotonic() - began)
        open_run.close()
    assert min(taken) < 0.1, taken


class Straggler(Numbers):
    """Needs a hundred times as long for one ticket as for others."""

    def load(self, ticket: int) -> tuple[np.ndarray, int]:
        time.sleep(0.5 if ticket == 5 else 0.005)
        return super().load(ticket)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_13_a_straggler_keeps_order_and_bounds(kind: Any) -> None:
    pulled = 0

    def tickets() -> Iterator[int]:
        nonlocal pulled
        for ticket in range(40):
            pulled = ticket + 1
            yield ticket

    with make_pool(kind, 2, ahead=6) as pool:
        for place, loaded in enumerate(pool.open(Straggler(), tickets())):
            assert loaded.ticket == place
            assert pulled <= place + 1 + 6
            assert loaded.attempts == 1
            np.testing.assert_array_equal(loaded.value[0], expected(place))
        assert pool.restarts == 0
    assert pulled == 40


AFTER_THREADS = """
import sys
import numba, numpy as np
sys.path[:0] = {path!r}
from soak_data import Drawn
from soak_fits import bits_of, make_model

@numba.njit(parallel=True)
def total(x):
    out = 0.0
    for i in numba.prange(len(x)):
        out += x[i]
    return out

large = np.ones((700, 700))
assert total(np.ones(10_000)) == 10_000 and (large @ large)[3, 3] == 700

def fit(**how):
    model, _ = make_model()
    return bits_of(model, model.fit(Drawn(9), epochs=2, seed=1, verbose=0, **how))

same = fit(workers=2, use_multiprocessing=True) == fit(workers=0)
assert total(np.ones(10_000)) == 10_000, "the threads are still there"
print(numba.threading_layer(), same)
"""


@pytest.mark.jit
def test_20_workers_started_after_kernels_and_blas_have_run_threads() -> None:
    code, out, err = run(AFTER_THREADS.format(path=TOOLS), seconds=50)
    assert (code, out.split()[1:], complaints(err)) == (0, ["True"], "")


TWO_THREADS = """
import threading
import numpy as np
from streamfit import Sequential, layers, set_random_seed

def make_model():
    set_random_seed(2)
    model = Sequential([layers.Dense(16, "relu", input_shape=(4,)), layers.Dense(1)])
    model.compile("adam", "mse")
    return model

x = np.random.default_rng(0).normal(size=(8, 4))
models = [make_model() for _ in range(3)]

def train(model):
    for step in range(200):
        model.train_on_batch(x, np.full((8, 1), step / 1024))

threads = [threading.Thread(target=train, args=(model,)) for model in models[:2]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
train(models[2])
print(len({model.get_weights()[0].tobytes() for model in models}))
"""


@pytest.mark.jit
def test_21_two_threads_that_call_kernels() -> None:
    code, out, err = run(TWO_THREADS)
    assert (code, out, complaints(err)) == (0, "1\n", ""), "the same bits from each"


LITTLE_ROOM = """
import os
import numpy as np
from streamfit.workers import make_pool

class Large:
    def __init__(self):
        self.data = np.ones((40, 1 << 18))
    def load(self, ticket):
        return self.data[ticket] * ticket

room = os.statvfs("/dev/shm")
assert room.f_blocks * room.f_frsize == 1 << 20
with make_pool("processes", 2) as pool:
    print([float(loaded.value[-1]) for loaded in pool.open(Large(), range(40))] == list(range(40)))
"""


@pytest.mark.parametrize("full", [False, True], ids=["tiny", "full"])
def test_22_little_room_in_shared_memory(full: bool) -> None:
    """Nothing of ours lies in `/dev/shm`: batches of 2 MiB pass by a megabyte that is full."""
    prepare = "mount -t tmpfs -o size=1m tmpfs /dev/shm"
    prepare += " && head -c 2m /dev/zero > /dev/shm/full 2>/dev/null; true" if full else ""
    if shutil.which("unshare") is None or _privately(prepare).returncode:
        pytest.skip("mounting is not allowed here")
    done = _privately(f'{prepare}; exec "$0" "$@"', sys.executable, "-c", LITTLE_ROOM)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def _privately(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=environment())


NESTED = """
import sys
import numpy as np
sys.path[:0] = {path!r}
from soak_data import Drawn
from soak_fits import make_model
from streamfit.workers import make_pool

class Doubled:
    def load(self, ticket):
        return 2 * ticket

class Nested(Drawn):
    def __getitem__(self, index):
        with make_pool("processes", 2) as pool:
            assert [loaded.value for loaded in pool.open(Doubled(), range(5))] == [0, 2, 4, 6, 8]
            assert pool.kind == "inline" and not pool.pids()
        return super().__getitem__(index)

model, _ = make_model()
history = model.fit(Nested(4), verbose=0, workers=2, use_multiprocessing=True)
print([receipt.delivered for receipt in history.receipts])
"""


@pytest.mark.jit
def test_24_a_pool_inside_a_worker_loads_inline_and_warns() -> None:
    code, out, err = run(NESTED.format(path=TOOLS))
    assert (code, out) == (0, "[4]\n"), err
    assert "inside a worker" in err


def test_21_threads_of_the_program_do_not_disturb_a_pool() -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            np.ones((120, 120)) @ np.ones((120, 120))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        with make_pool("processes", 2) as pool:
            assert [loaded.value[1] for loaded in pool.open(Numbers(), range(200))] == list(range(200))
            assert pool.restarts == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
