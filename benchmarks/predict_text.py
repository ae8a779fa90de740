"""What does a prediction of one string cost, with a small model?

Words of a vocabulary of 10,000, the mean of their 32-dimensional vectors, 16 units, 1 output; a string of ten
words. Each side is a process that stays warm; a figure is the median of its calls in a turn. Run with
``STREAMFIT_PEERS_PYTHON`` naming the interpreter that has the peers (see README.md in this folder).
"""

from __future__ import annotations

import sys

from harness import (
    HERE,
    Child,
    Side,
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

OURS, BATCH = "streamfit, predict", "streamfit, predict_on_batch"
KERAS, CALL, TORCH = "Keras on TensorFlow, predict", "Keras on TensorFlow, call", "PyTorch, bare call"
START_LIMIT, LIMIT = 120.0, 120.0


def sides() -> list[Side]:
    """Return all sides."""
    script, quiet = str(HERE / "peers" / "predict_text.py"), {"TF_CPP_MIN_LOG_LEVEL": "3"}
    keras = {"KERAS_BACKEND": "tensorflow", **quiet}
    return [
        Side(OURS, (sys.executable, script, "predict")),
        Side(BATCH, (sys.executable, script, "predict_on_batch")),
        Side(KERAS, (peers_python(), script, "keras"), keras),
        Side(CALL, (peers_python(), script, "keras-call"), keras),
        Side(TORCH, (peers_python(), script, "torch")),
    ]


def main() -> int:
    """Measure all sides in turns, print the table and publish."""
    options = arguments(__doc__, 7).parse_args()
    children = {side.name: Child(side) for side in sides()}
    try:
        for child in children.values():
            child.hear(START_LIMIT)
        values, failed = take_turns(
            list(children),
            lambda name: float(children[name].ask({}, LIMIT)["microseconds"]),
            options.rounds,
            seed=1,
        )
    finally:
        for child in children.values():
            child.close()
    rows = {name: summarize(got) for name, got in values.items()}
    print(table(["side", "µs"], [[name, f"{row.median:.1f}"] for name, row in rows.items()]))
    targets = [
        Target("Keras' predict beside ours", rows[KERAS].median / rows[OURS].median, 5.0, at_least=True),
        Target(
            "a bare call in PyTorch beside ours", rows[TORCH].median / rows[OURS].median, 1.0, at_least=True
        ),
    ]
    publish("predict_text", machine_facts(), rows, failed, targets, unit="microseconds a call")
    return exit_code(options, targets)


if __name__ == "__main__":
    sys.exit(main())
