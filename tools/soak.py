"""The soak: kill for an hour what the tests kill for seconds, and print one table of what became of it.

    python tools/soak.py                 all of it
    python tools/soak.py --scale 0.01    a hundredth of it

Every part runs in a process of its own with a hard limit, so that a hang is counted and not suffered. What
was found goes to standard output as a table, and to benchmarks/results/soak.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soak_fits import KINDS, Tally, storm, timed_kills
from soak_victims import kill_and_resume, kill_whole

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "soak.json"
KILLS, KILLS_A_FIT, CYCLES, WHOLE = 10_000, 250, 100, 200
MACHINES = {
    "scheduler": ("tests/workers/test_scheduler.py", "FaultyPool", 4000),
    "feeds": ("tests/streams/test_feed_machine.py", "Machine", 940),
    "feeds on processes": ("tests/streams/test_feed_machine.py", "WithProcesses", 60),
}
COLUMNS = (
    "what was killed",
    "kills",
    "lost",
    "doubled",
    "order",
    "bits",
    "leaks",
    "hangs",
    "seen",
    "replaced",
)
CAPTION = """\
seen and replaced: p50 / p99 in ms. On the bare pool, whose values are read without pause: from os.kill until
Pool.restarts has risen, and until a value comes that a new process has loaded. For the main process and its
group: from os.kill until no process of the program exists any more. The fits are compared with the same fit
without workers: every sample that reached a step, in its order, and all bits of weights, optimizer and logs.
A kill counts when its victim was alive and had not been hit before. State machines: a kill is one generated
example, in which any number of workers dies."""


def main() -> int:
    """Run all parts, or be one of them; return 1 when anything went wrong."""
    options = _options()
    if options.part:
        print(json.dumps(asdict(PARTS[options.part](options.size, options.seed))))
        return 0
    began = time.monotonic()
    tallies = [_run(*part) for part in _plan(options.scale)]
    minutes = (time.monotonic() - began) / 60
    print(f"\n{table(tallies)}\n\n{CAPTION}\n\n{minutes:.1f} minutes, scale {options.scale:g}, {_machine()}")
    _write(tallies, options.scale, minutes)
    return 0 if all(tally.clean for tally in tallies) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kill workers and programs, and see what becomes of it.")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the kills (default 1)")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def _plan(scale: float) -> Iterator[tuple[str, list[int], float]]:
    """Yield the parts: name, sizes of its runs, and seconds that one unit of size may take."""

    def share(whole: int) -> int:
        return max(2, round(whole * scale))

    yield "pool", _pieces(share(1000), KILLS_A_FIT), 0.3
    for kind in KINDS:
        yield kind, _pieces(share((KILLS - 1000) // len(KINDS)), KILLS_A_FIT), 0.3
    yield "main process", _pieces(share(WHOLE), 20), 15
    yield "process group", _pieces(share(WHOLE), 20), 15
    yield "resume", [share(CYCLES)], 15
    for name, (_, _, examples) in MACHINES.items():
        yield name, [share(examples)], 2


def _pieces(whole: int, most: int) -> list[int]:
    return [min(most, whole - first) for first in range(0, whole, most)]


# -- the parts ----------------------------------------------------------------------------------------------


def _storm(kind: str) -> Callable[[int, int], Tally]:
    return lambda size, seed: storm(kind, size, workers=1 + seed % 4, seed=seed)


def _state_machine(name: str) -> Callable[[int, int], Tally]:
    return lambda size, seed: _examples(name, size)


def _examples(name: str, size: int) -> Tally:
    """Run generated examples of one of the tests' state machines."""
    from hypothesis import settings
    from hypothesis.stateful import run_state_machine_as_test

    path, machine, _ = MACHINES[name]
    spec = importlib.util.spec_from_file_location("machine", ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["machine"] = module
    spec.loader.exec_module(module)
    how = settings(max_examples=size, stateful_step_count=40, deadline=None, database=None)
    run_state_machine_as_test(getattr(module, machine), settings=how)
    return Tally(f"state machine: {name}", kills=size)


PARTS: dict[str, Callable[[int, int], Tally]] = {
    "pool": lambda size, seed: timed_kills(size, workers=2 + seed % 3, seed=seed),
    **{kind: _storm(kind) for kind in KINDS},
    "main process": lambda size, seed: kill_whole(size, group=False, seed=seed),
    "process group": lambda size, seed: kill_whole(size, group=True, seed=seed),
    "resume": kill_and_resume,
    **{name: _state_machine(name) for name in MACHINES},
}


def _run(part: str, sizes: list[int], seconds: float) -> Tally:
    """Run a part piece by piece and add up."""
    total: Tally | None = None
    for seed, size in enumerate(sizes):
        found = _piece(part, size, seed, 60 + seconds * size)
        if total is None:
            total = found
        else:
            total.add(found)
        done = f"{part}: {sum(sizes[: seed + 1])} of {sum(sizes)}"
        print(f"{done}, {'clean' if total.clean else f'NOT CLEAN: {total}'}", file=sys.stderr, flush=True)
    assert total is not None
    return total


def _piece(part: str, size: int, seed: int, limit: float) -> Tally:
    command = [sys.executable, __file__, "--part", part, "--size", str(size), "--seed", str(seed)]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=limit, env=_environment(), check=False
        )
    except subprocess.TimeoutExpired:
        return Tally(part, hangs=1)
    if done.returncode:
        print(f"{part}, seed {seed}: ended with code {done.returncode}", file=sys.stderr)
        return Tally(part, ordered=False, same_bits=False)
    return Tally(**json.loads(done.stdout.splitlines()[-1]))


