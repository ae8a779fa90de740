"""Slips in composing and in the user's code: each gets an error that says what is wrong and what to write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from streamfit import DataError, Sequential, WorkerError, interleave, layers, mix, source, stream
from streamfit.streams import Feed, GeneratorSource, Pipeline
from streamfit.streams.items import unpack
from streamfit.workers import make_pool


def listed(pipeline: Pipeline) -> list[Any]:
    return [np.asarray(element).tolist() for element in pipeline]


# -- mix and interleave -----------------------------------------------------------------------------------


@pytest.mark.parametrize("join", [mix, interleave])
def test_pipelines_go_in_a_list(join: Callable[..., Pipeline]) -> None:
    a, b = source([1, 2]), source([3, 4])
    name = join.__name__
    with pytest.raises(
        TypeError, match=rf"^{name}\(\) takes its pipelines in one list; write {name}\(\[a, b\]\)$"
    ):
        join(a, b)
    with pytest.raises(
        ValueError, match=rf"{name}\(\) needs a pipeline, and the list is empty; write {name}"
    ):
        join([])
    with pytest.raises(
        TypeError, match=rf"{name}\(\) needs a list of pipelines, got 3; write {name}\(\[a, b\]\)"
    ):
        join(3)
    with pytest.raises(TypeError, match="number 1 is a list; write source"):
        join([a, [1, 2]])
    assert sorted(listed(join(iter([a, b])))) == [1, 2, 3, 4]


# -- generators -------------------------------------------------------------------------------------------


def pairs(count: int) -> Iterator[Any]:
    for k in range(count):
        yield np.full((2, 1), float(k)), np.zeros((2, 1))


def fitted(data: Any, **options: Any) -> None:
    model = Sequential([layers.Dense(1, input_shape=(1,))])
    model.compile("sgd", loss="mse")
    model.fit(data, verbose=0, **options)


@pytest.mark.parametrize(
    "wrap", [lambda data: data, lambda data: source(data), lambda data: source(data).map(pair)]
)
def test_a_used_up_generator_is_called_that(wrap: Callable[[Any], Any]) -> None:
    data = pairs(3)
    fitted(wrap(data), steps_per_epoch=3)
    assert next(data, None) is None
    with pytest.raises(
        DataError, match=r"the generator is used up: .*Make a new one, or pass an object that can be"
    ):
        fitted(wrap(data), steps_per_epoch=3)


def pair(x: Any, y: Any) -> Any:
    return x, y


def test_a_pipeline_over_an_iterator_knows_that_it_has_ended() -> None:
    pipeline = source(iter([1, 2]), kind="samples")  # no generator: only its end tells
    assert listed(pipeline) == [1, 2]
    with pytest.raises(DataError, match="is used up"):
        list(pipeline)


def test_an_empty_generator_is_not_called_used_up() -> None:
    with pytest.raises(DataError, match="Received an empty generator"):
        fitted(pairs(0), steps_per_epoch=1)


def test_what_was_given_back_is_read_though_the_generator_has_ended() -> None:
    data = pairs(3)
    first = Feed(GeneratorSource(data), ahead=8)
    run = first.run(1)
    next(run)
    first.close()
    with Feed(GeneratorSource(data), ahead=8) as second:
        assert len(list(second.run())) == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_an_exception_in_a_generator_says_where(workers: int) -> None:
    def torn() -> Iterator[Any]:
        yield from pairs(2)
        raise OSError("cannot read")

    with pytest.raises(OSError, match=r"^cannot read\n") as caught:
        list(stream(torn(), workers=workers, name="scans"))
    assert caught.value.__notes__[0] == "while the generator made item 2 of source 'scans', pass 0"


def test_an_exception_in_an_iterable_names_pass_and_item() -> None:
    class Torn:
        passes = 0

        def __iter__(self) -> Iterator[Any]:
            self.passes += 1
            yield 1
            if self.passes == 2:
                raise OSError("cannot read")
            yield 2

    pipeline = source(Torn(), kind="samples")
    assert listed(pipeline) == [1, 2]
    with pytest.raises(OSError) as caught:
        list(pipeline)
    assert "while the Torn made item 1 of source 'data', pass 1" in caught.value.__notes__


# -- inputs of unlike forms -------------------------------------------------------------------------------


UNLIKE = {
    "form": (
        np.zeros((2, 3)),
        (np.zeros((2, 3)), np.zeros(2)),
        r"array in the first and \(array, array\) in the second",
    ),
    "dtype": (np.zeros(2), np.zeros(2, "int64"), "x has dtype float64 in the first and int64 in the second"),
    "axes": (np.zeros((2, 3)), np.zeros((2, 3, 1)), "x has 1 axes in the first and 2 in the second"),
}


def made(data: Any, name: str) -> Pipeline:
    return source(*data, name=name) if isinstance(data, tuple) else source(data, name=name)


def same(*parts: Any) -> Any:
    return parts if len(parts) > 1 else parts[0]


@pytest.mark.parametrize("case", UNLIKE)
@pytest.mark.parametrize("batched", [False, True])
def test_unlike_inputs_are_noticed_when_they_are_composed(case: str, batched: bool) -> None:
    one, other, words = UNLIKE[case]
    first, second = made(one, "one").shuffle(), made(other, "other").take(1)
    if batched:
        first, second, words = (
            first.batch(2),
            second.batch(2),
            words.replace("1 axes", "2 axes").replace("and 2 in", "and 3 in"),
        )
    for join in (
        lambda: first.concatenate(second),
        lambda: mix([first, second]),
        lambda: interleave([first, second]),
    ):
        with pytest.raises(
            DataError, match=rf"{words}.*The first is source\('one', .*the second is source\('other'"
        ):
            join()


@pytest.mark.parametrize("case", UNLIKE)
@pytest.mark.parametrize("ordered", [False, True])
def test_unlike_inputs_are_noticed_at_the_first_element_otherwise(case: str, ordered: bool) -> None:
    one, other, words = UNLIKE[case]
    first, second = made(one, "one").map(same), made(other, "other").map(same)
    if ordered:
        first = first.filter(lambda *parts: True)
    with pytest.raises(
        DataError, match=rf"{words}.*The first is source\('one', .*the second is source\('other'"
    ):
        list(first.concatenate(second))
    with pytest.raises(DataError, match="one form"):
        list(interleave([first, second]))
    with pytest.raises(DataError, match="one form"):
        list(mix([first, second], seed=1))


def test_lengths_of_axes_may_differ_and_texts_may_be_of_any_length() -> None:
    short, long = source(np.ones((1, 2))), source(np.ones((1, 3)))
    (batch,) = short.concatenate(long).padded_batch(2)
    assert batch.tolist() == [[1, 1, 0], [1, 1, 1]]
    words = source(iter(["a"]), kind="samples").concatenate(source(iter(["long"]), kind="samples"))
    assert listed(words) == ["a", "long"]


# -- nested structures ------------------------------------------------------------------------------------


A, B = np.zeros((2, 3)), np.ones((2, 3))


@pytest.mark.parametrize(
    "item",
    [
        ([[A, B], [A, B]], B),
        (((A, B), (A, B)), B),
        ([(A, B), A], B),
        (A, [[A], [B]]),
        ({"a": [[A, B]]}, B),
        ([{"a": A}, {"a": B}], B),
    ],
)
def test_structures_two_deep_are_refused(item: Any) -> None:
    with pytest.raises(DataError, match=r"structure.*[Ww]rite one flat|pass one dict of arrays"):
        unpack(item, targets=True, bare=False, maker="generator")


@pytest.mark.parametrize(
    ("item", "shape"),
    [
        (([A, B], B), [(2, 3), (2, 3)]),
        (((A, None), B), [(2, 3), None]),
        (([[1.0, 2.0], [3.0, 4.0]], B), (2, 2)),
        (([[[1, 2]], [[3, 4]]], B), (2, 1, 2)),
        (([[np.float32(1), np.float32(2)]], B), (1, 2)),
    ],
)
def test_flat_structures_and_lists_of_numbers_are_taken(item: Any, shape: Any) -> None:
    x, _, _ = unpack(item, targets=True, bare=False, maker="generator")
    assert (x.shape if isinstance(x, np.ndarray) else [None if e is None else e.shape for e in x]) == shape  # type: ignore[union-attr]


# -- maps -------------------------------------------------------------------------------------------------


def stop(x: Any) -> Any:
    if x >= 2:
        return next(iter(()))
    return x


def interrupted(x: Any) -> Any:
    if x >= 2:
        raise KeyboardInterrupt
    return x


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["inline", "threads", "processes"])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("how", ["map", "filter"])
def test_stop_iteration_of_a_function_never_ends_the_pass(kind: Any, ordered: bool, how: str) -> None:
    numbers = source(np.arange(6)) if not ordered else source(iter(range(6)), kind="samples")
    pipeline = getattr(numbers, how)(stop).batch(1)
    with (
        make_pool(kind, 0 if kind == "inline" else 1) as pool,
        pytest.raises(RuntimeError, match="raised StopIteration"),
    ):
        list(Feed(pipeline.open_source(), pool).run())
    with pytest.raises(RuntimeError, match=rf"{how}\(stop\) raised StopIteration for element 2"):
        list(source(iter(range(6)), kind="samples").__getattribute__(how)(stop))


@pytest.mark.parametrize("ordered", [False, True])
def test_an_interruption_of_a_map_passes_through(ordered: bool) -> None:
    numbers = source(np.arange(6)) if not ordered else source(iter(range(6)), kind="samples")
    mapped = numbers.map(interrupted).batch(1)
    with pytest.raises(KeyboardInterrupt) as caught, Feed(mapped.open_source()) as feed:
        list(feed.run())
    assert (caught.value.args, getattr(caught.value, "__notes__", [])) == ((), [])


@pytest.mark.timeout(60)
def test_an_interruption_raised_in_a_thread_is_an_error_that_names_it() -> None:
    mapped = source(np.arange(6)).map(interrupted).batch(1).open_source()
    with make_pool("threads", 1) as pool, pytest.raises(WorkerError, match="raised KeyboardInterrupt"):
        list(Feed(mapped, pool).run())


def test_lists_of_numbers_that_a_map_returns_are_arrays() -> None:
    (only,) = source(np.zeros((1, 2))).map(lambda x: [1, 2])
    assert isinstance(only, np.ndarray)
    assert only.tolist() == [1, 2]
    x, y = next(
        iter(source(np.zeros((4, 2)), np.zeros(4)).map(lambda x, y: ([[1.5, 2], [3, 4]], [7])).batch(2))
    )
    assert (x.shape, x.dtype, y.shape) == ((2, 2, 2), np.float64, (2, 1))
    (batch,) = source({"a": np.zeros(2)}).map(lambda d: {"a": [1, 2, 3]}).batch(2)
    assert batch["a"].tolist() == [[1, 2, 3]] * 2
    x, _ = next(iter(source(np.zeros((2, 2)), np.zeros(2)).map(lambda x, y: ([9, 9], y), per=None).batch(2)))
    assert x.tolist() == [[9, 9]] * 2


def test_lists_of_text_that_a_map_returns_are_arrays_as_lists_given_as_data_are() -> None:
    words = source(["a\0", "long"]).map(lambda word: [word, "b"]).batch(2)
    made = words.open_source(text=True)
    (batch,) = made.make_reader().read(0)
    assert (batch.x.dtype, batch.x.tolist()) == (np.dtype(object), [["a\0", "b"], ["long", "b"]])
    (mixed,) = source(np.zeros(1)).map(lambda x: ["a", 1])
    assert mixed.tolist() == ["a", 1]
    with pytest.raises(DataError, match="text"):
        list(words.open_source().make_reader().read(0))


def test_lists_of_arrays_stay_several_inputs_and_ragged_lists_are_refused() -> None:
    several = source(np.zeros((2, 3)), np.zeros(2)).map(lambda x, y: ([x, x + 1], y)).batch(2)
    x, _ = next(iter(several))
    assert [part.tolist() for part in x] == [[[0] * 3] * 2, [[1] * 3] * 2]
    with pytest.raises(
        DataError, match=r"a list has no shape, as its entries differ in length: .*make them equal"
    ):
        list(source(np.zeros(1)).map(lambda x: [[1], [1, 2]]))


# -- lengths ----------------------------------------------------------------------------------------------


def test_a_part_of_an_endless_pipeline_has_a_length() -> None:
    endless = source([1, 2, 3]).repeat()
    assert len(endless.take(7)) == 7
    assert len(endless.take(0)) == 0
    assert len(endless.batch(2).take(5)) == 5
    assert len(endless.take(7).batch(2)) == 4
    assert listed(endless.take(7)) == [1, 2, 3, 1, 2, 3, 1]
    for other in (endless, endless.take(-1)):
        with pytest.raises(TypeError, match="does not know its number of elements"):
            len(other)
    fitted(source(np.zeros((3, 1)), np.zeros((3, 1))).repeat().batch(2).take(7))
