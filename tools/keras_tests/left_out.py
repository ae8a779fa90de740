"""Which tests do not count, and why."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

LIST = Path(__file__).with_name("left_out.toml")

REASONS = (
    "quantization",
    "LoRA",
    "dtype policies",
    "16 bit",
    "sparse tensors",
    "ragged tensors",
    "distribution",
    "internals",
)
"""The only reasons for which a test may be left out; an explanation may follow, after a colon."""


@dataclass(frozen=True)
class Entry:
    """One line of the list.

    Attributes:
        file: The file of the tests.
        pattern: ``Class::test``, or with ``*`` and ``?`` for several.
        reason: One of `REASONS`, perhaps with an explanation.
    """

    file: str
    pattern: str
    reason: str

    def names(self, test: str) -> bool:
        """Return whether it names this test."""
        file, _, rest = test.partition("::")
        return file == self.file and fnmatchcase(rest, self.pattern)


def read_list(path: Path = LIST) -> list[Entry]:
    """Read the list: for each file a table of patterns with their reasons.

    Raises:
        ValueError: A reason is none of `REASONS`.
    """
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    entries = [
        Entry(file, pattern, reason) for file, table in tables.items() for pattern, reason in table.items()
    ]
    wrong = [entry for entry in entries if entry.reason.partition(":")[0] not in REASONS]
    if wrong:
        raise ValueError(f"these tests are left out for another reason than {REASONS}: {wrong}")
    return entries


def reason_for(test: str, entries: list[Entry]) -> str | None:
    """Return why a test does not count; None where it does."""
    return next((entry.reason for entry in entries if entry.names(test)), None)
