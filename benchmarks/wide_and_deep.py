"""What does an epoch of a wide-and-deep model cost, beside Keras and PyTorch?

UCI's Adult, 32,561 rows in a new random order each epoch, batches of 256: a linear model of 8 columns of
words and 5 crosses of them (1,000 buckets each), and a network (64, 32) of 5 numbers and the words embedded
in 8 numbers each; binary cross-entropy, accuracy, Adam, float32. A figure is the time from one end of an
epoch to the next.

From ``strings``: streamfit reads hive-partitioned Parquet in every epoch, and looks words up and crosses them
in the model, or (``categories``) has the reader make integers of words, which the model crosses. The peers
have the words in memory: Keras looks them up and crosses them by its layers, batch by batch in tf.data or all
rows at the beginning of an epoch (``whole``); PyTorch all rows, in dictionaries. From ``integers``: the words
were looked up before; streamfit reads Parquet of them in every epoch, the peers have arrays. ``arrays`` is
streamfit on arrays, too. A peer's row is its fastest variant; all are in the JSON. Run with
``STREAMFIT_PEERS_PYTHON`` naming the interpreter that has the peers (see README.md in this folder).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
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
from step_overhead import Field, disagreements, fastest, group

LIMIT = 3.0
OURS = {"strings": "streamfit from strings", "integers": "streamfit from integers"}
ARRAYS = "streamfit from arrays"


def contenders(folder: Path) -> list[Side]:
    """Return every variant of every side."""

    def side(python: str, script: str, name: str, *more: str, **variables: str) -> Side:
        kind, *rest = more
        return Side(name, (python, str(HERE / "peers" / script), kind, str(folder), *rest), variables)

    ours, peers = sys.executable, peers_python()
    found = []
    for row, kind in (
        (OURS["strings"], "strings"),
        (OURS["strings"], "categories"),
        (OURS["integers"], "integers"),
        (ARRAYS, "arrays"),
    ):
        found.append(side(ours, "wide_and_deep_streamfit.py", f"{row}: {kind}", kind))
    for backend, label in (("jax", "JAX"), ("tensorflow", "TensorFlow")):
        for kind in ("strings", "whole", "integers"):
            for steps in ("1", "16"):
                row = f"Keras on {label} from {'integers' if kind == 'integers' else 'strings'}"
                name = f"{row}: {kind}, {steps} steps per execution"
                more = (kind, "--steps-per-execution", steps)
                quiet = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
                found.append(side(peers, "wide_and_deep_keras.py", name, *more, **quiet))
    for kind in OURS:
        for options in ((), ("--threads", "2"), ("--compile", "model"), ("--compile", "step")):
            name = f"PyTorch from {kind}: {' '.join(options)}"
            found.append(side(peers, "wide_and_deep_torch.py", name, kind, *options))
    return found


def targets(rows: Mapping[str, Summary]) -> list[Target]:
    """Return the promise for both kinds of data."""
    found = []
    for kind, ours in OURS.items():
        rivals = {name: row.median for name, row in rows.items() if name.endswith(kind) and name != ours}
        if ours in rows and rivals:
            first = min(rivals, key=lambda name: rivals[name])
            what = f"fastest peer ({first}) beside {ours}"
            found.append(Target(what, rivals[first] / rows[ours].median, LIMIT, at_least=True))
    return found


def show(rows: Mapping[str, Summary], chosen: Mapping[str, str], openings: Mapping[str, Any]) -> None:
    """Print the table, fastest first."""
    lines = []
    for name, row in sorted(rows.items(), key=lambda pair: pair[1].median):
        third = openings[chosen[name]]["third_epoch"]
        times = f"{row.lower:.1f} - {row.upper:.1f}"
        loss, accuracy = f"{third['loss']:.4f}", f"{third['accuracy']:.4f}"
        lines.append([chosen[name].rstrip(": "), f"{row.median:.1f}", times, loss, accuracy])
    print(table(["side", "ms per epoch", "quartiles", "loss, epoch 3", "accuracy"], lines))


def prepare(csv: Path, folder: Path) -> int:
    """Write the table in all its forms; return the number of steps of an epoch."""
    sys.path.insert(0, str(HERE / "peers"))
    sys.path.insert(0, str(ROOT))
    from wide_and_deep_common import BINS, CROSSES, Table, read_csv, write, write_integers

    from streamfit.layers import HashedCrossing

    columns, cross = read_csv(csv), HashedCrossing(BINS)
    buckets = [cross([columns[name] for name in names]) for names in CROSSES]
    write(folder, columns, np.stack(buckets, 1))
    write_integers(folder)
    return Table(str(folder)).steps


def main() -> int:
    """Screen all variants, then measure the fastest of every row side by side."""
    parser = arguments(__doc__, 9)
    beside = ROOT.parent / "shared" / "data" / "adult-train.csv"
    parser.add_argument("--csv", type=Path, default=beside, help="UCI's adult.data")
    parser.add_argument("--screening-rounds", type=int, default=2)
    parser.add_argument("--only", default="", help="only sides whose name contains one of these, with commas")
    options = parser.parse_args()
    if not options.csv.exists():
        parser.error(f"there is no {options.csv}: name UCI's adult.data with --csv")
    facts, wanted = machine_facts(), [word for word in options.only.split(",") if word]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps = prepare(options.csv, folder)
        sides = [side for side in contenders(folder) if not wanted or any(w in side.name for w in wanted)]
        turns = Field(sides)
        try:
            screened, failed = take_turns(
                list(turns.children), turns.measure, options.screening_rounds, seed=1
            )
            chosen = fastest(screened)
            turns.keep(list(chosen.values()))
            values, lost = take_turns(list(chosen.values()), turns.measure, options.rounds, seed=2)
        finally:
            turns.close()
    per_epoch = {name: [value * steps / 1000 for value in got] for name, got in values.items()}
    rows = {group(name): summarize(got) for name, got in per_epoch.items()}
    show(rows, chosen, turns.openings)
    judged = targets(rows)
    publish(
        "wide_and_deep",
        facts,
        rows,
        {**turns.failures, **failed, **lost, **disagreements(turns.openings)},
        judged,
        unit="milliseconds per epoch",
        steps=steps,
        chosen=chosen,
        screening={name: summarize(got).median * steps / 1000 for name, got in screened.items()},
        openings=turns.openings,
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
