"""Repeat tests again and again, to see that they never flake.

    python tools/repeat.py --times 100 tests/faults

Every repetition is a pytest run of its own with a hard limit; a hang is ended, counted and told, with the
stacks of all its threads, and the next repetition goes on. What failed is kept in build/repeat.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "repeat"
LAST_WORDS = 5.0  # seconds that a run which is ended has to print its stacks
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """Tell how one repetition ended.

    Args:
        number: Of the repetition, from 1.
        code: Its exit code; None when it was ended because it had taken too long.
        seconds: How long it took.
        failed: The tests that failed, as far as it told.
    """

    number: int
    code: int | None
    seconds: float
    failed: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """Say it in a word: "passed", "failed" or "hung"."""
        return "hung" if self.code is None else "failed" if self.code else "passed"


def repetition(number: int, arguments: Sequence[str], limit: float, folder: Path = KEPT) -> Outcome:
    """Run pytest once; keep what it printed if it did not pass.

    Args:
        number: Of the repetition.
        arguments: Of pytest.
        limit: Seconds after which the run is ended, with all that it has started.
        folder: Where to keep what it printed.
    """
    log = folder / f"{number:04}.log"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    began, code = time.monotonic(), None
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if process.poll() is None:
                end(process)
    seconds = time.monotonic() - began
    failed = tuple(_FAILED.findall(log.read_text(encoding="utf-8", errors="replace")))
    outcome = Outcome(number, code, seconds, failed)
    if outcome.word == "passed":
        log.unlink()
    return outcome


def end(process: subprocess.Popen[bytes], patience: float = LAST_WORDS) -> None:
    """End a run and all that it has started; let it print where it stands first."""
    below = psutil.Process(process.pid).children(recursive=True)  # some have sessions of their own
    process.send_signal(signal.SIGABRT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for child in below:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()  # looks whether the number still belongs to the same process
    process.wait()


def repeated(times: int, together: int, arguments: Sequence[str], limit: float) -> Iterator[Outcome]:
    """Yield the outcome of each repetition as it ends."""
    with ThreadPoolExecutor(together) as threads:
        runs = [threads.submit(repetition, n, arguments, limit) for n in range(1, times + 1)]
        try:
            for run in as_completed(runs):
                yield run.result()
        finally:
            threads.shutdown(cancel_futures=True)


def summary(outcomes: Iterable[Outcome]) -> str:
    """Count outcomes, times, and which tests failed how often.

    Example:
        >>> print(summary([Outcome(1, 0, 2.0), Outcome(2, 1, 4.0, ("a.py::b",)), Outcome(3, None, 9.0)]))
        3 repetitions: 1 passed, 1 failed, 1 hung; 2.0 / 4.0 / 9.0 s (least, median, most)
             1 x a.py::b
    """
    told = list(outcomes)
    words = [outcome.word for outcome in told]
    seconds = sorted(outcome.seconds for outcome in told) or [0.0]
    times = " / ".join(f"{seconds[i]:.1f}" for i in (0, len(seconds) // 2, -1))
    counts = ", ".join(f"{words.count(word)} {word}" for word in ("passed", "failed", "hung"))
    lines = [f"{len(told)} repetitions: {counts}; {times} s (least, median, most)"]
    failed = [name for outcome in told for name in outcome.failed]
    lines += [f"{failed.count(name):6} x {name}" for name in sorted(set(failed))]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Repeat, tell of each repetition, and return 1 unless all passed."""
    parser = argparse.ArgumentParser(description="Repeat tests, to see that they never flake.")
    parser.add_argument("--times", type=int, default=100, help="how often (default 100)")
    parser.add_argument("--together", type=int, default=2, help="repetitions at a time (default 2)")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds for one (default 300)")
    options, tests = parser.parse_known_args(arguments)
    outcomes: list[Outcome] = []
    for outcome in repeated(options.times, options.together, tests, options.limit):
        outcomes.append(outcome)
        what = " ".join(outcome.failed)
        print(f"{outcome.number:5} {outcome.word:6} {outcome.seconds:7.1f} s  {what}".rstrip(), flush=True)
    print(summary(outcomes))
    if all(outcome.word == "passed" for outcome in outcomes):
        return 0
    print(f"what the others printed is in {KEPT.relative_to(ROOT)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
