"""`Runner`: takes one batch through one step of a model.

The model is built here if its first batch must show the shapes. An error in the data names the source, epoch,
batch and samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamfit._base import uses
from streamfit._base.config import next_seed, read_only_seed
from streamfit._base.errors import DataError, StreamfitError
from streamfit._base.specs import Array
from streamfit._base.tree import transform
from streamfit.kernels import KernelStoppedError
from streamfit.layers.host import has_host_layers
from streamfit.metrics import Metric
from streamfit.ops import Variable
from streamfit.program.finite import FINITE_GUARDS
from streamfit.program.memory import aligned_empty
from streamfit.streams import Batch, Source, with_mapped_inputs
from streamfit.streams.batch_layout import Alike
from streamfit.training.batch_inputs import check_lengths
from streamfit.training.built_steps import BuiltSteps, build_steps, things_of
from streamfit.training.call_settings import CallSettings, SuspendedCall
from streamfit.training.compile_config import CompileConfig
from streamfit.training.epoch_metrics import Snapshot
from streamfit.training.host_inputs import HostInputs, no_rows, single_batch_keys
from streamfit.training.model_graph import ModelGraph
from streamfit.training.multi_step import earlier_steps, later_steps, one_step, rows_of_step
from streamfit.training.nonfinite import nonfinite_error
from streamfit.training.optimizer_state import as_plain_values
from streamfit.training.results import Measure
from streamfit.training.running_results import RunningResults
from streamfit.training.step_errors import index_error, label_error, located
from streamfit.training.user_warnings import warn

_MAX_STEPS_PER_EXECUTION = 64  # steps in one native call: Ctrl-C and the progress bar wait for its end


class Runner:
    """Run steps of one model.

    Args:
        model: The model; `build_for` is called with the first batch, unless the model is built.
        compiled: The arguments of `compile`; None for a model that only predicts.
        step_state: int64 [seed, finished steps]; by default that of a new run.
        values: For a spare (see `ModelCall`): an empty dictionary to read copies of the weights, which `load`
            puts there, or None to read the weights themselves.
        spare: Whether this is one.

    Attributes:
        results: The running results.
        checked: Whether a training step stops before it changes anything when its loss or gradient is not
            finite.
        asked: int64 (1,), read after each of several joined steps: where it is not 0, the rest is left.
        rest: The part of the last joined batches that was left; the caller that takes it sets it to None.
    """

    def __init__(
        self,
        model: ModelGraph,
        compiled: CompileConfig | None,
        step_state: Array | None = None,
        values: dict[Variable, Array] | None = None,
        *,
        spare: bool = False,
    ) -> None:
        self._model, self._compiled = model, compiled
        self._built: BuiltSteps | None = None
        self._has_host_layers: bool | None = None  # known when the model is built
        self.results = RunningResults()
        self.callers: set[int] = set()  # the threads that have worked with the model
        self._seeded = step_state is not None
        self.step_state = np.array([read_only_seed(), 0], np.int64) if step_state is None else step_state
        if compiled is not None and not spare:
            compiled.keep_time(self.step_state)
        self.values, self.is_spare = values, spare
        self.idle_spares: dict[bool, list[Runner]] = {True: [], False: []}  # with and without copies
        self.class_weight: object = None
        self.source, self.checked = "data", False
        self.epoch: int | None = None
        self.asked: Array | None = None
        self.rest: Batch | None = None
        self._targets_checked = True  # whether the first batch of a run has had its warnings

    # -- set-up ---------------------------------------------------------------------------------

    def prepare(self, x: object) -> None:
        """Build the model for inputs like `x`, if that has not been done."""
        if self._built is None:
            with uses.building:  # of two threads that come first, one builds
                if self._built is None:
                    self._model.build_for(x)
                    self._set_up()

    def prepare_for(self, batch: Batch, source: str) -> None:
        """Build the model for inputs like those of a batch.

        Raises:
            DataError: They do not fit; it names the batch, and `source`, the name of the data.
        """
        try:
            self.prepare(batch.x)
        except DataError as error:
            raise located(error, source, batch) from error.__cause__

    def set_up(self) -> None:
        """Get ready, if the model is built."""
        if self._built is None and self._model.inputs:
            with uses.building:
                if self._built is None and self._model.inputs:
                    self._set_up()

    def _set_up(self) -> None:
        self._built = build_steps(
            self._model, self._compiled, self.step_state, self.results, self.values, self.is_spare
        )

    def refresh_bindings(self) -> None:
        """Prepare for a run of steps; called once a run."""
        if self._built is None:
            self.set_up()
        if self._built is not None:
            self._built.programs.refresh_bindings()

    @property
    def ready(self) -> bool:
        """Return whether the model is built and can be run."""
        return self._built is not None

    @property
    def alike(self) -> Alike:
        """Return what the batches of a stream for this model must have in common."""
        built = self._built
        feeds = self._model.inputs if built is None else [*built.host.feeds[True], *built.host.feeds[False]]
        return "ranks" if any(tensor.spec.free for tensor in feeds) else "shapes"

    @property
    def things(self) -> frozenset[object]:
        """Return the objects that a call of the model works with: the model, its weights, its optimizer."""
        return things_of(self._model, self._compiled) if self._built is None else self._built.things

    def warn_of_changed_flags(self) -> None:
        """Warn when a `trainable` flag was changed after `compile`, which has no effect."""
        model, compiled = self._model, self._compiled
        if compiled is not None and compiled.flags.weights(model) != model.trainable_weights:
            warn(
                "Discrepancy between trainable weights and collected trainable weights, did you set "
                "`model.trainable` without calling `model.compile` after ?"
            )

    def trained_vector(self) -> Array:
        """Return the vector that all trained weights live in; the optimizer has vectors like it."""
        self.refresh_bindings()
        assert self._built is not None
        return self._built.programs.trained_vector()

    def reseed(self, seed: int) -> None:
        """Set the seed that keyed operations such as dropout read."""
        self.step_state[0] = seed

    # -- layers that run where batches are loaded ------------------------------------------------

    @property
    def has_host_layers(self) -> bool:
        """Return whether a part of the model runs where batches are loaded."""
        if self._built is None:
            return has_host_layers(self._model.layers)
        if self._has_host_layers is None:
            self._has_host_layers = has_host_layers(self._model.layers)
        return self._has_host_layers

    def loading(self, source: Source, training: bool) -> Source:
        """Return a source of what the program is fed, made where batches are loaded, of a source of inputs.

        Args:
            source: The inputs of the model.
            training: Whether the program is the one that trains.

        Raises:
            DataError: The model is not built, and its shapes cannot be known before a batch is loaded.
        """
        if not self.has_host_layers:
            return source
        self.set_up()  # where the graph says all shapes
        if self._built is None:
            spec = source.spec()
            if spec is None or spec[0] is None:
                raise DataError(
                    f"source {source.name!r}: a part of the model runs where batches are loaded, so it must "
                    "be built before the first one; begin it with an Input(shape, dtype='string') or an "
                    "Input((32, 32, 3)), give its first layer an input_shape, or call build"
                )
            self.prepare(transform(no_rows, spec[0]))
        host = self._host_inputs(training)
        return source if host is None else with_mapped_inputs(source, host)

    def loaded(self, batch: Batch, training: bool) -> Batch:
        """Return a batch of what the program is fed, made of one batch of inputs; the model is built."""
        host = self._host_inputs(training)
        if host is None:
            return batch
        try:
            return replace(batch, x=host(batch.x, single_batch_keys(self.step_state, batch.x)))
        except DataError as error:
            raise located(error, self.source, batch) from error.__cause__

    def _host_inputs(self, training: bool) -> HostInputs | None:
        self.set_up()
        return None if self._built is None else self._built.host.inputs[training]

    # -- spares ---------------------------------------------------------------------------------

    def new_spare(self, copies: bool) -> Runner:
        """Return a runner of the same model, with memory and metrics of its own, for another thread."""
        values: dict[Variable, Array] | None = {} if copies else None
        return Runner(self._model, self._compiled, self.step_state.copy(), values, spare=True)

    def load(self, main: Runner) -> None:
        """Make a spare ready for a call: copy the step state, and the weights if it has copies of them."""
        self.step_state[:] = main.step_state
        if self.values is not None:
            for weight in self._model.weights:
                memory = self.values.get(weight)
                if memory is None:
                    nbytes = weight.value.nbytes
                    memory = aligned_empty(nbytes).view(weight.dtype).reshape(weight.value.shape)
                    self.values[weight] = memory
                memory[...] = weight.value

    # -- calls ----------------------------------------------------------------------------------

    def occupy(self, settings: CallSettings) -> SuspendedCall:
        """Serve a call, perhaps in the middle of a `fit`; return the call before, for `vacate`."""
        if settings.trains and not self._seeded:  # a call that only reads takes no seed from a training
            self._seeded, self.step_state[0] = True, next_seed()
        self.refresh_bindings()
        preserve = settings.preserve_metrics
        before = SuspendedCall(
            CallSettings(self.source, self.class_weight, self.checked, preserve, asked=self.asked),
            self.results.snapshot() if preserve else None,
            self.results.withhold() if preserve else {},
        )
        self._serve(settings)
        if preserve or self.is_spare:
            self.results.reset()
        return before

    def vacate(self, before: SuspendedCall) -> None:
        """Go back to the call that was served before."""
        self._serve(before.settings)
        if before.results is not None:
            self.restore_results(before.results)
        elif before.settings.preserve_metrics:
            self.results.give_back(before.waiting)
        if self._built is not None:
            self._built.programs.release()

    def _serve(self, settings: CallSettings) -> None:
        self.source, self.class_weight = settings.source, settings.class_weight
        self.checked, self.asked = settings.checked, settings.asked

    def restore_results(self, results: Snapshot | None) -> None:
        """Continue with results of this runner, or of the runner of which it is a spare."""
        if results is not None and self._built is not None:
            self.results.restore(results)

    def restore_states(self, states: dict[str, Array]) -> None:
        """Continue with the running results of an interrupted epoch, or of another model."""
        self.refresh_bindings()
        self.results.overwrite(states)

    # -- steps ----------------------------------------------------------------------------------

    def train(self, batch: Batch) -> None:
        """Train on one batch.

        Raises:
            NonFiniteError: Steps are `checked`, and this one, or one of those joined, was stopped; those
                before it are done.
        """
        compiled = self._compiled
        optimizer = compiled.optimizer  # type: ignore[union-attr]  # a step that trains has one
        if optimizer.revision != compiled.revision and self._built is not None:  # type: ignore[union-attr]
            self._built.programs.rebind()
        ready = (
            optimizer.prepare(int(self.step_state[1]), batch.steps)
            if optimizer.needs_prepare
            else batch.steps
        )
        if ready == batch.steps:
            self._score("train", batch, self.class_weight)
            return
        self._score("train", earlier_steps(batch, ready), self.class_weight)
        done = ready if self.rest is None else ready - self.rest.steps
        self.rest = later_steps(batch, done)

    def test(self, batch: Batch) -> None:
        """Evaluate one batch."""
        self._score("test", batch, None)

    def _score(self, mode: str, batch: Batch, class_weight: object) -> None:
        built = self._built or self._build_for(batch)
        batch_inputs, steps = built.batch_inputs[mode == "train"], built.steps
        try:
            inputs = batch_inputs.inputs(batch.x)
            targets = batch_inputs.targets(batch.y)
            if batch.sample_weight is None and class_weight is None:
                weights: Sequence[Array | None] = [None] * len(targets)
            else:
                weights = batch_inputs.weights(batch.sample_weight, targets, class_weight)
                if mode == "train":
                    inputs = batch_inputs.counted(inputs, weights)
            check_lengths(inputs, targets)
            checked = self.checked and mode == "train"
            binding = steps.run(mode, inputs, targets, weights, batch.steps, checked, self.asked)
        except DataError as error:
            if batch.steps > 1:  # those before the wrong one are steps to be done
                for step in range(batch.steps):
                    self._score(mode, one_step(batch, step), class_weight)
            raise located(error, self.source, batch, self.epoch) from error.__cause__
        except KernelStoppedError as stopped:
            raise self._stopped(built, stopped, batch, targets, weights) from None
        metrics = self.results.metrics
        if metrics is not None and metrics.eager:
            metrics.update_eager(targets, binding.fetches[-len(targets) :], weights)
        if batch.steps > 1 and steps.done < batch.steps:
            self.rest = later_steps(batch, steps.done)
        if not self._targets_checked:
            self._targets_checked = True
            self._warn_of_targets()

    def predict(self, batch: Batch) -> list[Array]:
        """Return copies of the outputs for one batch."""
        built = self._built or self._build_for(batch)
        try:
            binding = built.steps.run("predict", built.batch_inputs[False].inputs(batch.x), (), ())
        except DataError as error:
            raise located(error, self.source, batch, self.epoch) from error.__cause__
        except KernelStoppedError as stopped:
            raise self._stopped(built, stopped, batch, (), ()) from None
        return built.host.finished([array.copy() for array in binding.fetches])

    def _build_for(self, batch: Batch) -> BuiltSteps:
        self.prepare_for(batch, self.source)
        assert self._built is not None
        return self._built

    def steps_per_execution(self, mode: str) -> int:
        """Return how many batches may be joined and run in one native call.

        One, when something has to happen between two steps.
        """
        if self.results.metrics is None or self.results.metrics.eager:
            return 1
        return _MAX_STEPS_PER_EXECUTION

    def _stopped(
        self,
        built: BuiltSteps,
        stopped: KernelStoppedError,
        batch: Batch,
        targets: Sequence[Array | None],
        weights: Sequence[Array | None],
    ) -> StreamfitError:
        """Return the error for the kernel that stopped the call loop."""
        one = one_step(batch, stopped.step)
        if stopped.kernel in FINITE_GUARDS:
            assert built.steps.ran is not None
            gradients = built.steps.ran.gradients
            return nonfinite_error(
                one, self.source, self._last_losses(), gradients, self._model, epoch=self.epoch
            )
        found = None if self.results.metrics is None else self.results.metrics.stop_error()
        if found is not None:
            return located(found, self.source, one, self.epoch)
        rows = rows_of_step(batch, stopped.step)
        assert built.steps.ran is not None
        wrong = index_error(stopped, built.steps.ran.nodes, rows.stop - rows.start)
        if wrong is not None:
            return located(wrong, self.source, one, self.epoch)
        labels, weighed = ([None if a is None else a[rows] for a in arrays] for arrays in (targets, weights))
        error = label_error(built.plans, self._model.outputs, labels, weighed)
        return located(error, self.source, one, self.epoch)

    # -- targets without a meaning --------------------------------------------------------------

    def begin_run(self) -> None:
        """Begin a run of `fit` or `evaluate`, with one warning for targets that have no meaning."""
        self._targets_checked = False
        for warnings in () if self._built is None else self._built.programs.target_warnings:
            warnings.begin()

    def _warn_of_targets(self) -> None:
        for warnings in () if self._built is None else self._built.programs.target_warnings:
            for text in warnings.new_warnings():
                warn(f"{text} (source {self.source!r})")

    # -- results --------------------------------------------------------------------------------

    def logs(self) -> dict[str, object]:
        """Return the running results by name, in the order of the logs."""
        self._warn_of_targets()
        return self.results.logs()

    def batch_logs(self) -> dict[str, object]:
        """Return the losses of the last batch alone, with the running metrics."""
        return self.logs() | self._last_losses()

    def _last_losses(self) -> dict[str, float]:
        assert self._built is not None
        assert self._built.steps.ran is not None
        return self.results.losses(self._built.steps.ran.fetches)

    @property
    def names(self) -> list[str]:
        """List the names of the results; just ['loss'] for a model that is not built."""
        if self._compiled is None or not self._model.output_names:
            return ["loss"]
        return [measure.name for measure in self.measures()] or ["loss"]

    def measures(self) -> list[Measure]:
        """Describe the results, as far as they can be known; nothing for a model that is not built."""
        return self.results.measures(self._compiled, self._model.output_names or self._model.sole_output)

    @property
    def loss_described(self) -> object:
        """The loss as plain values, by which two models can be compared."""
        return None if self._compiled is None else as_plain_values(self._compiled.loss)

    @property
    def expected_names(self) -> tuple[list[str], bool]:
        """The names that results will have, as far as they are known before the first batch, and whether
        they are certain: a metric of the user's may decide on its names while it runs."""
        measures = self.measures()
        known = all(measure.shape is not None for measure in measures)
        return [measure.name for measure in measures] or ["loss"], bool(measures) and known

    @property
    def metrics(self) -> list[Metric]:
        """List the metrics; empty before the first batch, whose shapes decide what 'accuracy' is."""
        found = self.results.metrics
        return [] if found is None else [tracker.metric for tracker in found.trackers]
