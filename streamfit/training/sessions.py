"""`fit`, `evaluate`, `predict` and the single-batch methods: short callers of the one loop."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from streamfit._base.checks import whole_or_none
from streamfit._base.config import current_seed, next_seed
from streamfit._base.errors import NonFiniteError
from streamfit._base.keys import derive, draw_seed
from streamfit._base.specs import Array
from streamfit.streams import Batch, Feed
from streamfit.training.batches import Data, Streams, empty_rows, need_data, need_steps, one_batch
from streamfit.training.callbacks import CallbackList, History, ProgressBar
from streamfit.training.loop import Hooks, run_steps
from streamfit.training.notices import OUT_OF_DATA, OUT_OF_DATA_VALIDATING, warn
from streamfit.training.plan import FitPlan, StreamSettings, check_verbose
from streamfit.training.runner import Runner
from streamfit.training.state import TrainingState, capture, restore
from streamfit.workers import hash_seed_of_program, hash_seed_of_run


def fit(model: Any, plan: FitPlan) -> History:
    """Train `model` as planned."""
    runner: Runner = model.runner()
    seed = next_seed() if plan.seed is None else plan.seed
    if isinstance(plan.validation, float):
        plan.training, plan.validation = plan.training.split(plan.validation)
    runner.warn_of_changed_flags()
    with Streams(plan.settings, hash_seed_of_run(seed)) as streams:
        session = _Fit(model, runner, plan, seed, streams)
        return session.run()


class _Fit:
    """One run of `fit`."""

    def __init__(self, model: Any, runner: Runner, plan: FitPlan, seed: int, streams: Streams) -> None:
        self._model, self._runner, self._plan, self._seed = model, runner, plan, seed
        self._streams = streams
        source = plan.training.source(seed, "training data")
        steps, epochs = plan.steps_per_epoch, max(0, plan.epochs - plan.initial_epoch)
        total = None if steps is None else steps * epochs
        self._feed = streams.feed(source, wrap=plan.wrap, total=total)
        self._validation = self._open_validation(streams, seed)
        self._warned: set[str] = set()
        self._next_epoch = self._epoch_now = plan.initial_epoch
        self._resumed_history: dict[str, Any] | None = None
        self._steps_before = 0  # of the first epoch, when it was interrupted
        self._history = History()
        self._history.seed = seed
        self._params = self._make_params(source)
        self._callbacks = CallbackList(plan.callbacks, model, self._params, self._history, ProgressBar())
        self._callbacks.watch(runner.logs)
        runner.reseed(seed)

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

    def _make_params(self, source: Any) -> dict[str, Any]:
        plan = self._plan
        names = self._runner.names
        return {
            "verbose": plan.verbose,
            "epochs": plan.epochs,
            "steps": self._feed.steps(plan.steps_per_epoch),
            "batch_size": getattr(source, "batch_size", None),
            "samples": getattr(source, "samples", None),
            "do_validation": plan.validation is not None,
            "metrics": names + [f"val_{name}" for name in names] if plan.validation is not None else names,
        }

    def run(self) -> History:
        """Run all epochs."""
        plan, model, callbacks = self._plan, self._model, self._callbacks
        model.history = self._history
        model.stop_training = False
        with self._guarded():
            callbacks.on_train_begin()
            self._go_on_with_history()
            for epoch in range(self._next_epoch, plan.epochs):
                if model.stop_training or not self._epoch(epoch):
                    break
            callbacks.on_train_end()
        return self._history

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        model, before = self._model, self._model.session
        model.session = self
        try:
            name, checked = self._feed.source.name, self._callbacks.wants_finite
            with self._runner.lent(name, self._plan.class_weight, checked=checked):
                yield
        except BaseException:
            self._callbacks.interrupt()
            raise
        finally:
            model.session = before

    # -- stopping and going on ------------------------------------------------------------------

    def state(self, *, ended: dict[str, Any] | None = None) -> TrainingState:
        """Return everything that is needed to go on from here.

        Args:
            ended: The logs of the epoch, when it has just ended; None in the middle of an epoch.
        """
        state = capture(self._model, self._runner)
        if ended is not None:
            state.arrays = {
                name: array for name, array in state.arrays.items() if not name.startswith("score/")
            }
        streams = {"training": self._feed.state(within=ended is None)}
        if self._validation is not None:
            streams["validation"] = self._validation.state(within=False)
        state.facts |= {
            "seed": self._seed,
            "hash_seed": self._streams.hash_seed,
            "epoch": self._epoch_now + (ended is not None),
            "step": 0 if ended is not None else self._feed.receipt().delivered,
            "streams": streams,
            "history": self._history.state(self._epoch_now, ended),
        }
        return state

    def resume(self, state: TrainingState, *, replay: bool = False) -> None:
        """Go on where another run of equal data and model was when its `state` was taken.

        Called by a callback in `on_train_begin`.

        Args:
            state: What `state` returned.
            replay: Whether a plain generator may be pulled and dropped up to there.

        Raises:
            ValueError: The state is that of another model.
            DataError: The data cannot go to that place.
        """
        restore(self._model, self._runner, state)
        if "hash_seed" in state.facts:  # those of earlier versions have none
            self._streams.use_hash_seed(state.facts["hash_seed"])
        streams = state.facts["streams"]
        self._feed.resume(streams["training"], replay=replay)
        if self._validation is not None and "validation" in streams:
            self._validation.resume(streams["validation"], replay=replay)
        self._next_epoch, self._steps_before = state.facts["epoch"], state.facts["step"]
        self._resumed_history = state.facts["history"]
        self._seed = state.facts["seed"]  # a Source of the user's may have another
        self._runner.reseed(self._seed)

    def _go_on_with_history(self) -> None:
        """Take up the history of an interrupted run, after the new one has begun."""
        if self._resumed_history is not None:
            self._history.resume(self._resumed_history, self._seed)

    def _epoch(self, epoch: int) -> bool:
        """Run one epoch; return whether there may be another."""
        plan, callbacks, feed = self._plan, self._callbacks, self._feed
        self._epoch_now = epoch
        before, self._steps_before = self._steps_before, 0
        self._runner.check_in()
        if not before:
            self._runner.reset()
        self._runner.source = feed.source.name
        self._params["steps"] = feed.steps(plan.steps_per_epoch)
        callbacks.on_epoch_begin(epoch)
        done = 0
        if not self._model.stop_training:
            hooks = self._hooks("train", "stop_training")
            batches = feed.run(plan.steps_per_epoch, hooks.together)
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
        logs = self._runner.logs()
        if self._validation is not None and plan.validates(epoch):
            logs.update(self._validate(self._validation))
        callbacks.on_epoch_end(epoch, logs)
        return goes_on

    def _train(self, batch: Batch) -> None:
        try:
            self._runner.train(batch)
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

    def _validate(self, feed: Feed) -> dict[str, float]:
        """Run validation and return its logs; training is not touched."""
        callbacks, runner = self._callbacks, self._runner
        runner.reset()
        runner.source = feed.source.name
        steps = self._plan.validation_steps
        self._model.stop_evaluating = False
        callbacks.on_test_begin()
        hooks = self._hooks("test", "stop_evaluating")
        if feed.source.rewinds:
            feed.restart()  # data that can begin anew do; a generator goes on
        done = run_steps(feed.run(steps, hooks.together), runner.test, hooks)
        if not self._model.stop_evaluating and feed.done < (steps or 1):
            details = f" {steps or 1} batches were wanted and {feed.done} came."
            self._warn_once(OUT_OF_DATA_VALIDATING, details)
        logs = runner.logs() if done else {}
        callbacks.on_test_end(logs)
        return {f"val_{name}": value for name, value in logs.items()}

    def _hooks(self, mode: str, stop: str) -> Hooks:
        return make_hooks(self._model, self._callbacks, self._runner, mode, stop)


def make_hooks(model: Any, callbacks: CallbackList, runner: Runner, mode: str, stop: str) -> Hooks:
    """Return the hooks of a mode; logs are made only where somebody listens."""
    on_begin = getattr(callbacks, f"on_{mode}_batch_begin")
    on_end = getattr(callbacks, f"on_{mode}_batch_end")

    # A callback may train another model that has layers of this one; then their weights are brought back.
    def begin(step: int) -> None:
        on_begin(step)
        runner.check_in()

    def end(step: int, result: Any) -> None:
        on_end(step, {"outputs": result} if mode == "predict" else runner.logs())
        runner.check_in()

    begins = bool(getattr(callbacks, f"wants_{mode}_batch_begin"))
    ends = bool(getattr(callbacks, f"wants_{mode}_batch_end"))
    alone = begins or ends or mode == "predict"
    return Hooks(
        begin=begin if begins else None,
        end=end if ends else None,
        tick=callbacks.tick,
        stopped=lambda: bool(getattr(model, stop)),
        together=lambda: 1 if alone else runner.together(mode),
    )


def evaluate(
    model: Any, data: Data, settings: StreamSettings, steps: int | None, verbose: Any, callbacks: Any
) -> dict[str, float]:
    """Run the data through the test step and return the results by name."""
    runner: Runner = model.runner()
    steps = whole_or_none("steps", steps, 1)
    with (
        _single_run(model, runner, data, settings, steps, verbose, callbacks) as (feed, told),
        runner.aside(),
    ):
        model.stop_evaluating = False
        told.on_test_begin()
        hooks = make_hooks(model, told, runner, "test", "stop_evaluating")
        done = run_steps(feed.run(steps, hooks.together), runner.test, hooks)
        need_data(done > 0, feed.source.name)
        _warn_if_short(feed.done, steps, model.stop_evaluating)
        logs = runner.logs()
        told.on_test_end(logs)
    return logs


def predict(
    model: Any, data: Data, settings: StreamSettings, steps: int | None, verbose: Any, callbacks: Any
) -> list[Array]:
    """Run the data through the model and return each output, batches joined in order."""
    runner: Runner = model.runner(compiled=False)
    steps = whole_or_none("steps", steps, 1)
    if empty_rows(data.x):
        runner.prepare(data.x)
        return [np.empty((0, *tensor.shape[1:]), tensor.dtype) for tensor in model.outputs]
    parts: list[list[Array]] = []
    with _single_run(model, runner, data, settings, steps, verbose, callbacks) as (feed, told):
        model.stop_predicting = False
        told.on_predict_begin()

        def step(batch: Batch) -> Any:
            outputs = runner.predict(batch)
            parts.append(outputs)
            return outputs[0] if len(outputs) == 1 else outputs

        done = run_steps(feed.run(steps), step, make_hooks(model, told, runner, "predict", "stop_predicting"))
        need_data(done > 0, feed.source.name)
        _warn_if_short(feed.done, steps, model.stop_predicting)
        told.on_predict_end()
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


@contextlib.contextmanager
def _single_run(
    model: Any,
    runner: Runner,
    data: Data,
    settings: StreamSettings,
    steps: int | None,
    verbose: Any,
    callbacks: Any,
) -> Iterator[tuple[Feed, CallbackList]]:
    """Open the data and the callbacks of `evaluate` or `predict`."""
    check_verbose(verbose)
    seed = _seed_of_looking()
    source = data.source(seed, "data")
    with runner.lent(source.name), Streams(settings, hash_seed_of_program(seed)) as streams:
        feed = streams.feed(source, wrap=False, total=steps)
        params = {"verbose": verbose, "epochs": 1, "steps": feed.steps(steps)}
        told = (
            callbacks
            if isinstance(callbacks, CallbackList)
            else CallbackList(callbacks, model, params, None, ProgressBar())
        )
        told.watch(runner.logs)
        try:
            yield feed, told
        except BaseException:
            told.interrupt()
            raise


def _seed_of_looking() -> int:
    """Return the seed of data that are looked at; taking it does not change the seed of the next `fit`."""
    seed = current_seed()
    return draw_seed() if seed is None else derive(seed, "looking") >> 1


def _warn_if_short(done: int, steps: int | None, stopped: bool) -> None:
    if steps is not None and done < steps and not stopped:
        warn(OUT_OF_DATA)


def on_batch(
    model: Any, mode: str, data: tuple[Any, Any, Any], class_weight: Any, reset: bool, return_dict: bool
) -> Any:
    """Train or test on one batch and return the results; those of a `fit` under way stay as they are."""
    runner: Runner = model.runner()
    with contextlib.ExitStack() as stack:
        stack.enter_context(runner.lent("one batch", class_weight))
        if model.session is not None:
            stack.enter_context(runner.aside())
        if reset:
            runner.reset()
        (runner.train if mode == "train" else runner.test)(one_batch(*data))
        logs = runner.batch_logs()
    if return_dict:
        return logs
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


def predict_on_batch(model: Any, x: Any) -> list[Array]:
    """Return the outputs for one batch."""
    runner: Runner = model.runner(compiled=False)
    with runner.lent("one batch"):
        return runner.predict(one_batch(x))
