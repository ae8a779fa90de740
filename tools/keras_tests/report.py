"""Count what became of the tests, and show it as tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_tests.left_out import Entry, reason_for
from keras_tests.running import Result

BEGIN, END = "<!-- keras-tests: begin -->", "<!-- keras-tests: end -->"


@dataclass
class Count:
    """What became of the tests of a file, or of several."""

    passed: int = 0
    failed: int = 0
    left_out: int = 0
    other_words: int = 0

    @property
    def percent(self) -> float:
        """Return how many of those that count passed, of 100; 0 where no test ran at all."""
        counted = self.passed + self.failed
        return 100.0 * self.passed / counted if counted else 100.0 * bool(self.left_out)

    def __add__(self, other: Count) -> Count:
        return Count(
            self.passed + other.passed,
            self.failed + other.failed,
            self.left_out + other.left_out,
            self.other_words + other.other_words,
        )

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the cells of a row of the table."""
        words = str(self.other_words)
        return str(self.passed), str(self.failed), str(self.left_out), f"{self.percent:.0f} %", words


def count(results: Sequence[Result], entries: list[Entry]) -> Count:
    """Count results; a test that skips itself has failed, unless it is left out."""
    found = Count()
    for result in results:
        if reason_for(result.test, entries) is not None:
            found.left_out += 1
        elif result.outcome == "passed":
            found.passed += 1
            found.other_words += result.other_words > 0
        else:
            found.failed += 1
    return found


HEAD = ("file", "passed", "failed", "not counted", "of those that count", "own words")


def group_table(files: Sequence[str], results: Sequence[Result], entries: list[Entry]) -> tuple[str, Count]:
    """Return a table in Markdown with a row for each file, and the sum."""
    rows, total = [HEAD, ("---", *["---:"] * (len(HEAD) - 1))], Count()
    for file in files:
        own = count([result for result in results if result.file == file], entries)
        rows.append((f"`{file}`", *own.cells()))
        total += own
    rows.append(("**all**", *total.cells()))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows), total


def reasons_table(results: Sequence[Result], entries: list[Entry]) -> str:
    """Return a table of how many tests are left out for which reason."""
    found = Counter(reason.partition(":")[0] for r in results if (reason := reason_for(r.test, entries)))
    rows = [("reason", "tests"), ("---", "---:"), *((name, str(n)) for name, n in found.most_common())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def unused(entries: list[Entry], results: Sequence[Result]) -> list[Entry]:
    """List the entries that name no test: the list has grown old."""
    return [entry for entry in entries if not any(entry.names(result.test) for result in results)]


def failures(results: Sequence[Result], entries: list[Entry], whole: bool = False) -> str:
    """List the tests that count and failed, each with the last line of why, or all of it."""
    lines = []
    for result in results:
        if result.outcome != "passed" and reason_for(result.test, entries) is None:
            said = result.message.strip() or "it skipped itself"
            errors = [line[1:].strip() for line in said.splitlines() if line.startswith("E ")]
            short = errors[0] if errors else said.splitlines()[-1]
            lines.append(f"{result.test}\n    " + (said.replace("\n", "\n    ") if whole else short[:300]))
    return "\n".join(lines)


def replace_table(page: Path, text: str) -> None:
    """Put the tables between the two marks of a page.

    Raises:
        ValueError: The page does not have both marks.
    """
    before = page.read_text(encoding="utf-8")
    if BEGIN not in before or END not in before:
        raise ValueError(f"{page.name} must hold the lines {BEGIN} and {END}, with the tables between them")
    pattern = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)
    page.write_text(pattern.sub(lambda _: f"{BEGIN}\n{text}\n{END}", before), encoding="utf-8")
