"""`ModelCall`: one call of one thread at a model (`fit`, `predict`, ...), and the runner that it works with.

A model has one runner with the memory of its programs, its running results and its weights. One thread at
a time works with it; calls of the same thread nest. Calls of other threads get a *spare*: a runner with
programs, memory and metrics of its own. Where no thread trains, a spare reads the weights themselves; beside
a training it reads copies of them, made between two of its steps. A call that reads the weights
themselves when a training begins continues with copies, made before the first step.

Guarantees kept here: each call sees the weights of one moment; a computation beside a training changes no
bit of it; two threads never train one model, or models that share weights, at once.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from streamfit._base import uses
from streamfit._base.specs import Array
from streamfit.streams import Batch
from streamfit.training.call_settings import CallSettings
from streamfit.training.runner import Runner

_NOTHING: frozenset[object] = frozenset()
_NO_THREAD = -1  # of a call that several threads may continue, one after the other
_MOST_IDLE = 4  # spares of a model that are kept for coming calls


class HasRunner(Protocol):
    """A model that makes its own runner."""

    @property
    def name(self) -> str:
        """Return its name, for messages."""

    def runner(self, compiled: bool = True) -> Runner:
        """Return the model's own runner.

        Raises:
            NotCompiledError: `compiled` is asked for, and `compile` was not called.
        """


class ModelCall(uses.Use):
    """One call at a model.

    Args:
        model: The model.
        what: Name of the call, for messages.
        compiled: Whether it needs the arguments of `compile`.
        writes: Whether it changes weights.
        long: Whether other threads that want to change weights meanwhile are refused, and do not wait.
        apart: Whether its thread may call the model in other ways between two of its steps. It counts as a
            call of a thread of its own, and always works with a spare.

    Attributes:
        main: The model's own runner.
        runner: The runner that this call works with.
    """

    def __init__(
        self,
        model: HasRunner,
        what: str,
        *,
        compiled: bool = True,
        writes: bool = False,
        long: bool = False,
        apart: bool = False,
    ) -> None:
        super().__init__(what, model.name, _NOTHING, writes=writes, long=long)
        self._apart = apart
        if apart:
            self.thread = _NO_THREAD
        self.main = model.runner(compiled)
        self.runner = self.main
        self.main.callers.add(self.thread)
        self._begun = self._settled = False

    @contextlib.contextmanager
    def work(
        self,
        source: str,
        class_weight: object = None,
        *,
        checked: bool = False,
        preserve_metrics: bool = False,
    ) -> Iterator[None]:
        """Take many steps.

        Args:
            source: Name of the data, for messages.
            class_weight: Their class weights.
            checked: Whether training steps are checked.
            preserve_metrics: Whether running results start again, and are afterwards as they were.

        Raises:
            ModelInUseError: The call writes, and another thread trains.
        """
        self.word = np.zeros(1, np.int64)
        self._settings = CallSettings(source, class_weight, checked, preserve_metrics, self.writes, self.word)
        try:
            self.main.set_up()
            if self.writes or self.main.ready:
                self._begin()
            yield
        finally:
            self._end()

    @contextlib.contextmanager
    def one(
        self,
        batch: Batch,
        class_weight: object = None,
        *,
        preserve_metrics: bool = False,
        source: str = "one batch",
    ) -> Iterator[Runner]:
        """Take one step: other threads come before it or after it.

        Args:
            batch: The data of the step.
            class_weight: Their class weights.
            preserve_metrics: As for `work`.
            source: Name of the data, for messages.

        Raises:
            ModelInUseError: The call writes, and another thread is in `fit`.
        """
        self._settings = CallSettings(
            source, class_weight, preserve_metrics=preserve_metrics, trains=self.writes
        )
        with self.lock:
            try:
                if not self.main.ready:
                    self.main.prepare_for(batch, source)
                self._begin()
                yield self.runner
            finally:
                self._end()

    # -- beginning and end --------------------------------------------------------------------------

    def _begin(self) -> None:
        """Choose a runner, and join the calls that are under way."""
        main = self.main
        self._settled = main.ready
        if self.writes:
            self.seat = main
            self.begin(main.things)
            with self.lock:
                self._before = main.occupy(self._settings)
        else:
            with self.lock:  # a training that begins now waits until this is done
                self.seat = main
                self._choose_runner(self.begin(main.things))
                self._before = self.runner.occupy(self._settings)
        self._begun = True

    def _choose_runner(self, others: Sequence[uses.Use]) -> None:
        """Take a spare where other threads write, or work with the model's own runner."""
        others = [other for other in others if other.writes or other.seat is self.main]
        if others or self._apart:
            self.seat, copies = None, any(other.writes for other in others)
            self.runner = self._spare(copies, others)
            self.live = not copies

    def step_aside(self) -> None:
        """Continue with copies of the weights as they are now; called between two steps."""
        old, results = self.runner, self.runner.results.snapshot()
        new = self._spare(True, ())
        old.vacate(self._before)
        self._before = new.occupy(self._settings)
        new.restore_results(results)
        self.runner, self.seat = new, None
        self._give_back(old)

    def _end(self) -> None:
        with self.lock:
            if self._begun:
                self._begun = False
                self.runner.vacate(self._before)
                self._give_back(self.runner)
            self.end()

    def _settle(self, batch: Batch) -> None:
        """Begin with the weights: before the first batch the model had none, or not all."""
        self.main.prepare_for(batch, self._settings.source)
        if not self._begun:
            self._begin()
        elif self.writes:
            self.begin(self.main.things)
        self._settled = True

    def _spare(self, copies: bool, others: Sequence[uses.Use]) -> Runner:
        """Return a spare; it copies weights between steps of `others`."""
        idle, main = self.main.idle_spares[copies], self.main
        try:
            known = [idle.pop()]
        except IndexError:  # asking first would leave room for another thread
            known = []

        def load() -> Runner:
            spare = known[0] if known else main.new_spare(copies)
            spare.load(main)
            return spare

        me = threading.get_ident()  # which may be in the middle of a training, but is in none of its steps
        return uses.between_steps([other for other in others if other.thread != me], load)

    def _give_back(self, runner: Runner) -> None:
        if runner is not self.main:
            idle = self.main.idle_spares[runner.values is not None]
            if len(idle) < _MOST_IDLE:
                idle.append(runner)

    # -- steps --------------------------------------------------------------------------------------

    def train(self, batch: Batch) -> None:
        """Train on one batch, or on several that are joined; see `Runner.train`."""
        runner = self.runner  # a call that writes is never moved to a spare
        if not self._settled:
            self._settle(batch)
        while True:
            if self.asked:
                self.let_pass()
            with self.lock:
                runner.train(batch)
                if runner.rest is None:
                    return
                batch, runner.rest = runner.rest, None

    def test(self, batch: Batch) -> None:
        """Evaluate one batch, or several that are joined."""
        if not self._settled:
            self._settle(batch)
        while True:
            if self.asked:
                self.let_pass()
            with self.lock:
                runner = self.runner
                runner.test(batch)
                if runner.rest is None:
                    return
                batch, runner.rest = runner.rest, None

    def predict(self, batch: Batch) -> list[Array]:
        """Return copies of the outputs for one batch."""
        if not self._settled:
            self._settle(batch)
        if self.asked:
            self.let_pass()
        with self.lock:
            return self.runner.predict(batch)

    # -- between steps --------------------------------------------------------------------------------

    def refresh_bindings(self) -> None:
        """Bring the weights back to where the programs expect them."""
        with self.lock:
            self.runner.refresh_bindings()

    def steps_per_execution(self, mode: str) -> int:
        """Return how many batches may be joined; see `Runner.steps_per_execution`."""
        return self.runner.steps_per_execution(mode)

    def begin_run(self) -> None:
        """Begin a run, with one warning for targets that have no meaning."""
        with self.lock:
            self.runner.begin_run()

    def begin_results(self, source: str) -> None:
        """Begin with other data, and with new running results."""
        with self.lock:
            self.runner.results.reset()
            self.runner.source = source

    def logs(self) -> dict[str, object]:
        """Return the running results by name; empty before the first batch."""
        with self.lock:
            return self.runner.logs() if self._begun else {}
