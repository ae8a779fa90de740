"""`map` and `filter`: calls, keyed random numbers, and functions that do what they must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.stages import READINGS, delivered, even, in_order, listed, never, noisy, numbers

from streamfit._base.errors import DataError, PicklingError
from streamfit.streams import Feed, source, stream
from streamfit.workers import make_pool


@pytest.mark.parametrize("make", READINGS)
def test_against_lists(make: Any) -> None:
    assert listed(make(6).map(lambda n: n * n)) == [n * n for n in range(6)]
    assert listed(make(9).filter(even)) == [n for n in range(9) if n % 3]
    assert listed(make(6).batch(4).map(lambda n: -n)) == [[0, -1, -2, -3], [-4, -5]]
    assert listed(make(6).batch(4).map(lambda n: -n, per="sample")) == [[0, -1, -2, -3], [-4, -5]]


def test_parts() -> None:
    pairs = source(np.arange(3), np.arange(3) + 5)
    assert listed(pairs.map(lambda x, y: (y, x))) == [(5, 0), (6, 1), (7, 2)]
    assert listed(pairs.map(lambda y: -y, on="y")) == [(0, -5), (1, -6), (2, -7)]
    assert listed(pairs.map(lambda x, y: x + y, new_form=True)) == [5, 7, 9]
    assert listed(source({"a": np.arange(2)}).map(lambda d: {"b": d["a"] * 2})) == [{"b": 0}, {"b": 2}]
    with pytest.raises(DataError, match="there is no sample_weight in"):
        list(pairs.map(abs, on="sample_weight"))


@pytest.mark.parametrize("make", READINGS)
def test_random_numbers_follow_the_sample_and_the_pass(make: Any) -> None:
    mapped = make(9).map(noisy)
    assert listed(mapped) != listed(mapped)
    assert listed(mapped.elements(0)) == listed(mapped.elements(0))
    twice = listed(numbers(9).map(noisy).map(noisy).elements(0))
    once = listed(numbers(9).map(noisy).elements(0))
    assert [b - a for a, b in zip(once, twice, strict=True)] != [a - n for n, a in enumerate(once)]


def test_samples_of_batches_draw_alike_however_they_are_read() -> None:
    mapped = numbers(8).shuffle().batch(3).map(noisy, per="sample")
    shown = [np.asarray(batch) for batch in mapped.elements(0)]
    with Feed(mapped.open_source(seed=0)) as feed:
        assert [batch.x.tolist() for batch in feed.run()] == [batch.tolist() for batch in shown]


def test_another_form() -> None:
    with pytest.raises(DataError, match=r"was given array and returned \(array, array\).*new_form=True"):
        list(numbers(2).map(lambda x: (x, x)))


def test_a_dictionary_becomes_x_and_y_and_the_other_way_round() -> None:
    named = source({"images": np.arange(4), "labels": np.arange(4) * 10}).batch(2)
    pairs = named.map(lambda both: (both["images"], both["labels"]))
    assert listed(pairs) == [([0, 1], [0, 10]), ([2, 3], [20, 30])]
    again = pairs.map(lambda x, y: {"images": x, "labels": y})
    assert listed(again) == listed(named)


def test_another_number_of_samples() -> None:
    for make in READINGS:
        with pytest.raises(DataError, match="a batch of 4 samples and returned one of 3"):
            list(make(8).batch(4).map(lambda x: x[1:]))


def test_what_is_no_function() -> None:
    with pytest.raises(TypeError, match="map needs a function, got 3"):
        numbers(2).map(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="filter needs a function, got None"):
        numbers(2).filter(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"map\(..., per='batch'\) needs batches"):
        numbers(2).map(abs, per="batch")
    with pytest.raises(ValueError, match="deterministic=False"):
        numbers(2).map(abs, deterministic=False)


def test_a_filter_that_leaves_nothing() -> None:
    with pytest.raises(DataError, match="its filters left out all 5 samples"):
        delivered(numbers(5).filter(never).batch(2))
    assert listed(numbers(5).filter(never)) == []


def test_passes_without_a_batch() -> None:
    with pytest.raises(DataError, match="pass 0 has no batches; too few elements are left"):
        delivered(numbers(3).batch(4, drop_remainder=True))


def test_a_filter_on_batches_needs_one_answer() -> None:
    with pytest.raises(DataError, match=r"one truth value for each element.*unbatch\(\)"):
        list(numbers(4).batch(2).filter(lambda x: x > 1))


@pytest.mark.timeout(60)
def test_functions_that_cannot_travel() -> None:
    lock = __import__("threading").Lock()

    def locked(x: np.ndarray) -> np.ndarray:
        with lock:
            return x

    for pipeline in (numbers(4).map(locked).batch(2), in_order(4).map(locked).batch(2)):
        with make_pool("processes", 1) as pool, pytest.raises(PicklingError, match="lock"):
            delivered(pipeline, pool)


class Reusing:
    """A function that returns one buffer again and again."""

    def __init__(self, form: str) -> None:
        self.form, self.buffer = form, np.zeros(2)

    def __call__(self, x: Any, y: Any) -> Any:
        self.buffer[...] = x
        return {
            "tuple": (self.buffer, y),
            "view": (self.buffer[::-1], y),
            "dict": ({"a": self.buffer}, y),
        }[self.form]


@pytest.mark.parametrize("form", ["tuple", "view", "dict"])
@pytest.mark.parametrize(
    "workers", [{}, {"workers": 1}, {"workers": 1, "use_multiprocessing": True}], ids=str
)
@pytest.mark.parametrize("in_order", [False, True])
def test_a_function_may_return_one_buffer_again_and_again(
    form: str, workers: dict[str, Any], in_order: bool
) -> None:
    data = source(np.arange(40.0).repeat(2).reshape(40, 2), np.arange(40))
    if in_order:
        data = data.filter(lambda x, y: True)
    with stream(data.map(Reusing(form)).batch(8), seed=1, **workers) as batches:
        for x, y in batches:
            rows = x["a"] if form == "dict" else x
            assert rows[:, 0].tolist() == y.tolist() == rows[:, 1].tolist()


def test_errors_name_the_sample() -> None:
    def fails(x: Any) -> Any:
        if x == 5:
            raise ValueError("bad value")
        return x

    for pipeline in (
        numbers(8).map(fails).batch(4),
        numbers(8).filter(fails),
        numbers(8).shuffle(seed=1).map(fails),
    ):
        with pytest.raises(ValueError, match="bad value") as caught:
            list(pipeline)
        assert any("of sample 5" in note for note in caught.value.__notes__)


def test_a_filter_may_draw() -> None:
    def half(x: Any, rng: np.random.Generator) -> bool:
        return bool(rng.random() < 0.5)

    pipeline = numbers(40).filter(half)
    first, again, next_pass = (list(pipeline.elements(number)) for number in (0, 0, 1))
    assert first == again != next_pass
    assert 5 < len(first) < 35


def test_lists_of_samples_and_unknown_kinds() -> None:
    rows = [(np.ones(2), 1.0), (np.zeros(2), 0.0)]
    x, y = source(rows, kind="samples").batch(2).peek()
    assert (x.shape, y.tolist()) == ((2, 2), [1.0, 0.0])
    with pytest.raises(ValueError, match="kind='sample': write 'samples' or 'batches'"):
        source(np.zeros(3), kind="sample")  # type: ignore[arg-type]


def test_samples_cannot_be_skipped_behind_a_filter() -> None:
    with (
        pytest.raises(ValueError, match="on_bad_sample='skip' cannot be used"),
        stream(numbers(8).filter(even).batch(2), on_bad_sample="skip", max_bad_samples=1) as batches,
    ):
        list(batches)


def test_texts_of_any_length_are_in_one_batch() -> None:
    words = ["a", "bb", "ccc"]
    assert source(words, kind="samples").batch(3).peek().tolist() == words
    assert source(iter([np.array(["a", "bb"]), np.array(["ccc", "d"])]), kind="samples").batch(
        2
    ).peek().tolist() == [
        ["a", "bb"],
        ["ccc", "d"],
    ]


class Alike:
    """Samples whose parts have one length, such as an image and a label for each of its rows."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return np.full((3, 3), float(index)), np.full(3, index)


def test_items_that_may_be_samples_or_batches_are_asked_for() -> None:
    with pytest.raises(ValueError, match="may be a sample or a batch"):
        source(Alike())
    assert len(source(Alike(), kind="samples").batch(2)) == 2
    assert len(source(Alike(), kind="batches")) == 4


def test_a_map_that_works_in_place_does_not_change_the_users_data() -> None:
    def double(x: Any) -> Any:
        x *= 2
        return x

    kept = [np.full(3, 1.0), np.full(3, 2.0)]
    for kind in ("samples", "batches"):
        pipeline = source(_Held(kept), kind=kind).map(double)
        for _ in range(2):
            assert [part.tolist() for part in pipeline] == [[2.0] * 3, [4.0] * 3]
    assert kept[0].tolist() == [1.0] * 3


class _Held:
    """Items that it holds itself."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


def test_windows_behind_a_split_are_refused() -> None:
    with pytest.raises(ValueError, match=r"take\(n\)"):
        numbers(12).split(0.5)[0].window(3)
    with pytest.raises(ValueError, match=r"take\(n\)"):
        numbers(3).concatenate(numbers(12).split(0.5)[0]).window(3)
