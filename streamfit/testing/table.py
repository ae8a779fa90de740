"""`Check`: one rule with its name, its sentence, and the checks that it needs; an entry of the tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from streamfit.testing.checked_object import CheckedObject

Kind = Literal["sequence", "samples", "source", "generator", "stream"]
KINDS: tuple[Kind, ...] = ("sequence", "samples", "source", "generator", "stream")
LOADED: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind != "generator")  # loaded at any time


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Args:
        name: Its name for users.
        sentence: The rule, as a sentence about a good object.
        run: Checks the object; returns a note or None, or raises `CheckFailure` or `CheckSkipped`.
        kinds: The kinds of objects that it applies to.
        needs: The checks that must hold before this one has a meaning.
        stands_in_for: The check that this one replaces where that one waits for a check that does not hold.
        hint: A few lines of code that mend what it finds.
    """

    name: str
    sentence: str
    run: Callable[[CheckedObject], str | None]
    kinds: tuple[Kind, ...] = LOADED
    needs: tuple[str, ...] = ()
    stands_in_for: str = ""
    hint: str = ""
