"""What does a step on several threads cost and gain, on a free machine and beside a busy process?

Three questions about the team of threads that runs the blocks of a step (`streamfit/kernels/team.py`):

* the cost of a section of two empty blocks, with a helper that is awake and with one that sleeps, beside the
  same calls on one thread;
* the gain of two threads on a section of two blocks of about 100 us each, which are products of matrices as
  dense layers have them, and on a step of ten such sections;
* the same beside a process that keeps one core busy: two threads always, and as many as the measured times
  say.

A figure is the mean time of a run in one turn, since a few slow runs are the question here.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from harness import (
    ROOT,
    Summary,
    Target,
    arguments,
    exit_code,
    machine_facts,
    publish,
    summarize,
    table,
    take_turns,
)

sys.path.insert(0, str(ROOT))

from streamfit.kernels.matrix import fill_zero
from streamfit.kernels.products import product_by_tiles
from streamfit.kernels.sections import Section, SectionedCallList, parallel
from streamfit.kernels.team import Team
from streamfit.kernels.thread_choice import ThreadChoice

SECONDS = 0.3
SETTLE = 2.5  # by when the number of threads is that for these surroundings
BURST = 0.15
SECTIONS = 1000  # in one run of the empty ones
FREE, BUSY = "free machine", "one core busy"
ONE, TWO, CHOSEN = "1 thread", "2 threads", "chosen"
EMPTY = ("section of 2 empty blocks: 1 thread", "2 threads, helper awake", "2 threads, helper asleep")


def empty(threads: int, sections: int) -> SectionedCallList:
    """Return sections of two blocks that do next to nothing."""
    x = np.zeros((2, 16), "float32")
    section = parallel([[(fill_zero, (row[:1],))] for row in x])
    return SectionedCallList([section] * sections, threads, Team())


def products(sections: int) -> list[Section]:
    """Return sections of two blocks, each a product that takes about 100 us."""
    draw = np.random.default_rng(0)
    a, b = (
        draw.normal(size=(2, 176, 256)).astype("float32"),
        draw.normal(size=(256, 160)).astype("float32"),
    )
    y = np.zeros((2, 176, 160), "float32")
    return [parallel([[(product_by_tiles, (a[i], b, y[i]))] for i in range(2)])] * sections


def mean_time(run: Callable[[], None], pause: float = 0.0, seconds: float = SECONDS) -> float:
    """Return the mean microseconds of a run, with pauses between runs that do not count."""
    spent, runs, end = 0.0, 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        run()
        spent += time.perf_counter() - begin
        runs += 1
        rest = time.perf_counter() + pause
        while pause and time.perf_counter() < rest:
            pass
    return spent / runs * 1e6


def on_free_cores(run: Callable[[], None], urgent: bool, seconds: float = SECONDS) -> float:
    """Return the mean microseconds of a run; if urgent, as if no other program needed the cores.

    Real-time priority is what makes it so. It lasts a seventh of a second at a time, and other programs have
    twice as long in between.
    """
    if not urgent:
        return mean_time(run, seconds=seconds)
    times = []
    for _ in range(round(seconds / BURST)):
        set_priority(os.SCHED_FIFO, 1)
        try:
            times.append(mean_time(run, seconds=BURST))
        finally:
            set_priority(os.SCHED_OTHER, 0)
        time.sleep(2 * BURST)
    return statistics.mean(times)


def set_priority(policy: int, priority: int) -> None:
    """Set how urgent all threads of this process are."""
    for thread in os.listdir("/proc/self/task"):
        os.sched_setscheduler(int(thread), policy, os.sched_param(priority))


@contextmanager
def one_busy_core() -> Iterator[None]:
    """Keep the last core busy with another process."""
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    pin = "" if core is None else f"os.sched_setaffinity(0, {{{core}}})\n"
    code = f"import os\n{pin}while os.getppid() == {os.getpid()}: pass"  # it ends with this process
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()


class Sides:
    """All call lists that are measured, by name.

    Args:
        urgent: Whether the sides of the free machine have real-time priority.
    """

    def __init__(self, urgent: bool = False) -> None:
        self.urgent = urgent
        self.empty = {1: empty(1, SECTIONS), 2: empty(2, SECTIONS)}
        self.single = {1: empty(1, 1), 2: empty(2, 1)}
        self.products: dict[tuple[int, str], SectionedCallList] = {}
        for sections in (1, 10):
            shared = products(
                sections
            )  # where arrays lie makes more of a difference than what is measured here
            for label, threads in ((ONE, 1), (TWO, 2), (CHOSEN, ThreadChoice(2))):
                self.products[sections, label] = SectionedCallList(shared, threads, Team())

    def names(self) -> list[str]:
        """Return the names of all sides."""
        return [*EMPTY, *(self._name(*key, where) for where in (FREE, BUSY) for key in self.products)]

    def _name(self, sections: int, label: str, where: str) -> str:
        return f"{sections} x 2 blocks, {label}, {where}"

    def measure(self, name: str) -> float:
        """Return the mean microseconds of a run, or of a section among the empty ones."""
        if name == EMPTY[0]:
            return on_free_cores(self.empty[1].run, self.urgent) / SECTIONS
        if name == EMPTY[1]:
            return on_free_cores(self.empty[2].run, self.urgent) / SECTIONS
        if name == EMPTY[2]:  # of one section in a run of its own: less the same run on one thread
            return mean_time(self.single[2].run, 5e-3) - mean_time(self.single[1].run, 5e-3)
        for key, calls in self.products.items():
            for where in (FREE, BUSY):
                if name != self._name(*key, where):
                    continue
                settle = SETTLE if key[1] == CHOSEN else SECONDS
                if where == FREE:
                    on_free_cores(calls.run, self.urgent, settle)
                    return on_free_cores(calls.run, self.urgent)
                with one_busy_core():
                    mean_time(calls.run, seconds=settle)
                    return mean_time(calls.run)
        raise ValueError(f"there is no side {name!r}; the sides are {self.names()}")


def targets(rows: Mapping[str, Summary]) -> list[Target]:
    """Return the promises and how far they are kept."""
    median = {name: rows[name].median for name in rows}
    found = []
    for sections in (1, 10):

        def time_of(label: str, where: str, sections: int = sections) -> float:
            return median[f"{sections} x 2 blocks, {label}, {where}"]

        gain = time_of(ONE, FREE) / time_of(CHOSEN, FREE)
        loss = time_of(CHOSEN, BUSY) / time_of(ONE, BUSY)
        found.append(Target(f"gain of 2 threads, {sections} x 2 blocks, {FREE}", gain, 1.7, at_least=True))
        found.append(Target(f"time beside one thread, {sections} x 2 blocks, {BUSY}", loss, 1.2))
    return found


def main() -> int:
    """Measure all sides in turns."""
    parser = arguments(__doc__, 7)
    parser.add_argument(
        "--urgent", action="store_true", help="measure the free machine with real-time priority, in bursts"
    )
    options = parser.parse_args()
    facts, sides = machine_facts(), Sides(options.urgent)
    values, failed = take_turns(sides.names(), sides.measure, options.rounds, seed=1)
    rows = {name: summarize(got) for name, got in values.items()}
    lines = [[name, f"{row.median:.2f}", f"{row.lower:.2f} - {row.upper:.2f}"] for name, row in rows.items()]
    print(table(["side", "us", "quartiles"], lines))
    judged = targets(rows)
    publish(
        "several_threads",
        facts,
        rows,
        failed,
        judged,
        unit="mean microseconds of a run",
        urgent=options.urgent,
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
