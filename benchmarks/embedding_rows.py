"""Does the cost of a step depend on how many rows a table of embeddings has?

`fit` on in-memory arrays: a table of 64 columns, sequences of 20 ids, averaged, one output, batches of 256,
float32. A figure is the whole time between two ends of epochs (of 16 steps) over the number of steps. The ids
are those of the first 10,000 rows; as many rows, spread over a million; or any of a million. ``Adam`` gives
each row the numbers of dense training, ``LazyAdam`` leaves rows that a batch does not read. ``AdamRead``
is Adam with the whole table read at the end of each epoch, ``AdamWhole`` is Adam without rows. Run with
``STREAMFIT_PEERS_PYTHON`` naming the interpreter that has the peers (see README.md in this folder).
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
    peers_python,
    publish,
    summarize,
    table,
    take_turns,
)
from step_overhead import Field

SMALL, LARGE = 10_000, 1_000_000
LIMIT = 1.2
WORDS = {"first": "the first 10,000", "spread": "10,000, spread", "all": "any of a million"}
OURS = [
    *(
        (kind, rows, ids)
        for kind in ("LazyAdam", "Adam")
        for rows, ids in ((SMALL, "first"), (LARGE, "first"))
    ),
    *((kind, LARGE, ids) for kind in ("LazyAdam", "Adam") for ids in ("spread", "all")),
    ("AdamRead", LARGE, "all"),
    ("AdamWhole", LARGE, "all"),
    *(
        (kind, rows, ids)
        for kind in ("SGD", "Adagrad")
        for rows, ids in ((SMALL, "first"), (LARGE, "spread"))
    ),
]
TORCH = [
    ("SparseAdam", SMALL, "first"),
    ("SparseAdam", LARGE, "spread"),
    ("SparseAdam", LARGE, "all"),
    ("Adam", LARGE, "all"),
]


def name_of(library: str, kind: str, rows: int, ids: str) -> str:
    """Return the name of a side."""
    return f"{library} {kind}, {rows:,} rows, ids of {WORDS[ids]}"


def sides() -> list[Side]:
    """Return all sides."""
    found = []
    for library, python, script, cases in (
        ("streamfit", sys.executable, "embedding_streamfit.py", OURS),
        ("PyTorch", peers_python(), "embedding_torch.py", TORCH),
    ):
        for kind, rows, ids in cases:
            command = (python, str(HERE / "peers" / script), kind, str(rows), ids)
            found.append(Side(name_of(library, kind, rows, ids), command))
    return found


def targets(rows: Mapping[str, Summary]) -> list[Target]:
    """Return the promise for both rules: the same batches cost the same, whatever the number of rows."""
    found = []
    for kind in ("LazyAdam", "Adam"):
        small, large = (name_of("streamfit", kind, count, "first") for count in (SMALL, LARGE))
        if small in rows and large in rows:
            ratio = rows[large].median / rows[small].median
            found.append(Target(f"{kind}, a million rows beside 10,000, the same batches", ratio, LIMIT))
    return found


def show(rows: Mapping[str, Summary]) -> None:
    """Print the table."""
    lines = [[name, f"{row.median:.0f}", f"{row.lower:.0f} - {row.upper:.0f}"] for name, row in rows.items()]
    print(table(["side", "us per step", "quartiles"], lines))


def main() -> int:
    """Measure all sides in turns."""
    options = arguments(__doc__, 5).parse_args()
    facts, turns = machine_facts(), Field(sides())
    try:
        values, failed = take_turns(list(turns.children), turns.measure, options.rounds)
    finally:
        turns.close()
    rows = {name: summarize(values[name]) for name in values}
    show(rows)
    judged = targets(rows)
    publish(
        "embedding_rows",
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
