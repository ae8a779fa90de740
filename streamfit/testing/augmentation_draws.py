"""`AugmentedSamples`: samples as they are, and as an augmentation makes them in two epochs."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.transform import Transform
from streamfit.streams import Source
from streamfit.streams.leaves import brief, leaves
from streamfit.testing.checked_object import CheckedObject, seed_globals
from streamfit.testing.checks.delivery import ids_of
from streamfit.testing.settings import SampleKey

Per = Literal["sample", "batch"]
Call = Callable[[Array, Array | None, int], tuple[object, object]]


@dataclass(frozen=True, slots=True)
class AugmentedSamples:
    """What an augmentation has made of some samples; row by row the same ones in all arrays.

    Attributes:
        name: What is checked, in messages.
        original: x as it is; None if unknown.
        targets: y as it is, or as it is in the first epoch where `original` is unknown.
        first: x in the first epoch.
        second: x in the second one.
        again: x in the first epoch for the same seed once more; None where nothing can be seeded.
        first_targets: y in the first epoch.
        second_targets: y in the second epoch.
        batches: The number of the batch of each row.
        copies: Copies of the first sample, augmented as one batch, three times; None for a pipeline.
        certain: Whether the rows are known to be the same samples.
    """

    name: str
    original: Array | None
    targets: Array | None
    first: Array
    second: Array
    again: Array | None
    first_targets: Array | None
    second_targets: Array | None
    batches: Array
    copies: Array | None = None
    certain: bool = True


def of_function(function: object, x: Array, y: Array | None, per: Per | None) -> AugmentedSamples:
    """Augment samples by a transform, a function or a layer."""
    call, seeded = _call_of(function, per)
    name = getattr(function, "__name__", type(function).__name__)
    (first, first_y), (second, second_y) = (_arrays(call(x.copy(), _copy(y), seed)) for seed in (1, 2))
    again = _arrays(call(x.copy(), _copy(y), 1))[0] if seeded else None
    eight = np.repeat(x[:1], 8, axis=0), None if y is None else np.repeat(y[:1], 8, axis=0)
    copies = np.stack([_arrays(call(eight[0].copy(), _copy(eight[1]), seed))[0] for seed in (3, 4, 5)])
    batches = np.zeros(len(x), np.int64)
    return AugmentedSamples(name, x, y, first, second, again, first_y, second_y, batches, copies)


def _copy(y: Array | None) -> Array | None:
    return None if y is None else y.copy()


def _arrays(pair: tuple[object, object]) -> tuple[Array, Array | None]:
    x, y = pair
    array = np.asarray(x)
    if array.dtype == object:
        raise TypeError("samples of different shapes cannot be compared; resize them first")
    return array, None if y is None else np.asarray(y)


def _call_of(function: object, per: Per | None) -> tuple[Call, bool]:
    """Return a function that augments a batch for a seed, and whether the seed is all that it depends on."""
    if isinstance(function, Transform):
        transform = function

        def transformed(x: Array, y: Array | None, seed: int) -> tuple[object, object]:
            if y is None:
                return transform(x, seed=seed), None
            return cast("tuple[object, object]", transform(x, y, seed=seed))

        return transformed, True
    if not callable(function):
        raise TypeError(f"{brief(function)} augments nothing; pass a transform, a function or a layer")
    names, needed = _parameters(function)
    if "training" in names or hasattr(function, "call"):

        def layer(x: Array, y: Array | None, seed: int) -> tuple[object, object]:
            seed_globals(seed)
            return function(x, training=True), y

        return layer, False
    takes_y = "y" in names or len(needed) > 2
    rng_last = "rng" in names or len(needed) == (3 if takes_y else 2)

    def called(x: object, y: object, seed: list[int]) -> tuple[object, object]:
        seed_globals(seed[0] * 100_003 + seed[-1])
        arguments = [x, y] if takes_y else [x]
        rng = [np.random.default_rng(seed)] if rng_last else []
        made = function(*arguments, *rng)
        return made if takes_y and isinstance(made, tuple) else (made, y)

    def by_batch(x: Array, y: Array | None, seed: int) -> tuple[object, object]:
        return called(x, y, [seed, 0])

    def by_sample(x: Array, y: Array | None, seed: int) -> tuple[object, object]:
        rows = [called(x[at], None if y is None else y[at], [seed, at]) for at in range(len(x))]
        return [a for a, _ in rows], None if y is None else [b for _, b in rows]

    return (by_batch if per == "batch" else by_sample), True


def _parameters(function: Callable[..., object]) -> tuple[set[str], list[str]]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return set(), ["x"]
    plain = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in plain]
    return {p.name for p in parameters}, needed


# -- pipelines ---------------------------------------------------------------------------------------------

Row = tuple[Array, Array | None, int]


def of_pipeline(
    checked: CheckedObject, originals: CheckedObject | None, key: SampleKey | None, most: int
) -> AugmentedSamples:
    """Read the same samples of a pipeline in two epochs, and as they are from `originals`."""
    first, again = (_rows(checked.source(), checked, 0, key, most) for _ in range(2))
    second = _rows(checked.source(), checked, 1, key, 4 * most)
    plain = {} if originals is None else _rows(originals.source(), originals, 0, key, 4 * most)
    names = [name for name in first if name in second and (originals is None or name in plain)]
    if not names:
        raise ValueError(
            "no sample is known to be in both epochs; pass key=lambda x, y: ..., which tells samples apart"
        )
    source = checked.source()
    certain = key is not None or source.traits.seekable
    one, two = _stacked(first, names), _stacked(second, names)
    kept = _stacked(plain, names) if plain else (None, one[1])
    repeated = all(name in again for name in names)
    batches = np.array([first[name][2] for name in names])
    return AugmentedSamples(
        checked.name,
        kept[0],
        kept[1],
        cast("Array", one[0]),
        cast("Array", two[0]),
        _stacked(again, names)[0] if repeated else None,
        one[1],
        two[1],
        batches,
        None,
        certain,
    )


def _stacked(rows: dict[Hashable, Row], names: list[Hashable]) -> tuple[Array | None, Array | None]:
    x = [rows[name][0] for name in names]
    if len({row.shape for row in x}) > 1:
        raise TypeError("samples of different shapes cannot be compared; resize them first")
    y = [rows[name][1] for name in names]
    return np.stack(x), None if y[0] is None else np.stack(cast("list[Array]", y))


def _rows(
    source: Source, checked: CheckedObject, data_epoch: int, key: SampleKey | None, most: int
) -> dict[Hashable, Row]:
    return dict(itertools.islice(_named_rows(source, checked, data_epoch, key), most))


def _named_rows(
    source: Source, checked: CheckedObject, data_epoch: int, key: SampleKey | None
) -> Iterator[tuple[Hashable, Row]]:
    for ticket in checked.tickets(source, data_epoch):
        x, y, _ = checked.load(source, ticket)
        inputs, targets = leaves(x, "x")[0][1], leaves(y, "y")
        labels = targets[0][1] if targets else None
        ids = ids_of(ticket)
        for row in range(len(inputs)):
            label = None if labels is None else labels[row]
            name: Hashable = (repr(ids), row)
            if key is not None:
                name = key(inputs[row], label)
            elif len(ids) == len(inputs):
                name = repr(ids[row])
            yield name, (inputs[row], label, ticket.number)
