"""`profile_stage`: read some elements of a pipeline, and return where the time went.

Guarantee kept here: the elements that are read are those that any other reader gets; nothing is kept of them.
"""

from __future__ import annotations

from streamfit.streams.looking import first_element
from streamfit.streams.ordered import PoolRunner
from streamfit.streams.profiling.profile import Profile, profile_of
from streamfit.streams.profiling.recorder import StreamRecorder
from streamfit.streams.profiling.stopwatch import nbytes_of
from streamfit.streams.profiling.watching import watched_stage
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.stage import Pass, Place, Stage
from streamfit.workers import make_pool
from streamfit.workers.contract import Kind

_AHEAD = 2
"""How many loads a worker may be ahead of the reader: few, so that the usual state is soon reached."""


def profile_stage(stage: Stage, p: Pass, name: str, elements: int, kind: Kind, workers: int) -> Profile:
    """Read some elements of a stage and return how long each stage worked.

    Args:
        stage: The last stage.
        p: The pass.
        name: What to call the data in messages.
        elements: How many to measure at most; with workers a few more are read before, while they start.
        kind: Who loads.
        workers: How many.
    """
    names: list[str] = []
    copy = watched_stage(stage, names)
    pooled = kind != "inline" and workers > 0
    if not pooled and stage.traits.seekable:
        first_element(stage, p, name)  # compiles kernels, which no later element does
    recorder = StreamRecorder(names, None, in_order=not stage.traits.seekable, apart=pooled)
    ahead = max(1, _AHEAD * workers)
    with make_pool(kind, workers, ahead) as pool:
        runner = PoolRunner(recorder.watch_pool(pool, ahead) if pooled else pool, name)
        reading = copy.iterate(p, None, runner)
        for element in recorder.waits(reading, _size):
            del element  # it may occupy a slot
            if recorder.measured >= elements and not recorder.setting_apart:
                break
        close = getattr(reading, "close", None)
        if close is not None:
            close()
    return profile_of(recorder)


def _size(found: tuple[Element, Place]) -> tuple[int, int]:
    return 1, nbytes_of(found[0])


__all__ = ["profile_stage"]
