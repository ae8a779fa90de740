"""Exceptions and objects that misbehave on their way, seen from `fit`: rows 9 to 11 of the matrix."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracles.data_sets import (
    AT,
    Broken,
    DiesWhenDeleted,
    DiesWhenPickled,
    HeldError,
    RefusesToBePickled,
    RefusesToBeUnpickled,
    RowError,
    odd_at,
    raise_held,
    raise_row,
)
from oracles.loaders import Calls, Numbers
from soak_data import Drawn
from soak_fits import make_model

from streamfit._base.errors import WorkerDiedError, WorkerError
from streamfit.workers import make_pool

pytestmark = [pytest.mark.jit, pytest.mark.timeout(30)]
HOW: dict[str, dict[str, Any]] = {
    "inline": {"workers": 0},
    "threads": {"workers": 3},
    "processes": {"workers": 2, "use_multiprocessing": True},
}


def failed(folder: Path, do: Callable[[], Any], how: str) -> tuple[Exception, str, float]:
    """Fit until the exception; return it, its notes and how many seconds it took to surface."""
    model, seen = make_model()
    data = Broken(folder, do)
    with pytest.raises(Exception) as caught:
        model.fit(data, epochs=3, shuffle=False, verbose=0, **HOW[how])
    seconds = time.time() - data.began()
    assert seen.numbers[::8] == [*range(9), *range(AT)], "no batch after it was applied"
    assert model.optimizer.iterations == 9 + AT
    return caught.value, "\n".join(getattr(caught.value, "__notes__", [])), seconds


@pytest.mark.parametrize("how", HOW)
def test_9_an_exception_keeps_its_type_and_names_its_place_at_once(how: str, tmp_path: Path) -> None:
    error, notes, seconds = failed(tmp_path, raise_row, how)
    assert type(error) is RowError
    assert (str(error), error.row, error.column) == ("row 3, column age", 3, "age")
    assert f"pass 1, batch {AT}" in notes
    assert seconds < 1
    trace = notes if how == "processes" else "".join(_functions(error))
    assert "raise_row" in trace, "the traceback leads to where it was raised"


def _functions(error: BaseException) -> list[str]:
    names, trace = [], error.__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    return names


@pytest.mark.parametrize("how", HOW)
def test_10_an_exception_that_cannot_travel_is_told(how: str, tmp_path: Path) -> None:
    error, notes, seconds = failed(tmp_path, raise_held, how)
    assert type(error) is (WorkerError if how == "processes" else HeldError)
    assert "the disk is gone" in str(error)
    assert f"batch {AT}" in notes
    assert seconds < 1
    if how == "processes":
        assert "HeldError" in str(error)
        assert "in raise_held" in notes


@pytest.mark.parametrize(
    ("odd", "kind", "message"),
    [
        (RefusesToBePickled, RuntimeError, "not me"),
        (DiesWhenPickled, WorkerDiedError, "SIGABRT"),
        (DiesWhenDeleted, WorkerDiedError, "SIGABRT"),
        (RefusesToBeUnpickled, RowError, "row 3"),
    ],
)
def test_11_an_object_that_crashes_on_its_way_is_a_named_error(
    odd: type, kind: type[Exception], message: str
) -> None:
    with make_pool("processes", 2) as pool:
        open_run = pool.open(
            Calls(functools.partial(odd_at, odd=odd)), range(9), describe=lambda t: f"row {t}"
        )
        assert [next(open_run).value for _ in range(AT)] == [[ticket] for ticket in range(AT)]
        with pytest.raises(kind, match=message) as caught:
            next(open_run)
        assert f"row {AT}" in "\n".join([str(caught.value), *caught.value.__notes__])
        assert len(list(pool.open(Numbers(), range(9)))) == 9, "the pool is usable"
        del caught


class RefusesToBeSent(Drawn):
    """A data set that says no when it is pickled."""

    def __reduce__(self) -> Any:
        raise RowError(8, "a")


class DiesOnArrival(Drawn):
    """A data set that kills the process that unpickles it."""

    def __reduce__(self) -> Any:
        return os.abort, ()


@pytest.mark.parametrize(
    ("data", "message"),
    [(RefusesToBeSent, "row 8, column a"), (DiesOnArrival, "before they loaded anything.*SIGABRT")],
)
def test_11_a_data_set_that_crashes_on_its_way_is_a_named_error(data: type[Drawn], message: str) -> None:
    model, seen = make_model()
    with pytest.raises(WorkerError, match=message):
        model.fit(data(9), verbose=0, workers=2, use_multiprocessing=True)
    assert seen.numbers == []
