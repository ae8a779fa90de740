"""`Runner`: takes one batch through one step of a model, and keeps the running results.

The model is built here if its first batch must show the shapes. An error in the data says which source,
epoch, batch and samples it is about.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamfit._base import uses
from streamfit._base.config import looking_seed, next_seed
from streamfit._base.errors import DataError, StreamfitError
from streamfit._base.specs import Array
from streamfit.kernels import KernelStoppedError
from streamfit.layers import number_streams
from streamfit.metrics import Metric
from streamfit.ops import Variable
from streamfit.program import check_finite
from streamfit.program.memory import aligned_empty
from streamfit.streams import Batch
from streamfit.training.batch_inputs import BatchInputs
from streamfit.training.compile_config import CompileConfig, OutputPlan, ResultNames, with_own_metrics
from streamfit.training.epoch_metrics import EpochMetrics, Snapshot
from streamfit.training.multi_step import later_steps, one_step, rows_of_step, where
from streamfit.training.nonfinite import nonfinite_error
from streamfit.training.optimizer_state import plainly
from streamfit.training.results import Measure, all_measures
from streamfit.training.steps import Steps
from streamfit.training.terms import Terms
from streamfit.training.user_warnings import warn

_MAX_STEPS_PER_EXECUTION = 64  # steps in one native call: Ctrl-C and the progress bar wait for its end


class Runner:
    """Run steps of one model.

    Args:
        model: Has `inputs`, `outputs`, `output_names`, `build_for(x)`.
        compiled: The arguments of `compile`; None for a model that only predicts.
        clock: int64 [seed, finished steps]; by default that of a new run.
        values: For a spare (see `Call`): an empty dictionary to read copies of the weights, which `load` puts
            there, or None to read the weights themselves.
        spare: Whether this is one.

    Attributes:
        checked: Whether a training step stops before it changes anything when its loss or gradient is not
            finite.
        asked: Looked at after each of several joined steps: where it is not 0, the rest is left, int64 (1,).
        rest: What was left of the last joined batches; who takes it sets it to None.
    """

    def __init__(
        self,
        model: Any,
        compiled: CompileConfig | None,
        clock: Array | None = None,
        values: dict[Variable, Array] | None = None,
        *,
        spare: bool = False,
    ) -> None:
        self._model, self._compiled = model, compiled
        self._steps: Steps | None = None
        self._batch_inputs: BatchInputs | None = None
        self.callers: set[int] = set()  # the threads that have worked with the model
        self._seeded = clock is not None
        self.clock = np.array([looking_seed(), 0], np.int64) if clock is None else clock
        if compiled is not None and not spare:
            compiled.keep_time(self.clock)
        self.values, self.is_spare = values, spare
        self.idle_spares: dict[bool, list[Runner]] = {True: [], False: []}  # with and without copies
        self.class_weight: Any = None
        self.source, self.checked = "data", False
        self.asked: Array | None = None
        self.rest: Batch | None = None
        self._kept_scores: dict[str, Array] = {}
        self._things: frozenset[Any] = frozenset()
        self._looked = True  # at the targets of the first batch of a run

    # -- set-up ---------------------------------------------------------------------------------

    def prepare(self, x: Any) -> None:
        """Build the model for inputs like `x`, if that has not been done."""
        if self._steps is None:
            with uses.building:  # of two threads that come first, one builds
                if self._steps is None:
                    self._model.build_for(x)
                    self._set_up()

    def prepare_for(self, batch: Batch, source: str) -> None:
        """Build the model for inputs like those of a batch.

        Raises:
            DataError: They do not fit; it names the batch, and `source`, which is what the data are called.
        """
        try:
            self.prepare(batch.x)
        except DataError as error:
            raise _located(error, source, batch) from error.__cause__

    def _set_up(self) -> None:
        model, names, values = self._model, self._model.output_names, self.values
        number_streams(model.layers)
        if self._compiled is None:
            plans = [OutputPlan(name, None, 1.0) for name in names]
            steps = Steps(model, plans, self.clock, values=values)
        else:
            plans = self._compiled.plan(names)
            if self.is_spare:
                plans = [with_own_metrics(plan) for plan in plans]
                steps = Steps(model, plans, self.clock, values=values)
            else:
                trained = self._compiled.flags.weights(model)
                update = functools.partial(self._compiled.bind, variables=trained)
                steps = Steps(model, plans, self.clock, trained, update)
        self._batch_inputs = BatchInputs(model.inputs, plans, [tensor.spec for tensor in model.outputs])
        if self._kept_scores:
            steps.keep_scores(self._kept_scores)
        self._things = self._now()
        self._steps = steps  # last: where there are steps, everything else is there, too

    def refresh_bindings(self) -> None:
        """Prepare for a run of steps; called once a run."""
        if self._steps is None:
            self.set_up()
        if self._steps is not None:
            self._steps.refresh_bindings()

    def set_up(self) -> None:
        """Get ready, if the model is built."""
        if self._steps is None and self._model.inputs:
            with uses.building:
                if self._steps is None and self._model.inputs:
                    self._set_up()

    @property
    def ready(self) -> bool:
        """Return whether the model is built and can be run."""
        return self._steps is not None

    @property
    def things(self) -> frozenset[Any]:
        """Return what a call of the model works with: the model, its weights, its optimizer."""
        return self._things or self._now()

    def _now(self) -> frozenset[Any]:
        optimizer = () if self._compiled is None else (self._compiled.optimizer,)
        return frozenset((self._model, *self._model.weights, *optimizer))

    # -- spares ---------------------------------------------------------------------------------

    def new_spare(self, copies: bool) -> Runner:
        """Return a runner of the same model, with memory and metrics of its own, for another thread."""
        values: dict[Variable, Array] | None = {} if copies else None
        return Runner(self._model, self._compiled, self.clock.copy(), values, spare=True)

    def load(self, main: Runner) -> None:
        """Make a spare ready for a call: copy the clock, and the weights if it has copies of them."""
        self.clock[:] = main.clock
        if self.values is not None:
            for weight in self._model.weights:
                memory = self.values.get(weight)
                if memory is None:
                    nbytes = weight.value.nbytes
                    memory = aligned_empty(nbytes).view(weight.dtype).reshape(weight.value.shape)
                    self.values[weight] = memory
                memory[...] = weight.value

    def warn_of_changed_flags(self) -> None:
        """Warn when a `trainable` flag was changed after `compile`, which has no effect."""
        model, compiled = self._model, self._compiled
        if compiled is not None and compiled.flags.weights(model) != model.trainable_weights:
            warn(
                "Discrepancy between trainable weights and collected trainable weights, did you set "
                "`model.trainable` without calling `model.compile` after ?"
            )

    def scores(self) -> dict[str, Array]:
        """Return every array that holds running results, by name; empty before the first batch."""
        return {} if self._epoch_metrics is None else self._epoch_metrics.states()

    def trained_vector(self) -> Array:
        """Return the vector that all trained weights live in; the optimizer has vectors like it."""
        self.refresh_bindings()
        assert self._steps is not None
        return self._steps.trained_vector()

    def keep_scores(self, scores: dict[str, Array]) -> None:
        """Go on with the running results of an interrupted epoch."""
        self.refresh_bindings()
        if self._steps is None:
            self._kept_scores = scores
        else:
            self._steps.keep_scores(scores)

    def reseed(self, seed: int) -> None:
        """Set the seed that keyed operations such as dropout read."""
        self.clock[0] = seed

    # -- steps ----------------------------------------------------------------------------------

    def train(self, batch: Any) -> None:
        """Train on one batch.

        Raises:
            NonFiniteError: Steps are `checked`, and this one, or one of those joined, was stopped; those
                before it are done.
        """
        compiled = self._compiled
        optimizer = compiled.optimizer  # type: ignore[union-attr]
        if optimizer.revision != compiled.revision and self._steps is not None:  # type: ignore[union-attr]
            self._steps.rebind()
        if optimizer.needs_prepare:
            optimizer.prepare(int(self.clock[1]))
        self._score("train", batch, self.class_weight)

    def test(self, batch: Any) -> None:
        """Evaluate one batch."""
        self._score("test", batch, None)

    def _score(self, mode: str, batch: Any, class_weight: Any) -> None:
        batch_inputs, steps = self._prepared(batch)
        try:
            inputs = batch_inputs.inputs(batch.x)
            targets = batch_inputs.targets(batch.y)
            if batch.sample_weight is None and class_weight is None:
                weights: Sequence[Array | None] = [None] * len(targets)
            else:
                weights = batch_inputs.weights(batch.sample_weight, targets, class_weight)
                if mode == "train":
                    inputs = batch_inputs.counted(inputs, weights)
            self._check_lengths(inputs, targets)
            checked = self.checked and mode == "train"
            self.binding = steps.run(mode, inputs, targets, weights, batch.steps, checked, self.asked)
        except DataError as error:
            if batch.steps > 1:  # those before the wrong one are steps to be done
                for step in range(batch.steps):
                    self._score(mode, one_step(batch, step), class_weight)
            raise self._located(error, batch) from error.__cause__
        except KernelStoppedError as stopped:
            raise self._stopped(stopped, batch, targets, weights) from None
        if steps.epoch_metrics is not None and steps.epoch_metrics.eager:
            outputs = self.binding.fetches[-len(targets) :]
            steps.epoch_metrics.update_eager(targets, outputs, weights)
        if batch.steps > 1 and steps.done < batch.steps:
            self.rest = later_steps(batch, steps.done)
        if not self._looked:
            self._looked = True
            self._warn_of_targets()

    def begin_run(self) -> None:
        """Begin a run of `fit` or `evaluate`: targets without meaning are told of once in each."""
        self._looked = False
        for watch in [] if self._steps is None else self._steps.watches:
            watch.begin()

    def _warn_of_targets(self) -> None:
        for watch in [] if self._steps is None else self._steps.watches:
            for text in watch.news():
                warn(f"{text} (source {self.source!r})")

    def _stopped(
        self,
        stopped: KernelStoppedError,
        batch: Any,
        targets: Sequence[Array | None],
        weights: Sequence[Array | None],
    ) -> StreamfitError:
        """Return the error for what a kernel found that stopped the call loop."""
        steps, one = self._steps, one_step(batch, stopped.step)
        assert steps is not None
        if stopped.kernel is check_finite:
            losses = self._losses(steps.ran)
            return nonfinite_error(one, self.source, losses, steps.gradients, self._model)
        rows = rows_of_step(batch, stopped.step)
        labels, weighed = ([None if a is None else a[rows] for a in arrays] for arrays in (targets, weights))
        return self._located(steps.label_error(labels, weighed), one)

    def _prepared(self, batch: Any) -> tuple[BatchInputs, Steps]:
        if self._steps is None:
            self.prepare_for(batch, self.source)
        assert self._batch_inputs is not None
        assert self._steps is not None
        return self._batch_inputs, self._steps

    def steps_per_execution(self, mode: str) -> int:
        """Return how many batches may be joined and run in one native call.

        One, when something has to happen between two steps.
        """
        if self._steps is None or self._steps.epoch_metrics is None or self._steps.epoch_metrics.eager:
            return 1
        if mode == "train" and self._compiled.optimizer.needs_prepare:  # type: ignore[union-attr]
            return 1
        return _MAX_STEPS_PER_EXECUTION

    def predict(self, batch: Any) -> list[Array]:
        """Return copies of the outputs for one batch."""
        batch_inputs, steps = self._prepared(batch)
        try:
            binding = steps.run("predict", batch_inputs.inputs(batch.x), (), ())
        except DataError as error:
            raise self._located(error, batch) from error.__cause__
        return [array.copy() for array in binding.fetches]

    @staticmethod
    def _check_lengths(inputs: Sequence[Array], targets: Sequence[Array | None]) -> None:
        samples = len(inputs[0])
        for target in targets:
            if target is not None and len(target) != samples:
                raise DataError(
                    "Input arrays should have the same number of samples as target arrays. "
                    f"Found {samples} input samples and {len(target)} target samples."
                )
        if not samples:
            raise DataError("Received an empty batch. Batches should contain at least one item.")

    def _located(self, error: DataError, batch: Any) -> DataError:
        return _located(error, self.source, batch)

    # -- results --------------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget the running results."""
        self._kept_scores = {}
        if self._steps is not None:
            self._steps.reset()

    def occupy(self, terms: Terms) -> Terms:
        """Serve other data for a while, perhaps in the middle of a `fit`; return what `vacate` takes."""
        if terms.trains and not self._seeded:  # who only looks takes no seed away from a training
            self._seeded, self.clock[0] = True, next_seed()
        self.refresh_bindings()
        before = Terms(self.source, self.class_weight, self.checked, asked=self.asked)
        before.results = self.results() if terms.preserve_metrics else None
        before.waiting = self._withhold() if terms.preserve_metrics else {}
        before.preserve_metrics = terms.preserve_metrics
        self.source, self.class_weight, self.checked = terms.source, terms.class_weight, terms.checked
        self.asked = terms.asked
        if terms.preserve_metrics or self.is_spare:
            self.reset()
        return before

    def vacate(self, before: Terms) -> None:
        """Go back to what was served before."""
        self.source, self.class_weight, self.checked = before.source, before.class_weight, before.checked
        self.asked = before.asked
        if before.results is not None:
            self.go_on_with(before.results)
        elif before.preserve_metrics:
            self._take_up(before.waiting)
        if self._steps is not None:
            self._steps.release()

    def _withhold(self) -> dict[str, Array]:
        """Return the running results that wait for something to hold them, and let that begin at zero."""
        if self._steps is not None:
            return self._steps.withhold_scores()
        waiting, self._kept_scores = self._kept_scores, {}
        return waiting

    def _take_up(self, waiting: dict[str, Array]) -> None:
        """Go on with results that `_withhold` returned before there was anything to hold them."""
        if self._epoch_metrics is None:
            self.keep_scores(waiting)
        else:  # made meanwhile; another model may be counting with its metrics
            self._epoch_metrics.reset()
            self._epoch_metrics.overwrite(self._epoch_metrics.found | waiting)

    def results(self) -> Snapshot | None:
        """Copy the running results; None before there are any."""
        return None if self._epoch_metrics is None else self._epoch_metrics.snapshot()

    def go_on_with(self, results: Snapshot | None) -> None:
        """Go on with results that this runner, or that of which it is a spare, has returned."""
        if results is not None and self._steps is not None:
            self._steps.go_on_with(results)

    def logs(self) -> dict[str, Any]:
        """Return the running results by name, in the order of the logs."""
        self._warn_of_targets()
        return {} if self._epoch_metrics is None else self._epoch_metrics.logs()

    def batch_logs(self) -> dict[str, Any]:
        """Return the losses of the last batch alone, with the running metrics."""
        return self.logs() | self._losses(self.binding)

    def _losses(self, binding: Any) -> dict[str, float]:
        """Return the losses of the batch that a binding ran last."""
        assert self._epoch_metrics is not None
        return {
            name: float(value)
            for name, value in zip(self._epoch_metrics.loss_names, binding.fetches, strict=False)
        }

    @property
    def names(self) -> list[str]:
        """List the names of the results; just ['loss'] for a model that is not built."""
        if self._compiled is None or not self._model.output_names:
            return ["loss"]
        return [measure.name for measure in self.measures()] or ["loss"]

    def measures(self) -> list[Measure]:
        """Describe the results, as far as they can be known; nothing for a model that is not built."""
        if self._epoch_metrics is not None:
            return self._epoch_metrics.measures()
        outputs = self._model.output_names or getattr(self._model, "sole_output", ())
        if self._compiled is None or not outputs:
            return []
        plans = self._compiled.plan(outputs)
        names = ResultNames.of(plans)
        trackers = [
            (name, item.label, item.identifier, f"{plans[i].name}_" if len(plans) > 1 else "")
            for i, item, name in names.metrics
        ]
        return all_measures(names.losses, trackers)

    @property
    def loss_described(self) -> Any:
        """The loss as plain values, by which two models can be compared."""
        return None if self._compiled is None else plainly(self._compiled.loss)

    @property
    def expected_names(self) -> tuple[list[str], bool]:
        """The names that results will have, as far as they are known before the first batch, and whether
        that is for sure: a metric of the user's may decide on its names while it runs."""
        measures = self.measures()
        known = all(measure.shape is not None for measure in measures)
        return [measure.name for measure in measures] or ["loss"], bool(measures) and known

    @property
    def metrics(self) -> list[Metric]:
        """List the metrics; empty before the first batch, whose shapes decide what 'accuracy' is."""
        found = self._epoch_metrics
        return [] if found is None else [tracker.metric for tracker in found.trackers]

    @property
    def _epoch_metrics(self) -> EpochMetrics | None:
        return None if self._steps is None else self._steps.epoch_metrics


def _located(error: DataError, source: str, batch: Batch) -> DataError:
    return type(error)(f"{error} (source {source!r}, {where(batch)})")
