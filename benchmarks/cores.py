"""What do several threads gain for a whole training step, and what do they cost where there is one core?

`fit` on in-memory arrays: 8192 samples, a 784-128-10 network, Adam, accuracy, batches of 256, float32. A
figure is the whole time between two ends of epochs over the number of steps.

* `one thread, whole batch`: the step as it would be if batches were never cut into blocks.
* `one thread` and `two threads`: the step that users get; the bits of both are the same.
* `two processes`: two processes with one thread each at the same time, a step of the one or the other; what
  two cores give without any waiting for one another.
* `beside a busy process`: one thread, and two threads at most, while another process keeps one core busy.
* `dead units`: two threads, where no hidden unit fires any more and the means of gradients decay.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from harness import (
    HERE,
    Side,
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
from several_threads import one_busy_core
from step_overhead import Field

WHOLE, ONE, TWO, DEAD = "one thread, whole batch", "one thread", "two threads", "two threads, dead units"
SECOND = "one thread, whole batch, in a second process"
PAIR = "two processes"
BUSY_ONE, BUSY_TWO = "one thread beside a busy process", "two threads at most beside a busy process"
KINDS = {
    WHOLE: ("whole", "1"),
    SECOND: ("whole", "1"),
    ONE: ("cut", "1"),
    TWO: ("cut", "2"),
    DEAD: ("dead", "2"),
}
MEASURED = (WHOLE, ONE, TWO, PAIR, BUSY_ONE, BUSY_TWO, DEAD)
ADAPTED = 2.0  # seconds after which the number of threads is that for the surroundings


class Cores(Field):
    """The sides of `step_overhead`, also two at once, and beside a busy process."""

    def measure(self, name: str) -> float:
        """Return the median microseconds of a step of one side."""
        if name == PAIR:
            with ThreadPoolExecutor(2) as pool:
                steps = list(pool.map(partial(Field.measure, self), (WHOLE, SECOND)))
            return 1 / sum(1 / step for step in steps)
        if name in (BUSY_ONE, BUSY_TWO):
            with one_busy_core():
                side = ONE if name == BUSY_ONE else TWO
                self._adapt(side)
                return statistics.median([Field.measure(self, side) for _ in range(3)])
        if name in (TWO, DEAD):  # the number of threads may still be that for the side measured before
            self._adapt(name)
        return super().measure(name)

    def _adapt(self, side: str) -> None:
        """Train until the number of threads is that for these surroundings."""
        begin = time.perf_counter()
        while time.perf_counter() - begin < ADAPTED:
            super().measure(side)


def sides() -> list[Side]:
    """Return the processes to start."""
    script = str(HERE / "peers" / "streamfit_cores.py")
    return [Side(name, (sys.executable, script, *kind)) for name, kind in KINDS.items()]


def targets(rows: Mapping[str, Summary]) -> list[Target]:
    """Return the promises that can be judged from the rows at hand."""

    def ratio(one: str, other: str) -> float:
        return rows[one].median / rows[other].median

    wanted = [
        ("two threads: what two processes reach", PAIR, TWO, 0.8, True),
        ("one thread beside the whole batch", ONE, WHOLE, 1.05, False),
        ("at most two threads beside a busy process: one thread there", BUSY_TWO, BUSY_ONE, 1.15, False),
        ("dead units beside living ones, two threads", DEAD, TWO, 1.1, False),
    ]
    return [
        Target(what, ratio(one, other), limit, at_least)
        for what, one, other, limit, at_least in wanted
        if one in rows and other in rows
    ]


def main() -> int:
    """Measure all sides in turns."""
    options = arguments(__doc__, 9).parse_args()
    facts, turns = machine_facts(), Cores(sides())
    try:
        values, failed = take_turns(list(MEASURED), turns.measure, options.rounds)
    finally:
        turns.close()
    rows = {name: summarize(values[name]) for name in MEASURED if name in values}
    lines = [[name, f"{row.median:.0f}", f"{row.lower:.0f} - {row.upper:.0f}"] for name, row in rows.items()]
    print(table(["side", "us per step", "quartiles"], lines))
    judged = targets(rows)
    publish(
        "cores",
        facts,
        rows,
        {**turns.failures, **failed},
        judged,
        unit="microseconds per training step",
        openings=turns.openings,
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
