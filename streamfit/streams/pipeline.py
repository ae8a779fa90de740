"""`source` and `Pipeline`: data and what happens to them, written as a sentence.

Guarantees kept here: a pipeline is an immutable description; each method returns a new one; its batches
depend on the pipeline, the seed and the pass alone, not on the workers that load them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol, Self, cast, runtime_checkable

from streamfit._base.arrow_columns import without_arrow
from streamfit._base.checks import truth, whole
from streamfit._base.config import next_seed
from streamfit._base.keys import seed_from
from streamfit._base.telling import tell
from streamfit.streams.adapt import kind_of
from streamfit.streams.arrays import ArraySource
from streamfit.streams.generator import GeneratorSource
from streamfit.streams.leaves import brief
from streamfit.streams.looking import first_element, specs_of, summary_lines
from streamfit.streams.ordered import OrderedSource, PoolRunner
from streamfit.streams.profiling.pipeline_profile import profile_stage
from streamfit.streams.profiling.profile import Profile
from streamfit.streams.seekable import SeekableSource
from streamfit.streams.sequence import Sequence, SequenceSource
from streamfit.streams.shuffle_quality import ShuffleQuality, shuffle_quality
from streamfit.streams.source import Source
from streamfit.streams.stage_methods import StageMethods
from streamfit.streams.stages import (
    ArrayRows,
    Augmented,
    Batches,
    BatchStage,
    Filter,
    IndexedSamples,
    Items,
    Map,
    Pass,
    Shuffle,
    SkipStage,
    Stage,
    TakeStage,
    Unbatch,
)
from streamfit.streams.stages.augmented import KeyedTransform, is_keyed_transform
from streamfit.streams.stages.elements import Element, named_leaves
from streamfit.streams.stages.stage_order import StageOrder, only_orders
from streamfit.workers import make_pool

Kind = Literal["samples", "batches"]


@runtime_checkable
class PipelineMaker(Protocol):
    """An object that is a pipeline beside what else it is, such as the iterators of `ImageDataGenerator`."""

    def as_pipeline(self) -> Pipeline:
        """Return the pipeline."""
        ...


class Pipeline(StageMethods):
    """A source of data and the stages that it goes through; made by `source` and by its own methods.

    Args:
        stage: The last stage.
        name: What to call the data in messages.
        seed: The seed of orders and random numbers; None follows the run that reads it.

    Example:
        >>> import numpy as np
        >>> numbers = source(np.arange(6)).map(lambda x: x * 10).batch(4)
        >>> [batch.tolist() for batch in numbers]
        [[0, 10, 20, 30], [40, 50]]
    """

    def __init__(self, stage: Stage, name: str = "data", seed: int | None = None) -> None:
        self.stage, self.name, self.seed = stage, name, seed
        self._next = 0

    def _with(self, stage: Stage) -> Self:
        return type(self)(stage, self.name, self.seed)

    # -- stages -------------------------------------------------------------------------------------

    def map(
        self,
        function: Callable[..., Element] | KeyedTransform,
        num_parallel_calls: object = None,
        *,
        per: Literal["sample", "batch"] | None = None,
        on: Literal["x", "y", "sample_weight"] | None = None,
        new_form: bool = False,
        deterministic: bool = True,
    ) -> Self:
        """Call a function on each element: on samples before `batch`, on batches after it.

        Args:
            function: Called as ``function(x)``, ``function(x, y)`` or ``function(x, y, sample_weight)``; with
                a dictionary whole. A parameter named `rng` receives a NumPy generator that depends on seed,
                pass and sample alone. Or a transform of `streamfit.augment`, which draws by these too.
            num_parallel_calls: Accepted for scripts of tf.data; `fit(workers=...)` says how many work.
            per: ``'sample'`` behind `batch` maps each sample of a batch.
            on: The part that alone is passed and returned.
            new_form: Whether the function may return another form, such as (x, y) for a dictionary.
            deterministic: Accepted as True: the order is always that of the input.

        Example:
            >>> import numpy as np
            >>> noisy = source(np.zeros(2)).map(lambda x, rng: x + rng.normal(), new_form=True)
            >>> len(noisy)
            2
        """
        if not deterministic:
            raise ValueError("deterministic=False: the order is always that of the input; leave it out")
        if is_keyed_transform(function):
            if isinstance(function, type):
                name = function.__name__
                raise TypeError(f"map() was given the class {name} itself; call it: map({name}(...))")
            if on not in (None, "x") or per not in (None, "sample"):
                raise ValueError(
                    f"map({function!r}, per={per!r}, on={on!r}): a transform takes whole elements; leave "
                    "per and on out"
                )
            return self._with(Augmented(self.stage, function))
        return self._with(Map(self.stage, cast("Callable[..., Element]", function), per, on, new_form))

    def filter(self, predicate: Callable[..., object]) -> Self:
        """Keep the elements for which a function returns True."""
        return self._with(Filter(self.stage, predicate))

    def shuffle(
        self,
        buffer_size: int | None = None,
        seed: int | None = None,
        reshuffle_each_iteration: bool = True,
    ) -> Self:
        """Shuffle: all elements where the input can seek, else blocks of `buffer_size` (1,024)."""
        return self._with(Shuffle(self.stage, buffer_size, seed, reshuffle_each_iteration))

    def batch(self, batch_size: int, drop_remainder: bool = False, num_parallel_calls: object = None) -> Self:
        """Stack `batch_size` elements to one."""
        return self._with(BatchStage(self.stage, batch_size, drop_remainder))

    def unbatch(self) -> Self:
        """Yield the samples of batches one by one."""
        return self._with(Unbatch(self.stage))

    def take(self, count: int) -> Self:
        """Keep the first `count` elements of each pass."""
        return self._with(TakeStage(self.stage, count))

    def skip(self, count: int) -> Self:
        """Leave out the first `count` elements of each pass."""
        return self._with(SkipStage(self.stage, count))

    # -- looking ------------------------------------------------------------------------------------

    def __len__(self) -> int:
        size = self.stage.size(self._pass(0))
        if size is None:
            raise TypeError(f"{self!r} does not know its number of elements")
        return size

    def __bool__(self) -> bool:
        """Return True: a pipeline is there, whatever its length."""
        return True

    def __iter__(self) -> Iterator[Element]:
        """Read one pass, loaded in this thread; the next loop reads the next pass."""
        number, self._next = self._next, self._next + 1
        return self.elements(number)

    def elements(self, number: int = 0) -> Iterator[Element]:
        """Yield the elements of a pass, loaded in this thread."""
        with make_pool("inline", 0) as pool:
            for element, _ in self.stage.iterate(self._pass(number), None, PoolRunner(pool, self.name)):
                yield element

    def _pass(self, number: int) -> Pass:
        return Pass(0 if self.seed is None else self.seed, number)

    def peek(self) -> Element:
        """Return the first element of the next pass without reading that pass.

        Example:
            >>> import numpy as np
            >>> source(iter([np.arange(3), np.arange(2)])).peek()
            array([0, 1, 2])

        Raises:
            ValueError: There is none.
        """
        found = first_element(self.stage, self._pass(self._next), self.name)
        if found is None:
            raise ValueError(f"{self!r} has no element")
        return found[0]

    @property
    def element_spec(self) -> Element:
        """The first element with a `Spec` (shape and dtype) in place of each array; None for the samples."""
        return specs_of(self.peek(), self.stage.traits.batched)

    def profile(self, elements: int = 50, *, workers: int = 0, use_multiprocessing: bool = False) -> Profile:
        """Read some elements and return where the time went; print it to see a table and a verdict.

        To see it in a run of `fit`, with the steps of the model, pass a `callbacks.StreamProfiler`.

        Args:
            elements: How many elements of the last stage to read at most.
            workers: How many workers load them; 0 for this thread alone. With workers a few elements more are
                read: those that come before every worker has loaded something are not counted. Without, the
                first one is loaded once before, where elements can be loaded by number.
            use_multiprocessing: Whether workers are processes in place of threads.

        Example:
            >>> import numpy as np
            >>> found = source(np.zeros((100, 3))).map(np.sin).batch(10).profile()
            >>> found.elements, found.stages
            (10, ["source('data', 100 samples)", 'map(sin)', 'batch(10)'])
        """
        elements, workers = whole("elements", elements, 1), whole("workers", workers, 0)
        pools: Literal["processes", "threads"] = "threads"
        if truth("use_multiprocessing", use_multiprocessing):
            pools = "processes"
        kind = pools if workers else "inline"
        return profile_stage(self.stage, self._pass(self._next), self.name, elements, kind, workers)

    def shuffle_quality(
        self, *, batch_size: int | None = None, passes: int = 2, seed: int = 0
    ) -> ShuffleQuality:
        """Measure how well the samples are shuffled, beside a true permutation; print the result for a table.

        Nothing is loaded; see `streamfit.shuffle_quality`, which also takes ids.

        Example:
            >>> import numpy as np
            >>> source(np.zeros(5000)).shuffle().batch(32).shuffle_quality().verdict
            'as good as a true permutation'
        """
        return shuffle_quality(self, batch_size=batch_size, passes=passes, seed=seed)

    def summary(self) -> None:
        """Print a line for each stage: how many elements it has in a pass, and of which shapes and dtypes.

        Example:
            >>> import numpy as np
            >>> source(np.zeros((10, 3)), np.arange(10), name="cells").shuffle().batch(4).summary()
            Stage                         Elements  Element
            source('cells', 10 samples)         10  (float64 (3,), int64 ())
            shuffle()                           10  (float64 (3,), int64 ())
            batch(4)                             3  (float64 (None, 3), int64 (None,))
        """
        p = self._pass(self._next)
        for line in summary_lines(self.stage, p, self.name):
            tell(line)
        for sampling in dict.fromkeys(self.stage.samplings(p)):
            tell(f"Drawn: {sampling}")

    def __repr__(self) -> str:
        return self.stage.text()

    # -- reading ------------------------------------------------------------------------------------

    def open_source(
        self,
        *,
        seed: int | None = None,
        batch_size: int | None = None,
        name: str = "data",
        targets: bool = True,
        text: bool = False,
    ) -> Source:
        """Return what a feed reads: a fresh source of the batches of this pipeline.

        Args:
            seed: The seed of the run; the pipeline's own comes first.
            batch_size: Samples in a batch, where this pipeline has none; None for 32.
            name: What to call it in messages, where it has no name of its own.
            targets: Whether the consumer wants targets.
            text: Whether the consumer takes text as x.

        Raises:
            ValueError: `batch_size` is given and the elements are batches.
        """
        stage = self.stage
        if not stage.traits.batched:
            stage = BatchStage(stage, 32 if batch_size is None else batch_size)
        elif batch_size is not None:
            raise ValueError(
                f"batch_size={batch_size}: the pipeline makes batches itself: {self!r}; leave batch_size "
                "out, or leave out .batch(...)"
            )
        own = self.seed if self.seed is not None else seed
        start = next_seed() if own is None else own
        called = name if self.name == "data" else self.name
        if type(stage) is BatchStage:
            base = only_orders(stage.input)
            if isinstance(base, ArrayRows):  # nothing to compute: rows are copied straight into batches
                order = StageOrder(stage.input, stage.batch_size, stage.drop_remainder, start)
                return base.source.reordered(order, called)
        kind = SeekableSource if stage.traits.seekable else OrderedSource
        return kind(stage, seed=start, name=called, targets=targets, text=text)


def source(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    kind: Kind | None = None,
    seed: int | None = None,
    name: str = "data",
) -> Pipeline:
    """Make a pipeline of whatever holds the data.

    Args:
        x: Arrays (one, or a list, tuple or mapping of them, data frames, memory maps), a `Sequence`, an
            object that returns single samples by number (a data set of PyTorch), a generator or another
            iterable.
        y: Targets, when `x` are arrays.
        sample_weight: Weights, when `x` are arrays.
        kind: Whether items are ``'samples'`` or ``'batches'``; None finds it: arrays are samples, the items
            of a `Sequence` and of a generator are batches, and an object with ``__getitem__`` and ``__len__``
            is judged by its first item, and refused where that may be either.
        seed: The seed of orders and random numbers; None follows the run that reads it.
        name: What to call the data in messages.

    Example:
        >>> import numpy as np
        >>> source(np.zeros((10, 3)), np.zeros(10)).shuffle().batch(4)
        source('data', 10 samples).shuffle().batch(4)
    """
    start = None if seed is None else seed_from(seed)
    if isinstance(x, Pipeline):
        return x
    if isinstance(x, PipelineMaker):
        return x.as_pipeline()
    if kind not in (None, "samples", "batches"):
        raise ValueError(f"kind={kind!r}: write 'samples' or 'batches'")
    x, y = without_arrow(x, "x"), without_arrow(y, "y")
    sample_weight = without_arrow(sample_weight, "sample_weight")
    found = kind_of(x, name)
    alone = y is None and sample_weight is None
    if found == "arrays" and kind == "samples" and alone and isinstance(x, (list, tuple)):
        return Pipeline(IndexedSamples(x, name), name, start)
    if found == "arrays":
        if kind == "batches":
            raise ValueError("kind='batches': the rows of arrays are samples; write source(x).batch(32)")
        rows = ArraySource(x, y, sample_weight, shuffle=False, name=name, text=True)
        return Pipeline(ArrayRows(rows), name, start)
    if y is not None or sample_weight is not None:
        raise ValueError(f"y and sample_weight go with arrays; a {type(x).__name__} gives them itself")
    return Pipeline(_base(x, found, kind, name), name, start)


def _base(x: Any, found: str, kind: Kind | None, name: str) -> Stage:
    if found == "source":
        return Batches(x) if x.traits.seekable else Items(x, batched=True)
    if found == "sequence":
        if (kind or _kind_of_items(x)) == "samples":
            return IndexedSamples(x, name)
        return Batches(SequenceSource(x, shuffle=False, name=name, targets=False, text=True))
    return Items(GeneratorSource(x, name=name, targets=False, text=True), batched=kind != "samples")


def _kind_of_items(x: Any) -> Kind:
    """Return what the items of an object are, judged by what it is and by its first item.

    Raises:
        ValueError: The first item may be one sample as well as a batch.
    """
    if isinstance(x, Sequence) or hasattr(x, "on_epoch_end") or hasattr(x, "num_batches"):
        return "batches"
    item = x[0]
    shapes = [tuple(getattr(leaf, "shape", ())) for _, leaf in named_leaves(item)]
    if not shapes or not all(shapes) or any(shape[0] != shapes[0][0] for shape in shapes):
        return "samples"  # a batch has a first axis of one length in all of its parts
    raise ValueError(
        f"an item of the {type(x).__name__} ({brief(item)}) may be a sample or a batch; write "
        "source(..., kind='samples') or source(..., kind='batches')"
    )
