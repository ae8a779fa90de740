"""`shuffle_quality`: how well data are shuffled, beside a true permutation.

Guarantee kept here: only ids are looked at, and no sample is loaded; at any number of samples it takes less
than a second and a few megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from streamfit._base.checks import whole
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.order_measures import QUANTILES, Looked, figures, permuted, relation
from streamfit.streams.source import Source
from streamfit.streams.stage_methods import StageMethods
from streamfit.streams.stages.stage import Pass, Stage, known_size

_LOOKED = 1 << 14  # samples of a pass that are looked at, roughly; all, where there are no more
_MOST_OF_A_BATCH = 1024
_FEWEST_BATCHES = 64
_DRAWS = 16  # permutations of NumPy's to compare with
_SIGMAS = 5.0
_BATCH = 32
# By how much a figure may be off whatever the spread: what nobody would notice in training.
_HARMLESS = {
    **{"displacement": 0.01, "neighbours": 0.005, "together": 0.005, "gaps": 0.02},
    **{"spread": 0.01, "means": 0.05, "landing": 0.01, "passes": 0.02},
}


@dataclass(frozen=True)
class Figure:
    """A figure of an order, and the same of true permutations.

    Args:
        value: The figure, the mean over the passes.
        expected: Its mean over several true permutations.
        spread: Its standard deviation over these.
        as_good: Whether the order is as good as a permutation in this respect.
    """

    value: float
    expected: float
    spread: float
    as_good: bool


@dataclass(frozen=True)
class ShuffleQuality:
    """How well an order is shuffled; print it to see a table. Returned by `shuffle_quality`.

    Args:
        samples: Samples in a pass.
        looked_at: How many of these were looked at.
        batch_size: Samples in a batch.
        displacement: The mean distance of a sample from its place in the store, in units of the n/3 that a
            permutation moves it: 0 is not shuffled, 1 is a permutation.
        distances: The 10 %, 50 % and 90 % quantiles of this distance, as shares of the data.
        neighbours: The share of neighbours in a batch that are neighbours in the store.
        together: The share of the samples of a batch, in the order of the store, whose neighbour in the store
            is also in the batch.
        gaps: The geometric mean distance, in the store, between the samples of a batch, in units of n over
            the batch size: below the expected one the batch is a cluster of rows, of whatever size.
        spread: The standard deviation of the places of the samples in a batch, in units of that of all data.
        means: The variance of the mean place of a batch, in units of that of a random batch: above 1 some
            stretches of a pass see one part of the data more than others.
        landing: Where the samples of a sixteenth of the store land in the pass: the Kolmogorov-Smirnov
            distance from an even spread, from 0 to 1.
        passes: The correlation of a pass with the next one; None where there is one pass.
    """

    samples: int
    looked_at: int
    batch_size: int
    displacement: Figure
    distances: tuple[Figure, Figure, Figure]
    neighbours: Figure
    together: Figure
    gaps: Figure
    spread: Figure
    means: Figure
    landing: Figure
    passes: Figure | None

    @property
    def as_good(self) -> bool:
        """Whether no figure tells the order from a true permutation."""
        return all(figure.as_good for _, figure in self._rows())

    @property
    def verdict(self) -> str:
        """One sentence: as good as a true permutation, or what is wrong and what to write."""
        moved = 100 * self.displacement.value / 3
        moves = f"samples move {moved:.2g} % of the data on average, a true permutation moves them 33 %"
        if self.neighbours.value > 0.9 and not self.neighbours.as_good:
            return (
                f"not shuffled: {100 * self.neighbours.value:.3g} % of the neighbours in a batch are "
                f"neighbours in the store, and {moves}; write .shuffle() before .batch(...)"
            )
        if self.displacement.value < self.displacement.expected and not self.displacement.as_good:
            return f"{moves}: raise shuffle(buffer_size=...)"
        if not (self.neighbours.as_good and self.together.as_good):
            kept = max(self.neighbours.value, self.together.value)
            return (
                f"{100 * kept:.3g} % of neighbours in the store are in one batch, of a true permutation "
                f"{100 * self.together.expected:.2g} %: shuffle samples, before .batch(...), and raise "
                "shuffle(buffer_size=...)"
            )
        if not (self.gaps.as_good and self.spread.as_good and self.means.as_good):
            apart = self.gaps.value / self.gaps.expected
            return (
                f"the samples of a batch lie {apart:.2g} times as far apart in the store as those of a true "
                f"permutation, and the variance of the means of batches is {self.means.value:.2g} times as "
                "large: raise shuffle(buffer_size=...)"
            )
        if not (self.displacement.as_good and self.landing.as_good):
            return f"parts of the store do not spread over the whole pass ({moves}): write .shuffle()"
        if self.passes is not None and not self.passes.as_good:
            return (
                f"the order of a pass resembles that of the next one (correlation {self.passes.value:.2g}): "
                "leave out reshuffle_each_iteration=False"
            )
        return "as good as a true permutation"

    def _rows(self) -> list[tuple[str, Figure]]:
        rows = [
            ("displacement / (n/3)", self.displacement),
            ("neighbours that stay neighbours", self.neighbours),
            ("neighbours in one batch", self.together),
            ("gaps in a batch / (n/size)", self.gaps),
            ("spread of a batch", self.spread),
            ("variance of batch means", self.means),
            ("uneven landing (KS)", self.landing),
        ]
        return rows if self.passes is None else [*rows, ("correlation of passes", self.passes)]

    def __str__(self) -> str:
        lines = [
            f"{self.samples:,} samples, {self.looked_at:,} looked at, batches of {self.batch_size:,}",
            f"{'':32}{'here':>9}  true permutation",
        ]
        for name, figure in self._rows():
            line = f"{name:32}{figure.value:9.4f} {figure.expected:9.4f} ± {figure.spread:.4f}"
            lines.append(f"{line}{'' if figure.as_good else '  differs'}")
        for share, figure in zip(QUANTILES, self.distances, strict=True):
            name = f"{100 * share:.0f} % of samples move less than"
            lines.append(f"{name:32}{figure.value:9.4f} {figure.expected:9.4f} ± {figure.spread:.4f}")
        return "\n".join([*lines, self.verdict])


@dataclass(frozen=True)
class _Order:
    """An order to look at.

    Args:
        n: Number of samples of a pass.
        batch_size: Samples in a batch, but for the last one.
        passes: How many passes there are; None for any number.
        ids: Returns the ids of the samples of some batches of a pass.
        limits: The least and the greatest id, where they are known.
        joined: How many batches of the data each of these is.
    """

    n: int
    batch_size: int
    passes: int | None
    ids: Callable[[int, Array], list[Array]]
    limits: tuple[int, int] | None
    joined: int = 1


def shuffle_quality(
    data: object, *, batch_size: int | None = None, passes: int | None = None, seed: int = 0
) -> ShuffleQuality:
    """Measure how well data are shuffled, beside true permutations drawn by NumPy.

    Only ids are computed; nothing is loaded. Of many samples some batches are looked at, spread over the
    pass. The figures are means over the passes; each must be within 5 standard deviations of 16 permutations,
    or differ by less than matters.

    Args:
        data: A pipeline or another source whose samples have numbers; or ids: for each position of a pass the
            number of the sample there, as an array (one pass) or a list of arrays.
        batch_size: Samples in a batch, for ids and for pipelines without `batch`; None for 32. Of batches of
            one sample 32 in a row are looked at as one.
        passes: How many passes to look at; None for 2, or for as many as ids are given for.
        seed: What chooses the batches and the permutations, and the run of a pipeline without a seed.

    Raises:
        ValueError: The data are read in order, as a generator is, or have fewer than 2 samples; `batch_size`
            is given for data with batches of their own.
        TypeError: `data` are none of these.

    Example:
        >>> from streamfit import source
        >>> rows = source(np.zeros(10_000))
        >>> shuffle_quality(rows.shuffle().batch(50)).verdict
        'as good as a true permutation'
        >>> shuffle_quality(rows.batch(50)).verdict.split(":")[0]
        'not shuffled'
    """
    size = None if batch_size is None else whole("batch_size", batch_size, 1)
    order = _in_stretches(_order_of(data, size, seed))
    if order.n < 2:
        raise ValueError(f"shuffle_quality() needs at least 2 samples, got {order.n}")
    count = whole("passes", 2 if passes is None else passes, 1)
    if order.passes is not None:
        if passes is not None and count > order.passes:
            raise ValueError(f"passes={passes}: ids of {order.passes} were given")
        count = order.passes if passes is None else count
    rng = np.random.default_rng(seed)
    chosen = _chosen(order, rng)
    looked = [_looked(order, number, chosen) for number in range(count)]
    found = _mean(looked)
    drawn = [_mean([permuted(each, rng) for each in looked]) for _ in range(_DRAWS)]
    rows = {name: _figure(name, found[name], [each[name] for each in drawn]) for name in found}
    low, middle, high = (rows.pop(f"distance {share}") for share in QUANTILES)
    between = rows.pop("passes", None)
    seen = sum(len(each.places) for each in looked) // count
    return ShuffleQuality(
        order.n, seen, order.batch_size // order.joined, distances=(low, middle, high), passes=between, **rows
    )


def _mean(looked: Sequence[Looked]) -> dict[str, float]:
    """Return the means of all figures over the passes."""
    each = [figures(one) for one in looked]
    found = {name: float(np.mean([one[name] for one in each])) for name in each[0]}
    if len(looked) > 1:
        relations = [relation(*pair) for pair in pairwise(looked)]
        found["passes"] = max(relations, key=abs)
    return found


def _figure(name: str, value: float, drawn: Sequence[float]) -> Figure:
    expected, spread = float(np.mean(drawn)), float(np.std(drawn, ddof=1))
    if name == "passes":
        expected = 0.0
    allowed = _SIGMAS * spread + _HARMLESS.get(name, np.inf) * (expected if name == "gaps" else 1.0)
    return Figure(value, expected, spread, abs(value - expected) <= allowed)


def _chosen(order: _Order, rng: np.random.Generator) -> Array:
    """Return the numbers of the batches to look at: all, or one at random of each of many equal stretches."""
    batches = -(-order.n // order.batch_size)
    count = max(_FEWEST_BATCHES, _LOOKED // min(order.batch_size, _MOST_OF_A_BATCH))
    if batches <= count:
        return np.arange(batches)
    edges = np.arange(count + 1) * batches // count
    return rng.integers(edges[:-1], edges[1:])


def _looked(order: _Order, number: int, chosen: Array) -> Looked:
    parts = [ids[:_MOST_OF_A_BATCH] for ids in order.ids(number, chosen)]
    counts = np.array([len(part) for part in parts])
    starts = np.cumsum(counts) - counts
    within = np.arange(int(counts.sum())) - np.repeat(starts, counts)
    positions = np.repeat(chosen * order.batch_size, counts) + within
    ids = np.concatenate(parts)
    if len(ids) >= order.n:  # gaps between ids are known
        places = np.empty(len(ids))
        places[np.argsort(ids, kind="stable")] = np.arange(len(ids))
    else:
        low, high = order.limits or (int(ids.min()), int(ids.max()))
        places = (ids - low) * ((order.n - 1) / max(1, high - low))
    return Looked(order.n, positions.astype(np.float64), places, starts)


# -- what to look at --------------------------------------------------------------------------------


def _order_of(data: object, batch_size: int | None, seed: int) -> _Order:
    if isinstance(data, StageMethods):
        return _of_stage(data.stage, batch_size, seed if data.seed is None else data.seed)
    if isinstance(data, Source):
        if batch_size is not None:
            raise ValueError(f"batch_size={batch_size}: source {data.name!r} has batches; leave it out")
        return _of_source(data)
    several = isinstance(data, (list, tuple)) and any(np.ndim(each) for each in data)
    arrays = [np.asarray(each) for each in (data if several else [data])]  # type: ignore[attr-defined]
    if any(each.ndim != 1 or each.dtype.kind not in "iu" for each in arrays):
        raise TypeError(
            f"shuffle_quality() needs a pipeline, a source or ids (whole numbers), got a "
            f"{type(data).__name__}; write source(...) around data"
        )
    return _of_ids(arrays, _BATCH if batch_size is None else batch_size)


def _in_stretches(order: _Order) -> _Order:
    """Return an order of batches of several samples, in which more than one can be neighbours."""
    if order.batch_size > 1:
        return order

    def ids(number: int, chosen: Array) -> list[Array]:
        stretches = [np.arange(at * _BATCH, min(order.n, (at + 1) * _BATCH)) for at in chosen.tolist()]
        found = order.ids(number, np.concatenate(stretches))
        ends = np.cumsum([len(each) for each in stretches])
        return np.split(np.concatenate(found), ends[:-1])

    return replace(order, batch_size=_BATCH, ids=ids, joined=_BATCH)


def _of_ids(arrays: Sequence[Array], size: int) -> _Order:
    n = len(arrays[0])
    if any(len(each) != n for each in arrays):
        raise ValueError(f"passes of {[len(each) for each in arrays]} ids; they must have one length")

    def ids(number: int, chosen: Array) -> list[Array]:
        return [arrays[number][at * size : (at + 1) * size].astype(np.int64) for at in chosen.tolist()]

    limits = (min(int(each.min()) for each in arrays), max(int(each.max()) for each in arrays)) if n else None
    return _Order(n, size, len(arrays), ids, limits)


def _of_stage(stage: Stage, batch_size: int | None, seed: int) -> _Order:
    if not stage.traits.seekable:
        raise ValueError(
            f"shuffle_quality() needs data whose samples have numbers; {stage.text()} is read in order, or "
            "without end. Measure the part before .filter(...), .unbatch() and .repeat(), or pass arrays or "
            "files in place of an iterator"
        )
    p = Pass(seed, 0)
    count = known_size(stage, p)
    if not stage.traits.batched:
        size = _BATCH if batch_size is None else batch_size
        known = (0, count - 1) if stage.space(p) == count else None

        def ids(number: int, chosen: Array) -> list[Array]:
            starts = chosen * size
            lengths = np.minimum(size, count - starts)
            ends = np.cumsum(lengths)
            positions = np.arange(int(ends[-1])) + np.repeat(starts - ends + lengths, lengths)
            return np.split(stage.ids(Pass(seed, number), positions), ends[:-1])

        return _Order(count, size, None, ids, known)
    if batch_size is not None:
        raise ValueError(f"batch_size={batch_size}: {stage.text()} has batches; leave it out")

    def members(number: int, chosen: Array) -> list[Array]:
        q = Pass(seed, number)
        found = stage.members(q, stage.ids(q, chosen))
        if found is None:
            raise DataError(
                f"shuffle_quality(): the samples in the batches of {stage.text()} have no numbers"
            )
        return found

    return _of_batches(count, members, lambda n: (0, n - 1) if stage.member_space(p) == n else None)


def _of_source(source: Source) -> _Order:
    count = source.batches(0) if source.traits.seekable else None
    if count is None:
        raise ValueError(
            f"shuffle_quality() needs data whose samples have numbers; source {source.name!r} is read in "
            "order. Pass arrays or files in place of an iterator"
        )

    def members(number: int, chosen: Array) -> list[Array]:
        found = [next(source.tickets(number, at)).ids for at in chosen.tolist()]
        if not all(isinstance(ids, np.ndarray) and ids.ndim == 1 for ids in found):
            raise DataError(
                f"shuffle_quality(): the samples in the batches of source {source.name!r} have no numbers"
            )
        return [np.asarray(ids) for ids in found]

    return _of_batches(count, members, lambda _: None)


def _of_batches(
    count: int,
    members: Callable[[int, Array], list[Array]],
    limits: Callable[[int], tuple[int, int] | None],
) -> _Order:
    if not count:
        return _Order(0, 1, None, members, None)
    first, last = (len(ids) for ids in members(0, np.array([0, count - 1])))
    n = (count - 1) * first + last
    return _Order(n, first, None, members, limits(n))
