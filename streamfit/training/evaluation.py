"""`evaluate`, and what every run over the data that changes no weights has in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from streamfit._base.checks import whole_or_none
from streamfit._base.config import read_only_seed
from streamfit.streams import Feed, Source
from streamfit.training.batches import Data, Streams, need_data
from streamfit.training.callback_hooks import make_hooks
from streamfit.training.callbacks import CallbackList, ProgressBar
from streamfit.training.loop import run_steps
from streamfit.training.model_call import ModelCall
from streamfit.training.plan import check_verbose
from streamfit.training.runner import Runner
from streamfit.training.stopping import running
from streamfit.training.stream_settings import StreamSettings
from streamfit.training.trainable import Trainable
from streamfit.training.user_warnings import OUT_OF_DATA, warn
from streamfit.workers import hash_seed_of_program


@dataclass(frozen=True)
class RunPlan:
    """The arguments of `evaluate` or `predict`, checked.

    Args:
        data: The data.
        settings: Who loads them.
        steps: How many batches; None for all.
        verbose: As in `fit`.
        callbacks: Callbacks, or the list of a run that this one is part of.
    """

    data: Data
    settings: StreamSettings
    steps: int | None
    verbose: object
    callbacks: object

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", whole_or_none("steps", self.steps, 1))  # the class is frozen


def evaluate(
    model: Trainable,
    data: Data,
    settings: StreamSettings,
    steps: int | None,
    verbose: object,
    callbacks: object,
) -> dict[str, object]:
    """Run the data through the test step and return the results by name."""
    call = ModelCall(model, "evaluate")
    plan = RunPlan(data, settings, steps, verbose, callbacks)
    with (
        single_run(model, call, plan, preserve_metrics=True) as (feed, callback_list),
        running(model, "stop_evaluating") as stopped,
    ):
        if model.session is None:
            call.begin_run()
        callback_list.on_test_begin()
        call.refresh_bindings()
        hooks = make_hooks(callback_list, call, "test", stopped, total=feed.steps(plan.steps))
        done = run_steps(feed.run(plan.steps, hooks.steps_per_execution), call.test, hooks)
        need_data(done > 0, feed.source.name)
        warn_if_short(feed.done, plan.steps, stopped())
        logs = call.logs()
        callback_list.on_test_end(logs)
    return logs


@contextlib.contextmanager
def single_run(
    model: Trainable, call: ModelCall, plan: RunPlan, *, preserve_metrics: bool = False
) -> Iterator[tuple[Feed, CallbackList]]:
    """Open the data and the callbacks of `evaluate` (which preserves running results) or `predict`."""
    verbose = check_verbose(plan.verbose)
    source = open_source(call.main, plan.data)
    with reading(call, source, plan, preserve_metrics=preserve_metrics) as feed:
        params = {"verbose": verbose, "epochs": 1, "steps": feed.steps(plan.steps)}
        callbacks = plan.callbacks
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(callbacks, model, params, None, ProgressBar())
        callbacks.watch(call.logs)
        try:
            yield feed, callbacks
        except BaseException:
            callbacks.interrupt()
            raise


def open_source(main: Runner, data: Data) -> Source:
    """Return the source of what the program of a model is fed."""
    data.text = main.has_host_layers
    return main.loading(data.source(read_only_seed(), "data"), training=False)


@contextlib.contextmanager
def reading(
    call: ModelCall, source: Source, plan: RunPlan, *, preserve_metrics: bool = False
) -> Iterator[Feed]:
    """Read a source for a call at a model, with the workers that it needs."""
    streams = Streams(plan.settings, hash_seed_of_program(read_only_seed()), call.main.alike)
    with call.work(source.name, preserve_metrics=preserve_metrics), streams:
        yield streams.feed(source, wrap=False, total=plan.steps)


def warn_if_short(done: int, steps: int | None, stopped: bool) -> None:
    """Warn of data that had fewer batches than were wanted."""
    if steps is not None and done < steps and not stopped:
        warn(OUT_OF_DATA)
