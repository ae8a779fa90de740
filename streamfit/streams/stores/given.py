"""Checks of arguments that the functions of formats have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from streamfit._base.checks import is_mapping

_Value = TypeVar("_Value")


def by_column(given: Mapping[str, _Value] | None, caller: str, role: str, example: str) -> dict[str, _Value]:
    """Return an argument that says something of columns, by their names.

    Args:
        given: The argument, None for nothing.
        caller: What the user called, for messages.
        role: The name of the argument.
        example: What it may look like.

    Raises:
        TypeError: It is no dictionary.

    Example:
        >>> by_column({"age": 0}, "csv()", "nulls", "{'age': 0}")
        {'age': 0}
    """
    if given is None:
        return {}
    if not is_mapping(given):
        raise TypeError(f"{caller}: {role}={given!r}: write a dictionary by column, such as {role}={example}")
    return dict(given)


def texts(given: Iterable[str], caller: str, role: str) -> tuple[str, ...]:
    """Return an argument that is several texts; one text alone would be taken for its letters.

    Raises:
        TypeError: It is a text, or has others than texts.

    Example:
        >>> texts([".txt"], "text_lines()", "endings")
        ('.txt',)
    """
    if isinstance(given, str):
        raise TypeError(f"{caller}: {role}={given!r}: write a list, {role}=[{given!r}]")
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(text, str) for text in found):
        raise TypeError(f"{caller}: {role}={given!r}: write a list of texts")
    return found
