"""What does one training step cost, beside the limit and beside the peers?

`fit` on in-memory arrays: 8192 samples, a 32-64-2 network (relu, softmax), sparse categorical cross-entropy,
Adam, accuracy, batches of 32, shuffled again each epoch, float32. A figure is the whole time between two ends
of epochs over the number of steps, so shuffling, metrics and callbacks are in it. A peer's row is its fastest
variant; all variants are in the JSON. Run with ``STREAMFIT_PEERS_PYTHON`` naming the interpreter that has the
peers (see README.md in this folder).
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

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

SECONDS = 0.4
SETTLE = 0.15
START_LIMIT, ROUND_LIMIT = 240.0, 120.0
OURS, LIMIT, NOTE = "streamfit fit", "hand-fused Numba epoch", "JAX lax.scan epoch (note)"
WHOLE = "PyTorch step as one graph"
PEERS = ("Keras on JAX", "Keras on TensorFlow", "Keras on torch", "PyTorch loop", WHOLE)


def script(python: str, name: str, *options: str) -> tuple[str, ...]:
    """Return the command that runs one of the peers' scripts."""
    return (python, str(HERE / "peers" / name), *options)


def keras(backend: str, *options: str) -> Side:
    """Return Keras' `fit` on a backend with some options."""
    label = {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "torch"}[backend]
    name = f"Keras on {label}: {' '.join(options) or 'defaults'}"
    quiet = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return Side(name, script(peers_python(), "keras_fit.py", *options), quiet)


def torch(*options: str) -> Side:
    """Return the plain PyTorch loop with some options."""
    return Side(f"PyTorch loop: {' '.join(options)}", script(peers_python(), "torch_loop.py", *options))


def contenders(ours: bool) -> list[Side]:
    """Return every variant of every side."""
    sides = [
        Side(f"{LIMIT}: {kind}", script(sys.executable, "hand_fused.py", kind))
        for kind in ("loops", "fixed", "dot")
    ]
    sides += [
        keras("jax"),
        keras("jax", "--steps-per-execution", "16"),
        keras("jax", "--steps-per-execution", "64"),
        keras("jax", "--steps-per-execution", "256"),
        keras("tensorflow"),
        keras("tensorflow", "--jit-compile", "yes"),
        keras("tensorflow", "--jit-compile", "yes", "--steps-per-execution", "16"),
        keras("tensorflow", "--jit-compile", "yes", "--steps-per-execution", "64"),
        keras("torch"),
        keras("torch", "--jit-compile", "yes", "--threads", "1"),
        torch("--adam", "fused", "--threads", "1"),
        torch("--adam", "fused", "--threads", "2"),
        torch("--adam", "foreach", "--threads", "1"),
        torch("--adam", "fused", "--threads", "1", "--compile", "model"),
        torch("--adam", "foreach", "--threads", "1", "--compile", "step"),
        Side(WHOLE, script(peers_python(), "torch_whole_step.py")),
        Side(NOTE, script(peers_python(), "jax_scan.py")),
    ]
    return [*([Side(OURS, script(sys.executable, "streamfit_fit.py"))] if ours else []), *sides]


class Field:
    """All sides at once: each is a warm child process that trains in its turn and sleeps otherwise."""

    def __init__(self, sides: Sequence[Side]) -> None:
        self.children: dict[str, Child] = {}
        self.failures: dict[str, str] = {}
        self.openings: dict[str, dict[str, Any]] = {}
        for side in sides:
            self._start(side)

    def _start(self, side: Side) -> None:
        child = Child(side)
        try:
            self.openings[side.name] = child.hear(START_LIMIT)
            self.children[side.name] = child
        except SideFailedError as failure:
            self.failures[side.name] = str(failure)
            child.close()

    def measure(self, name: str) -> float:
        """Give one side its turn; return its median microseconds per step."""
        time.sleep(SETTLE)
        answer = self.children[name].ask({"seconds": SECONDS, "fewest": 3}, ROUND_LIMIT)
        per_step: list[float] = answer["per_step"]
        return statistics.median(per_step) * 1e6

    def keep(self, names: Sequence[str]) -> None:
        """Close every child that is not in ``names``."""
        for name in [name for name in self.children if name not in names]:
            self.children.pop(name).close()

    def close(self) -> None:
        """Close all children."""
        self.keep([])


