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


# -- samples that never come --------------------------------------------------------------------------------


class ListOfFiles(Sequence):
    """50 files in batches of 8: the rows behind the last two are as np.empty has made them."""

    def __init__(self) -> None:
        self.paths = [f"{number:03d}.npy" for number in range(50)]

    def __len__(self) -> int:
        return len(self.paths) // 8

    def __getitem__(self, index: int) -> Any:
        x, y = np.empty((8, 4, 4), "float32"), np.empty(8, dtype=int)
        for at, path in enumerate(self.paths[8 * index : 8 * index + 8]):
            x[at] = int(path[:3]) + np.arange(16).reshape(4, 4) / 16
            y[at] = int(path[:3]) % 3
        return x, y


class EverySecondBatch(Rows):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        return super().__getitem__(2 * index)


class RunsPastTheEnd(Sequence):
    """on_epoch_end moves on without an end: later rows are what np.zeros made."""

    def __init__(self) -> None:
        self.data, self.epoch = np.arange(1, 33, dtype="float32")[:, None], 0

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        first = 8 * (index + 2 * self.epoch)
        x = np.zeros((8, 1), "float32")
        for at, value in enumerate(self.data[first : first + 8]):
            x[at] = value
        return x, x


class EveryFifthIsForValidation(Rows):
    """A split: what does not come is meant for somebody else."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        rows = np.flatnonzero(np.arange(48) % 5)[8 * index : 8 * index + 8]
        return self.x[rows], self.y[rows]


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (ListOfFiles, "index 6 would give 2 more samples, which are never used"),
        (EverySecondBatch, "24 of 48 rows of self.x never come: rows 8 to 15, 24 to 31, 40 to 47."),
        (RunsPastTheEnd, "16 times the very same sample comes in their place, first in row 0 of batch 2"),
    ],
)
def test_samples_that_never_come_are_told(thing: Any, text: str) -> None:
    found = result(thing, "none_lost")
    assert found.status == "warn"
    assert text in found.message


def test_a_split_is_no_loss() -> None:
    assert result(EveryFifthIsForValidation, "none_lost").status == "pass"


# -- the right reason ---------------------------------------------------------------------------------------


class NeedsTheFirst(Rows):
    def __getitem__(self, index: int) -> Any:
        if index == 0:
            self.scale = 2
        return self.scale * self.x[8 * index : 8 * index + 8], self.y[8 * index : 8 * index + 8]


def test_batches_that_need_the_first_one_have_one_failure() -> None:
    results = {one.name: one for one in run_checks(NeedsTheFirst, only=("length", "any_order", "crashes"))}
    assert [name for name, one in results.items() if one.status == "fail"] == ["any_order"]
    text = results["any_order"].message
    assert text.startswith("NeedsTheFirst: batch 5 cannot be loaded before earlier ones: AttributeError")
    assert "make what all loads need in __init__" in text


class DrawsAnewInItsHook(Rows):
    def on_epoch_end(self) -> None:
        order = np.random.default_rng().permutation(48)
        self.x, self.y = self.x[order], self.y[order]


def test_a_hook_that_draws_anew_does_not_blame_variables_of_modules() -> None:
    found = result(DrawsAnewInItsHook, "hooks")
    assert found.status == "warn"
    assert "each time that on_epoch_end runs, also in this process" in found.message


class TwoClassesMovedBack(Rows):
    """The last batch begins earlier; there are two classes, of which one is repeated more."""

    def __init__(self) -> None:
        order = np.random.RandomState(3).permutation(22)
        self.x, self.y = np.arange(44.0, dtype="float32").reshape(22, 2)[order], order % 2

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        start = min(4 * index, 18)
        return self.x[start : start + 4], self.y[start : start + 4]


def test_repeats_of_the_last_batch_alone_are_no_rare_class() -> None:
    found = result(TwoClassesMovedBack, "no_repeats")
    assert found.status == "warn"
    assert "the last batch, 5, repeats 2 samples" in found.message


class WithoutLength:
    """Its __len__ forgets to return."""

    def __len__(self) -> int:
        return None  # type: ignore[return-value]

    def __iter__(self) -> Any:
        return iter([(np.zeros((2, 3), "float32"), np.zeros(2))])


def test_length_that_is_no_number_is_told() -> None:
    (found,) = run_checks(WithoutLength, "generator", only="passes")
    assert found.status == "warn"
    assert "len() of it raises TypeError: 'NoneType' object cannot be interpreted" in found.message
