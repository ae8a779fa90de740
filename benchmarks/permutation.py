"""How fast is a permutation in constant memory, beside tables of NumPy and PyTorch and beside Grain?

A figure is millions of positions per second of processor time, on one core. NumPy and PyTorch make a table of
all ids, so they are asked for 10^7 and cannot be asked for 10^12. Grain computes one position in a call, in
C++. Run with ``STREAMFIT_PEERS_PYTHON`` naming the interpreter that has the peers (see README.md in this
folder).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

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
    peers_python,
    publish,
    summarize,
    table,
    take_turns,
)

OURS = "streamfit"
SIDES = {
    OURS: "permutation_streamfit.py",
    "NumPy": "permutation_numpy.py",
    "PyTorch": "permutation_torch.py",
    "Grain": "permutation_grain.py",
}
LIMIT_SECONDS = 120.0
WANTED = 20.0


def targets(rows: Mapping[str, Summary]) -> list[Target]:
    """Return the promise for each kind of work that was measured."""
    return [
        Target(f"million positions a second: {name}", row.median, WANTED, at_least=True, unit="")
        for name, row in rows.items()
        if name.startswith(OURS)
    ]


def show(rows: Mapping[str, Summary]) -> None:
    """Print the table."""
    lines = [[name, f"{row.median:.1f}", f"{row.lower:.1f} - {row.upper:.1f}"] for name, row in rows.items()]
    print(table(["side", "million/s", "quartiles"], lines))


def main() -> int:
    """Measure all sides in turns."""
    options = arguments(__doc__, 11).parse_args()
    facts = machine_facts()
    children: dict[str, Child] = {}
    failures: dict[str, str] = {}
    names: list[str] = []
    try:
        for name, script in SIDES.items():
            python = sys.executable if name == OURS else peers_python()
            child = Child(Side(name, (python, str(HERE / "peers" / script))))
            try:
                names += [f"{name}: {work}" for work in child.hear(LIMIT_SECONDS)["works"]]
                children[name] = child
            except SideFailedError as failure:
                failures[name] = str(failure)
                child.close()

        def measure(name: str) -> float:
            side, _, work = name.partition(": ")
            answer = children[side].ask({"what": work}, LIMIT_SECONDS)
            return float(answer["positions"]) / float(answer["seconds"]) / 1e6

        values, lost = take_turns(names, measure, options.rounds)
    finally:
        for child in children.values():
            child.close()
    rows = {name: summarize(values[name]) for name in names if name in values}
    show(rows)
    judged = targets(rows)
    publish(
        "permutation", facts, rows, failures | lost, judged, unit="million positions per second of one core"
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
