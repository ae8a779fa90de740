"""`mix` and `interleave`: one pipeline of the elements of several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from streamfit.streams.leaves import brief
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stage_methods import stages_of
from streamfit.streams.stages import Interleave, Mix, Stage


def mix(
    sources: Sequence[Pipeline], weights: Sequence[float] | None = None, seed: int | None = None
) -> Pipeline:
    """Draw at each step the pipeline that gives the next element, until all have ended.

    Each element of each pipeline comes once. Where all can seek, a pass needs a table of 9 bytes an element.

    Args:
        sources: The pipelines.
        weights: How often each is drawn; None for equally often.
        seed: A seed for the draws; None follows the run.

    Example:
        >>> from streamfit.streams import source
        >>> small, large = source([1, 2]), source([10, 20, 30, 40])
        >>> sorted(int(number) for number in mix([small, large], weights=[1, 2]))
        [1, 2, 10, 20, 30, 40]
    """
    return Pipeline(Mix(_stages(sources, "mix"), weights, seed), "mix")


def interleave(sources: Sequence[Pipeline], block_length: int = 1) -> Pipeline:
    """Read `block_length` elements of each pipeline in turn; those that have ended are left out.

    Args:
        sources: The pipelines.
        block_length: How many elements of one come before those of the next.

    Example:
        >>> from streamfit.streams import source
        >>> [int(number) for number in interleave([source([1, 2, 3]), source([10, 20])])]
        [1, 10, 2, 20, 3]
    """
    return Pipeline(Interleave(_stages(sources, "interleave"), block_length), "interleave")


def _stages(sources: Sequence[Pipeline], caller: str) -> list[Stage]:
    if isinstance(sources, Pipeline):
        raise TypeError(f"{caller}() takes its pipelines in one list; write {caller}([a, b])")
    if not isinstance(sources, Iterable):
        raise TypeError(f"{caller}() needs a list of pipelines, got {brief(sources)}; write {caller}([a, b])")
    found = list(sources)
    if not found:
        raise ValueError(f"{caller}() needs a pipeline, and the list is empty; write {caller}([a, b])")
    return stages_of(found, None, f"{caller}()")
