"""Warnings point at the user's line."""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from streamfit.training import user_warnings
from streamfit.training.user_warnings import warn


def inside(function: Callable[..., Any], module: str) -> Callable[..., Any]:
    """Return the function as if it had been defined in another module."""
    names = {**function.__globals__, "__name__": module}
    moved = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    return functools.update_wrapper(moved, function)


def calls(function: Callable[..., Any], text: str) -> None:
    function(text)


@pytest.mark.parametrize("module", ["streamfit", "streamfit.models.trainer", "streamfit.training.sessions"])
def test_frames_of_the_library_are_passed_over(module: str) -> None:
    deep = functools.partial(inside(calls, module), functools.partial(inside(calls, "contextlib"), warn))
    with pytest.warns(UserWarning, match="careful") as caught:
        deep("careful")
    line = int(test_frames_of_the_library_are_passed_over.__code__.co_firstlineno) + 4
    assert (caught[0].filename, caught[0].lineno) == (__file__, line)


def test_a_user_whose_module_begins_alike_is_no_part_of_the_library() -> None:
    with pytest.warns(UserWarning, match="careful") as caught:
        inside(calls, "streamfit_user")(warn, "careful")
    assert caught[0].lineno == calls.__code__.co_firstlineno + 1


def test_a_stack_without_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_warnings, "_first_level_outside", lambda: 10_000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn("careful")
    assert [str(warning.message) for warning in caught] == ["careful"]
