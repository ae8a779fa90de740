"""How long until training starts: what does the import cost, and when is the first training step done?

Every figure is the wall-clock time of a whole process, from its start to its exit, in turns. "Warm" is with
the kernels in the disk cache (the state after the first run on a machine), "cold" with an empty one. The
peers' rows are their fastest variant; JAX may use its own persistent cache, so it is warm too, and Keras does
not see optional packages (other backends, scikit-learn) that it would import. Run with
``STREAMFIT_PEERS_PYTHON`` naming the interpreter that has the peers (see README.md in this folder).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import (
    HERE,
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
    wall_time,
)
from step_overhead import fastest, group

PYTHON, NUMPY, NUMBA, IMPORT = "python -c pass", "import numpy", "import numba", "import streamfit"
WARM, COLD = "streamfit, first step, warm", "streamfit, first step, cold"
KERAS = {
    "jax": "Keras on JAX, first step",
    "tensorflow": "Keras on TensorFlow, first step",
    "torch": "Keras on torch, first step",
}
TORCH = "PyTorch, first step (note)"
KERNEL = "Numba alone, one cached kernel (note)"
RUN_LIMIT, COLD_LIMIT = 120.0, 600.0


def first_step(name: str, python: str, script: str, *options: str, **variables: str) -> Side:
    """Return the side that runs one of the first-step scripts."""
    return Side(name, (python, str(HERE / "peers" / script), *options), variables)


def keras_sides(jax_cache: Path) -> list[Side]:
    """Return every variant of Keras' first step."""
    sides = []
    for backend, row in KERAS.items():
        variables = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if backend == "jax":
            variables |= {
                "JAX_COMPILATION_CACHE_DIR": str(jax_cache),
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            }
        hidden = ("--hide", "sklearn", *(other for other in KERAS if other != backend))
        for options in ((), ("--jit-compile", "no"), ("--eager",)):
            name = f"{row}: {' '.join(options) or 'defaults'}"
            sides.append(
                first_step(name, peers_python(), "first_step_keras.py", *options, *hidden, **variables)
            )
    return sides


def contenders(ours: bool, kernels: Path, jax_cache: Path) -> list[Side]:
    """Return every side but the cold one."""
    lines = [(PYTHON, "pass"), (NUMPY, NUMPY), (NUMBA, NUMBA)] + ([(IMPORT, IMPORT)] if ours else [])
    cache = {"NUMBA_CACHE_DIR": str(kernels)}
    sides = [Side(name, (sys.executable, "-c", line), cache) for name, line in lines]
    sides.append(first_step(KERNEL, sys.executable, "first_kernel.py", **cache))
    if ours:
        sides.append(first_step(WARM, sys.executable, "first_step_streamfit.py", **cache))
    return [*sides, *keras_sides(jax_cache), first_step(TORCH, peers_python(), "first_step_torch.py")]


def measure_cold(rounds: int, kernels: Path) -> tuple[list[float], dict[str, str]]:
    """Run the first step with an empty cache, each time a new one; the last one fills ``kernels``."""
    seconds = []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as empty:
            place = str(kernels) if number == rounds - 1 else empty
            side = first_step(COLD, sys.executable, "first_step_streamfit.py", NUMBA_CACHE_DIR=place)
            try:
                seconds.append(wall_time(side, COLD_LIMIT))
            except SideFailedError as failure:
                return [], {COLD: str(failure)}
    return seconds, {}


def targets(rows: Mapping[str, Summary]) -> list[Target]:
    """Return the promises that can be judged from the rows at hand."""
    found = []
    if IMPORT in rows:
        found.append(
            Target("import streamfit beside import numba", rows[IMPORT].median / rows[NUMBA].median, 1.5)
        )
    if WARM in rows:
        warm = rows[WARM].median
        found.append(Target("first step, warm, beside import numba", warm / rows[NUMBA].median, 2.5))
        for row in KERAS.values():
            if row in rows:
                found.append(Target(f"{row} beside streamfit's", rows[row].median / warm, 3.0, at_least=True))
    return found


def show(rows: Mapping[str, Summary], chosen: Mapping[str, str]) -> None:
    """Print the table, fastest first."""
    lines: Sequence[list[str]] = [
        [
            chosen.get(name, name),
            f"{summary.median:.3f}",
            f"{summary.lower:.3f} - {summary.upper:.3f}",
            f"{summary.median / rows[NUMBA].median:.2f}",
            str(summary.rounds),
        ]
        for name, summary in sorted(rows.items(), key=lambda row: row[1].median)
    ]
    print(table(["process", "seconds", "quartiles", "x import numba", "rounds"], lines))


def main() -> int:
    """Measure cold, which warms the cache; screen the variants; then measure the fastest side by side."""
    parser = arguments(__doc__, 11)
    parser.add_argument("--screening-rounds", type=int, default=2)
    parser.add_argument("--cold-rounds", type=int, default=3)
    parser.add_argument("--without-streamfit", action="store_true", help="measure the peers only")
    options = parser.parse_args()
    facts, ours = machine_facts(), not options.without_streamfit
    with tempfile.TemporaryDirectory() as scratch:
        kernels, jax_cache = Path(scratch) / "kernels", Path(scratch) / "jax"
        kernels.mkdir()
        cold, failed = measure_cold(options.cold_rounds, kernels) if ours else ([], {})
        sides = {side.name: side for side in contenders(ours, kernels, jax_cache)}
        screened, poor = take_turns(
            list(sides), lambda name: wall_time(sides[name], RUN_LIMIT), 1 + options.screening_rounds, seed=1
        )
        # The first round of screening fills file and compilation caches, so it does not count.
        chosen = fastest({name: got[1:] or got for name, got in screened.items()})
        values, lost = take_turns(
            list(chosen.values()), lambda name: wall_time(sides[name], RUN_LIMIT), options.rounds, seed=2
        )
    rows = {group(name): summarize(got) for name, got in values.items()}
    if cold:
        rows[COLD] = summarize(cold)
    show(rows, chosen)
    judged = targets(rows)
    publish(
        "start" if ours else "start_peers",
        facts,
        rows,
        {**failed, **poor, **lost},
        judged,
        unit="seconds of wall-clock time of a whole process",
        chosen=chosen,
        screening={name: min(got[1:] or got) for name, got in screened.items()},
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
