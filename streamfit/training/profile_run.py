"""`profile_run`: take steps on some batches as `fit` does, then cut one step into its parts.

Guarantee kept here: the steps are those of the library's own loop, programs and kernels. The model that is
given is changed by them; `Model.profile` gives a copy.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from statistics import median

from streamfit._base.config import read_only_seed
from streamfit.kernels.product_rate import product_rate
from streamfit.layers.base import Layer
from streamfit.streams.profiling.profile import Profile, profile_of
from streamfit.training.batches import Data, Streams, need_data
from streamfit.training.callbacks.stream_profiler import StreamProfiler
from streamfit.training.model_call import ModelCall
from streamfit.training.model_profile import Kind, LayerTimes, ModelProfile, joined_rows
from streamfit.training.stream_settings import StreamSettings
from streamfit.training.timed_steps import StepTimes, TimedRunner
from streamfit.training.trainable import Trainable
from streamfit.workers import hash_seed_of_program

_OTHERS = {"copies": "copies of outputs", "sums": "sums over blocks", "update": "optimizer"}


def profile_run(
    model: Trainable,
    runner: TimedRunner,
    data: Data,
    settings: StreamSettings,
    batches: int,
    class_weight: object,
    training: bool,
) -> ModelProfile:
    """Measure the steps of a model.

    Args:
        model: The model, whose runner is `runner`; it is trained.
        runner: Takes its steps.
        data: The data.
        settings: Who loads them.
        batches: How many batches to read at most.
        class_weight: As in `fit`.
        training: Whether to train; else the model is evaluated.
    """
    call = ModelCall(model, "profile", writes=True, long=True)
    data.text = runner.has_host_layers
    seed, profiler = read_only_seed(), StreamProfiler()
    source = runner.loading(data.source(seed, "data"), training=training)
    recorder, watched = profiler.watch(source)
    streams = Streams(settings, hash_seed_of_program(seed), runner.alike)
    with call.work(source.name, class_weight), streams:
        feed = streams.feed(watched, wrap=False, total=batches, recorder=recorder)
        call.refresh_bindings()
        loop, step = recorder.loop(feed.run(batches, lambda: 1), call.train if training else call.test)
        seconds: list[float] = []
        for batch in loop:
            began = time.perf_counter()
            step(batch)
            seconds.append(time.perf_counter() - began)
            del batch  # it may occupy a slot
        need_data(bool(seconds), source.name)
        read = profile_of(recorder)
        feed.close()  # workers at rest take no time from the steps that follow
        assert runner.timed is not None
        times = runner.timed.measure()
    return _profile(model, times, read, seconds, training)


def _profile(
    model: Trainable, times: StepTimes, read: Profile, seconds: Sequence[float], training: bool
) -> ModelProfile:
    measured = max(1, read.elements)
    return ModelProfile(
        rows=joined_rows(_rows(model, times)),
        alone=times.alone,
        step=times.step,
        threads=times.threads,
        waiting=read.waiting / measured,
        around=max(0.0, median(seconds) - times.step) + read.other / measured,
        batches=len(seconds),
        batch_size=times.rows,
        training=training,
        machine_rate=product_rate(),
        data=read,
    )


def _rows(model: Trainable, times: StepTimes) -> Iterable[LayerTimes]:
    classes = dict(_classes(model.layers))
    for path in dict.fromkeys(times.layer_of.values()):  # layers that only look at memory take no time
        if path:
            yield LayerTimes(*_named(path, model.name, classes), "layer", 0.0, 0.0, 0)
    for part, seconds in times.parts.items():
        forward, backward = (0.0, seconds) if part.phase == "backward" else (seconds, 0.0)
        flops = times.flops.get(part, 0)
        path = "" if part.node is None else times.layer_of.get(part.node, "")
        if path:
            yield LayerTimes(*_named(path, model.name, classes), "layer", forward, backward, flops)
        elif part.node is not None:
            yield LayerTimes("loss and metrics", "", "objective", forward, backward, flops)
        else:
            kind: Kind = "overhead" if part.phase == "copies" else "update"
            yield LayerTimes(_OTHERS[part.phase], "", kind, forward, backward, flops)


def _named(path: str, model: str, classes: dict[str, str]) -> tuple[str, str]:
    """Return the name and the class of a layer; a model whose `call` is its graph is no part of the name."""
    short = path.removeprefix(f"{model}/")
    return short, classes.get(short.rpartition("/")[2], "")


def _classes(layers: Iterable[Layer]) -> Iterable[tuple[str, str]]:
    waiting = list(layers)
    while waiting:
        layer = waiting.pop()
        yield layer.name, type(layer).__name__
        waiting += layer.layers_inside


__all__ = ["profile_run"]
