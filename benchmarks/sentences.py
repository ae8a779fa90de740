"""What does an epoch of text classification cost, from strings?

A million generated sentences of 20 words, drawn by Zipf's law from a vocabulary of 100,000; an embedding of
64 numbers averaged over the words, 16 hidden units, one output, binary cross-entropy, Adam, batches of 512,
float32. A figure is the time of one whole epoch from strings in memory: words are split and looked up in the
epoch, and no side keeps their numbers. The vocabulary is given, sentences are not shuffled, and no side
standardizes them; what is compiled was compiled before. A side is started anew for each of its turns, since
all together need much memory.

``Adam`` gives each row of the table the numbers of dense training, as the peers' ``Adam`` does; ``LazyAdam``
leaves rows that a batch does not read, as PyTorch's ``SparseAdam`` does. fastText is a mark, not a peer: its
rule is SGD, and it reads the file. Run with ``STREAMFIT_PEERS_PYTHON`` naming the interpreter that has the
peers (see README.md in this folder), and ``STREAMFIT_FASTTEXT_PYTHON`` that which has ``fasttext-wheel``;
``--cores`` says on how many cores.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import (
    HERE,
    Child,
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

START_LIMIT, EPOCH_LIMIT = 600.0, 1200.0
ADAM, LAZY, MARK = "streamfit Adam", "streamfit LazyAdam", "fastText SGD"
SPARSE = "PyTorch SparseAdam"


def contenders(cores: int) -> list[Side]:
    """Return every variant of every side; the file of sentences follows the kind in the command."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    found = [
        Side(f"streamfit {kind}", (sys.executable, "sentences_streamfit.py", kind))
        for kind in ("Adam", "LazyAdam")
    ]
    for backend, label in (("jax", "JAX"), ("tensorflow", "TensorFlow")):
        for kind in ("vectorization", "lookup"):
            for steps in (1, 16):
                name = f"Keras on {label}: {kind}, {steps} steps per execution"
                command = (peers_python(), "sentences_keras.py", kind, "--steps-per-execution", str(steps))
                found.append(Side(name, command, {"KERAS_BACKEND": backend, **quiet}))
    for kind in ("SparseAdam", "Adam"):
        for workers in range(cores):
            name = f"PyTorch {kind}: {workers} workers"
            command = (peers_python(), "sentences_torch.py", kind, "--workers", str(workers))
            found.append(Side(name, command))
    fasttext = os.environ.get("STREAMFIT_FASTTEXT_PYTHON", peers_python())
    return [*found, Side(f"{MARK}:", (fasttext, "sentences_fasttext.py", "SGD"))]


def group(name: str) -> str:
    """Return the row that a variant belongs to."""
    return name.split(":")[0]


class Turns:
    """Starts a side for each of its turns.

    Attributes:
        answers: What each side has answered last.
    """

    def __init__(self, sides: list[Side], file: Path) -> None:
        self.sides = {side.name: side for side in sides}
        self.answers: dict[str, dict[str, Any]] = {}
        self._file = file

    def measure(self, name: str) -> float:
        """Start a side, let it train one epoch, and return the seconds of that."""
        side = self.sides[name]
        python, script, kind, *more = side.command
        command = (python, str(HERE / "peers" / script), kind, str(self._file), *more)
        child = Child(Side(name, command, side.environment))
        try:
            opening = child.hear(START_LIMIT)
            self.answers[name] = {**opening, **child.ask({}, EPOCH_LIMIT)}
        finally:
            child.close()
        seconds: float = self.answers[name]["seconds"]
        return seconds


def disagreements(answers: Mapping[str, Mapping[str, Any]], tolerance: float = 0.05) -> dict[str, str]:
    """Return the sides whose loss is far from the median: they do not solve the same problem."""
    losses = {name: answer["loss"] for name, answer in answers.items() if answer["loss"] is not None}
    middle = statistics.median(losses.values()) if losses else 0.0
    return {
        name: f"loss {loss:.4f} in the epoch, the median of all sides is {middle:.4f}"
        for name, loss in losses.items()
        if not abs(loss - middle) <= tolerance * middle
    }


def targets(rows: Mapping[str, Summary]) -> list[Target]:
    """Return the promises that can be judged from the rows at hand."""
    found: list[Target] = []
    peers = {name: row.median for name, row in rows.items() if name not in (ADAM, LAZY, MARK)}
    if ADAM in rows and peers:
        first = min(peers, key=lambda name: peers[name])
        ratio = peers[first] / rows[ADAM].median
        found.append(Target(f"fastest peer ({first}) beside streamfit's Adam", ratio, 3.0, at_least=True))
    if LAZY in rows and SPARSE in rows:
        ratio = rows[SPARSE].median / rows[LAZY].median
        found.append(Target("PyTorch's SparseAdam beside LazyAdam, the same rule", ratio, 3.0, at_least=True))
    if ADAM in rows and MARK in rows:
        ratio = rows[MARK].median / rows[ADAM].median
        found.append(Target("fastText beside streamfit's Adam", ratio, 0.7, at_least=True))
    return found


def show(
    rows: Mapping[str, Summary], chosen: Mapping[str, str], answers: Mapping[str, Mapping[str, Any]]
) -> None:
    """Print the table, fastest first."""
    lines = []
    for name, row in sorted(rows.items(), key=lambda pair: pair[1].median):
        answer = answers[chosen[name]]
        loss = "" if answer["loss"] is None else f"{answer['loss']:.4f}"
        times = f"{row.lower:.2f} - {row.upper:.2f}"
        lines.append(
            [chosen[name].rstrip(":"), f"{row.median:.2f}", times, f"{answer['processor']:.2f}", loss]
        )
    print(table(["side", "s per epoch", "quartiles", "processor s", "loss"], lines))


def main() -> int:
    """Measure all sides in turns, each on the same cores."""
    parser = arguments(__doc__, 1)
    parser.add_argument("--sentences", type=int, default=1_000_000)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--only", default="", help="only sides whose name contains one of these, with commas")
    options = parser.parse_args()
    allowed = sorted(os.sched_getaffinity(0))
    if not 1 <= options.cores <= len(allowed):
        parser.error(f"--cores must lie in [1, {len(allowed)}], got {options.cores}")
    facts = machine_facts()
    os.sched_setaffinity(0, allowed[: options.cores])
    wanted = [word for word in options.only.split(",") if word]
    sides = [
        side for side in contenders(options.cores) if not wanted or any(word in side.name for word in wanted)
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sentences.txt")
        sys.path.insert(0, str(HERE / "peers"))
        from sentences_common import write

        write(file, options.sentences)
        turns = Turns(sides, file)
        values, failed = take_turns(list(turns.sides), turns.measure, options.rounds)
    chosen: dict[str, str] = {}
    for name in sorted(values, key=lambda name: statistics.median(values[name])):
        chosen.setdefault(group(name), name)
    rows = {row: summarize(values[name]) for row, name in chosen.items()}
    show(rows, chosen, turns.answers)
    judged = targets(rows)
    publish(
        f"sentences_{options.cores}_cores",
        {**facts, "cores": options.cores},
        rows,
        {**failed, **disagreements(turns.answers)},
        judged,
        unit="seconds per epoch",
        sentences=options.sentences,
        chosen=chosen,
        variants={name: summarize(got).median for name, got in values.items()},
        answers=turns.answers,
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
