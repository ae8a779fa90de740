"""Does a model train as fast from Parquet files as from arrays in memory?

Tables of 24 columns of float32 and a target, batches of 256 rows, shuffled. A network of 256 and 256 units,
whose steps take longer than a loader needs, and a linear model, whose steps do not: each once with a matrix
as input and once with an input for each column. Files are read by one thread beside the steps. Each figure is
the wall time of `fit` for one pass, and the processor time of the program beside it, which does not depend on
what else runs on the machine; kernels are compiled and files are in the page cache before. The promise is
about the network.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness import ROOT, Target, arguments, exit_code, machine_facts, publish, summarize, table, take_turns

sys.path.insert(0, str(ROOT / "examples"))
sys.path.insert(0, str(ROOT))

import numpy as np
from bigger_than_memory import COLUMNS, write_files

import streamfit as sf
from streamfit import files, layers

BATCH, SHARE = 256, 0.9
MODELS, FORMS, PLACES = ("network", "linear"), ("matrix", "columns"), ("memory", "files")


def build(kind: str, form: str) -> sf.Model:
    """Return a compiled model."""
    if form == "matrix":
        inputs = layers.Input((len(COLUMNS),), name="x")
        values = inputs
    else:
        inputs = {name: layers.Input((1,), name=name) for name in COLUMNS}
        values = layers.Concatenate()(list(inputs.values()))
    for units in (256, 256) if kind == "network" else ():
        values = layers.Dense(units, activation="relu")(values)
    model = sf.Model(inputs, layers.Dense(1)(values))
    model.compile("adam", "mse")
    return model


def fits(folder: Path) -> dict[str, Callable[[], object]]:
    """Return for each side a function that fits its model to one pass."""
    import pyarrow.parquet as pq

    whole = pq.read_table(folder)
    columns = {name: whole[name].to_numpy() for name in COLUMNS}
    target = whole["target"].to_numpy()
    data = {"matrix": {"x": np.stack(list(columns.values()), axis=1)}, "columns": columns}
    asked = {"matrix": {"x": COLUMNS}, "columns": COLUMNS}

    def side(model: sf.Model, form: str, place: str) -> Callable[[], object]:
        if place == "memory":
            return lambda: model.fit(data[form], target, batch_size=BATCH, seed=1, verbose=0)
        made = files.parquet(folder, columns=asked[form], target="target").shuffle().batch(BATCH)
        return lambda: model.fit(made, workers=1, seed=1, verbose=0)

    found = {}
    for kind in MODELS:
        for form in FORMS:
            model = build(kind, form)
            found |= {f"{kind}, {form}, {place}": side(model, form, place) for place in PLACES}
    return found


def main() -> int:
    """Measure all sides in turns."""
    parser = arguments(__doc__, 5)
    parser.add_argument("--gigabytes", type=float, default=0.1)
    options = parser.parse_args()
    facts = machine_facts()
    processor: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as made:
        write_files(Path(made), options.gigabytes)
        sides = fits(Path(made))
        for fit in sides.values():
            fit()

        def measure(side: str) -> float:
            begun, used = time.perf_counter(), sum(os.times()[:2])
            sides[side]()
            seconds = time.perf_counter() - begun
            processor.setdefault(side, []).append(sum(os.times()[:2]) - used)
            return seconds

        values, failures = take_turns(list(sides), measure, options.rounds)
    walls = {side: summarize(found) for side, found in values.items()}
    works = {side: summarize(found) for side, found in processor.items()}
    pairs = [f"{kind}, {form}" for kind in MODELS for form in FORMS]
    speed = {pair: walls[f"{pair}, memory"].median / walls[f"{pair}, files"].median for pair in pairs}
    work = {pair: works[f"{pair}, memory"].median / works[f"{pair}, files"].median for pair in pairs}
    lines = [
        [
            pair,
            *(f"{walls[f'{pair}, {place}'].median:.2f}" for place in PLACES),
            f"{speed[pair]:.0%}",
            f"{work[pair]:.0%}",
        ]
        for pair in pairs
    ]
    print(table(["", "memory [s]", "files [s]", "speed from files", "by processor time"], lines))
    judged = [
        Target(f"{pair}: speed from files", speed[pair], SHARE, at_least=True)
        for pair in pairs
        if pair.startswith("network")
    ]
    publish("files_or_memory", facts, walls, failures, judged, processor_seconds=work, unit="seconds a pass")
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
