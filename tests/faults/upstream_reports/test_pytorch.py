"""Public reports about PyTorch's data loader that this design answers; each test is named after one."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from oracles.data_sets import Careless, Stuck
from oracles.leaks import wait_until
from oracles.loaders import Numbers
from oracles.scripts import finish, start
from soak_fits import make_model
from soak_victims import next_line, runs

from streamfit._base.errors import WorkerError
from streamfit.callbacks import Callback
from streamfit.streams import Sequence
from streamfit.workers import live_pids, make_pool

pytestmark = [pytest.mark.jit, pytest.mark.timeout(60)]


def test_pytorch_21554_killing_workers_that_hang(tmp_path: Path) -> None:
    """Report 21554: when workers that hang are killed from outside, the main process hangs as well.

    Killed workers are replaced and the run goes on. A user who gives up instead is not kept waiting.
    """
    with make_pool("processes", 2) as pool:
        run = pool.open(Stuck(tmp_path), range(8))
        assert wait_until(lambda: len(list(tmp_path.iterdir())) == 2, seconds=40)
        for path in tmp_path.iterdir():
            os.kill(int(path.name), signal.SIGKILL)
        assert [loaded.value for loaded in run] == list(range(8))
        for path in tmp_path.iterdir():
            path.unlink()
        run = pool.open(Stuck(tmp_path), range(8))
        assert wait_until(lambda: len(list(tmp_path.iterdir())) == 2, seconds=40)
        began = time.monotonic()
    assert time.monotonic() - began < 2, "closing must not wait for workers that hang"


class Bulky:
    """Loads a little, then more than there is room for."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def load(self, ticket: int) -> Any:
        if ticket < 3:
            return np.full(10, ticket)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, self.limit))
        return np.zeros(4 * self.limit, np.uint8)


def test_pytorch_5040_no_room_in_shared_memory_is_an_error_that_says_so() -> None:
    """Report 5040: a worker that runs out of shared memory dies of a bus error, the only message.

    Memory is reserved before it is written to, so the main process gets an exception that names the lack and
    what to do about it, after the batches before; no worker dies.
    """
    with make_pool("processes", 1) as pool:
        run = pool.open(Bulky(1 << 20), range(6))
        assert [int(next(run).value[0]) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(WorkerError, match=r"no room for [\d,]+ bytes of shared memory.*smaller batches"):
            next(run)
        assert pool.restarts == 0
        pids = pool.pids()
        for pid in pids:  # what the loader did to its worker stays done
            os.kill(pid, signal.SIGKILL)
        assert len(list(pool.open(Numbers(), range(9)))) == 9


class Listed(Sequence):
    """Holds an array and a long list of Python objects, as lists of file names are."""

    def __init__(self) -> None:
        super().__init__()
        self.array = np.ones((1 << 20, 16), np.float32)  # 64 MiB
        self.names = [f"sample-{index:07d}" for index in range(100_000)]

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> Any:
        own = self.names[index * 1000 : (index + 1) * 1000]
        x = self.array[index * 10_000 : index * 10_000 + 1000, :4]
        return x * np.float32(0.5), np.full((len(own), 1), len(own[0]) / 1024)


class Weigher(Callback):
    """Take the private memory of all workers after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.weights.append(sum(psutil.Process(pid).memory_full_info().uss for pid in live_pids()))


def test_pytorch_13246_memory_of_workers_does_not_grow() -> None:
    """Report 13246: the memory of the workers grows batch by batch, as forked Python objects are touched.

    Each copy of the data set's lists is made page by page while training goes on. Here workers share arrays,
    unpickle the rest once, and need after ten epochs what they needed after two.
    """
    model, _ = make_model()
    weigher = Weigher()
    model.fit(Listed(), epochs=10, verbose=0, callbacks=[weigher], workers=2, use_multiprocessing=True)
    early, late = weigher.weights[1], weigher.weights[-1]
    assert late - early < 8 << 20, weigher.weights
    assert late < 2 * (48 << 20), "each worker would need 64 MiB for an array of its own"


def drawn(careful: bool, workers: int) -> list[int]:
    """Return the numbers that two epochs have drawn."""
    model, seen = make_model()
    data = Careless(careful)
    model.fit(
        data, epochs=2, verbose=0, shuffle=False, seed=1, workers=workers, use_multiprocessing=workers > 0
    )
    return seen.numbers[::8]


def test_pytorch_5059_draws_differ_between_workers_and_epochs() -> None:
    """Report 5059: forked workers share NumPy's global state: all draw the same, epoch after epoch.

    Even draws from the global state differ here. Those of `rng` also are the same for any number of workers.
    """
    assert len(set(drawn(careful=False, workers=4))) == 24
    careful = drawn(careful=True, workers=4)
    assert len(set(careful)) == 24
    assert careful == drawn(careful=True, workers=2) == drawn(careful=True, workers=0)


NOISY = """
import sys
sys.path[:0] = {path!r}
from soak_victims import endless
endless()
"""


def test_pytorch_22924_ctrl_c_ends_quietly() -> None:
    """Report 22924: Ctrl-C prints a fatal error of the interpreter and tracebacks of threads and workers.

    The signal goes to the whole process group, as from a terminal. What is printed is one KeyboardInterrupt.
    """
    process = start(NOISY.format(path=[str(Path(__file__).resolve().parents[3] / "tools")]))
    try:
        pids = list(map(int, next_line(process).split()[1:]))
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=10)
        assert process.returncode == -signal.SIGINT
        assert err.splitlines()[-1] == "KeyboardInterrupt"
        assert err.count("Traceback") == 1, err
        assert "Fatal" not in err
        assert wait_until(lambda: not any(map(runs, pids)), 1.0)
    finally:
        finish(process)
