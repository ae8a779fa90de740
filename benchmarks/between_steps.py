"""What do a schedule, a callback for every 50th batch and confusion metrics cost beside the plain step?

`fit` on in-memory arrays: 8192 samples, a 32-64-2 network, categorical cross-entropy, Adam, accuracy, batches
of 32, float32. A figure is the whole time between two ends of epochs over the number of steps. Each side does
the same with one thing more. For comparison: a callback for each batch, and a metric in Python.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

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
from step_overhead import Field

PLAIN = "plain"
SIDES = {
    PLAIN: "plain",
    "a learning-rate schedule": "schedule",
    "a callback with every = 50": "every",
    "AUC": "auc",
    "Precision and Recall": "precision_recall",
    "a callback for each batch": "each",
    "a metric in Python": "python_metric",
}
PROMISED = ("a learning-rate schedule", "a callback with every = 50", "AUC", "Precision and Recall")
LIMIT = 1.5


def sides() -> list[Side]:
    """Return the plain step, and each one with something more."""
    script = str(HERE / "peers" / "streamfit_between.py")
    return [Side(name, (sys.executable, script, kind)) for name, kind in SIDES.items()]


def targets(rows: Mapping[str, Summary]) -> list[Target]:
    """Return the promises that can be judged from the rows at hand."""
    if PLAIN not in rows:
        return []
    plain = rows[PLAIN].median
    return [
        Target(f"{name} beside the plain step", rows[name].median / plain, LIMIT)
        for name in PROMISED
        if name in rows
    ]


def show(rows: Mapping[str, Summary]) -> None:
    """Print the table."""
    plain = rows[PLAIN].median
    lines = [
        [
            name,
            f"{row.median:.2f}",
            f"{row.lower:.2f} - {row.upper:.2f}",
            f"{row.median / plain:.2f}",
        ]
        for name, row in rows.items()
    ]
    print(table(["with", "us per step", "quartiles", "x plain"], lines))


def main() -> int:
    """Measure all sides in turns."""
    options = arguments(__doc__, 15).parse_args()
    facts, turns = machine_facts(), Field(sides())
    try:
        values, failed = take_turns(list(turns.children), turns.measure, options.rounds)
    finally:
        turns.close()
    rows = {name: summarize(values[name]) for name in SIDES if name in values}
    if PLAIN in rows:
        show(rows)
    judged = targets(rows)
    publish(
        "between_steps",
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
