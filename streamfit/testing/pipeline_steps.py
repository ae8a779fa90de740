"""`DrawnPipeline`: a chain of stages as a value that is code, a pipeline, and what it must give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, cast

import numpy as np

from streamfit.augment import Transform
from streamfit.streams import Pipeline, interleave, mix, source
from streamfit.testing.plain_pipeline import PlainPipeline
from streamfit.testing.stage_functions import NumberBatches, NumbersInOrder

BaseKind = Literal["numbers", "pairs", "in order", "batches", "images"]


class Printer(Protocol):
    """What Hypothesis and IPython give to objects that know how they are shown."""

    def text(self, obj: str) -> object:
        """Write text."""


@dataclass(frozen=True)
class PipelineBase:
    """Where the samples of a drawn pipeline come from: whole numbers.

    Args:
        kind: ``'numbers'``, ``'pairs'`` and ``'images'`` of one colour in arrays, numbers ``'in order'`` from
            an iterable, or ``'batches'`` of numbers from a `Sequence`.
        count: The number of samples; of batches of two, and one of the rest, for ``'batches'``.
        start: The first number, for arrays.
    """

    kind: BaseKind
    count: int
    start: int = 0

    @property
    def sizes(self) -> list[int]:
        """The number of samples of each batch of ``'batches'``."""
        return [2] * (self.count // 2) + [1] * (self.count % 2)

    def __repr__(self) -> str:
        numbers = f"np.arange({self.start}, {self.start + self.count})"
        return {
            "numbers": f"streamfit.source({numbers})",
            "pairs": f"streamfit.source(np.stack([{numbers}] * 2, 1), -{numbers})",
            "images": f"streamfit.source(np.repeat({numbers}, 4).reshape(-1, 2, 2, 1).astype('uint8'))",
            "in order": f"streamfit.source(strategies.NumbersInOrder({self.count}), kind='samples')",
            "batches": f"streamfit.source(strategies.NumberBatches({self.sizes}))",
        }[self.kind]

    def make(self) -> Pipeline:
        """Return a new pipeline."""
        numbers = np.arange(self.start, self.start + self.count)
        if self.kind == "in order":
            return source(NumbersInOrder(self.count), kind="samples")
        if self.kind == "batches":
            return source(NumberBatches(self.sizes))
        if self.kind == "images":
            return source(np.repeat(numbers, 4).reshape(-1, 2, 2, 1).astype("uint8"))
        return source(numbers) if self.kind == "numbers" else source(np.stack([numbers] * 2, 1), -numbers)

    def plain(self) -> PlainPipeline:
        """Return the samples."""
        numbers = range(self.start, self.start + self.count)
        if self.kind == "pairs":
            return PlainPipeline.of(([n, n] for n in numbers), (-n for n in numbers))
        if self.kind == "images":
            return PlainPipeline.of(np.full((2, 2, 1), n, "uint8") for n in numbers)
        found = PlainPipeline.of(numbers)
        return replace(found, sizes=tuple(self.sizes)) if self.kind == "batches" else found


@dataclass(frozen=True)
class PipelineStep:
    """One call of a method of `Pipeline`, or of `mix` or `interleave`.

    Args:
        name: The method.
        args: Its arguments; of `mix` and `interleave` those behind the pipeline itself.
        settings: Its arguments by name.
    """

    name: str
    args: tuple[object, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)

    def code(self, before: str) -> str:
        """Write the call, behind the code of the pipeline so far."""
        named = [f"{name}={_code(value)}" for name, value in self.settings.items()]
        if self.name in ("mix", "interleave"):
            pipelines = f"[{', '.join([before, *map(_code, self.args)])}]"
            return f"streamfit.{self.name}({', '.join([pipelines, *named])})"
        return f"{before}.{self.name}({', '.join([*map(_code, self.args), *named])})"

    def make(self, before: Pipeline) -> Pipeline:
        """Do the call."""
        args = [each.make() if isinstance(each, DrawnPipeline) else each for each in self.args]
        if self.name in ("mix", "interleave"):
            join: Callable[..., Pipeline] = mix if self.name == "mix" else interleave
            return join([before, *args], **self.settings)
        return cast("Pipeline", getattr(before, self.name)(*args, **self.settings))

    def plain(self, before: PlainPipeline) -> PlainPipeline:
        """Do the same to a plain pipeline."""
        args = [each.plain() if isinstance(each, DrawnPipeline) else each for each in self.args]
        return cast("PlainPipeline", getattr(before, self.name)(*args, **self.settings))


@dataclass(frozen=True, repr=False)
class DrawnPipeline:
    """A chain of stages; its `repr` is code that makes the pipeline.

    The code needs ``import numpy as np``, ``import streamfit`` and ``from streamfit.testing import
    strategies``.

    Args:
        base: Where the samples come from.
        steps: The stages, in their order.

    Example:
        >>> drawn = DrawnPipeline(PipelineBase("numbers", 3), (PipelineStep("batch", (2,)),))
        >>> drawn
        streamfit.source(np.arange(0, 3)).batch(2)
        >>> [batch.tolist() for batch in drawn.make()], drawn.problem(drawn.make())
        ([[0, 1], [2]], None)
    """

    base: PipelineBase
    steps: tuple[PipelineStep, ...] = ()

    def __repr__(self) -> str:
        code = repr(self.base)
        for step in self.steps:
            code = step.code(code)
        return code

    def _repr_pretty_(self, printer: Printer, cycle: bool) -> None:
        """Show the code in the reports of Hypothesis and of IPython too."""
        printer.text(repr(self))

    def make(self) -> Pipeline:
        """Make the pipeline; each call makes a new one."""
        made = self.base.make()
        for step in self.steps:
            made = step.make(made)
        return made

    def plain(self) -> PlainPipeline:
        """Compute with lists what it must give."""
        found = self.base.plain()
        for step in self.steps:
            found = step.plain(found)
        return found

    def problem(self, elements: Iterator[object] | Pipeline) -> str | None:
        """Describe how the elements of a pass differ from what the chain must give; None if they do not."""
        return self.plain().problem(elements)

    def then(self, step: PipelineStep) -> DrawnPipeline:
        """Return the chain with one stage more."""
        return replace(self, steps=(*self.steps, step))


def _code(value: object) -> str:
    if isinstance(value, Transform):
        return f"streamfit.augment.{value!r}"
    return f"strategies.{value.__name__}" if hasattr(value, "__name__") else repr(value)
