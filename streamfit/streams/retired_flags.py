"""Flags of sources that `SourceTraits` has replaced: to write one is an error that says what to write."""

from __future__ import annotations

from typing import NoReturn, Self

RETIRED = {
    "remote": "in_workers",
    "may_change": "may_change",
    "pulled": "pulled_ahead",
    "rewinds": "rewinds",
    "batch_layout": "one_layout",
}
"""The trait that has taken the place of each flag."""


class RetiredFlag:
    """A flag that no longer is an attribute of sources.

    Example:
        >>> class Old:
        ...     remote = RetiredFlag()
        >>> Old().remote = True
        Traceback (most recent call last):
        AttributeError: Old: the flag 'remote' is a trait now; write traits = SourceTraits(in_workers=...)
    """

    name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, source: object, owner: type) -> Self:
        if source is None:
            return self
        raise AttributeError(
            f"{owner.__name__}: the flag {self.name!r} is a trait now; "
            f"read source.traits.{RETIRED[self.name]}"
        )

    def __set__(self, source: object, value: object) -> NoReturn:
        raise AttributeError(_words(type(source), self.name))


def refuse_flags(kind: type) -> None:
    """Check that a class sets no retired flag.

    Raises:
        TypeError: It does.
    """
    for name in RETIRED:
        if name in vars(kind):
            raise TypeError(_words(kind, name))


def _words(kind: type, name: str) -> str:
    return (
        f"{kind.__name__}: the flag {name!r} is a trait now; write traits = SourceTraits({RETIRED[name]}=...)"
    )
