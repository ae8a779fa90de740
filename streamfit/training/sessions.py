"""`fit`, `evaluate`, `predict` and the single-batch methods: short callers of the one loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from streamfit._base.checks import plain, whole_or_none
from streamfit._base.config import looking_seed, next_seed
from streamfit._base.errors import NonFiniteError
from streamfit._base.keys import derive
from streamfit._base.specs import Array
from streamfit.streams import Batch, Feed
from streamfit.training.batches import Data, Streams, empty_rows, need_data, need_steps, one_batch
from streamfit.training.callbacks import CallbackList, History, ProgressBar
from streamfit.training.callers import Call
from streamfit.training.loop import Hooks, run_steps
from streamfit.training.optimizer_state import settings_of
from streamfit.training.plan import FitPlan, StreamSettings, check_verbose
from streamfit.training.results import Measure
from streamfit.training.resumable import Resumable
from streamfit.training.stopping import running
from streamfit.training.user_warnings import OUT_OF_DATA, OUT_OF_DATA_VALIDATING, warn
from streamfit.workers import hash_seed_of_program, hash_seed_of_run


def fit(model: Any, plan: FitPlan) -> History:
    """Train `model` as planned."""
    call = Call(model, "fit", writes=True, long=True)
    with (
        call.work("training data", plan.class_weight, preserve_metrics=model.session is not None),
        _inside(model, call),
    ):
        seed = next_seed() if plan.seed is None else plan.seed
        if isinstance(plan.validation, float):
            plan.training, plan.validation = plan.training.split(plan.validation)
        call.main.warn_of_changed_flags()
        with Streams(plan.settings, hash_seed_of_run(seed)) as streams:
            return _Fit(model, call, plan, seed, streams).run()


@contextlib.contextmanager
def _inside(model: Any, call: Call) -> Iterator[None]:
    """Leave a `fit` from whose callback this one is called as it was, but for weights and optimizer."""
    session, history, stop = model.session, model.history, model.stop_training
    seed = int(call.main.clock[0])
    try:
        yield
    finally:
        model.session = session
        if session is not None:
            model.history, model.stop_training = history, stop
            call.main.reseed(seed)


class _Fit(Resumable):
    """One run of `fit`."""

    def __init__(self, model: Any, call: Call, plan: FitPlan, seed: int, streams: Streams) -> None:
        self._model, self._call, self._plan, self._seed = model, call, plan, seed
        self._runner, self._streams = call.main, streams
        source = plan.training.source(seed, "training data")
        steps, epochs = plan.steps_per_epoch, max(0, plan.epochs - plan.initial_epoch)
        total = None if steps is None else steps * epochs
        self._feed = streams.feed(source, wrap=plan.wrap, total=total, audit=plan.audit)
        self._validation = self._open_validation(streams, seed)
        self._warned: set[str] = set()
        self._next_epoch = self._epoch_now = plan.initial_epoch
        self._resumed = None
        self._steps_before = 0  # of the first epoch, when it was interrupted
        self._logs_before: dict[str, Any] = {}
        self._until_end = contextlib.ExitStack()
        self._settings = settings_of(model.optimizer)
        self._names_known = False
        self._history = History()
        self._history.seed = seed
        self._params = self._make_params(source)
        self._callbacks = CallbackList(plan.callbacks, model, self._params, self._history, ProgressBar())
        self._callbacks.watch(call.logs)
        self._runner.reseed(seed)

    def _open_validation(self, streams: Streams, seed: int) -> Feed | None:
        plan = self._plan
        if plan.validation is None:
            return None
        source = plan.validation.source(derive(seed, "validation") >> 1, "validation data")
        steps, times = plan.validation_steps, plan.validations()
        if not source.rewinds and times > 1:
            need_steps(plan.validation.x, steps, "validation_steps")
        total = None if steps is None else steps * times
        return streams.feed(source, wrap=plan.wrap and steps is not None, total=total)

    def _names_for_params(self, names: list[str]) -> list[str]:
        return names + [f"val_{name}" for name in names] if self._plan.validation is not None else names

    def _make_params(self, source: Any) -> dict[str, Any]:
        plan = self._plan
        return {
            "verbose": plan.verbose,
            "epochs": plan.epochs,
            "steps": self._feed.steps(plan.steps_per_epoch),
            "batch_size": getattr(source, "batch_size", None),
            "samples": getattr(source, "samples", None),
            "do_validation": plan.validation is not None,
            "metrics": self._names_for_params(self._runner.names),
        }

    def run(self) -> History:
        """Run all epochs."""
        plan, model, callbacks = self._plan, self._model, self._callbacks
        model.history = self._history
        model.stop_training = False
        self._runner.begin_run()
        with self._guarded(), self._until_end:
            self._check_names(*self._runner.expected_names)
            callbacks.on_train_begin()
            self._go_on_with_history()
            for epoch in range(self._next_epoch, plan.epochs):
                if model.stop_training or not self._epoch(epoch):
                    break
            callbacks.on_train_end()
        return self._history

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        self._model.session = self
        try:
            self._runner.source, self._runner.checked = self._feed.source.name, self._callbacks.wants_finite
            yield
        except BaseException:
            self._callbacks.interrupt()
            raise

    # -- what callbacks may ask ----

    def measures(self) -> list[Measure]:
        """Describe the results in the logs of training, as far as they can be known."""
        return self._runner.measures()

    def log_names(self) -> list[str]:
        """List the names in the logs of an epoch, as far as they can be known."""
        return self._names_for_params([measure.name for measure in self.measures()])

    def _epoch(self, epoch: int) -> bool:
        """Run one epoch; return whether there may be another."""
        plan, callbacks, feed = self._plan, self._callbacks, self._feed
        self._epoch_now = epoch
        before, self._steps_before = self._steps_before, 0
        self._call.refresh_bindings()
        if before:
            self._runner.source = feed.source.name
        else:
            self._call.begin_results(feed.source.name)
        self._params["steps"] = feed.steps(plan.steps_per_epoch)
        callbacks.on_epoch_begin(epoch)
        if before:
            self._undo_repeated_hooks()
        self._resumed = None
        done = 0
        if not self._model.stop_training:
            hooks = self._train_hooks()
            batches = feed.run(plan.steps_per_epoch, hooks.steps_per_execution)
            try:
                done = run_steps(batches, self._train, hooks, before)
            except NonFiniteError as error:
                callbacks.on_nonfinite(error)
                done = feed.receipt().delivered - 1  # the last one changed nothing
                callbacks.tick(done)
        if not done:
            return self._give_up()
        self._history.receipts.append(feed.receipt())
        goes_on = self._look_for_end(done, epoch)
        # Only a step shows the shapes that running results need; an interruption may have left none to do.
        logs = self._call.logs() or dict(self._logs_before)
        self._params["metrics"] = self._names_for_params(list(logs))  # dictionaries show their keys now
        if self._validation is not None and plan.validates(epoch):
            logs.update(self._validate(self._validation))
        callbacks.on_epoch_end(epoch, logs)
        return goes_on

    def _train(self, batch: Batch) -> None:
        try:
            self._call.train(batch)
        except NonFiniteError as error:
            self._feed.take_back(batch, error.batch - batch.number + 1)
            raise

    def _give_up(self) -> bool:
        """End an epoch without a single step: it has no results, so it is not in the history."""
        if not self._model.stop_training:
            self._warn_once(OUT_OF_DATA)
        self._callbacks.interrupt()
        return False

    def _look_for_end(self, done: int, epoch: int) -> bool:
        """Warn when the data ended before the epoch did; return whether they can go on."""
        plan, feed = self._plan, self._feed
        if self._model.stop_training:
            return False
        short = plan.steps_per_epoch is not None and feed.done < plan.steps_per_epoch
        dry = feed.dry and epoch + 1 < plan.epochs
        if short or dry:
            self._warn_once(OUT_OF_DATA)
        return not (feed.dry and (short or dry))

    def _warn_once(self, text: str, details: str = "") -> None:
        if text not in self._warned:
            self._warned.add(text)
            warn(text + details)

    def _validate(self, feed: Feed) -> dict[str, Any]:
        """Run validation and return its logs; training is not touched."""
        callbacks, call = self._callbacks, self._call
        call.begin_results(feed.source.name)
        steps = self._plan.validation_steps
        with running(self._model, "stop_evaluating") as stopped:
            callbacks.on_test_begin()
            call.refresh_bindings()
            hooks = make_hooks(callbacks, call, "test", stopped)
            if feed.source.rewinds:
                feed.restart()  # data that can begin anew do; a generator goes on
            done = run_steps(feed.run(steps, hooks.steps_per_execution), call.test, hooks)
            if not stopped() and feed.done < (steps or 1):
                details = f" {steps or 1} batches were wanted and {feed.done} came."
                self._warn_once(OUT_OF_DATA_VALIDATING, details)
            logs = call.logs() if done else {}
            callbacks.on_test_end(logs)
        return {f"val_{name}": value for name, value in logs.items()}

    def _check_names(self, names: Sequence[str], sure: bool) -> None:
        """Tell the callbacks which names the logs will hold; once more when it is known for sure."""
        checked = self._callbacks.checks_names
        self._names_known = sure or not checked
        if checked:
            self._callbacks.check_names(names, self._plan.validations() > 0, sure)

    def _train_hooks(self) -> Hooks:
        model = self._model
        hooks = make_hooks(self._callbacks, self._call, "train", lambda: bool(model.stop_training))
        if not self._names_known:
            tick = hooks.tick

            def first_tick(done: int) -> None:
                if not self._names_known:
                    self._check_names(list(self._call.logs()), True)
                tick(done)

            hooks.tick = first_tick
        return hooks


def make_hooks(callbacks: CallbackList, call: Call, mode: str, stopped: Callable[[], bool]) -> Hooks:
    """Return the hooks of a mode; logs are made only where somebody listens."""
    worker = call.main if call.writes else call  # who only reads may be moved to another runner
    on_begin = getattr(callbacks, f"on_{mode}_batch_begin")
    on_end = getattr(callbacks, f"on_{mode}_batch_end")

    # A callback may train another model that has layers of this one; then their weights are brought back.
    def begin(step: int) -> None:
        on_begin(step)
        worker.refresh_bindings()

    def end(step: int, result: Any) -> None:
        on_end(step, {"outputs": result} if mode == "predict" else worker.logs())
        worker.refresh_bindings()

    begins = bool(getattr(callbacks, f"wants_{mode}_batch_begin"))
    ends = bool(getattr(callbacks, f"wants_{mode}_batch_end"))
    alone = begins or ends or mode == "predict"
    return Hooks(
        begin=begin if begins else None,
        end=end if ends else None,
        tick=callbacks.tick,
        stopped=stopped,
        steps_per_execution=lambda: 1 if alone else call.steps_per_execution(mode),
    )


def evaluate(
    model: Any, data: Data, settings: StreamSettings, steps: int | None, verbose: Any, callbacks: Any
) -> dict[str, float]:
    """Run the data through the test step and return the results by name."""
    call, steps = Call(model, "evaluate"), whole_or_none("steps", steps, 1)
    with (
        _single_run(model, call, data, settings, steps, verbose, callbacks, preserve_metrics=True) as (
            feed,
            told,
        ),
        running(model, "stop_evaluating") as stopped,
    ):
        if model.session is None:
            call.begin_run()
        told.on_test_begin()
        call.refresh_bindings()
        hooks = make_hooks(told, call, "test", stopped)
        done = run_steps(feed.run(steps, hooks.steps_per_execution), call.test, hooks)
        need_data(done > 0, feed.source.name)
        _warn_if_short(feed.done, steps, stopped())
        logs = call.logs()
        told.on_test_end(logs)
    return logs


def predict(
    model: Any, data: Data, settings: StreamSettings, steps: int | None, verbose: Any, callbacks: Any
) -> list[Array]:
    """Run the data through the model and return each output, batches joined in order."""
    call, steps = Call(model, "predict", compiled=False), whole_or_none("steps", steps, 1)
    if empty_rows(data.x):
        call.main.prepare(data.x)
        return [np.empty((0, *tensor.shape[1:]), tensor.dtype) for tensor in model.outputs]
    parts: list[list[Array]] = []
    with (
        _single_run(model, call, data, settings, steps, verbose, callbacks) as (feed, told),
        running(model, "stop_predicting") as stopped,
    ):
        told.on_predict_begin()
        call.refresh_bindings()

        def step(batch: Batch) -> Any:
            outputs = call.predict(batch)
            parts.append(outputs)
            return outputs[0] if len(outputs) == 1 else outputs

        done = run_steps(feed.run(steps), step, make_hooks(told, call, "predict", stopped))
        need_data(done > 0, feed.source.name)
        _warn_if_short(feed.done, steps, stopped())
        told.on_predict_end()
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


@contextlib.contextmanager
def _single_run(
    model: Any,
    call: Call,
    data: Data,
    settings: StreamSettings,
    steps: int | None,
    verbose: Any,
    callbacks: Any,
    preserve_metrics: bool = False,
) -> Iterator[tuple[Feed, CallbackList]]:
    """Open the data and the callbacks of `evaluate` (which preserves running results) or `predict`."""
    verbose, seed = check_verbose(verbose), looking_seed()
    source = data.source(seed, "data")
    streams = Streams(settings, hash_seed_of_program(seed))
    with call.work(source.name, preserve_metrics=preserve_metrics), streams:
        feed = streams.feed(source, wrap=False, total=steps)
        params = {"verbose": verbose, "epochs": 1, "steps": feed.steps(steps)}
        told = (
            callbacks
            if isinstance(callbacks, CallbackList)
            else CallbackList(callbacks, model, params, None, ProgressBar())
        )
        told.watch(call.logs)
        try:
            yield feed, told
        except BaseException:
            told.interrupt()
            raise


def _warn_if_short(done: int, steps: int | None, stopped: bool) -> None:
    if steps is not None and done < steps and not stopped:
        warn(OUT_OF_DATA)


def on_batch(
    model: Any, mode: str, data: tuple[Any, Any, Any], class_weight: Any, reset: bool, return_dict: bool
) -> Any:
    """Train or test on one batch and return the results; those of a `fit` under way stay as they are."""
    batch = one_batch(*data)
    call = Call(model, f"{mode}_on_batch", writes=mode == "train")
    with call.one(batch, plain(class_weight), preserve_metrics=model.session is not None) as runner:
        if reset:
            runner.reset()
        (runner.train if mode == "train" else runner.test)(batch)
        logs = runner.batch_logs()
    if return_dict:
        return logs
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


def predict_on_batch(model: Any, x: Any) -> list[Array]:
    """Return the outputs for one batch."""
    batch = one_batch(x)
    with Call(model, "predict_on_batch", compiled=False).one(batch) as runner:
        return runner.predict(batch)
