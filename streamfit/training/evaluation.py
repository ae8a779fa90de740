"""`evaluate` and `predict`: one run over the data that changes no weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streamfit._base.checks import whole_or_none
from streamfit._base.config import read_only_seed
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array
from streamfit._base.text import TEXT
from streamfit.streams import Batch, Feed
from streamfit.streams.adapt import DEFAULT_BATCH_SIZE
from streamfit.training.batches import Data, Streams, empty_rows, need_data
from streamfit.training.callback_hooks import make_hooks
from streamfit.training.callbacks import CallbackList, ProgressBar
from streamfit.training.loop import run_steps
from streamfit.training.model_call import ModelCall
from streamfit.training.plan import check_verbose
from streamfit.training.single_batches import predict_on_batch
from streamfit.training.stopping import running
from streamfit.training.stream_settings import StreamSettings
from streamfit.training.trainable import Trainable
from streamfit.training.user_warnings import OUT_OF_DATA, warn
from streamfit.workers import hash_seed_of_program

_DEFAULT = StreamSettings()


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
        _single_run(model, call, plan, preserve_metrics=True) as (feed, callback_list),
        running(model, "stop_evaluating") as stopped,
    ):
        if model.session is None:
            call.begin_run()
        callback_list.on_test_begin()
        call.refresh_bindings()
        hooks = make_hooks(callback_list, call, "test", stopped, total=feed.steps(plan.steps))
        done = run_steps(feed.run(plan.steps, hooks.steps_per_execution), call.test, hooks)
        need_data(done > 0, feed.source.name)
        _warn_if_short(feed.done, plan.steps, stopped())
        logs = call.logs()
        callback_list.on_test_end(logs)
    return logs


def predict(
    model: Trainable,
    data: Data,
    settings: StreamSettings,
    steps: int | None,
    verbose: object,
    callbacks: object,
) -> list[Array]:
    """Run the data through the model and return each output, batches joined in order."""
    silent = isinstance(verbose, int) and verbose == 0  # another value is checked, or refused, by the run
    if silent and callbacks is None and steps is None and settings == _DEFAULT and _is_one_batch(data):
        return predict_on_batch(model, data.x, "predict", "data")
    call = ModelCall(model, "predict", compiled=False)
    plan = RunPlan(data, settings, steps, verbose, callbacks)
    if empty_rows(data.x):
        call.main.prepare(data.x)
        dtypes = [object if tensor.dtype == TEXT else tensor.dtype for tensor in model.outputs]
        shapes = [(0, *tensor.spec.at(0)[1:]) for tensor in model.outputs]
        return [np.empty(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    parts: list[list[Array]] = []
    with (
        _single_run(model, call, plan) as (feed, callback_list),
        running(model, "stop_predicting") as stopped,
    ):
        callback_list.on_predict_begin()
        call.refresh_bindings()

        def step(batch: Batch) -> Array | list[Array]:
            outputs = call.predict(batch)
            if parts:
                _need_one_shape(parts[0], outputs, batch.number)
            parts.append(outputs)
            return outputs[0] if len(outputs) == 1 else outputs

        hooks = make_hooks(callback_list, call, "predict", stopped, total=feed.steps(plan.steps))
        done = run_steps(feed.run(plan.steps), step, hooks)
        need_data(done > 0, feed.source.name)
        _warn_if_short(feed.done, plan.steps, stopped())
        callback_list.on_predict_end()
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def _need_one_shape(first: list[Array], outputs: list[Array], number: int) -> None:
    """Refuse outputs that cannot be joined with those of the first batch."""
    for before, now in zip(first, outputs, strict=True):
        if now.shape[1:] != before.shape[1:]:
            raise ShapeError(
                f"predict joins the outputs of all batches, but a sample of batch {number} has an output of "
                f"shape {now.shape[1:]}, and those before it {before.shape[1:]}; pad the data to one length, "
                "or call predict_on_batch for each batch"
            )


def _is_one_batch(data: Data) -> bool:
    """Return whether data are one array of a single batch, for which nothing has to be opened."""
    size = DEFAULT_BATCH_SIZE if data.batch_size is None else data.batch_size
    x = data.x
    return (
        type(x) is np.ndarray
        and x.ndim > 0
        and x.dtype.kind in "iufb"
        and type(size) is int
        and 0 < len(x) <= size
    )


@contextlib.contextmanager
def _single_run(
    model: Trainable, call: ModelCall, plan: RunPlan, *, preserve_metrics: bool = False
) -> Iterator[tuple[Feed, CallbackList]]:
    """Open the data and the callbacks of `evaluate` (which preserves running results) or `predict`."""
    verbose, seed = check_verbose(plan.verbose), read_only_seed()
    plan.data.text = call.main.has_host_layers
    source = call.main.loading(plan.data.source(seed, "data"))
    streams = Streams(plan.settings, hash_seed_of_program(seed), call.main.alike)
    with call.work(source.name, preserve_metrics=preserve_metrics), streams:
        feed = streams.feed(source, wrap=False, total=plan.steps)
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


def _warn_if_short(done: int, steps: int | None, stopped: bool) -> None:
    if steps is not None and done < steps and not stopped:
        warn(OUT_OF_DATA)
