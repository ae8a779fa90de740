"""`fit`: epochs of training steps, with validation and callbacks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from streamfit._base.config import next_seed
from streamfit._base.errors import NonFiniteError
from streamfit.streams import Batch, Source
from streamfit.training.batches import Data, Streams
from streamfit.training.callback_hooks import make_hooks
from streamfit.training.callbacks import CallbackList, History, ProgressBar
from streamfit.training.callbacks.stream_profiler import watched
from streamfit.training.loop import Hooks, run_steps
from streamfit.training.model_call import ModelCall
from streamfit.training.optimizer_state import settings_of
from streamfit.training.plan import FitPlan
from streamfit.training.results import Measure
from streamfit.training.resumable import Resumable
from streamfit.training.trainable import Trainable
from streamfit.training.user_warnings import OUT_OF_DATA, warn
from streamfit.training.validation import Validation
from streamfit.workers import hash_seed_of_run


def fit(model: Trainable, plan: FitPlan) -> History:
    """Train `model` as planned."""
    call = ModelCall(model, "fit", writes=True, long=True)
    with (
        call.work("training data", plan.class_weight, preserve_metrics=model.session is not None),
        _outer_fit_unchanged(model, call),
    ):
        seed = next_seed() if plan.seed is None else plan.seed
        for data in (plan.training, plan.validation):
            if isinstance(data, Data):
                data.text = call.main.has_host_layers
        plan = plan.split()
        call.main.warn_of_changed_flags()
        with Streams(plan.settings, hash_seed_of_run(seed), call.main.alike) as streams:
            return FitRun(model, call, plan, seed, streams).run()


@contextlib.contextmanager
def _outer_fit_unchanged(model: Trainable, call: ModelCall) -> Iterator[None]:
    """Leave a `fit` from whose callback this one is called as it was, but for weights and optimizer."""
    session, history, stop = model.session, model.history, model.stop_training
    seed = int(call.main.step_state[0])
    try:
        yield
    finally:
        model.session = session
        if session is not None:
            model.history, model.stop_training = history, stop
            call.main.reseed(seed)


class FitRun(Resumable):
    """One run of `fit`."""

    def __init__(self, model: Trainable, call: ModelCall, plan: FitPlan, seed: int, streams: Streams) -> None:
        assert plan.training is not None
        self._model, self._call, self._plan, self._seed = model, call, plan, seed
        self._runner, self._streams = call.main, streams
        source = self._runner.loading(plan.training.source(seed, "training data"), training=True)
        self._recorder, source = watched(plan.callbacks, source)
        streams.alike = self._runner.alike  # to make the source may have built the model
        steps, epochs = plan.steps_per_epoch, max(0, plan.epochs - plan.initial_epoch)
        total = None if steps is None else steps * epochs
        self._feed = streams.feed(
            source, wrap=plan.wrap, total=total, audit=plan.audit, recorder=self._recorder
        )
        self._validation = None
        if plan.validation is not None:
            assert not isinstance(plan.validation, float)  # the training data have been split
            self._validation = Validation(plan.validation, plan, streams, seed, self._runner.loading)
        self._warned: set[str] = set()
        self._next_epoch = self._epoch_now = plan.initial_epoch
        self._resumed = None
        self._steps_before = 0  # of the first epoch, when it was interrupted
        self._logs_before: dict[str, object] = {}
        self._until_end = contextlib.ExitStack()
        self._settings = settings_of(model.optimizer)
        self._names_known = False
        self._history = History()
        self._history.seed = seed
        self._params = self._make_params(source)
        self._callbacks = CallbackList(plan.callbacks, model, self._params, self._history, ProgressBar())
        self._callbacks.watch(call.logs)
        self._runner.reseed(seed)

    def _names_for_params(self, names: list[str]) -> list[str]:
        return names + [f"val_{name}" for name in names] if self._plan.validation is not None else names

    def _make_params(self, source: Source) -> dict[str, object]:
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
            self._continue_history()
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
        finally:
            self._runner.epoch = None

    # -- for callbacks, see `FitSession` ----

    def measures(self) -> list[Measure]:
        """Describe the results in the logs of training, as far as they can be known."""
        return self._runner.measures()

    def log_names(self) -> list[str]:
        """List the names in the logs of an epoch, as far as they can be known."""
        return self._names_for_params([measure.name for measure in self.measures()])

    def _epoch(self, epoch: int) -> bool:
        """Run one epoch; return whether there may be another."""
        plan, callbacks, feed = self._plan, self._callbacks, self._feed
        self._epoch_now = self._runner.epoch = epoch
        before, self._steps_before = self._steps_before, 0
        self._call.refresh_bindings()
        if before:
            self._runner.source = feed.source.name
        else:
            self._call.begin_results(feed.source.name)
        total = self._params["steps"] = self._steps_in_epoch(before)
        callbacks.on_epoch_begin(epoch)
        if before:
            self._undo_repeated_hooks()
        self._resumed = None
        if self._model.stop_training or not self._take_steps(before, total):
            return self._give_up()
        self._history.receipts.append(feed.receipt())
        goes_on = self._has_more_data(epoch)
        # Only a step shows the shapes that running results need; an interruption may have left none to do.
        logs = self._call.logs() or dict(self._logs_before)
        self._params["metrics"] = self._names_for_params(list(logs))  # dictionaries show their keys now
        if self._validation is not None and plan.validates(epoch):
            logs |= self._validation.run(self._model, self._call, callbacks, self._warn_once)
        callbacks.on_epoch_end(epoch, logs)
        return goes_on

    def _take_steps(self, before: int, total: int | None) -> int:
        """Take the steps of an epoch, of which `before` are done; return how many are done now."""
        callbacks, feed, hooks = self._callbacks, self._feed, self._train_hooks(before, total)
        batches = feed.run(self._plan.steps_per_epoch, hooks.steps_per_execution)
        step: Callable[[Batch], None] = self._train
        if self._recorder is not None:
            batches, step = self._recorder.loop(batches, step)
        try:
            return run_steps(batches, step, hooks, before)
        except NonFiniteError as error:
            callbacks.on_nonfinite(error)
            done = feed.delivered - 1  # the last one changed nothing
            callbacks.tick(done)
            if hooks.finish is not None:
                hooks.finish(done)
            return done

    def _steps_in_epoch(self, before: int) -> int | None:
        """Return how many steps an epoch will have, of which `before` are done; None if that is not known."""
        feed, limit, wrap = self._feed, self._plan.steps_per_epoch, self._plan.wrap
        if before and not feed.place[1] and not wrap:
            return before  # the run was interrupted between the last batch of the epoch and its end
        left = feed.steps(None if limit is None else limit - before)
        return None if left is None else before + left

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

    def _has_more_data(self, epoch: int) -> bool:
        """Return whether there can be another epoch; warn when the data ended before the epoch did."""
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

    def _check_names(self, names: Sequence[str], sure: bool) -> None:
        """Give the callbacks the names in the logs; once more when these are certain."""
        checked = self._callbacks.checks_names
        self._names_known = sure or not checked
        if checked:
            self._callbacks.check_names(names, self._plan.validations() > 0, sure)

    def _train_hooks(self, before: int, total: int | None) -> Hooks:
        model = self._model
        hooks = make_hooks(
            self._callbacks,
            self._call,
            "train",
            lambda: bool(model.stop_training),
            done=before,
            total=total,
            logs_before=self._logs_before,
        )
        if not self._names_known:
            tick = hooks.tick

            def first_tick(done: int) -> None:
                if not self._names_known:
                    self._check_names(list(self._call.logs()), True)
                tick(done)

            hooks.tick = first_tick
        return hooks
