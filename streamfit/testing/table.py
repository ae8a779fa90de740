"""`Check`: one rule with a name, a sentence, and what it needs. The tables of checks are made of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from streamfit.testing.checked_object import CheckedObject

Kind = Literal["sequence", "source", "generator", "stream"]
KINDS: tuple[Kind, ...] = ("sequence", "source", "generator", "stream")
LOADED: tuple[Kind, ...] = ("sequence", "source", "stream")  # those whose batches can be loaded at any time


@dataclass(frozen=True, slots=True)
class Check:
    """Hold one check.

    Args:
        name: What users call it.
        sentence: The rule, as a sentence about a good object.
        run: Looks at the object; returns a note or None, or raises `CheckFailure` or `CheckSkipped`.
        kinds: The kinds of objects that it is for.
        needs: The checks that must hold before this one can say anything.
    """

    name: str
    sentence: str
    run: Callable[[CheckedObject], str | None]
    kinds: tuple[Kind, ...] = LOADED
    needs: tuple[str, ...] = ()
