"""Whole programs that train and are killed, and who kills them.

Run as a script it is the victim: ``soak_victims.py endless`` trains until it is killed, ``soak_victims.py
resume FOLDER STEPS WORKERS PROCESSES`` trains with backups and prints the digest of everything in the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from soak_fits import Tally, bits_of, make_model

from streamfit.callbacks import BackupAndRestore, Callback
from streamfit.testing.leaks import left_since, take_ledger, wait_until
from streamfit.workers import live_pids

_LIMIT = 60.0  # seconds for a program to begin, or to end when nobody kills it
_MOST_STEPS = 50  # of a run that is killed and resumed, before it is killed
_LEAD = 3  # steps that such a run may be beyond those that its killer has heard of


class Speaker(Callback):
    """Say on standard output that a step was done; with the first, who works."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Write a line."""
        pids = [] if self.begun else live_pids()
        self.begun = True
        words = ["step", *map(str, pids), *{str(_parent(pid)) for pid in pids}]
        sys.stdout.write(" ".join(words) + "\n")  # whole: `print` can be interrupted halfway
        sys.stdout.flush()


class Paced(Speaker):
    """Say that a step was done, and wait for a character on standard input, unless that is at its end."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Write a line, wait for leave to go on."""
        super().on_train_batch_end(batch, logs)
        sys.stdin.read(1)


def _parent(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1])


def runs(pid: int) -> bool:
    """Return whether a process exists and is not only waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# -- the victims ------------------------------------------------------------------------------------------


def endless() -> None:
    """Train on worker processes until killed."""
    from soak_data import Drawn

    model, _ = make_model()
    model.fit(
        Drawn(1 << 40, 0.0005), verbose=0, callbacks=[Speaker()], seed=1, workers=2, use_multiprocessing=True
    )


def resumable(folder: str, steps: int, workers: int, processes: bool) -> None:
    """Train for four epochs with a backup every third step; print the digest of the result."""
    from soak_data import Drawn

    model, _ = make_model()
    history = model.fit(
        Drawn(steps // 4),
        epochs=4,
        verbose=0,
        seed=5,
        callbacks=[BackupAndRestore(folder, save_freq=3), Paced()],
        workers=workers,
        use_multiprocessing=processes,
    )
    print("digest", hashlib.sha256(repr(bits_of(model, history)).encode()).hexdigest(), flush=True)


# -- and who kills them -----------------------------------------------------------------------------------


@contextlib.contextmanager
def program(*arguments: object, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """Run a victim in a process group of its own, which is gone afterwards."""
    process = subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def next_line(process: subprocess.Popen[str]) -> str:
    """Return what the program says next, or "" when it ends or says nothing for long."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _LIMIT)
    return process.stdout.readline() if ready else ""


def kill_whole(times: int, group: bool, seed: int = 0) -> Tally:
    """Kill the main process of a fit, or its process group, and see what is left after a second.

    Args:
        times: How often.
        group: Whether the whole process group is killed.
        seed: Of the choice of moments.
    """
    tally, rng = Tally("process group" if group else "main process"), random.Random(seed)
    before = take_ledger()
    for _ in range(times):
        with program("endless") as process:
            words = next_line(process).split()
            if words[:1] != ["step"]:
                tally.hangs += 1
                continue
            pids = [process.pid, *map(int, words[1:])]
            time.sleep(rng.random() * 0.05)
            (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
            began = time.perf_counter()
            gone = wait_until(lambda pids=pids: not any(map(runs, pids)), 1.0)  # type: ignore[misc]
            tally.seen.append(time.perf_counter() - began)
            tally.kills += 1
            tally.leaks += [] if gone else [f"process {pid}" for pid in pids if runs(pid)]
    tally.leaks += left_since(before)
    return tally


def kill_and_resume(cycles: int, seed: int = 0) -> Tally:
    """Kill a program that trains with backups, again and again, each time after some more steps.

    The number and the kind of workers change from cycle to cycle; the last run is left in peace, and what it
    prints must be what a run in peace prints.

    Args:
        cycles: How many kills.
        seed: Of the choice of moments.
    """
    # Four epochs, long enough for every kill to come before the end, whatever the moments.
    steps = 4 * -(-(_MOST_STEPS + _LEAD) * max(cycles, 2) // 4)
    tally, rng = Tally("kill and resume"), random.Random(seed)
    with tempfile.TemporaryDirectory() as calm, tempfile.TemporaryDirectory() as folder:
        expected = _digest_of(("resume", calm, steps, 0, 0), None, tally)
        found = ""
        while not found and not tally.hangs:
            how = (rng.randrange(4), rng.randrange(2))
            moment = rng.randrange(_MOST_STEPS) if tally.kills < cycles else None
            found = _digest_of(("resume", folder, steps, *how), moment, tally)
        tally.leaks += os.listdir(folder)
    tally.same_bits = tally.ordered = bool(found) and found == expected
    return tally


def _digest_of(arguments: Sequence[object], moment: int | None, tally: Tally) -> str:
    """Run a victim and kill it after `moment` steps and a little more; return its digest if it got there.

    However late this process is to hear of a step, the victim is a few steps further at the most.
    """
    with program(*arguments, stdin=subprocess.PIPE) as process:
        done = 0
        _let_go_on(process, _LEAD)
        while line := next_line(process):
            if line.startswith("digest"):
                return line
            if done == moment:
                time.sleep(random.random() * 0.004)
                process.kill()
                tally.kills += 1
                return ""
            done += 1
            _let_go_on(process, 1)
        tally.hangs += 1
    return ""


def _let_go_on(process: subprocess.Popen[str], steps: int) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended, or not even begun to read
        process.stdin.write("." * steps)
        process.stdin.flush()


def main(arguments: list[str]) -> None:
    """Be a victim."""
    if arguments[0] == "endless":
        endless()
    else:
        folder, steps, workers, processes = arguments[1:]
        resumable(folder, int(steps), int(workers), processes == "1")


if __name__ == "__main__":
    main(sys.argv[1:])
