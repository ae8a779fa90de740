"""What the tests of stages share: functions that maps call, and elements as values that can be compared."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from streamfit.streams import Batch, Feed, Pipeline, source
from streamfit.streams.stages.elements import Element, map_leaves, named_leaves
from streamfit.workers import Pool


def plain(element: Element) -> object:
    """Return an element as a value that is equal for equal structure, shapes, dtypes and bytes."""
    if isinstance(element, dict):
        return {key: plain(entry) for key, entry in element.items()}
    if isinstance(element, (tuple, list)):
        return tuple(map(plain, element))
    if element is None:
        return None
    array = np.asarray(element)
    # The memory of objects holds addresses.
    content = repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()
    return array.dtype.str, array.shape, content


def listed(elements: Iterable[Element]) -> list[Any]:
    """Return elements as lists and numbers, tuples kept."""
    return [map_leaves(element, lambda leaf: np.asarray(leaf).tolist()) for element in elements]


def batch_value(batch: Batch) -> object:
    return plain(tuple(part for part in (batch.x, batch.y, batch.sample_weight) if part is not None))


def delivered(pipeline: Pipeline, pool: Pool | None = None, passes: int = 1) -> list[list[object]]:
    """Return what a feed delivers, pass by pass."""
    with Feed(pipeline.open_source(seed=7, text=True), pool) as feed:
        return [[batch_value(batch) for batch in feed.run()] for _ in range(passes)]


def resumed(pipeline: Pipeline, pool: Pool | None, fresh: Callable[[], Pipeline]) -> Iterator[list[object]]:
    """Yield the batches of a pass as a run without interruption has them, and as each resumed run has them.

    Args:
        pipeline: What is read without interruption.
        pool: Workers of the resumed runs.
        fresh: Makes an equal pipeline, for a resumed run.
    """
    values, states = [], []
    with Feed(pipeline.open_source(seed=7, text=True)) as feed:
        for batch in feed.run():
            values.append(batch_value(batch))
            states.append(json.loads(json.dumps(feed.state(within=True))))
    yield values
    for done, state in enumerate(states, 1):
        with Feed(fresh().open_source(seed=7, text=True), pool) as feed:
            feed.resume(state, replay=True)
            yield values[:done] + [batch_value(batch) for batch in feed.run()]


# Functions of a module travel to processes by name.


def one(parts: tuple[Element, ...], convert: Callable[[object], object]) -> Element:
    made = tuple(map_leaves(part, convert) for part in parts)
    return made if len(made) > 1 else made[0]


def negative(*parts: Element) -> Element:
    return one(parts, lambda leaf: np.negative(np.asarray(leaf)))


def noisy(*parts: Element, rng: np.random.Generator) -> Element:
    return one(
        parts, lambda leaf: (leaf + rng.integers(0, 1000, np.shape(leaf))).astype(np.asarray(leaf).dtype)
    )


def added(first: tuple[np.ndarray, ...], second: tuple[np.ndarray, ...]) -> Element:
    """Return the sums of the parts of two elements."""
    return tuple(a + b for a, b in zip(first, second, strict=True))


def in_place(*parts: Element) -> Element:
    def change(leaf: object) -> object:
        if isinstance(leaf, np.ndarray) and leaf.flags.writeable:
            leaf += 1
            return leaf
        return np.asarray(leaf) + 1

    return one(parts, change)


def even(*parts: Element) -> bool:
    return int(sum(np.sum(np.asarray(leaf)) for _, leaf in named_leaves(parts))) % 3 != 0


def kept(*parts: Element) -> bool:
    return True


def never(*parts: Element) -> bool:
    return False


def growing(n: int) -> Element:
    """Return an array whose length depends on the sample."""
    return np.arange(int(n) % 4)


def numbers(count: int, start: int = 0) -> Pipeline:
    """Return a pipeline of whole numbers that can seek."""
    return source(np.arange(start, start + count))


def in_order(count: int, start: int = 0) -> Pipeline:
    """Return the same numbers, read in order."""
    return numbers(count, start).filter(kept)


READINGS = [numbers, in_order]


def flat(lists: Iterable[Iterable[Any]]) -> list[Any]:
    """Return the entries of several lists as one."""
    return list(itertools.chain.from_iterable(lists))