def group(name: str) -> str:
    """Return the row a variant belongs to."""
    return name.split(":")[0]


def fastest(values: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """Return the fastest variant of every row."""
    best: dict[str, str] = {}
    for name in sorted(values, key=lambda name: statistics.median(values[name])):
        best.setdefault(group(name), name)
    return best


def targets(rows: Mapping[str, Summary]) -> list[Target]:
    """Return the promises that can be judged from the rows at hand."""
    if OURS not in rows:
        return []
    ours = rows[OURS].median
    found = []
    if LIMIT in rows:
        found.append(Target("streamfit beside the hand-fused epoch", ours / rows[LIMIT].median, 1.5))
    rivals = {name: rows[name].median for name in PEERS if name in rows}
    if rivals:
        first = min(rivals, key=lambda name: rivals[name])
        found.append(
            Target(f"fastest peer ({first}) beside streamfit", rivals[first] / ours, 5.0, at_least=True)
        )
    return found


def show(
    rows: Mapping[str, Summary], chosen: Mapping[str, str], openings: Mapping[str, dict[str, Any]]
) -> None:
    """Print the table, fastest first."""
    base = rows.get(OURS) or rows.get(LIMIT)
    assert base is not None
    lines = []
    for name, summary in sorted(rows.items(), key=lambda row: row[1].median):
        third = openings[chosen[name]]["third_epoch"]
        lines.append(
            [
                chosen[name],
                f"{summary.median:.2f}",
                f"{summary.lower:.2f} - {summary.upper:.2f}",
                f"{summary.median / base.median:.2f}",
                f"{third['loss']:.4f}",
                f"{third['accuracy']:.4f}",
            ]
        )
    against = "streamfit" if OURS in rows else "the limit"
    print(table(["side", "us per step", "quartiles", f"x {against}", "loss, epoch 3", "accuracy"], lines))


def disagreements(openings: Mapping[str, dict[str, Any]], tolerance: float = 0.03) -> dict[str, str]:
    """Return the sides whose third epoch is far from the median loss: they do not solve the same problem."""
    losses = {name: opening["third_epoch"]["loss"] for name, opening in openings.items()}
    if not losses:
        return {}
    middle = statistics.median(losses.values())
    return {
        name: f"loss {loss:.4f} after three epochs, the median of all sides is {middle:.4f}"
        for name, loss in losses.items()
        if not abs(loss - middle) <= tolerance * middle
    }


def main() -> int:
    """Screen all variants, then measure the fastest of every row side by side."""
    parser = arguments(__doc__, 15)
    parser.add_argument("--screening-rounds", type=int, default=3)
    parser.add_argument(
        "--without-streamfit", action="store_true", help="measure the limit and the peers only"
    )
    parser.add_argument(
        "--only", default="", help="measure only the sides whose name contains one of these, with commas"
    )
    options = parser.parse_args()
    facts = machine_facts()
    wanted = [word for word in options.only.split(",") if word]
    sides = [
        side
        for side in contenders(ours=not options.without_streamfit)
        if not wanted or any(word in side.name for word in wanted)
    ]
    turns = Field(sides)
    try:
        screened, failed = take_turns(list(turns.children), turns.measure, options.screening_rounds, seed=1)
        chosen = fastest(screened)
        turns.keep(list(chosen.values()))
        values, lost = take_turns(list(chosen.values()), turns.measure, options.rounds, seed=2)
    finally:
        turns.close()
    rows = {group(name): summarize(got) for name, got in values.items()}
    show(rows, chosen, turns.openings)
    judged = targets(rows)
    publish(
        "step_overhead" if OURS in rows else "step_overhead_peers",
        facts,
        rows,
        {**turns.failures, **failed, **lost, **disagreements(turns.openings)},
        judged,
        unit="microseconds per training step",
        chosen=chosen,
        screening={name: summarize(got).median for name, got in screened.items()},
        openings=turns.openings,
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
