"""The stages of a pipeline, and the sources that a source holds, as a tree: each can be checked alone."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from streamfit._base.inspection import attributes_of
from streamfit.streams import Pipeline, Source, Stream
from streamfit.streams.pipeline_source import distinct, in_order
from streamfit.streams.stages import Batches, BatchStage, Filter, IndexedSamples, Items, Map
from streamfit.streams.stages.augmented import Augmented
from streamfit.streams.stages.stage import Stage

_SAMPLES = 8  # of a batch, for a stage whose pipeline makes no batches


@dataclass(frozen=True, slots=True)
class StageNode:
    """A stage with all that it reads, or a source that another one holds.

    Args:
        label: What to call it in messages.
        data: What gives its batches: a pipeline that ends with the stage, or the source.
        inputs: What it reads.
        code: The code of the user's that it runs.
        own: Whether it runs code of the user's.
    """

    label: str
    data: Pipeline | Source
    inputs: tuple[StageNode, ...] = ()
    code: tuple[CodeType, ...] = ()
    own: bool = True

    def all_nodes(self) -> Iterator[StageNode]:
        """Yield this node and all below it."""
        yield self
        for node in self.inputs:
            yield from node.all_nodes()


def stage_tree(thing: object) -> StageNode | None:
    """Return the stages of a pipeline, or the sources that a source holds; None where there is one part only.

    Example:
        >>> import numpy as np
        >>> from streamfit import source
        >>> tree = stage_tree(source(np.arange(6)).map(np.sin).batch(2))
        >>> tree.label, tree.inputs[0].label
        ('stage 3 of 3, batch(2)', 'stage 2 of 3, map(sin)')
    """
    if isinstance(thing, Stream):
        thing = thing.source
    stage: object = getattr(thing, "stage", None)
    if isinstance(stage, Stage):
        name, seed = getattr(thing, "name", "data"), getattr(thing, "seed", None)
        tree = _of_stages(stage, str(name), seed if isinstance(seed, int) else None)
    elif isinstance(thing, Source):
        tree = StageNode(type(thing).__name__, thing, tuple(_held(thing, "self")))
    else:
        return None
    return tree if tree.inputs else None


def _of_stages(last: Stage, name: str, seed: int | None, within: str = "") -> StageNode:
    stages = distinct(in_order(last))
    numbers = {id(stage): number for number, stage in enumerate(stages, 1)}
    sizes = [stage.batch_size for stage in stages if isinstance(stage, BatchStage)]

    def node(stage: Stage) -> StageNode:
        code = _code_of(stage)
        label = f"stage {numbers[id(stage)]} of {len(stages)}{within}, {stage!r}{_place_of(code)}"
        pipeline = Pipeline(stage, name, seed)
        inputs = tuple(map(node, stage.inputs))
        if isinstance(stage, (Batches, Items)):
            inputs = tuple(_held(stage.source, stage.source.name))
        batches = pipeline if stage.traits.batched else pipeline.batch(sizes[0] if sizes else _SAMPLES)
        own = isinstance(stage, (Map, Filter, IndexedSamples, Batches, Items))
        return StageNode(label, batches, inputs, code, own)

    return node(last)


def _held(source: Source, name: str) -> Iterator[StageNode]:
    """Yield the sources and pipelines that a source of the user's holds, also in lists and dicts."""
    if type(source).__module__.partition(".")[0] == "streamfit":
        return
    for attribute, value in attributes_of(source):
        for place, held in _entries(value):
            if isinstance(held, (Source, Pipeline)):
                where = f"{name}.{attribute}{place}"
                yield StageNode(f"{where}, a {type(held).__name__}", held, tuple(_inside(held, where)))


def _inside(held: Source | Pipeline, where: str) -> Iterator[StageNode]:
    """Yield what a held source is made of: its last stage, or the sources that it holds."""
    stage: object = getattr(held, "stage", None)
    if isinstance(stage, Stage):
        yield _of_stages(stage, held.name, held.seed, f" of {where}")
    elif isinstance(held, Source):
        yield from _held(held, where)


def _entries(value: object) -> Iterable[tuple[str, object]]:
    if isinstance(value, dict):
        return [(f"[{key!r}]", entry) for key, entry in value.items()]
    if isinstance(value, (list, tuple)):
        return [(f"[{at}]", entry) for at, entry in enumerate(value)]
    return [("", value)]


def _code_of(stage: Stage) -> tuple[CodeType, ...]:
    """Return the code of the user's that a stage runs: its function, or the methods of its data."""
    if isinstance(stage, Augmented):
        return _codes(stage.transform)
    if isinstance(stage, (Map, Filter)):
        return _codes(stage.function)
    if isinstance(stage, IndexedSamples):
        return _codes(getattr(type(stage.samples), "__getitem__", None))
    if isinstance(stage, Batches):
        data: object = getattr(stage.source, "sequence", None)
        if data is None:
            return _codes(getattr(type(stage.source), "load", None))
        return _codes(getattr(type(data), "__getitem__", None))
    if isinstance(stage, Items):
        return _codes(getattr(type(getattr(stage.source, "iterable", None)), "__iter__", None))
    return ()


def _codes(function: object) -> tuple[CodeType, ...]:
    while isinstance(function, functools.partial):
        function = function.func
    function = getattr(function, "__wrapped__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        methods: list[object] = [vars(kind).get("__call__") for kind in type(function).__mro__]
        code = next((getattr(method, "__code__", None) for method in methods if method is not None), None)
    return (code,) if isinstance(code, CodeType) else ()


def _place_of(code: tuple[CodeType, ...]) -> str:
    return "".join(f" at {Path(each.co_filename).name}:{each.co_firstlineno}" for each in code[:1])
