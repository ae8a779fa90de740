"""The common part of the benchmarks: fair turns, honest statistics, facts of the machine, JSON and a table.

Every benchmark keeps these rules through this module:

* One run measures all sides, in turns: a round measures every side once, in a new random order, so that a
  slow minute of the machine affects all of them.
* The report gives the median over rounds with its quartiles, never the best run.
* A side that fails appears with its crash report; it is never left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results"
PEERS_VARIABLE = "STREAMFIT_PEERS_PYTHON"


class SideFailedError(Exception):
    """A side could not be measured; the message holds the end of its standard error."""


@dataclass(frozen=True)
class Side:
    """One contender: its name in the table, its command, and its additional environment variables."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """The statistics of one side: median, quartiles, fewest and number of rounds, in the unit measured."""

    median: float
    lower: float
    upper: float
    best: float
    rounds: int


@dataclass(frozen=True)
class Target:
    """A promise with its figure: ``value`` must be at most (or, with ``at_least``, at least) ``limit``.

    ``unit`` follows the figures where they are no ratio.
    """

    what: str
    value: float
    limit: float
    at_least: bool = False
    unit: str = "x"

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        verdict = "met   " if self.met else "MISSED"
        return (
            f"{verdict}  {self.what}: {self.value:.2f}{self.unit} (promised {sign} {self.limit:g}{self.unit})"
        )


def summarize(values: Sequence[float]) -> Summary:
    """Return median and quartiles of one figure per round; raise ValueError for none at all."""
    if not values:
        raise ValueError("no rounds were measured: a summary needs at least one value")
    if len(values) == 1:
        return Summary(values[0], values[0], values[0], values[0], 1)
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return Summary(median, lower, upper, min(values), len(values))


def take_turns(
    sides: Sequence[str], measure: Callable[[str], float], rounds: int, seed: int = 0
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Measure every side once a round, in an order drawn anew each round.

    Returns the values by side and the failures by side; a side that fails is not asked again.
    """
    draw = random.Random(seed)
    values: dict[str, list[float]] = {side: [] for side in sides}
    failures: dict[str, str] = {}
    for _ in range(rounds):
        turn = [side for side in sides if side not in failures]
        draw.shuffle(turn)
        for side in turn:
            try:
                values[side].append(measure(side))
            except SideFailedError as failure:
                failures[side] = str(failure)
    return {side: got for side, got in values.items() if side not in failures}, failures


def environment(side: Side) -> dict[str, str]:
    """Return the environment of a child: ours, the repository on the import path, and those of the side."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **side.environment}


class Child:
    """A long-lived side that answers JSON lines: it stays warm between its turns."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        self._process = subprocess.Popen(
            side.command,
            env=environment(side),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
        )

    def hear(self, limit: float) -> dict[str, Any]:
        """Return the child's next answer; raise SideFailedError after ``limit`` seconds or if it has died."""
        stream = self._process.stdout
        assert stream is not None
        ready, _, _ = select.select([stream], [], [], limit)
        line = stream.readline() if ready else b""
        if not line:
            raise SideFailedError(f"no answer within {limit:g} s; last lines: {self._last_lines()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, request: Mapping[str, Any], limit: float) -> dict[str, Any]:
        """Send one request and return its answer."""
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(json.dumps(dict(request)).encode() + b"\n")
            stream.flush()
        except BrokenPipeError:
            raise SideFailedError(f"the process ended; last lines: {self._last_lines()}") from None
        return self.hear(limit)

    def close(self) -> None:
        """End the child, politely at first."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._words.close()

    def _last_lines(self) -> str:
        self._words.seek(0)
        return last_lines(self._words.read())


def last_lines(standard_error: bytes, lines: int = 4) -> str:
    """Return the last lines of a child's standard error, on one line."""
    kept = [
        line.strip() for line in standard_error.decode(errors="replace").splitlines() if line.strip(" ^~")
    ]
    return " | ".join(kept[-lines:]) or "none"


def wall_time(side: Side, limit: float) -> float:
    """Run a command from start to exit and return its wall-clock seconds."""
    begin = time.perf_counter()
    try:
        done = subprocess.run(
            side.command, env=environment(side), stdin=subprocess.DEVNULL, capture_output=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        raise SideFailedError(f"not done within {limit:g} s") from None
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise SideFailedError(f"exit code {done.returncode}; last lines: {last_lines(done.stderr)}")
    return seconds


def arguments(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """Return the parser of the common options: ``--rounds`` and ``--check``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--check", action="store_true", help="exit with 1 when a promise is missed")
    return parser


def exit_code(options: argparse.Namespace, targets: Sequence[Target]) -> int:
    """Return 1 if ``--check`` was given and a promise is missed."""
    return int(options.check and not all(target.met for target in targets))


def peers_python() -> str:
    """Return the interpreter that has the peers: the one in STREAMFIT_PEERS_PYTHON, else this one."""
    return os.environ.get(PEERS_VARIABLE, sys.executable)


def machine_facts() -> dict[str, Any]:
    """Return the facts behind the figures: processor, cores allowed, memory, system, Python, load."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return platform.processor() or platform.machine()
    facts: dict[str, str] = {}
    for line in information.read_text().splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    words = [facts.get(key, "?") for key in ("model name", "cpu family", "model")]
    return "{} (family {}, model {})".format(*words)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, aligned for plain text too; all columns but the first to the right."""
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row has {len(row)} cells, the header {len(header)}: {list(row)}")
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join([first, *rest]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def publish(
    name: str,
    facts: Mapping[str, Any],
    summaries: Mapping[str, Summary],
    failures: Mapping[str, str],
    targets: Sequence[Target],
    folder: Path = RESULTS,
    **more: Any,
) -> Path:
    """Write ``results/<name>.json``, print the failures and the promises; return the path."""
    load, cores = facts.get("load_average", [0.0])[0], facts.get("cores", 1)
    if load > cores / 2:
        print(f"NOTE    the machine was busy: load average {load} on {cores} cores; do not trust timings")
    for side, words in failures.items():
        print(f"FAILED  {side}: {words}")
    if any("ModuleNotFoundError" in words for words in failures.values()):
        print(f"        {PEERS_VARIABLE} must name an interpreter that has the peers (benchmarks/README.md)")
    for target in targets:
        print(target)
    result = {
        "benchmark": name,
        "machine": dict(facts),
        "sides": {side: asdict(summary) for side, summary in summaries.items()},
        "failures": dict(failures),
        "targets": [{**asdict(target), "met": target.met} for target in targets],
        **more,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path
