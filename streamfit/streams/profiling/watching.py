"""`watched`: a copy of a stage, or of a source, whose stages note their times.

Guarantee kept here: a watched copy gives what the original gives and shares all that the original keeps; the
original is not changed, so nothing is timed where nobody has asked for it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import cast

from streamfit._base.specs import Array
from streamfit.streams.batch import Part
from streamfit.streams.mapped_inputs import MappedInputs
from streamfit.streams.pipeline_source import PipelineSource
from streamfit.streams.profiling.stopwatch import stopwatch
from streamfit.streams.source import Source
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.stage import Place, Stage
from streamfit.streams.stores.store import StoreBlock
from streamfit.streams.stores.store_rows import StoreRows

_TIMED = ("fetch", "stacked", "members", "ids", "load", "apply")
_MAKE_ELEMENTS = ("fetch", "stacked", "load", "apply", "read")
_END = object()


class TimedCall:
    """Stands for a method of a stage, and notes its time.

    Args:
        stage: The stage.
        number: Its number.
        name: Name of the method.
    """

    def __init__(self, stage: Stage, number: int, name: str) -> None:
        self.stage, self.number, self.name = stage, number, name

    def __call__(self, *arguments: object) -> object:
        """Call the method."""
        watch, number = stopwatch(), self.number
        outermost = not watch.works_for(number)
        watch.enter(number)
        try:
            result = getattr(type(self.stage), self.name)(self.stage, *arguments)
            if self.name == "apply":  # perhaps a generator, which works only when it is read
                result = list(result)
        finally:
            watch.leave()
        if outermost and self.name in _MAKE_ELEMENTS:
            watch.count(number, result.rows if isinstance(result, StoreBlock) else result)
        return cast(object, result)


class TimedIterate(TimedCall):
    """Stands for `iterate` of a stage that is read in order."""

    def __call__(self, *arguments: object) -> Iterator[tuple[Element, Place]]:
        """Yield what the method yields."""
        watch, number = stopwatch(), self.number
        elements = getattr(type(self.stage), self.name)(self.stage, *arguments)
        try:
            while True:
                watch.enter(number)
                try:
                    found = next(elements, _END)
                finally:
                    watch.leave()
                if found is _END:
                    return
                element, place = cast("tuple[Element, Place]", found)
                watch.count(number, element)
                yield element, place
                del found, element
        finally:
            close = getattr(elements, "close", None)
            if close is not None:
                close()


class TimedCopy:
    """Stands for `with_inputs` of a stage: the copy notes its times, too.

    Args:
        stage: The stage.
        number: Its number.
    """

    def __init__(self, stage: Stage, number: int) -> None:
        self.stage, self.number = stage, number

    def __call__(self, inputs: tuple[Stage, ...], salt: int) -> Stage:
        """Return a copy that reads other stages."""
        return _timed(type(self.stage).with_inputs(self.stage, inputs, salt), self.number)


class TimedFunction:
    """Stands for the function of `MappedInputs`, and notes its time.

    Args:
        function: The function.
        number: Its number.
    """

    def __init__(self, function: Callable[..., Part], number: int) -> None:
        self.function, self.number = function, number

    @property
    def keyed(self) -> bool:
        """Whether the function needs the keys of the samples."""
        return bool(getattr(self.function, "keyed", False))

    def __call__(self, x: Part, *keys: Array) -> Part:
        """Call the function."""
        watch = stopwatch()
        watch.enter(self.number)
        try:
            result = self.function(x, *keys)
        finally:
            watch.leave()
        watch.count(self.number, result)
        return result


def watched_stage(stage: Stage, names: list[str]) -> Stage:
    """Return a copy of a stage, and of those before it, that note their times.

    Args:
        stage: The last stage.
        names: Gets the name of each stage; its place in the list is the number of the stage.
    """
    return _copied(stage, names, {})


def _copied(stage: Stage, names: list[str], known: dict[int, Stage]) -> Stage:
    if id(stage) in known:  # a stage that two others read
        return known[id(stage)]
    inputs = tuple([_copied(each, names, known) for each in stage.inputs])
    # No `with_inputs`: what the stage keeps, as a cache does, is the same in the copy.
    other: Stage = object.__new__(type(stage))
    other.__dict__.update(vars(stage))
    other.inputs = inputs
    known[id(stage)] = _timed(other, len(names))
    names.append(_name(stage))
    return other


def _timed(stage: Stage, number: int) -> Stage:
    """Put calls that note their times in the place of methods of one stage."""
    for name in _TIMED:
        stage.__dict__[name] = TimedCall(stage, number, name)
    if isinstance(stage, StoreRows):
        stage.__dict__["read"] = TimedCall(stage, number, "read")
    if not (stage.traits.seekable or stage.computes):  # else `iterate` is the engine's work
        stage.__dict__["iterate"] = TimedIterate(stage, number, "iterate")
    stage.__dict__["with_inputs"] = TimedCopy(stage, number)
    return stage


def _name(stage: Stage) -> str:
    shown = repr(stage)
    return f"{shown.partition('(')[0]}(...)" if len(stage.inputs) > 1 else shown


def watched_source(source: Source, names: list[str]) -> tuple[Source, int | None]:
    """Return a copy of a source whose stages note their times.

    Args:
        source: The source.
        names: Gets the names of the stages.

    Returns:
        The copy; and the number of the stage that does what no other one does, for a source without stages,
        which is one stage as a whole.
    """
    if type(source) is MappedInputs:
        mapped = copy.copy(source)
        mapped.source, rest = watched_source(source.source, names)
        mapped.function = TimedFunction(source.function, len(names))
        names.append("layers of the model that load")
        return mapped, rest
    if isinstance(source, PipelineSource):
        other = copy.copy(source)
        other.stage = watched_stage(source.stage, names)
        return other, None
    names.append(f"source({source.name!r})")
    return source, len(names) - 1


__all__ = ["TimedCall", "TimedCopy", "TimedFunction", "TimedIterate", "watched_source", "watched_stage"]
