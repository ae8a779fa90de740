"""How fast does text become numbers, beside Keras (TensorFlow) and scikit-learn's `CountVectorizer`?

100 MB of generated text in memory: 20 words a text, drawn by Zipf's law from 100,000. ``adapt`` makes the
vocabulary of it, in one pass; ``transform`` turns it into numbers of words, in batches of 512 texts
(scikit-learn: into sparse counts, in one call). A figure is megabytes per second, of the whole. Each peer
runs in two variants, the better of which counts. Run with ``STREAMFIT_PEERS_PYTHON`` naming the interpreter
that has the peers (see README.md in this folder).
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

OURS, KERAS, SKLEARN = "streamfit", "Keras", "scikit-learn"
SIDES = {
    OURS: ("text_streamfit.py", ("arrays",)),
    KERAS: ("text_keras.py", ("arrays", "tf.data")),
    SKLEARN: ("text_sklearn.py", ("pattern", "split")),
}
WORKS = ("adapt", "transform")
LIMIT_SECONDS = 600.0
WANTED, WANTED_WORDS = 2.0, 10.0


def sides(megabytes: float) -> list[Side]:
    """Return all sides with their variants."""
    return [
        Side(
            f"{library}, {kind}",
            (
                sys.executable if library == OURS else peers_python(),
                *(str(HERE / "peers" / script), kind, str(megabytes)),
            ),
        )
        for library, (script, kinds) in SIDES.items()
        for kind in kinds
    ]


def best(rows: Mapping[str, Summary], library: str, work: str) -> float | None:
    """Return the rate of the best variant of a library, or None if all failed."""
    rates = [
        row.median
        for name, row in rows.items()
        if name.startswith(f"{library}, ") and name.endswith(f": {work}")
    ]
    return max(rates, default=None)


def targets(rows: Mapping[str, Summary], words: int, megabytes: float) -> list[Target]:
    """Return the promises: rates beside each peer, and words looked up in a second."""
    found = []
    for work in WORKS:
        ours = best(rows, OURS, work)
        for peer in (KERAS, SKLEARN):
            theirs = best(rows, peer, work)
            if ours is not None and theirs is not None:
                found.append(Target(f"{work}: rate beside {peer}", ours / theirs, WANTED, at_least=True))
    rate = best(rows, OURS, "transform")
    if rate is not None:
        millions = rate * words / megabytes / 1e6
        found.append(Target("million words looked up in a second", millions, WANTED_WORDS, True, ""))
    return found


def show(rows: Mapping[str, Summary]) -> None:
    """Print the table."""
    lines = [[name, f"{row.median:.1f}", f"{row.lower:.1f} - {row.upper:.1f}"] for name, row in rows.items()]
    print(table(["side", "MB/s", "quartiles"], lines))


def main() -> int:
    """Measure all sides in turns."""
    parser = arguments(__doc__, 5)
    parser.add_argument("--megabytes", type=float, default=100.0)
    options = parser.parse_args()
    facts = machine_facts()
    children: dict[str, Child] = {}
    failures: dict[str, str] = {}
    openings: dict[str, dict[str, int]] = {}
    try:
        for side in sides(options.megabytes):
            child = Child(side)
            try:
                openings[side.name] = child.hear(LIMIT_SECONDS)
                children[side.name] = child
            except SideFailedError as failure:
                failures[side.name] = str(failure)
                child.close()

        def measure(name: str) -> float:
            side, _, work = name.rpartition(": ")
            return options.megabytes / float(children[side].ask({"what": work}, LIMIT_SECONDS)["seconds"])

        names = [f"{side}: {work}" for side in children for work in WORKS]
        values, lost = take_turns(names, measure, options.rounds)
    finally:
        for child in children.values():
            child.close()
    rows = {name: summarize(got) for name, got in values.items()}
    show(rows)
    words = next((found["transform"] for side, found in openings.items() if side.startswith(OURS)), 0)
    judged = targets(rows, words, options.megabytes)
    publish(
        "text_vectorization",
        facts,
        rows,
        failures | lost,
        judged,
        unit="megabytes per second",
        megabytes=options.megabytes,
        openings=openings,
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
