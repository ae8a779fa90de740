"""What does a pipeline of stages cost, beside PyTorch's DataLoader and Grain, and beside fewer stages?

* ``per batch`` and ``per sample``: 20,000 rows of 1,000 float32, shuffled, in batches of 128, a cheap NumPy
  function on each batch or on each row, two worker processes.
* ``four stages`` beside ``one stage`` that does all four, two worker processes.
* ``made``: batches of 64x224x224x3 float32, each made by a fresh copy in code of the user's: by one worker
  process, into memory of its own or (``made in place``) into what `streamfit.empty` returns, beside the same
  without workers.
* ``fit``: `fit` on arrays through ``.shuffle().batch()`` beside `fit` on the same arrays.

A figure is time per batch in the steady state (for ``fit``: time of three epochs). Peers run with persistent
workers and with 4, 10 or 32 batches ahead, the best of which counts.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
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

COUNTS = {"per batch": 600, "per sample": 300, "one stage": 600, "four stages": 600}
LARGE = 60
LIMIT_SECONDS = 180.0
OURS, TORCH, GRAIN = "streamfit", "PyTorch", "Grain"


def side(name: str, peer: str, work: str, workers: int, ahead: int) -> Side:
    """Return one contender."""
    python = sys.executable if peer == "streamfit" else peers_python()
    path = str(HERE / "peers" / f"pipeline_{peer}.py")
    return Side(name, (python, path, "--work", work, "--workers", str(workers), "--ahead", str(ahead)))


def contest(sides: list[Side], count: int, rounds: int) -> tuple[dict[str, Summary], dict[str, str]]:
    """Measure sides in turns; return microseconds per batch by name, and failures."""
    children: dict[str, Child] = {}
    failures: dict[str, str] = {}
    try:
        for one in sides:
            child = Child(one)
            try:
                child.hear(LIMIT_SECONDS)
                children[one.name] = child
            except SideFailedError as failure:
                failures[one.name] = str(failure)
                child.close()

        def measure(name: str) -> float:
            time.sleep(0.2)
            return float(children[name].ask({"batches": count}, LIMIT_SECONDS)["seconds"]) * 1e6

        values, lost = take_turns(list(children), measure, rounds)
    finally:
        for child in children.values():
            child.close()
    return {name: summarize(got) for name, got in values.items()}, failures | lost


def against_peers(work: str) -> list[Side]:
    """Return ours and each peer with several numbers of batches ahead."""
    peers = [("torch", TORCH), ("grain", GRAIN)]
    return [
        side(OURS, "streamfit", work, 2, 10),
        *[side(f"{name}: {ahead}", peer, work, 2, ahead) for peer, name in peers for ahead in (4, 10, 32)],
    ]


def best(rows: dict[str, Summary], name: str) -> float:
    """Return the best median of the variants of a side."""
    return min(found.median for row, found in rows.items() if row.partition(":")[0] == name)


def fit_seconds(rounds: int) -> dict[str, Summary]:
    """Time `fit` on arrays with and without stages, in turns."""
    import streamfit
    from streamfit import Sequential, layers

    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 32)).astype(np.float32)
    y = (x.sum(1, keepdims=True) > 0).astype(np.float32)

    def model() -> Any:
        made = Sequential(
            [layers.Input((32,)), layers.Dense(64, activation="relu"), layers.Dense(1, activation="sigmoid")]
        )
        made.compile(optimizer="adam", loss="binary_crossentropy")
        return made

    models = {"fit, arrays": model(), "fit, stages": model()}

    def measure(name: str) -> float:
        begin = time.perf_counter()
        if name == "fit, arrays":
            models[name].fit(x, y, batch_size=32, epochs=3, verbose=0)
        else:
            models[name].fit(streamfit.source(x, y).shuffle().batch(32), epochs=3, verbose=0)
        return (time.perf_counter() - begin) * 1e6

    for name in models:
        measure(name)
    values, _ = take_turns(list(models), measure, rounds)
    return {name: summarize(got) for name, got in values.items()}


def main() -> int:
    """Run all contests and publish what they gave."""
    chosen = arguments(__doc__, 7).parse_args()
    facts = machine_facts()
    summaries: dict[str, Summary] = {}
    failures: dict[str, str] = {}
    promises: list[Target] = []

    def take(title: str, sides: list[Side], count: int) -> dict[str, Summary]:
        rows, lost = contest(sides, count, chosen.rounds)
        failures.update({f"{title}: {name}": words for name, words in lost.items()})
        return show(title, rows)

    def show(title: str, rows: dict[str, Summary]) -> dict[str, Summary]:
        summaries.update({f"{title}: {name}": found for name, found in rows.items()})
        lines = [
            [name, f"{found.median:.1f}", f"{found.lower:.1f} - {found.upper:.1f}"]
            for name, found in rows.items()
        ]
        print(f"\n{title}")
        print(table(["side", "us per batch", "quartiles"], lines), flush=True)
        return rows

    for work, wanted in (("per batch", 2.0), ("per sample", 1.5)):
        rows = take(work, against_peers(work), COUNTS[work])
        for name in (TORCH, GRAIN):
            if any(row.startswith(name) for row in rows):
                ratio = best(rows, name) / rows[OURS].median
                promises.append(Target(f"{name} beside streamfit, map {work}", ratio, wanted, at_least=True))
    stages = ("one stage", "four stages")
    rows = take("stages", [side(work, "streamfit", work, 2, 10) for work in stages], COUNTS["one stage"])
    promises.append(Target("four stages beside one", rows[stages[1]].median / rows[stages[0]].median, 1.3))
    made = {"without workers": ("made", 0), "copied": ("made", 1), "in place": ("made in place", 1)}
    rows = take("made", [side(name, "streamfit", *how, 10) for name, how in made.items()], LARGE)
    for name, wanted in (("in place", 0.9),):
        rate = rows["without workers"].median / rows[name].median
        promises.append(Target(f"rate of one worker beside none, {name}", rate, wanted, at_least=True))
    rows = show("fit", fit_seconds(chosen.rounds))
    ratio = rows["fit, stages"].median / rows["fit, arrays"].median
    promises.append(Target("fit through .shuffle().batch() beside plain arrays", ratio, 1.1))
    publish("pipeline", facts, summaries, failures, promises)
    return exit_code(chosen, promises)


if __name__ == "__main__":
    sys.exit(main())
