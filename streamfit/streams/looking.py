"""What a pipeline gives, looked at without reading it: its first element, its specs, a summary.

Guarantee kept here: to look changes nothing. What was pulled from an iterator is given back to it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from streamfit._base.specs import Spec
from streamfit.streams.ordered import PoolRunner
from streamfit.streams.stages import Pass, Stage
from streamfit.streams.stages.elements import Element, as_mapping, map_leaves
from streamfit.workers import make_pool


def first_element(stage: Stage, p: Pass, name: str) -> tuple[Element] | None:
    """Return the first element of a pass in a tuple, or None where there is none."""
    with make_pool("inline", 0) as pool:
        runner = PoolRunner(pool, name)
        runner.pulled = []
        elements = stage.iterate(p, None, runner)
        try:
            found = next(elements, None)
        finally:
            close = getattr(elements, "close", None)
            if close is not None:
                close()
            for source, ticket in reversed(runner.pulled):
                source.give_back([ticket])
    return None if found is None else (found[0],)


def specs_of(element: Element, batched: bool) -> Element:
    """Return the structure of an element with a `Spec` in place of each leaf.

    Example:
        >>> specs_of((np.zeros((4, 3)), np.zeros(4)), batched=True)
        (Spec(shape=(None, 3), dtype=dtype('float64')), Spec(shape=(None,), dtype=dtype('float64')))
    """

    def spec(leaf: object) -> Spec:
        array = np.asarray(leaf)
        return Spec((None, *array.shape[1:]) if batched else array.shape, array.dtype)

    return map_leaves(element, spec)


def summary_lines(stage: Stage, p: Pass, name: str) -> Iterator[str]:
    """Yield a line for each stage: the stage, its elements in a pass, what an element is."""
    rows = [("Stage", "Elements", "Element")]
    for level, each in _rows(stage):
        shown = repr(each)
        if len(each.inputs) > 1:  # the inputs have lines of their own
            shown = f"{shown.partition('(')[0]}(...)"
        rows.append((f"{'  ' * level}{shown}", _count(each, p), _form(each, p, name)))
        rows += [(f"{'  ' * (level + 1)}{note}", "", "") for note in each.notes(p)]
    widths = [max(len(row[column]) for row in rows if column == 0 or row[2]) for column in range(2)]
    for row in rows:
        yield f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]}".rstrip()


def _rows(stage: Stage, level: int = 0) -> Iterator[tuple[int, Stage]]:
    """Yield the stages, the first ones first; those of further inputs are moved to the right."""
    for each in stage.inputs:
        yield from _rows(each, level + (len(stage.inputs) > 1))
    yield level, stage


def _count(stage: Stage, p: Pass) -> str:
    if stage.traits.endless:
        return "endless"
    size = stage.size(p)
    return "?" if size is None else f"{size:,}"


def _form(stage: Stage, p: Pass, name: str) -> str:
    known = stage.specs()
    if known is not None:
        return _text(known)
    found = first_element(stage, p, name)
    return "none" if found is None else _text(specs_of(found[0], stage.traits.batched))


def _text(specs: Element) -> str:
    """Write specs shortly: ``(float32 (None, 3), int64 (None,))``."""
    mapping = as_mapping(specs)
    if mapping is not None:
        return "{" + ", ".join(f"{key!r}: {_text(entry)}" for key, entry in mapping.items()) + "}"
    if isinstance(specs, (tuple, list)):
        inside = ", ".join(map(_text, specs))
        return f"[{inside}]" if isinstance(specs, list) else f"({inside})"
    return f"{specs.dtype} {specs.shape}" if isinstance(specs, Spec) else str(specs)
