"""Relatives of the mistakes that were collected, as other people would write them."""

from __future__ import annotations

import array
import collections
import functools
from typing import Any

import numpy as np
import pytest

import streamfit
from streamfit import Sequence
from streamfit.testing import Battery, run_checks

pytestmark = pytest.mark.timeout(60)

X = np.random.default_rng(8).normal(size=(48, 3)).astype("float32")
Y = np.arange(48) % 5


def result(thing: Any, name: str, **options: Any) -> Any:
    (found,) = run_checks(thing, only=name, workers=1, **options)
    return found


class Rows(Sequence):
    """48 samples in batches of 8."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y = X.copy(), Y.copy()

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        rows = slice(8 * index, 8 * index + 8)
        return self.x[rows], self.y[rows]


# -- what cannot be made ------------------------------------------------------------------------------------


def broken() -> Any:
    raise TypeError("The only supported seed types are: None,\nint, float and str.")


@pytest.mark.parametrize("kind", [None, "sequence", "source", "generator"])
def test_what_cannot_be_made_gives_one_failure(kind: Any) -> None:
    results = Battery(broken, kind).results()
    (failed,) = [one for one in results if one.status == "fail"]
    assert failed.message.startswith(
        "broken: the object cannot be made: TypeError: The only supported seed types are: None, int, float "
        "and str, raised at test_relatives.py:"
    )
    assert {one.waits_for for one in results if one is not failed} == {"made"}


# -- generators that no attribute holds ---------------------------------------------------------------------

SHARED = np.random.default_rng(3)


class OfItsModule(Rows):
    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x + SHARED.normal(size=x.shape).astype("float32"), y


class OfItsClass(Rows):
    noise = np.random.default_rng(3)

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x + self.noise.normal(size=x.shape).astype("float32"), y


class InAPartial(Rows):
    def __init__(self) -> None:
        super().__init__()
        self.draw = functools.partial(np.random.default_rng(3).normal, 0, 1)

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x + self.draw(size=x.shape).astype("float32"), y


class InAClosure(Rows):
    def __init__(self) -> None:
        super().__init__()
        shared = np.random.default_rng(3)
        self.noise = lambda shape: shared.normal(size=shape).astype("float32")

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x + self.noise(x.shape), y


class Noise:
    def __init__(self) -> None:
        self.state = np.random.RandomState(4)

    def __call__(self, x: Any, y: Any) -> Any:
        return x + self.state.normal(size=x.shape), y


def maps_with_a_closure() -> Any:
    shared = np.random.default_rng(0)
    return streamfit.source(X, Y).map(lambda x, y: (x + shared.normal(size=x.shape), y)).batch(8)


def maps_with_an_object() -> Any:
    return streamfit.source(X, Y).map(Noise()).batch(8)


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (OfItsModule, f"{__name__}.SHARED is a numpy.random.Generator, which every load advances"),
        (OfItsClass, "OfItsClass.noise is a numpy.random.Generator"),
        (InAPartial, "self.draw.func is a numpy.random.Generator"),
        (InAClosure, "shared of <lambda> (test_relatives.py:"),
        (maps_with_a_closure, "shared of <lambda> (test_relatives.py:"),
        (maps_with_an_object, "Noise.state is a numpy.random.RandomState"),
    ],
)
def test_generators_behind_functions_are_named(thing: Any, name: str) -> None:
    found = result(thing, "repeatable")
    assert found.status == "fail"
    assert name in found.message


def test_batches_that_differ_at_each_load_do_not_blame_the_constructor() -> None:
    assert result(OfItsModule, "made_alike").status == "skip"


def test_draws_of_a_mapped_function_are_the_same_in_each_worker() -> None:
    names = ("repeatable", "worker_draws", "epoch_draws")
    results = {one.name: one for one in run_checks(maps_with_an_object, only=names, workers=1)}
    assert "every worker draws the same numbers: Noise.state is" in results["worker_draws"].message
    assert results["epoch_draws"].status in ("warn", "skip")


# -- what loads change --------------------------------------------------------------------------------------


class Rotates(Rows):
    def __init__(self) -> None:
        super().__init__()
        self.queue = collections.deque(range(6))

    def __getitem__(self, index: int) -> Any:
        self.queue.rotate(-1)
        return super().__getitem__(self.queue[0])


class ScalesBytes(Rows):
    def __init__(self, kind: Any = bytearray) -> None:
        super().__init__()
        self.raw = kind(range(48))

    def __getitem__(self, index: int) -> Any:
        for at in range(8 * index, 8 * index + 8):
            self.raw[at] = (2 * self.raw[at] + 1) % 256
        return np.array(self.raw[8 * index : 8 * index + 8], "float32")[:, None], self.y[:8]


class TakesTurns(Rows):
    """The next group, whatever the index; after a pass the first one is due again."""

    def __init__(self) -> None:
        super().__init__()
        self.groups = iter(())

    def __getitem__(self, index: int) -> Any:
        group = next(self.groups, None)
        if group is None:
            self.groups = iter(range(1, 6))
            group = 0
        return super().__getitem__(group)


def test_what_loads_change_is_named() -> None:
    assert "Loading has changed self.queue." in result(Rotates, "repeatable").message
    for kind in (bytearray, functools.partial(array.array, "B")):
        found = result(functools.partial(ScalesBytes, kind), "own_data")
        assert found.message.startswith("ScalesBytes: loading batch 0 changed self.raw[0]")


def test_groups_that_come_in_turn_are_no_groups_that_change_places() -> None:
    results = run_checks(TakesTurns, only=("repeatable", "groups_change", "first_epoch"), workers=1)
    assert [one.status for one in results if one.name == "repeatable"] == ["fail"]
    assert not [one for one in results if one.status == "warn"]


class ReadsOn(Rows):
    """Reads the next lines of something that ends."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = iter(np.arange(200.0))

    def __getitem__(self, index: int) -> Any:
        return np.array([next(self.lines) for _ in range(4)], "float32")[:, None], np.zeros(4)


def test_an_end_that_loads_reach_is_no_second_failure() -> None:
    results = {one.name: one for one in run_checks(ReadsOn, only=("repeatable", "memory"), workers=1)}
    assert results["repeatable"].status == "fail"
    assert results["memory"].waits_for == "repeatable"


class OfATable(Rows):
    """pandas keeps a little for each view, and cleans up after some hundreds."""

    def __init__(self) -> None:
        super().__init__()
        self.table = pytest.importorskip("pandas").DataFrame({"a": X[:, 0], "b": Y})

    def __getitem__(self, index: int) -> Any:
        rows = self.table.iloc[8 * index : 8 * index + 8]
        return rows[["a"]].to_numpy(), rows["b"].to_numpy()


def test_tables_do_not_grow() -> None:
    assert result(OfATable, "memory").status == "pass"
