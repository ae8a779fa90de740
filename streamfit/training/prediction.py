"""`predict`, which joins the outputs of all batches, and `predict_batches`, which returns each by itself."""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, NamedTuple, Self, cast

import numpy as np

from streamfit._base.specs import Array
from streamfit._base.text import TEXT
from streamfit.streams import Batch, Source
from streamfit.streams.adapt import DEFAULT_BATCH_SIZE
from streamfit.training.batches import Data, empty_rows, need_data
from streamfit.training.callback_hooks import make_hooks
from streamfit.training.evaluation import RunPlan, open_source, reading, single_run, warn_if_short
from streamfit.training.loop import run_steps
from streamfit.training.model_call import ModelCall
from streamfit.training.prediction_outputs import PredictionWriter
from streamfit.training.single_batches import predict_on_batch
from streamfit.training.stopping import running
from streamfit.training.stream_settings import StreamSettings
from streamfit.training.trainable import Trainable

_DEFAULT = StreamSettings()


def predict(
    model: Trainable,
    data: Data,
    settings: StreamSettings,
    steps: int | None,
    verbose: object,
    callbacks: object,
    out: object = None,
) -> list[Array]:
    """Run the data through the model and return each output, batches joined in order.

    Args:
        model: The model.
        data: The data.
        settings: Who loads them.
        steps: How many batches; None for all.
        verbose: As in `fit`.
        callbacks: Callbacks.
        out: Where the outputs go; see `PredictionWriter`.
    """
    silent = isinstance(verbose, int) and verbose == 0  # another value is checked, or refused, by the run
    _join_texts(data)
    plain = silent and callbacks is None and steps is None and out is None and settings == _DEFAULT
    if plain and _is_one_batch(data):
        return predict_on_batch(model, data.x, "predict", "data", len(cast("Array", data.x)))
    call = ModelCall(model, "predict", compiled=False)
    plan = RunPlan(data, settings, steps, verbose, callbacks)
    with PredictionWriter(out, data.x) as writer:
        if empty_rows(data.x):
            empty = _outputs_of_nothing(model, call, data)
            writer.begin(model.output_names, model.outputs, 0)
            writer.add(empty, 0)
        else:
            _predict(model, call, plan, writer)
    return writer.results()


def _predict(model: Trainable, call: ModelCall, plan: RunPlan, writer: PredictionWriter) -> None:
    """Write the outputs of all batches."""
    with (
        single_run(model, call, plan) as (feed, callback_list),
        running(model, "stop_predicting") as stopped,
    ):
        samples = feed.source.samples_in(0, plan.steps)
        writer.begin(model.output_names, model.outputs, samples)
        callback_list.on_predict_begin()
        call.refresh_bindings()

        def step(batch: Batch) -> Array | list[Array]:
            outputs = call.predict(batch)
            writer.begin(model.output_names, model.outputs, samples)  # the batch may have built the model
            writer.add(outputs, batch.number)
            return outputs[0] if len(outputs) == 1 else outputs

        hooks = make_hooks(callback_list, call, "predict", stopped, total=feed.steps(plan.steps))
        done = run_steps(feed.run(plan.steps), step, hooks)
        need_data(done > 0, feed.source.name)
        warn_if_short(feed.done, plan.steps, stopped())
        if not stopped():
            writer.check_complete()
        callback_list.on_predict_end()


def _join_texts(data: Data) -> None:
    """Make a list of texts one array."""
    if type(data.x) is list and set(map(type, data.x)) == {str}:
        data.x = np.array(data.x, dtype=object)


def _outputs_of_nothing(model: Trainable, call: ModelCall, data: Data) -> list[Array]:
    """Return the outputs for arrays without rows."""
    call.main.prepare(data.x)
    dtypes = [object if tensor.dtype == TEXT else tensor.dtype for tensor in model.outputs]
    shapes = [(0, *tensor.spec.at(0)[1:]) for tensor in model.outputs]
    return [np.empty(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]


def _is_one_batch(data: Data) -> bool:
    """Return whether data are one array of a single batch, for which nothing has to be opened."""
    size = DEFAULT_BATCH_SIZE if data.batch_size is None else data.batch_size
    x = data.x
    return (
        type(x) is np.ndarray
        and x.ndim > 0
        and x.dtype.kind in "iufbUSTO"
        and type(size) is int
        and 0 < len(x) <= size
    )


class PredictedBatch(NamedTuple):
    """The outputs for one batch.

    Attributes:
        ids: Which samples they are of: an int64 array of their ids where samples can be read by id, as in
            arrays; else the number of the batch, as for a `Sequence` or a generator.
        predictions: What `predict` returns, for these samples.
    """

    ids: object
    predictions: Any


class PredictedBatches:
    """Iterate over the outputs of a model, batch by batch; see `Model.predict_batches`.

    Args:
        batches: Yields ids and outputs of each batch.
        pack: Makes of the outputs what `predict` returns.
    """

    def __init__(
        self, batches: Generator[tuple[object, list[Array]]], pack: Callable[[list[Array]], object]
    ) -> None:
        self._batches, self._pack = batches, pack

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> PredictedBatch:
        ids, outputs = next(self._batches)
        return PredictedBatch(ids, self._pack(outputs))

    def close(self) -> None:
        """Stop the workers and release the data; the iterator is then at its end."""
        self._batches.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def predict_batches(
    model: Trainable, data: Data, settings: StreamSettings, steps: int | None
) -> Generator[tuple[object, list[Array]]]:
    """Return a generator of the ids and the outputs of each batch. Arguments are checked here and now."""
    _join_texts(data)
    plan = RunPlan(data, settings, steps, 0, None)
    source = None if empty_rows(data.x) else open_source(model.runner(False), data)
    return _each_batch(model, source, plan)


def _each_batch(
    model: Trainable, source: Source | None, plan: RunPlan
) -> Generator[tuple[object, list[Array]]]:
    if source is None:
        return
    call = ModelCall(model, "predict_batches", compiled=False, apart=True)
    with reading(call, source, plan) as feed:
        for batch in feed.run(plan.steps):
            call.refresh_bindings()  # the user may have trained a model with these layers
            outputs = call.predict(batch)
            ids = batch.ids.copy() if isinstance(batch.ids, np.ndarray) else batch.ids
            del batch  # it may occupy a slot
            yield ids, outputs
            del outputs
        need_data(feed.done > 0, source.name)
        warn_if_short(feed.done, plan.steps, stopped=False)
