"""How many samples a second does logistic regression learn from, in batches of 1 to 1024?

One pass of SGD at a constant rate, in the order of the rows, over 31,744 rows of UCI's Adult in memory: 107
features, float32, dense. ``fit`` is one call for the pass; ``calls`` is `train_on_batch` for each batch, as
the methods of the peers are called. River learns from dictionaries of the features that are not zero or, from
batches, of data frames; scikit-learn from arrays by `partial_fit`. What they read is made before the clock
starts. Vowpal Wabbit, which reads examples that it has parsed before, is a mark and no peer.

All sides have the same loss after three passes: River that of our batches; scikit-learn and Vowpal Wabbit,
which take a step for each row of a batch, that of batches of 1. Run with ``STREAMFIT_ONLINE_PYTHON`` naming
an interpreter that has ``river pandas vowpalwabbit scikit-learn``, by default that of the peers.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import (
    HERE,
    ROOT,
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

FIT, CALLS, MARK = "streamfit fit", "streamfit calls", "Vowpal Wabbit"
PEERS = ("River", "scikit-learn")
LIMIT, TOLERANCE = 3.0, 1e-4


def name_of(library: str, batch: int) -> str:
    """Return the name of a side."""
    return f"{library}, batches of {batch}"


def sides(file: Path, batches: tuple[int, ...]) -> list[Side]:
    """Return all sides."""
    python = os.environ.get("STREAMFIT_ONLINE_PYTHON", peers_python())
    found = []
    for batch in batches:
        river = "one" if batch == 1 else "many"
        contenders = [
            (FIT, sys.executable, "online_streamfit.py", "fit"),
            (CALLS, sys.executable, "online_streamfit.py", "calls"),
            ("River", python, "online_river.py", river),
            ("scikit-learn", python, "online_sklearn.py", "partial_fit"),
        ]
        if batch == 1:
            contenders.append((MARK, python, "online_vw.py", "examples"))
        for library, interpreter, script, kind in contenders:
            command = (interpreter, str(HERE / "peers" / script), kind, str(file), str(batch))
            found.append(Side(name_of(library, batch), command))
    return found


def disagreements(openings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the sides whose loss is not that of the same rule in another library."""
    losses = {name: opening["third_epoch"]["loss"] for name, opening in openings.items()}
    found = {}
    for name, loss in losses.items():
        library, _, batch = name.rpartition(", batches of ")
        by_row = library in ("scikit-learn", MARK)
        wanted = losses.get(name_of(FIT, 1 if by_row else int(batch)))
        if wanted is not None and not abs(loss - wanted) <= TOLERANCE * wanted:
            found[name] = (
                f"loss {loss:.6f} after three passes, that of the same rule in `fit` is {wanted:.6f}"
            )
    return found


def targets(rows: Mapping[str, Summary], batches: tuple[int, ...]) -> list[Target]:
    """Return the promises: `fit` for each size of batch; and, as a note, the calls."""
    found = []
    for ours in (FIT, CALLS):
        for batch in batches:
            peers = {peer: rows[name_of(peer, batch)] for peer in PEERS if name_of(peer, batch) in rows}
            if name_of(ours, batch) in rows and peers:
                first = max(peers, key=lambda peer: peers[peer].median)
                ratio = rows[name_of(ours, batch)].median / peers[first].median
                what = f"{ours} beside the fastest peer ({first}), batches of {batch}"
                found.append(Target(what, ratio, LIMIT, at_least=True))
    return found


def show(rows: Mapping[str, Summary], openings: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the table."""
    lines = []
    for name, row in rows.items():
        loss = openings[name]["third_epoch"]["loss"]
        lines.append([name, f"{row.median:,.0f}", f"{row.lower:,.0f} - {row.upper:,.0f}", f"{loss:.6f}"])
    print(table(["side", "samples a second", "quartiles", "loss, pass 3"], lines))


def main() -> int:
    """Measure all sides in turns."""
    parser = arguments(__doc__, 5)
    beside = ROOT.parent / "shared" / "data" / "adult-train.csv"
    parser.add_argument("--csv", type=Path, default=beside, help="UCI's adult.data")
    options = parser.parse_args()
    if not options.csv.exists():
        parser.error(f"there is no {options.csv}: name UCI's adult.data with --csv")
    sys.path.insert(0, str(HERE / "peers"))
    from online_common import BATCHES, write

    facts = machine_facts()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "online.npz")
        write(options.csv, file)
        turns = Field(sides(file, BATCHES))
        try:
            values, failed = take_turns(
                list(turns.children), lambda name: 1e6 / turns.measure(name), options.rounds
            )
        finally:
            turns.close()
    rows = {name: summarize(got) for name, got in values.items()}
    show(rows, turns.openings)
    judged = targets(rows, BATCHES)
    publish(
        "online_logistic",
        facts,
        rows,
        {**turns.failures, **failed, **disagreements(turns.openings)},
        judged,
        unit="samples per second",
        openings=turns.openings,
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
