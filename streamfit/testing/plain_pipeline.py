"""`PlainPipeline`: what the stages of a pipeline must give, computed with lists in the simplest way.

It shares no code with the stages of `streamfit.streams`: no ids, orders, places or workers. Where an order
is drawn, it knows which samples must come and not their places; where a part is left out behind such a stage,
it knows which samples may come.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment import Transform
from streamfit.testing.stage_functions import Part, backwards, known

Sample = tuple[Part, ...]
Known = Literal["order", "content", "part"]


@dataclass(frozen=True)
class PlainPipeline:
    """The elements of a pass, as far as they are known.

    Args:
        samples: The samples; those of batches in a row.
        sizes: The number of samples of each batch; None where the elements are samples.
        known: ``'order'``: the samples come in this order; ``'content'``: they come, each once, in a drawn
            order; ``'part'``: so many of them come as `least` says, none more often than it is there.
        least: How many samples come.

    Example:
        >>> plain = PlainPipeline.of(range(5)).batch(2)
        >>> plain.sizes, plain.problem([np.array([0, 1]), np.array([2, 3]), np.array([4])])
        ((2, 2, 1), None)
        >>> plain.problem([np.array([0, 1]), np.array([2, 3])])
        'it has 4 samples and must have 5: 1 is lost: (4,)'
    """

    samples: tuple[Sample, ...]
    sizes: tuple[int, ...] | None = None
    known: Known = "order"
    least: int = 0

    @classmethod
    def of(cls, *columns: Iterable[object]) -> PlainPipeline:
        """Return the samples of arrays or lists of whole numbers."""
        rows = zip(*columns, strict=True)
        return cls._all(tuple(np.asarray(part) for part in row) for row in rows)

    @classmethod
    def _all(cls, samples: Iterable[Sample], known: Known = "order") -> PlainPipeline:
        found = tuple(samples)
        return cls(found, None, known, len(found))

    def __len__(self) -> int:
        """Count the elements."""
        return self.least if self.sizes is None else len(self.sizes)

    @property
    def batched(self) -> bool:
        """Whether the elements are batches."""
        return self.sizes is not None

    @property
    def alike(self) -> bool:
        """Whether all samples have the same shapes."""
        return len({repr(_shapes(sample)) for sample in self.samples}) <= 1

    def _with(self, samples: Iterable[Sample], sizes: Iterable[int] | None, known: Known) -> PlainPipeline:
        found = tuple(samples)
        kept = None if sizes is None else tuple(sizes)
        return PlainPipeline(found, kept, known, len(found))

    def _batches(self) -> list[tuple[Sample, ...]]:
        rest = iter(self.samples)
        return [tuple(itertools.islice(rest, size)) for size in self.sizes or ()]

    def _elements(self) -> list[tuple[Sample, ...]]:
        return self._batches() if self.batched else [(sample,) for sample in self.samples]

    def _from(self, elements: Iterable[tuple[Sample, ...]], known: Known | None = None) -> PlainPipeline:
        found = list(elements)
        sizes = [len(element) for element in found] if self.batched else None
        return self._with(itertools.chain.from_iterable(found), sizes, known or self.known)

    def _some(self, count: int) -> PlainPipeline:
        """Return `count` elements of which it is not known which they are; batches must be of one size."""
        sizes = None if self.sizes is None else self.sizes[:count]
        least = count if sizes is None else sum(sizes)
        return replace(self, known="part", sizes=sizes, least=least)

    # -- the stages, by the names of the methods of `Pipeline` ----------------------------------------------

    def map(self, function: Callable[..., object] | Transform, **_: object) -> PlainPipeline:
        """Call a function on each sample; a transform must move pixels only, which changes no plain image."""
        if isinstance(function, Transform):
            return self
        if function is backwards:
            return self._from(batch[::-1] for batch in self._batches())
        drawn = "rng" in function.__code__.co_varnames
        rng = {"rng": np.random.default_rng(0)} if drawn else {}
        made = [function(*_copied(sample), **rng) for sample in self.samples]
        pairs = zip(made, self.samples, strict=True)
        samples = tuple(
            cast("Sample", new) if len(old) > 1 and isinstance(new, tuple) else (new,) for new, old in pairs
        )
        return replace(self, samples=samples)

    def filter(self, predicate: Callable[..., object]) -> PlainPipeline:
        """Keep some samples."""
        return self._with((s for s in self.samples if predicate(*s)), None, self.known)

    def shuffle(self, *_: object, **__: object) -> PlainPipeline:
        """Forget the order."""
        return replace(self, known="content" if self.known == "order" else self.known)

    def sample(self, weights: Sequence[int], size: int | None = None) -> PlainPipeline:
        """Repeat each sample as often as its weight says, where `size` is a multiple of their sum."""
        times = (len(weights) if size is None else size) // sum(weights)
        pairs = zip(self.samples, weights, strict=True)
        return self._all((s for s, weight in pairs for _ in range(weight * times)), "content")

    def batch(self, batch_size: int, drop_remainder: bool = False) -> PlainPipeline:
        """Cut the samples."""
        left = range(0, self.least, batch_size)
        sizes = [min(batch_size, self.least - start) for start in left]
        if drop_remainder and sizes[-1] < batch_size:
            whole = sizes[:-1]
            if self.known == "order":
                return self._with(self.samples[: sum(whole)], whole, "order")
            return replace(self, sizes=tuple(whole), known="part", least=sum(whole))
        return replace(self, sizes=tuple(sizes))

    def padded_batch(self, batch_size: int, padding_values: int = 0) -> PlainPipeline:
        """Cut the samples and fill those of a batch up to one length."""
        cut = self.batch(batch_size)

        def filled(batch: tuple[Sample, ...]) -> tuple[Sample, ...]:
            longest = max(len(cast("Array", x)) for (x,) in batch)
            return tuple((_filled(cast("Array", x), longest, padding_values),) for (x,) in batch)

        return cut if self.alike else cut._from(filled(batch) for batch in cut._batches())

    def unbatch(self) -> PlainPipeline:
        """Forget the batches."""
        return replace(self, sizes=None)

    def take(self, count: int) -> PlainPipeline:
        """Keep the first elements."""
        if self.known != "order":
            return self if count >= len(self) else self._some(count)
        return self._from(self._elements()[:count])

    def skip(self, count: int) -> PlainPipeline:
        """Leave out the first elements."""
        if self.known != "order":
            return self if not count else self._some(max(0, len(self) - count))
        return self._from(self._elements()[count:])

    def shard(self, num_shards: int, index: int) -> PlainPipeline:
        """Keep each n-th element."""
        if self.known != "order":
            return self._some(len(range(index, len(self), num_shards)))
        return self._from(self._elements()[index::num_shards])

    def window(
        self, size: int, shift: int | None = None, stride: int = 1, drop_remainder: bool = True
    ) -> PlainPipeline:
        """Stack samples that follow one another."""
        rows, step = self.samples, size if shift is None else shift
        starts = range(0, len(rows), step)
        cut = [[rows[at] for at in range(s, s + size * stride, stride) if at < len(rows)] for s in starts]
        kept = [window for window in cut if window and (len(window) == size or not drop_remainder)]
        return self._all(_stacked(window) for window in kept)

    def zip(self, other: PlainPipeline) -> PlainPipeline:
        """Put two pipelines side by side."""
        pairs = zip(self.samples, other.samples, strict=True)
        return self._from_pairs((_single(a), _single(b)) for a, b in pairs)

    def _from_pairs(self, samples: Iterable[Sample]) -> PlainPipeline:
        return self._with(samples, self.sizes, self.known)

    def concatenate(self, other: PlainPipeline) -> PlainPipeline:
        """Read one pipeline behind the other."""
        return self._joined([self, other], [*self._elements_of(self), *self._elements_of(other)])

    def interleave(self, other: PlainPipeline, block_length: int = 1) -> PlainPipeline:
        """Read elements of both in turn."""
        queues = [self._elements_of(self), self._elements_of(other)]
        found: list[tuple[Sample, ...]] = []
        while any(queues):
            for number, queue in enumerate(queues):
                found += queue[:block_length]
                queues[number] = queue[block_length:]
        return self._joined([self, other], found)

    def mix(self, other: PlainPipeline) -> PlainPipeline:
        """Read elements of both in a drawn order."""
        return self.concatenate(other).shuffle()

    def repeat(self, count: int) -> PlainPipeline:
        """Read all several times."""
        return self._from(self._elements_of(self) * count)

    def cache(self) -> PlainPipeline:
        """Change nothing."""
        return self

    def _elements_of(self, plain: PlainPipeline) -> list[tuple[Sample, ...]]:
        return plain._elements()

    def _joined(self, plains: list[PlainPipeline], elements: list[tuple[Sample, ...]]) -> PlainPipeline:
        known: Known = "order" if all(plain.known == "order" for plain in plains) else "content"
        return self._from(elements, known)

    # -- comparison -----------------------------------------------------------------------------------------

    def problem(self, elements: Iterable[object]) -> str | None:
        """Describe how the elements of a pass differ from these; None if they do not.

        Args:
            elements: What a pipeline gave: samples or batches, as `Pipeline.elements` returns them.
        """
        given = list(elements)
        sizes = [_size(element) for element in given] if self.batched else None
        samples = [s for e in given for s in _split(e)] if self.batched else [_parts(e) for e in given]
        found, due = [_key(sample) for sample in samples], [_key(sample) for sample in self.samples]
        few, many = Counter(due) - Counter(found), Counter(found) - Counter(due)
        if many:
            return f"a sample came that must not come, or not so often: {_text(many)}"
        if len(found) != self.least:
            lost = f": {sum(few.values())} is lost: {_text(few)}" if self.known != "part" else ""
            return f"it has {len(found)} samples and must have {self.least}{lost}"
        if self.known == "order" and found != due:
            at = next(at for at, (a, b) in enumerate(zip(found, due, strict=True)) if a != b)
            return f"sample {at} is {found[at]} and must be {due[at]}"
        wanted = list(self.sizes or ())
        if sizes is not None and (sizes if self.known == "order" else sorted(sizes)) != (
            wanted if self.known == "order" else sorted(wanted)
        ):
            return f"the batches have {sizes} samples and must have {wanted}"
        return None


def _text(samples: Counter[object]) -> str:
    return ", ".join(map(str, itertools.islice(samples, 3)))


def _shapes(part: Part) -> object:
    return [_shapes(entry) for entry in part] if isinstance(part, tuple) else np.shape(np.asarray(part))


def _key(part: Part) -> object:
    """Return a value that is equal for equal samples, whatever noise they have."""
    if isinstance(part, tuple):
        return tuple(_key(entry) for entry in part)
    found: object = known(np.asarray(part)).tolist()
    return tuple(map(_key, map(np.asarray, found))) if isinstance(found, list) else found


def _copied(sample: Sample) -> Sample:
    return tuple(_copied(p) if isinstance(p, tuple) else np.array(p) for p in sample)


def _parts(element: object) -> Sample:
    return element if isinstance(element, tuple) else (element,)


def _single(sample: Sample) -> Part:
    return sample if len(sample) > 1 else sample[0]


def _filled(x: Array, length: int, value: int) -> Array:
    return np.concatenate([x, np.full(length - len(x), value, x.dtype)])


def _stacked(samples: list[Sample]) -> Sample:
    columns = zip(*samples, strict=True)
    return tuple(
        _stacked(list(column)) if isinstance(column[0], tuple) else np.stack(column) for column in columns
    )


def _size(element: object) -> int:
    first = element
    while isinstance(first, tuple):
        first = first[0]
    return len(cast("Array", first))


def _split(element: object) -> list[Sample]:
    return [_parts(_row(element, number)) for number in range(_size(element))]


def _row(part: object, number: int) -> object:
    if isinstance(part, tuple):
        return tuple(_row(entry, number) for entry in part)
    return cast("Array", part)[number]
