"""How much memory does training take?

Two figures for every side. *Main process*: the peak memory of the main process (VmHWM). *Whole tree*: the
peak memory of it and all its descendants together, sampled every 20 ms; a page that several processes share
is divided among them (PSS). Libraries that other programs on the machine have open count only in part, so
trust this figure on an idle machine. Both in MB (10^6 bytes); the promise is about the part above an
interpreter that has imported numba and does nothing.

The demo (``python -m streamfit demo``) runs with its kernels on disk, and without, so that it compiles
them. It imports scikit-learn for its data and matplotlib for its pictures, so these have their own rows:
the interpreter with numba and either. The comparison of streamfit and Keras is a small training without
both, the same digits through two worker processes; Keras does not see optional packages that it would
import. Run with ``STREAMFIT_PEERS_PYTHON`` naming the interpreter that has the peers (see README.md in this
folder).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import (
    HERE,
    Side,
    SideFailedError,
    Summary,
    Target,
    arguments,
    environment,
    exit_code,
    last_lines,
    machine_facts,
    peers_python,
    publish,
    summarize,
    table,
    take_turns,
)

PERIOD, LIMIT_SECONDS, BAR = 0.02, 180.0, 400.0
NUMBA, SKLEARN = "import numba", "import numba, sklearn.datasets"
BOTH = "import numba, sklearn.datasets, matplotlib.pyplot"
IMPORTS = (NUMBA, SKLEARN, "import numba, matplotlib.pyplot", BOTH, "import streamfit")
DEMO, DEMO_COLD = "demo, kernels on disk", "demo, compiling its kernels"
OURS = "streamfit, the same training as Keras"
KERAS = {name: f"Keras on {name}" for name in ("jax", "tensorflow", "torch")}


@dataclass(frozen=True)
class Peak:
    """The peak memory in MB: of the main process, and of it and its descendants together."""

    main: float
    tree: float


def descendants(pid: int) -> list[int]:
    """Return a process and its descendants, as far as they still exist."""
    found = [pid]
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
            for child in children:
                found += descendants(int(child))
    except OSError:  # it ended meanwhile
        pass
    return found


def kilobytes(path: str, key: str) -> int:
    """Return one line of a file in /proc, in units of 1,024 bytes; 0 when the process is gone."""
    try:
        for line in Path(path).read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def peak_memory(side: Side, limit: float = LIMIT_SECONDS) -> Peak:
    """Run a command to its end, watching its memory; raise SideFailedError if it fails or takes too long."""
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            side.command,
            env=environment(side),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
        )
        try:
            peak = watch(process, time.monotonic() + limit)
            if process.poll() is None:
                raise SideFailedError(f"not done within {limit:g} s")
        finally:
            end(process)
        words.seek(0)
        if process.returncode:
            raise SideFailedError(f"exit code {process.returncode}; last lines: {last_lines(words.read())}")
    return peak


def watch(process: subprocess.Popen[bytes], until: float) -> Peak:
    """Watch a process and its descendants until it ends or the monotonic clock reaches ``until``."""
    main = tree = 0
    while process.poll() is None and time.monotonic() < until:
        main = max(main, kilobytes(f"/proc/{process.pid}/status", "VmHWM"))
        pids = descendants(process.pid)
        tree = max(tree, sum(kilobytes(f"/proc/{pid}/smaps_rollup", "Pss") for pid in pids))
        time.sleep(PERIOD)
    return Peak(main * 1024 / 1e6, tree * 1024 / 1e6)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that still runs, and its descendants."""
    if process.poll() is None:
        for pid in descendants(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def write_digits(folder: Path) -> None:
    """Write scikit-learn's digits as the two files that the comparison trains on."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    np.save(folder / "images.npy", digits.images.astype(np.uint8))
    np.save(folder / "labels.npy", digits.target.astype(np.int64))


def contenders(scratch: Path) -> list[Side]:
    """Return every side but the demo that compiles."""
    kernels = {"NUMBA_CACHE_DIR": str(scratch / "kernels")}
    # Half a second of sleep, so that the peak is sampled.
    sides = [
        Side(line, (sys.executable, "-c", f"{line}; import time; time.sleep(0.5)"), kernels)
        for line in IMPORTS
    ]
    sides.append(demo(DEMO, scratch / "kernels", scratch))
    ours = (sys.executable, str(HERE / "peers" / "memory_streamfit.py"), str(scratch))
    sides.append(Side(OURS, ours, kernels))
    for backend, name in KERAS.items():
        hidden = [f"--hide={other}" for other in ("sklearn", *KERAS) if other != backend]
        command = (peers_python(), str(HERE / "peers" / "memory_keras.py"), str(scratch), *hidden)
        sides.append(Side(name, command, {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}))
    return sides


def demo(name: str, kernels: Path, scratch: Path) -> Side:
    """Return the demo with its kernels kept in a folder."""
    command = (sys.executable, "-m", "streamfit", "demo", "--output", str(scratch / "pictures"))
    return Side(name, command, {"NUMBA_CACHE_DIR": str(kernels)})


def measure(rounds: int, cold_rounds: int) -> tuple[dict[str, list[Peak]], dict[str, str]]:
    """Measure the demo without kernels, whose last run leaves them on disk; then all other sides in turns."""
    peaks: dict[str, list[Peak]] = {}
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        write_digits(scratch)
        for number in range(cold_rounds):
            place = "kernels" if number == cold_rounds - 1 else f"kernels-{number}"
            (scratch / place).mkdir()
            try:
                peaks.setdefault(DEMO_COLD, []).append(peak_memory(demo(DEMO_COLD, scratch / place, scratch)))
            except SideFailedError as failure:
                failures[DEMO_COLD] = str(failure)
        sides = {side.name: side for side in contenders(scratch)}

        def one(name: str) -> float:
            peak = peak_memory(sides[name])
            peaks.setdefault(name, []).append(peak)
            return peak.main

        _, lost = take_turns(list(sides), one, rounds)
    return {name: got for name, got in peaks.items() if name not in failures | lost}, failures | lost


def summaries_of(peaks: Mapping[str, Sequence[Peak]]) -> dict[str, tuple[Summary, Summary]]:
    """Return each side's summaries of main process and of whole tree."""
    return {
        name: (summarize([peak.main for peak in got]), summarize([peak.tree for peak in got]))
        for name, got in peaks.items()
    }


def targets(rows: Mapping[str, tuple[Summary, Summary]]) -> list[Target]:
    """Return the promise for both demos and both ways to count."""
    found = []
    for name in (DEMO, DEMO_COLD):
        for place, what in enumerate(("main process", "whole tree")):
            if name in rows and NUMBA in rows:
                more = rows[name][place].median - rows[NUMBA][place].median
                found.append(
                    Target(f"{name}, {what}, above an interpreter with numba", more, BAR, unit=" MB")
                )
    return found


def show(rows: Mapping[str, tuple[Summary, Summary]]) -> None:
    """Print the table, smallest first."""
    zero = [rows[NUMBA][place].median if NUMBA in rows else 0.0 for place in (0, 1)]
    lines = []
    for name, (main, tree) in sorted(rows.items(), key=lambda row: row[1][1].median):
        medians = [main.median, main.median - zero[0], tree.median, tree.median - zero[1]]
        lines.append([name, *(f"{median:.0f}" for median in medians)])
    print(table(["peak MB", "main process", "above numba", "whole tree", "above numba"], lines))


def main() -> int:
    """Measure and publish."""
    parser = arguments(__doc__, 5)
    parser.add_argument("--cold-rounds", type=int, default=2)
    options = parser.parse_args()
    facts = machine_facts()
    peaks, failures = measure(options.rounds, max(1, options.cold_rounds))
    rows = summaries_of(peaks)
    show(rows)
    judged = targets(rows)
    summaries = {f"{name}: main process": main for name, (main, _) in rows.items()}
    summaries |= {f"{name}: whole tree": tree for name, (_, tree) in rows.items()}
    publish("memory", facts, summaries, failures, judged, unit="MB (10^6 bytes) at the peak")
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
