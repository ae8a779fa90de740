"""`StageMethods`: the methods of a pipeline that join, cut, draw and keep; the others are in `pipeline`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from streamfit._base.checks import whole_or_none
from streamfit.streams.element_values import classes_of, weights_of
from streamfit.streams.stages import (
    Balanced,
    Cache,
    Concatenated,
    PaddedBatch,
    Pass,
    Repeat,
    Sampled,
    Seeded,
    Shard,
    Shuffle,
    Split,
    Stage,
    Window,
    Zip,
)
from streamfit.streams.stages.balance import How, Label
from streamfit.streams.stages.padded_batch import Settings
from streamfit.streams.stages.window import Horizon


class StageMethods(ABC):
    """A pipeline, as far as these methods need it.

    Attributes:
        stage: The last stage.
        seed: The seed of orders and random numbers; None follows the run that reads it.
    """

    stage: Stage
    seed: int | None

    @abstractmethod
    def _with(self, stage: Stage) -> Self:
        """Return a pipeline of the same name and seed that ends with a stage."""

    def padded_batch(
        self,
        batch_size: int,
        padding_values: Settings = 0,
        padded_shapes: Settings = None,
        drop_remainder: bool = False,
    ) -> Self:
        """Stack `batch_size` elements of different shapes, each filled up at its end.

        Args:
            batch_size: Elements in a batch.
            padding_values: What to fill with: one value, or one for each part in the form of the element.
            padded_shapes: A shape for each part, in the form of the element; None for an axis, or for a part,
                fills up to the longest of the batch. Models need batches of one shape, so give it to train.
            drop_remainder: Whether a smaller last batch is left out.

        Example:
            >>> import numpy as np
            >>> from streamfit.streams import source
            >>> numbers = source([3, 1]).map(lambda n: np.arange(n)).padded_batch(2, padding_values=-1)
            >>> next(iter(numbers)).tolist()
            [[0, 1, 2], [0, -1, -1]]
        """
        return self._with(PaddedBatch(self.stage, batch_size, padding_values, padded_shapes, drop_remainder))

    def zip(self, *others: StageMethods) -> Self:
        """Put the elements of several pipelines side by side: tuples (a, b, ...).

        All must have one length, and be samples or batches of one size.

        Example:
            >>> from streamfit.streams import source
            >>> [(int(a), int(b)) for a, b in source([1, 2]).zip(source([3, 4]))]
            [(1, 3), (2, 4)]
        """
        return self._with(Zip([self.stage, *stages_of(others, self.seed, "zip()")]))

    def concatenate(self, *others: StageMethods) -> Self:
        """Read this pipeline, then the others.

        Example:
            >>> from streamfit.streams import source
            >>> [int(number) for number in source([1, 2]).concatenate(source([3]))]
            [1, 2, 3]
        """
        return self._with(Concatenated([self.stage, *stages_of(others, self.seed, "concatenate()")]))

    def repeat(self, count: int | None = None) -> Self:
        """Read `count` passes as one, each with an order and random numbers of its own.

        None or -1 repeats without end; then `fit` needs `steps_per_epoch`.

        Example:
            >>> from streamfit.streams import source
            >>> len(source([1, 2]).repeat(3))
            6
        """
        return self._with(Repeat(self.stage, count))

    def cache(self, max_bytes: int | None = None) -> Self:
        """Keep elements in memory; every pass then gives what the first one gave.

        What is before `cache` is read at pass 0 for ever: its orders and random numbers no longer change.
        Each process that loads keeps what it has loaded, up to `max_bytes` bytes.

        Example:
            >>> import numpy as np
            >>> from streamfit.streams import source
            >>> noise = source(np.zeros(2)).map(lambda x, rng: rng.normal()).cache()
            >>> list(noise) == list(noise)
            True
        """
        return self._with(Cache(self.stage, max_bytes))

    def window(
        self,
        size: int,
        shift: int | None = None,
        stride: int = 1,
        drop_remainder: bool = True,
        *,
        horizon: Horizon = None,
        groups: object = None,
    ) -> Self:
        """Stack `size` consecutive elements to one element; the next one begins `shift` elements later.

        Args:
            size: Elements in a window.
            shift: How many elements further the next window begins; None for `size`.
            stride: How far the elements of a window lie apart.
            drop_remainder: Whether windows that there are too few elements for are left out; else they are
                shorter.
            horizon: Where the target of a window is: so many elements behind its last one, 0 for that one.
                The target is the y of that element, or its x where there is no y, and so is its weight.
                Several numbers, such as ``(1, 2, 3)``, make targets with an axis for these in front. None
                makes windows of y, too.
            groups: Which series each element belongs to, (n,): whole numbers or text. No window, and no
                target, reaches from one series into another. Elements with a negative number are in no
                window. For a single series with gaps, bool: False for what no window shall hold, such as
                ``~np.isnan(series).any(axis=1)``.

        Raises:
            ValueError: An argument is none of these, or the elements of a series do not follow one another.

        Example:
            >>> import numpy as np
            >>> from streamfit.streams import source
            >>> [each.tolist() for each in source(np.arange(5)).window(3, shift=1)]
            [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
            >>> forecasts = source(np.arange(6)).window(2, shift=1, horizon=1, groups=[7, 7, 7, 9, 9, 9])
            >>> [(x.tolist(), int(y)) for x, y in forecasts]
            [([0, 1], 2), ([3, 4], 5)]
        """
        return self._with(Window(self.stage, size, shift, stride, drop_remainder, horizon, groups))

    def shard(self, num_shards: int, index: int) -> Self:
        """Keep each `num_shards`-th element, from number `index` on; the shards together are the whole.

        Example:
            >>> import numpy as np
            >>> from streamfit.streams import source
            >>> [int(number) for number in source(np.arange(5)).shard(num_shards=2, index=1)]
            [1, 3]
        """
        return self._with(Shard(self.stage, num_shards, index))

    def split(self, fraction: float, seed: int = 0) -> tuple[Self, Self]:
        """Return two pipelines that share no sample, of ``round(n * fraction)`` samples and of the others.

        A sample is in the same part in every pass and in every run with this `seed`. The order is kept. Write
        it before ``.shuffle()``: then millions of samples and more are split without a table of them.

        Example:
            >>> import numpy as np
            >>> from streamfit.streams import source
            >>> training, validation = source(np.arange(10)).split(0.8)
            >>> len(training), len(validation)
            (8, 2)
        """
        first, second = (Split(self.stage, fraction, part, seed) for part in (0, 1))
        return self._with(first), self._with(second)

    def sample(
        self,
        weights: object,
        size: int | None = None,
        *,
        independent: bool = False,
        seed: int | None = None,
    ) -> Self:
        """Draw elements in proportion to weights; write `shuffle` behind it.

        A pass has `size` elements, and not every sample once: `Receipt.sampling` tells what it had. An
        element with weight w is expected ``size * w / sum(weights)`` times. It comes that often, rounded up
        or down: which way is drawn anew in each pass, such that the mean is exact. ``independent=True`` draws
        each time apart from all others, as PyTorch's ``WeightedRandomSampler`` does: then the counts scatter
        as those of a die do, and more samples are left out. The copies of a sample get random numbers of
        their own in a `map` behind this stage. Any position of a pass is computed alone, with a table of 8
        bytes for each element of the input.

        Args:
            weights: Finite numbers that are not negative, one for each element in its order; or a function,
                called as that of `map`, which returns the weight of an element: then the input is read once,
                now, in this thread.
            size: How many elements a pass draws; None for as many as there are.
            independent: Whether no draw depends on another.
            seed: A seed for the draws; None follows the run.

        Raises:
            ValueError: There is another number of weights than of elements, one is negative or not finite,
                or all are 0; or the elements are batches, are read in order, or were shuffled before.

        Example:
            >>> from streamfit.streams import source
            >>> drawn = source([10, 20, 30]).sample([1, 0, 2], size=6)
            >>> sorted(int(number) for number in drawn)
            [10, 10, 30, 30, 30, 30]
        """
        return self._with(Sampled(self.stage, weights_of(self.stage, weights), size, independent, seed))

    def balance(
        self,
        labels: object = None,
        *,
        by: Callable[..., object] | None = None,
        weights: Mapping[Label, float] | None = None,
        how: How = "oversample",
        seed: int | None = None,
    ) -> Self:
        """Draw samples such that the classes come equally often, or in given shares; the order is shuffled.

        A pass does not have every sample once: `Receipt.sampling` tells what it had. ``'oversample'`` has as
        many samples of each class as the largest class (in relation to its share) has: each sample of a
        class comes the same number of times, or once more. ``'undersample'`` has as many of each as the
        smallest class has, and none twice. Passes take turns: in passes that follow one another, two samples
        of a class come equally often, up to a difference of one. So a class of which m of n samples are in a
        pass has shown all of them after ``ceil(n / m)`` passes. The copies of a sample get random numbers of
        their own in a `map` behind this stage.

        Samples in files that are read block by block are drawn as `sample` draws them, and shuffled as
        `shuffle` does it there: a class has its share give or take a few samples, and passes take no turns.

        Balanced classes shift the predicted probabilities towards rare classes. ``fit(class_weight=...)``
        does the same to the loss, keeps every sample once, and costs nothing: use it unless classes are so
        rare that many batches have none of them.

        Args:
            labels: The class of each sample in its order: numbers or text, shape (n,) or (n, 1). None finds
                it: by `by`, or else the target is the class. Targets in an array are read alone; otherwise
                the input is read once, now, in this thread. 1 or 4 bytes of each sample are kept.
            by: A function, called as that of `map`, which returns the class of a sample.
            weights: The share of each class, by its label; None for equal shares. 0 leaves a class out.
            how: ``'oversample'`` or ``'undersample'``.
            seed: A seed for the draws; None follows the run.

        Raises:
            ValueError: There is another number of labels than of samples, or a class without a weight; or the
                elements are batches, are read in order, or were shuffled before.
            DataError: There are no labels, or more than 65,536 different ones.

        Example:
            >>> import numpy as np
            >>> from streamfit.streams import source
            >>> rare = source(np.arange(6), np.array([0, 0, 0, 0, 0, 1]))
            >>> sorted((int(x), int(y)) for x, y in rare.balance())
            [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (5, 1), (5, 1), (5, 1), (5, 1)]
            >>> len(rare.balance(weights={0: 3, 1: 1}, how="undersample"))
            4
        """
        numbers, classes = classes_of(self.stage, labels, by)
        balanced = Balanced(self.stage, numbers, classes, weights, how, seed)
        start = Pass(0, 0)
        if self.stage.runs(start) is None:
            return self._with(balanced)
        drawn = Sampled(self.stage, balanced.weights, balanced.size(start), seed=seed)
        return self._with(Shuffle(drawn, seed=seed))

    def prefetch(self, buffer_size: int | None = None) -> Self:
        """Return the same pipeline: the workers of `fit` load ahead, as many as ``max_queue_size`` says.

        Example:
            >>> import numpy as np
            >>> from streamfit.streams import source
            >>> source(np.arange(4)).batch(2).prefetch(1)
            source('data', 4 samples).batch(2)
        """
        whole_or_none("buffer_size", buffer_size, -1)
        return self._with(self.stage)


def stages_of(pipelines: Sequence[object], seed: int | None, caller: str) -> list[Stage]:
    """Return the stages of pipelines, such that each keeps a seed of its own.

    Raises:
        TypeError: One of them is no pipeline.
        ValueError: There are none.
    """
    if not pipelines:
        raise ValueError(f"{caller} needs a pipeline; write for example {caller[:-1]}source(x))")
    found = []
    for number, pipeline in enumerate(pipelines):
        if not isinstance(pipeline, StageMethods):
            raise TypeError(
                f"{caller} needs pipelines, but number {number} is a {type(pipeline).__name__}; write "
                "source(...) around it"
            )
        own = pipeline.seed
        found.append(pipeline.stage if own is None or own == seed else Seeded(pipeline.stage, own))
    return found
