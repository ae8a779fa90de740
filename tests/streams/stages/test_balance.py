"""`balance`: shares of classes, passes that take turns, labels wherever they come from."""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stages import flat, in_order, listed, noisy, numbers

from streamfit._base.errors import DataError
from streamfit.streams import Pipeline, element_values, source
from streamfit.streams.stages import Pass

How = Literal["oversample", "undersample"]
SIZES = st.lists(st.integers(1, 30), min_size=1, max_size=5)
HOW: st.SearchStrategy[How] = st.sampled_from(["oversample", "undersample"])


def labels_of(sizes: list[int]) -> np.ndarray[Any, Any]:
    """Return labels of classes of these sizes, mixed."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(len(labels)).permutation(labels)


def taken(sizes: list[int], how: How, weights: list[int]) -> list[int]:
    """Return how many samples of each class a pass has."""
    ratios = [size / weight for size, weight in zip(sizes, weights, strict=True) if weight]
    scale = max(ratios) if how == "oversample" else min(ratios)
    return [round(scale * weight) for weight in weights]


@given(sizes=SIZES, how=HOW, first=st.integers(0, 50), data=st.data())
def test_shares_and_turns(sizes: list[int], how: How, first: int, data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(sizes), max_size=len(sizes)).filter(any))
    labels, wanted = labels_of(sizes), taken(sizes, how, weights)
    if any(weight and not count for weight, count in zip(weights, wanted, strict=True)):
        return
    balanced = numbers(len(labels)).balance(labels, weights=dict(enumerate(weights)), how=how)
    total = np.zeros(len(labels), np.int64)
    for number in range(first, first + 6):
        found = np.bincount(listed(balanced.elements(number)), minlength=len(labels))
        total += found
        for label, (size, count) in enumerate(zip(sizes, wanted, strict=True)):
            mine = found[labels == label]
            assert mine.sum() == count
            assert mine.max() - mine.min() <= 1, "once more at most"
            together = total[labels == label]
            assert together.max() - together.min() <= 1, "also in several passes"
            if count and number - first + 1 >= ceil(size / count):
                assert together.min() >= 1, "every sample has come"


@given(sizes=SIZES, how=HOW, data=st.data())
def test_any_position_is_found_alone(sizes: list[int], how: How, data: st.DataObject) -> None:
    stage = numbers(sum(sizes)).balance(labels_of(sizes), how=how).stage
    p = Pass(3, 2)
    size = stage.size(p)
    assert size is not None
    positions = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=20)), np.int64)
    whole = stage.ids(p, np.arange(size))
    assert stage.ids(p, positions).tolist() == whole[positions].tolist()
    assert len(set(whole.tolist())) == size, "each copy has an id of its own"
    assert whole.max() < stage.space(p)


def test_the_order_is_shuffled() -> None:
    labels = np.repeat([0, 1], [500, 50])
    found = np.array(listed(numbers(550).balance(labels)))
    assert abs((labels[found[:500]] == 1).mean() - 0.5) < 0.1
    assert (np.diff(found) == 1).mean() < 0.02


def test_the_draws_of_a_seed_never_change() -> None:
    labels = [0, 0, 0, 0, 1, 1]
    assert listed(numbers(6).balance(labels, seed=3)) == [3, 2, 4, 5, 4, 0, 5, 1]
    assert listed(numbers(6).balance(labels, how="undersample", seed=3)) == [5, 3, 4, 1]


def test_seeds_and_passes() -> None:
    balanced = numbers(40).balance(np.arange(40) % 4 == 0, how="undersample")
    assert listed(balanced.elements(0)) != listed(balanced.elements(1))
    assert listed(balanced.elements(1)) == listed(balanced.elements(1))
    assert set(listed(Pipeline(balanced.stage, seed=4).elements())) != set(listed(balanced.elements()))
    own = numbers(40).balance(np.arange(40) % 4 == 0, how="undersample", seed=4)
    assert listed(Pipeline(own.stage, seed=4).elements()) == listed(own.elements())


def test_copies_have_random_numbers_of_their_own() -> None:
    balanced = source(np.zeros(6, np.int64)).balance([0, 0, 0, 0, 0, 1])
    assert len(set(listed(balanced.map(noisy)))) == 10
    assert flat(listed(balanced.map(noisy).batch(3).elements(0))) == listed(balanced.map(noisy).elements(0))


class Pairs:
    """Samples with targets by number."""

    def __init__(self, labels: list[object]) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[object, object]:
        return np.asarray(index), self.labels[index]


LABELS = [7, 3, 3, 7, 3, 3, 3]


@pytest.mark.parametrize(
    "balanced",
    [
        source(np.arange(7)).balance(LABELS, seed=1),
        source(np.arange(7)).balance(np.array(LABELS)[:, None], seed=1),
        source(np.arange(7)).balance(np.array(LABELS, object), seed=1),
        source(np.arange(7), np.array(LABELS)).balance(seed=1),
        source(np.arange(7), np.array(LABELS)[:, None]).balance(seed=1),
        source(Pairs(LABELS), kind="samples").balance(seed=1),
        source(np.arange(7), np.array(LABELS)).balance(by=lambda x, y: y, seed=1),
        source({"kind": np.array(LABELS)}).balance(by=lambda row: row["kind"], seed=1),
        source(np.arange(7), np.eye(10)[LABELS]).balance(by=lambda x, y: y.argmax(), seed=1),
        source(np.arange(8), np.array([9, *LABELS])).skip(1).balance(seed=1),
    ],
    ids=[
        "list",
        "column",
        "objects",
        "target",
        "column of targets",
        "loaded",
        "by",
        "table",
        "one-hot",
        "part",
    ],
)
def test_labels_of_each_kind(balanced: Pipeline) -> None:
    wanted = listed(source(np.arange(7)).balance(LABELS, seed=1))
    assert repr(balanced.stage) == "balance(2 classes #" + repr(balanced.stage)[19:27] + ", seed=1)"
    ids = balanced.stage.ids(Pass(0, 0), np.arange(len(balanced))) % balanced.stage.input.space(Pass(0, 0))
    offset = 1 if "skip" in balanced.stage.input.text() else 0
    assert (ids - offset).tolist() == wanted
    assert repr(balanced.stage) == repr(source(np.arange(7)).balance(LABELS, seed=1).stage)


def test_text_as_labels() -> None:
    labels = ["rare", "often", "often", "often"]
    balanced = source(np.arange(4)).balance(labels, weights={"often": 1, "rare": 2})
    assert Counter(labels[at] for at in listed(balanced)) == {"often": 3, "rare": 6}
    by = source(np.array(labels)).balance(by=lambda name: str(name), weights={"often": 1, "rare": 2})
    assert Counter(listed(by)) == {"often": 3, "rare": 6}


def test_targets_are_read_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(element_values, "_CHUNK", 3)

    class Closed(Pairs):
        def __getitem__(self, index: int) -> tuple[object, object]:
            raise AssertionError("nothing is to be loaded")

    pipeline = source(np.arange(7), np.array(LABELS))
    rows = pipeline.stage.source.row_parts  # type: ignore[attr-defined]
    pipeline.stage.source.row_parts = (Closed([]), *rows[1:])  # type: ignore[attr-defined]
    assert repr(pipeline.balance().stage) == repr(source(np.arange(7)).balance(LABELS).stage)


def test_more_classes_than_a_byte_holds() -> None:
    labels = np.arange(600) % 300
    balanced = numbers(600).balance(labels, weights={label: 1 + label % 2 for label in range(300)})
    found = Counter(int(labels[at]) for at in listed(balanced))
    assert found == {label: 2 * (1 + label % 2) for label in range(300)}


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0.0, float("nan"), 1.0], r"labels\[1\] of .* is NaN"),
        (np.eye(3), r"labels have shape \(3, 3\), and each sample needs one; for one-hot targets"),
        ([0, "a", None], "some labels are numbers and some are text"),
        (np.array([1, 2, 3], "datetime64[D]"), "labels must be numbers or text, got"),
        (3, "labels=3: write an array with one label for each element"),
    ],
    ids=["nan", "one-hot", "mixed", "dates", "one"],
)
def test_wrong_labels(labels: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        numbers(3).balance(labels)


def test_wrong_targets() -> None:
    with pytest.raises(DataError, match=r"an element is array and has no target to find its class by"):
        numbers(3).balance()
    with pytest.raises(DataError, match=r"by= gave .*; it must be one number or text; for one-hot targets"):
        source(Pairs([np.eye(3)[0]] * 3), kind="samples").balance()
    with pytest.raises(DataError, match="more than 65,536 different labels"):
        source(np.zeros(70_000), np.arange(70_000) / 7).balance()
    with pytest.raises(DataError, match="by= gave numbers for some elements and text for others"):
        numbers(3).balance(by=lambda x: "a" if x else 0)


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="labels= and by= both say what the classes are"):
        numbers(2).balance([0, 1], by=lambda x: x)
    with pytest.raises(ValueError, match="how='both': write 'oversample' or 'undersample'"):
        numbers(2).balance([0, 1], how="both")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"balance\(\) of 3 elements was given values for 2"):
        numbers(3).balance([0, 1])
    with pytest.raises(ValueError, match=r"draws single samples; write .balance\(...\) before .batch"):
        numbers(4).batch(2).balance([1, 1])
    with pytest.raises(ValueError, match=r"is read in order. Write .balance\(...\) before .filter"):
        in_order(4).balance([1, 1, 1, 1])
    with pytest.raises(ValueError, match=r"would go astray; write .balance\(...\) before .shuffle"):
        numbers(4).shuffle().balance([1, 1, 1, 1])


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({0: 1}, "there is no weight for class 1; write one for each class, 0 to leave a class out"),
        ({0: 1, 1: 1, "a": 1}, "there is no class 'a'"),
        ({0: 0, 1: 0}, "each must be finite, and one of them above 0"),
        ({0: 1, 1: float("inf")}, "each must be finite"),
        ({0: 1, 1: -1}, r"weights\[1\] must be at least 0"),
    ],
)
def test_wrong_weights(weights: dict[Any, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        numbers(3).balance([0, 1, 1], weights=weights)


def test_weights_that_leave_nothing() -> None:
    with pytest.raises(DataError, match="class 1 would have less than one sample in a pass"):
        numbers(3).balance([0, 1, 1], weights={0: 1, 1: 0.1}, how="undersample")
    with pytest.raises(DataError, match="write weights that differ less"):
        numbers(3).balance([0, 1, 1], weights={0: 1, 1: 1e-30})