def _environment() -> dict[str, str]:
    paths = [str(ROOT / "tools"), str(ROOT / "tests"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


# -- what is told -------------------------------------------------------------------------------------------


def table(tallies: Sequence[Tally]) -> str:
    """Return the table of all parts, as Markdown.

    Example:
        >>> print(table([Tally("workers", kills=3, seen=[0.002])]).splitlines()[-1])
        | workers | 3 | 0 | 0 | kept | same | 0 | 0 | 2.0 / 2.0 | |
    """
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *(tuple(_row(tally)) for tally in tallies)]
    return "\n".join("| " + " | ".join(row).replace("|  |", "| |").rstrip() + " |" for row in rows)


def _row(tally: Tally) -> Iterator[str]:
    yield tally.what
    yield f"{tally.kills:,}"
    yield str(tally.lost)
    yield str(tally.doubled)
    yield "kept" if tally.ordered else "LOST"
    yield "same" if tally.same_bits else "OTHERS"
    yield str(len(tally.leaks))
    yield str(tally.hangs)
    yield _times(tally.seen)
    yield _times(tally.replaced)


def _times(seconds: Sequence[float]) -> str:
    return " / ".join(f"{1000 * value:.1f}" for value in quantiles(seconds))


def quantiles(values: Sequence[float]) -> list[float]:
    """Return the median and the 99th percentile; nothing for nothing.

    Example:
        >>> quantiles([0.3, 0.1, 0.2]), quantiles([])
        ([0.2, 0.3], [])
    """
    ordered = sorted(values)
    return [ordered[int(share * (len(ordered) - 1) + 0.5)] for share in (0.5, 0.99)] if ordered else []


def _machine() -> str:
    return f"{os.cpu_count()} processors, Python {platform.python_version()}, {platform.platform(terse=True)}"


def _write(tallies: Sequence[Tally], scale: float, minutes: float) -> None:
    rows: list[dict[str, Any]] = []
    for tally in tallies:
        row = asdict(tally)
        for name in ("seen", "replaced"):
            row[name] = dict(zip(("p50", "p99"), quantiles(row[name]), strict=False))
        rows.append(row)
    facts = {"date": datetime.now(UTC).date().isoformat(), "scale": scale, "minutes": round(minutes, 1)}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({**facts, "machine": _machine(), "parts": rows}, indent=1) + "\n")


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]
    sys.exit(main())
