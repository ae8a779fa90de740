"""How long from the start of a process to the first prediction of a saved model?

Every figure is the wall-clock time of a whole process: import, `load_model`, one prediction of one sample,
exit. The model (784-128-10 units, compiled with Adam, trained for a step) was saved by the library that
loads it. Caches are filled, as after the first run on a machine: kernels here, compiled programs in JAX.
Keras does not see optional packages that it would import. Run with ``STREAMFIT_PEERS_PYTHON`` naming the
interpreter that has the peers.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from harness import (
    HERE,
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
    wall_time,
)

OURS = "streamfit, load_model and predict"
KERAS = {
    "predict": ("Keras on JAX, load_model and predict", ()),
    "call": ("Keras on JAX, load_model and call", ("--call",)),
}
LIMIT = 120.0


def sides(scratch: Path) -> list[Side]:
    """Save the models and return the sides that load them."""
    ours, theirs = str(scratch / "model.streamfit"), str(scratch / "model.keras")
    cache = {"NUMBA_CACHE_DIR": str(scratch / "kernels")}
    jax = {
        "KERAS_BACKEND": "jax",
        "JAX_COMPILATION_CACHE_DIR": str(scratch / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    hidden = ("--hide", "sklearn", "tensorflow", "torch")
    load, load_keras = str(HERE / "peers" / "load_streamfit.py"), str(HERE / "peers" / "load_keras.py")
    wall_time(Side("save", (sys.executable, load, "--save", ours), cache), LIMIT)
    wall_time(Side("save", (peers_python(), load_keras, theirs, "--save", *hidden), jax), LIMIT)
    found = [Side(OURS, (sys.executable, load, ours), cache)]
    for name, options in KERAS.values():
        found.append(Side(name, (peers_python(), load_keras, theirs, *options, *hidden), jax))
    return found


def main() -> int:
    """Measure in turns, print the table and publish."""
    options = arguments(__doc__, 7).parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        by_name = {side.name: side for side in sides(Path(scratch))}
        for side in by_name.values():  # fills caches
            wall_time(side, LIMIT)
        values, failed = take_turns(
            list(by_name), lambda name: wall_time(by_name[name], LIMIT), options.rounds, seed=1
        )
    rows = {name: summarize(got) for name, got in values.items()}
    print(table(["process", "seconds"], [[name, f"{row.median:.3f}"] for name, row in rows.items()]))
    peers = [rows[name].median for name, _ in KERAS.values() if name in rows]
    targets = [Target("Keras on JAX beside streamfit", min(peers) / rows[OURS].median, 5.0, at_least=True)]
    publish("saved_models", machine_facts(), rows, failed, targets, unit="seconds of a whole process")
    return exit_code(options, targets)


if __name__ == "__main__":
    sys.exit(main())
