"""How much of two independent processes' rate do two workers reach where images are augmented?

`source(x, y).shuffle().map(chain).batch(n)` over uint8 images in memory, read as `fit` reads it:

* `photo`: 256 x 256 x 3 to 224 x 224, batches of 32: random-resized crop, flip, colour jitter, normalize.
* `small`: 32 x 32 x 3, batches of 128: flip, pad by 4 and crop, cutout, normalize.

The limit is two programs that know nothing of each other, each of which reads half of the batches without
workers: they wait for nobody, hand nothing over, and share no lock. A turn is of as many batches for all
sides. Where other programs keep the machine busy, the processor time for an image, of all processes of a
side, tells more than the rate.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from harness import (
    HERE,
    Child,
    Side,
    SideFailedError,
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

LIMIT = "two programs"
SIDES = (LIMIT, "threads", "processes")
BATCHES = {"photo": (64, 32), "small": (624, 128)}
"""How many batches a turn has, and how many images a batch."""
WANTED = 0.9
LIMIT_SECONDS = 300.0


def readers(work: str, side: str) -> list[Side]:
    """Return the readers of a side: one with two workers, or two without any."""
    path = str(HERE / "peers" / "augmentation_workers_streamfit.py")
    seeds, workers = (("1", "2"), "none") if side == LIMIT else (("1",), side)
    return [
        Side(f"{work}: {side}", (sys.executable, path, "--work", work, "--workers", workers, "--seed", seed))
        for seed in seeds
    ]


def promises(rows: Mapping[str, Summary]) -> list[Target]:
    """Return what is promised: 0.9 of the limit on threads or on processes, whichever is the better."""
    found = []
    for work in BATCHES:
        rates = {side: rows[f"{work}: {side}"].median for side in SIDES if f"{work}: {side}" in rows}
        limit = rates.pop(LIMIT, None)
        if limit is not None and rates:
            what = f"{work}: share of the rate of {LIMIT}"
            found.append(Target(what, max(rates.values()) / limit, WANTED, True, ""))
    return found


def main() -> int:
    """Measure all sides in turns."""
    options = arguments(__doc__, 9).parse_args()
    facts = machine_facts()
    children: dict[str, list[Child]] = {}
    failures: dict[str, str] = {}
    busy: dict[str, list[float]] = {}
    try:
        for work in BATCHES:
            for side in SIDES:
                name = f"{work}: {side}"
                started = children[name] = [Child(reader) for reader in readers(work, side)]
                try:
                    for child in started:
                        child.hear(LIMIT_SECONDS)
                except SideFailedError as failure:
                    failures[name] = str(failure)
                    for child in children.pop(name):
                        child.close()

        def measure(name: str) -> float:
            asked = children[name]
            batches, batch = BATCHES[name.partition(":")[0]]
            request = {"batches": batches // len(asked)}
            with ThreadPoolExecutor(len(asked)) as both:
                answers = list(both.map(lambda child: child.ask(request, LIMIT_SECONDS), asked))
            spent = sum(float(answer["processor"]) for answer in answers)
            busy.setdefault(name, []).append(1e6 * spent / (batches * batch))
            return sum(request["batches"] * batch / float(answer["seconds"]) for answer in answers)

        values, lost = take_turns(list(children), measure, options.rounds)
    finally:
        for started in children.values():
            for child in started:
                child.close()
    rows = {name: summarize(got) for name, got in values.items()}
    processor = {name: statistics.median(busy[name]) for name in rows}
    print(
        table(
            ["side", "images a second", "quartiles", "processor us an image"],
            [
                [name, f"{row.median:,.0f}", f"{row.lower:,.0f} - {row.upper:,.0f}", f"{processor[name]:.1f}"]
                for name, row in rows.items()
            ],
        )
    )
    judged = promises(rows)
    publish(
        "augmentation_workers",
        facts,
        rows,
        failures | lost,
        judged,
        unit="images a second",
        processor_us=processor,
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
