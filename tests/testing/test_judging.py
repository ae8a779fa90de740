"""Pipelines that draw, or change what they hold, are judged to the end, and for the right reason."""

from __future__ import annotations

import collections
import csv
import functools
import io
import itertools
import random
import threading
import types
import warnings
from typing import Any

import numpy as np
import pytest

from streamfit import Sequence
from streamfit.testing import run_checks
from streamfit.testing.held_state import changed_entries, held_entries

pytestmark = pytest.mark.timeout(60)


def result(thing: Any, name: str, **options: Any) -> Any:
    (found,) = run_checks(thing, only=name, workers=1, **options)
    return found


class Plain(Sequence):
    """Six batches; `setup` makes what it holds, `change` what a load does to it."""

    def __init__(self) -> None:
        super().__init__()
        self.setup()

    def setup(self) -> None:
        """Hold nothing."""

    def add(self, index: int) -> Any:
        return 0

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        return np.arange(8.0).reshape(4, 2) + 100 * index + self.add(index), np.full(4, index)


def pipeline(setup: Any, add: Any) -> Any:
    """Return a class of sequences that hold and do what two functions say."""
    return type("Data", (Plain,), {"setup": setup, "add": add})


# -- why a batch is another one each time -------------------------------------------------------------------


class Helper:
    """A part of a pipeline that draws."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(3)


class HoldsNumpy(Plain):
    def setup(self) -> None:
        self.noise = np.random.default_rng(0)

    def add(self, index: int) -> Any:
        return self.noise.normal()


class HoldsLegacy(Plain):
    def setup(self) -> None:
        self.noise = np.random.RandomState(0)

    def add(self, index: int) -> Any:
        return self.noise.normal()


class HoldsRandom(Plain):
    def setup(self) -> None:
        self.noise = random.Random(0)

    def add(self, index: int) -> Any:
        return self.noise.random()


class HoldsHelper(Plain):
    def setup(self) -> None:
        self.steps = [Helper()]

    def add(self, index: int) -> Any:
        return self.steps[0].rng.normal()


class HoldsCount(Plain):
    def setup(self) -> None:
        self.numbers = itertools.count()

    def add(self, index: int) -> Any:
        return next(self.numbers)


class HoldsRows(Plain):
    def setup(self) -> None:
        self.rows = csv.reader(io.StringIO("\n".join(map(str, range(5000)))))

    def add(self, index: int) -> Any:
        return float(next(self.rows)[0])


class HoldsFile(Plain):
    def setup(self) -> None:
        self.file = io.BytesIO(bytes(range(256)) * 100)

    def add(self, index: int) -> Any:
        return self.file.read(1)[0]


class Counts(Plain):
    calls = 0

    def add(self, index: int) -> Any:
        self.calls += 1
        return self.calls


CAUSES = [
    (HoldsNumpy, "self.noise is a numpy.random.Generator, which every load advances"),
    (HoldsLegacy, "self.noise is a numpy.random.RandomState, which every load advances"),
    (HoldsRandom, "self.noise is a random.Random, which every load advances"),
    (HoldsHelper, "self.steps[0].rng is a numpy.random.Generator, which every load advances"),
    (HoldsCount, "self.numbers is a count iterator, which every load advances"),
    (HoldsRows, "self.rows is a reader iterator, which gives each of its items once"),
    (HoldsFile, "self.file is an open file, whose position every load moves"),
    (Counts, "Loading has changed self.calls."),
    (pipeline(lambda self: None, lambda self, index: np.random.default_rng().normal()), "without a seed"),
]


@pytest.mark.parametrize(("cls", "text"), CAUSES, ids=[case[0].__name__ for case in CAUSES])
def test_the_attribute_behind_draws_is_named(cls: Any, text: str) -> None:
    found = result(cls, "repeatable")
    assert found.status == "fail"
    assert text in found.message


@pytest.mark.parametrize(
    ("package", "advice"),
    [("albumentations", "self.augment.set_random_seed("), ("imgaug", "self.augment.seed_(")],
)
def test_augmentation_of_another_package_is_named(package: str, advice: str) -> None:
    module = types.ModuleType(package)
    call = "def __call__(self, x):\n        return x + random.SystemRandom().random()"
    exec(f"import random\nclass Compose:\n    {call}\n", vars(module))

    class Augmented(Plain):
        def setup(self) -> None:
            self.augment = vars(module)["Compose"]()

        def add(self, index: int) -> Any:
            return self.augment(0)

    found = result(Augmented, "repeatable")
    assert (
        f"self.augment is an object of {package}, which draws from random states of its own" in found.message
    )
    assert advice in found.message


# -- judged to the end --------------------------------------------------------------------------------------


class Racing(Plain):
    """One generator for all threads."""

    def setup(self) -> None:
        self.draws = (float(np.sum(np.arange(200.0) * at)) for at in itertools.count())

    def add(self, index: int) -> Any:
        return next(self.draws)


class UsedUp(Plain):
    """Gives each of fifteen numbers once."""

    def setup(self) -> None:
        self.numbers = iter(list(range(15)))

    def add(self, index: int) -> Any:
        return next(self.numbers)


def test_draws_and_crashes_are_both_named() -> None:
    expected = {"repeatable": "it is meant to draw"}
    for options in ({}, {"expected_failures": expected}):
        found = {
            one.name: one
            for one in run_checks(
                Racing, only=("repeatable", "crashes", "thread_safe", "any_order"), workers=1, **options
            )
        }
        assert found["repeatable"].status == ("expected" if options else "fail")
        assert found["crashes"].status == "fail"
        assert "generator already executing when it was loaded while batch" in found["crashes"].message
        assert (found["any_order"].waits_for, found["thread_safe"].waits_for) == ("repeatable", "repeatable")
        assert found["any_order"].message == "'repeatable' has to hold first"


def test_what_ends_alone_is_no_race() -> None:
    found = result(UsedUp, "crashes")
    assert found.status == "fail"
    assert "also when nothing else is loaded" in found.message


def test_crashes_leave_clean_pipelines_to_the_closer_check() -> None:
    assert result(Plain, "crashes").message == "'thread_safe' looks closer"
    assert result(HoldsNumpy, "crashes").status == "pass"


def test_every_worker_draws_the_same_numbers() -> None:
    found = {one.name: one for one in run_checks(HoldsNumpy, only=("worker_draws", "epoch_draws"))}
    assert found["worker_draws"].status == "fail"
    text = "HoldsNumpy: every worker draws the same numbers: self.noise is a numpy.random.Generator that is "
    assert found["worker_draws"].message.startswith(text)
    assert found["epoch_draws"].status == "warn"
    assert "each epoch draws the same" in found["epoch_draws"].message


class Locked(HoldsRandom):
    def setup(self) -> None:
        super().setup()
        self.lock = threading.Lock()


def test_draws_of_what_cannot_be_sent_are_judged_for_fork() -> None:
    found = result(Locked, "worker_draws")
    assert found.status == "warn"
    assert "made by fork, every worker draws the same numbers" in found.message


def test_pipelines_that_hold_no_generator_start_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfit.testing.checks.drawing.pool_of", None)
    drawn = pipeline(lambda self: None, lambda self, index: self.rng(index).normal())
    for thing in (Plain, Counts, drawn):
        assert {one.status for one in run_checks(thing, only=("worker_draws", "epoch_draws"))} == {"skip"}


# -- data that loads change ---------------------------------------------------------------------------------


class Point:
    """A sample."""

    def __init__(self, value: float) -> None:
        self.value, self.cached = value, None


def _halved(self: Any, index: int) -> Any:
    self.points[index].value /= 2
    return 0


def _pad(self: Any, index: int) -> Any:
    self.rows["a"].extend([0.0] * (6 - len(self.rows["a"])))
    return 0


CHANGES = [
    (lambda s: setattr(s, "rows", [3.0, 1.0, 2.0]), lambda s, i: s.rows.sort() or 0, "self.rows[0]"),
    (lambda s: setattr(s, "rows", list(range(999))), lambda s, i: s.rows.pop() * 0, "self.rows"),
    (lambda s: setattr(s, "rows", {"a": [1.0], "b": [2.0]}), _pad, "self.rows['a']"),
    (lambda s: setattr(s, "points", [Point(at + 1.0) for at in range(6)]), _halved, "self.points[0].value"),
    (lambda s: setattr(s, "left", set(range(6))), lambda s, i: s.left.discard(i) or 0, "self.left"),
    (
        lambda s: setattr(s, "queue", collections.deque(range(999))),
        lambda s, i: s.queue.popleft() * 0,
        "self.queue",
    ),
    (lambda s: setattr(s, "x", np.ones(3)), lambda s, i: s.x.__imul__(2)[0] * 0, "the array self.x"),
]


@pytest.mark.parametrize(("setup", "add", "name"), CHANGES, ids=[case[2] for case in CHANGES])
def test_data_that_loads_change(setup: Any, add: Any, name: str) -> None:
    found = result(pipeline(setup, add), "own_data")
    assert found.status == "fail"
    assert found.message.startswith(f"Data: loading batch 0 changed {name}. In a worker process that is lost")


def test_a_table_that_loads_change() -> None:
    pandas = pytest.importorskip("pandas")

    class Tables(Plain):
        def setup(self) -> None:
            self.table = pandas.DataFrame({"a": [3.0, 1.0, 2.0], "b": [1, 2, 3]})

        def add(self, index: int) -> Any:
            self.table.loc[0, "b"] = 7
            self.table["c"] = 1
            return 0

    assert "changed self.table['b']" in result(Tables, "own_data").message


def _remember(self: Any, index: int) -> Any:
    self.cache[index] = [float(index)]
    self.slots[index] = np.zeros(2)
    self.hits["all"] += 1
    self.used[index] += 1
    self.lru[index] = [1.0]
    if len(self.lru) > 2:
        del self.lru[next(iter(self.lru))]
    self.log.append(index)
    self.point[0].cached = [1.0]
    self.read(index)
    return 0


def _remembering(self: Any) -> None:
    self.cache: dict[int, Any] = {}
    self.slots, self.used = [None] * 6, [0] * 6
    self.hits = collections.Counter(all=0)
    self.lru: dict[Any, Any] = {"old": [0.0]}
    self.log: list[Any] = ["made"]
    self.point = [Point(0.0)]
    self.read = functools.lru_cache(abs)


def test_caches_and_counters_are_no_change_of_the_data() -> None:
    found = result(pipeline(_remembering, _remember), "own_data")
    assert (found.status, found.message) == ("pass", "")


def test_entries_that_are_replaced_are_named() -> None:
    holder = types.SimpleNamespace(rows=[{"a": 1.0}, [2.0]])
    before = held_entries(holder)
    assert changed_entries(before) is None
    holder.rows[0]["a"] = -1.0
    assert changed_entries(before) == "self.rows[0]['a']"


# -- how it is made, and the global states -----------------------------------------------------------------


class ShuffledWhenMade(Plain):
    def setup(self) -> None:
        self.order = np.random.permutation(600)

    def add(self, index: int) -> Any:
        return self.order[index]


class LockedWhenMade(ShuffledWhenMade):
    def setup(self) -> None:
        super().setup()
        self.lock = threading.Lock()


class EntropyWhenMade(ShuffledWhenMade):
    def setup(self) -> None:
        self.order = np.random.default_rng().permutation(600)


@pytest.mark.parametrize(
    ("cls", "status", "cause"),
    [
        (ShuffledWhenMade, "warn", "numpy.random or random in the constructor"),
        (LockedWhenMade, "fail", "numpy.random or random in the constructor"),
        (EntropyWhenMade, "warn", "a generator without a seed"),
    ],
)
def test_two_objects_of_a_factory_differ(cls: Any, status: str, cause: str) -> None:
    found = result(cls, "made_alike")
    assert found.status == status
    assert f"two objects that {cls.__name__}() makes differ: batch 0 is not the same" in found.message
    assert cause in found.message
    assert result(cls(), "made_alike").status == "skip"


class Wipes(Plain):
    def setup(self) -> None:
        np.random.seed(None)

    def on_epoch_end(self) -> None:
        random.shuffle([1, 2, 3])


class Constant(Plain):
    def on_epoch_begin(self) -> None:
        np.random.seed(42)


def test_constructors_and_hooks_that_use_the_global_states() -> None:
    found = result(Wipes, "global_use")
    assert found.status == "warn"
    assert "the constructor seeds the global random state of numpy.random anew and " in found.message
    assert "on_epoch_end draws from the global random state of random" in found.message
    assert "constructor" not in result(Wipes(), "global_use").message
    text = (
        "on_epoch_begin seeds the global random state of numpy.random with a constant. The seed that the user"
    )
    assert text in result(Constant(), "global_use").message
    assert result(Plain, "global_use").status == result(Plain, "made_alike").status == "pass"


def test_hooks_of_what_cannot_be_copied_are_not_called() -> None:
    thing = LockedWhenMade()
    thing.on_epoch_end = lambda: pytest.fail("called")  # type: ignore[method-assign]
    assert result(thing, "global_use").status == "pass"


# -- warnings and finalizers --------------------------------------------------------------------------------


class Warns(Plain):
    def add(self, index: int) -> Any:
        if index == 2:
            warnings.warn("the old format", DeprecationWarning, stacklevel=1)
        return np.minimum(np.log(np.zeros(1)), 0)[0] * 0 if index == 3 else 0


def test_warnings_of_loads_are_shown_once(recwarn: pytest.WarningsRecorder) -> None:
    results = run_checks(Warns, only=("load_warnings", "own_arrays", "global_randomness"))
    found = next(one for one in results if one.name == "load_warnings")
    assert found.status == "warn"
    assert "DeprecationWarning: the old format (test_judging.py:" in found.message
    assert "RuntimeWarning: divide by zero encountered in log (test_judging.py:" in found.message
    assert "; batch 2)" in found.message
    assert [str(one.message) for one in recwarn] == []
    assert result(Plain, "load_warnings").status == "pass"


class ClosesItsFile(Plain):
    """Half a copy has no file."""

    def setup(self) -> None:
        self.file = open(__file__)  # noqa: SIM115

    def __del__(self) -> None:
        self.file.close()


class NeverEndsWell(Plain):
    """Raises at its end, as do its copies."""

    def __del__(self) -> None:
        raise RuntimeError("always")


@pytest.mark.parametrize("cls", [ClosesItsFile, NeverEndsWell])
def test_finalizers_of_copies_print_nothing(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda found: seen.append(found.object))
    thing = cls()
    names = ("repeatable", "any_order", "own_data", "own_arrays", "made_alike", "global_use")
    assert {one.status for one in run_checks(thing, only=names, workers=1)} <= {"pass", "skip"}
    assert seen == []
    thing.__class__ = Plain  # nothing to be printed at its own end


class DrawnAtTheFirstLoad(Sequence):
    """The order is drawn by the first load, from a method of the global state that is kept in self."""

    def __init__(self) -> None:
        self.rows, self.order, self.draw = np.arange(40.0)[:, None], {}, np.random.permutation

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if 0 not in self.order:
            self.order[0] = self.draw(40)
        rows = self.order[0][8 * index : 8 * index + 8]
        return self.rows[rows], self.rows[rows]


class HoldsTheGlobalState(Sequence):
    """Holds what `check_random_state(None)` of scikit-learn returns."""

    def __init__(self) -> None:
        self.random_state = np.random.get_state.__self__

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.random_state.normal(size=(4, 2)), np.zeros(4)


@pytest.mark.parametrize("cls", [DrawnAtTheFirstLoad, HoldsTheGlobalState])
def test_the_global_state_is_no_generator_of_the_object(cls: Any) -> None:
    names = ("global_randomness", "steady", "worker_draws")
    results = {result.name: result for result in run_checks(cls, only=names)}
    assert "draws from the global random state of numpy.random" in results["global_randomness"].message
    assert results["global_randomness"].status == "fail"
    assert results["worker_draws"].status == "skip"
    assert results["steady"].status in ("pass", "skip")


class StateForEachBatch(Sequence):
    """A random state for each batch number, made in ascending order: no two batches share one."""

    def __init__(self) -> None:
        self.lock, self.seeds, self.states = threading.Lock(), random.Random(7), []

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        with self.lock:
            while len(self.states) <= index:
                self.states.append(np.random.RandomState(self.seeds.randrange(2**32)))
        return self.states[index].normal(size=(8, 2)), np.full(8, index)


def test_workers_do_not_draw_the_same_where_each_batch_has_a_state_of_its_own() -> None:
    results = {one.name: one for one in run_checks(StateForEachBatch, only=("repeatable", "worker_draws"))}
    assert results["repeatable"].status == "fail"
    assert results["worker_draws"].status == "skip"
