"""Steps: the programs that train, test and predict, made when the first data show their shapes.

For each mode and each kind of data (shapes and dtypes of targets, ranks of weights) there is one
program: the model's outputs, each output's loss and metrics, the total loss, and for training the
gradient and the optimizer. Losses and metrics are traced like layers, so a custom one that is written
with `ops` is compiled into the step.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamfit import metrics
from streamfit._base.errors import DataError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, KernelStoppedError, kernel
from streamfit.ops.core import Node, Op, Tensor, tracing
from streamfit.program import (
    AccumulateMean,
    AccumulateScalar,
    Arena,
    Binding,
    Lowering,
    Program,
    State,
    Training,
    weighted_mean,
    weighted_total,
)
from streamfit.training.compiled import OutputPlan

Key = tuple[Any, ...]


@kernel
def check_labels(labels: Array, classes: int, ignored: int) -> None:
    """Stop the walk when a label is no whole number in [0, classes), unless it is the ignored one."""
    for i in range(labels.shape[0]):
        label = labels[i]
        if not (0 <= label < classes and label == np.floor(label)) and label != ignored:
            raise FloatingPointError


class LabelGuard(Op):
    """Stop a step before it reads a class that does not exist; has no output."""

    differentiable = False

    def __init__(self, classes: int, ignored: int | None) -> None:
        self._classes = classes
        self._ignored = 0 if ignored is None else ignored  # class 0 always exists

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return nothing."""
        return ()

    def forward(self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]) -> list[Call]:
        """Return one call."""
        return [(check_labels, (inputs[0].reshape(-1), self._classes, self._ignored))]


class Tracker:
    """A metric of one output, made for the shapes of the data."""

    def __init__(self, name: str, metric: metrics.Metric, output: int, weighted: bool) -> None:
        self.name, self.metric, self.output, self.weighted = name, metric, output, weighted

    @property
    def traced(self) -> bool:
        """Tell whether the program computes the metric; others see arrays after each step."""
        return isinstance(self.metric, metrics.MeanMetric)


class Scoreboard:
    """The running results of an epoch: losses and metrics, in the order of the logs.

    Args:
        plans: One for each output.
        targets: Spec of each output's target, None where there is none.
        outputs: Spec of each output.
    """

    def __init__(self, plans: Sequence[OutputPlan], targets: Sequence[Spec | None], outputs: Sequence[Spec]) -> None:
        self.plans = plans
        self.loss_state = np.zeros(2)
        self.output_states: list[Array] = [np.zeros(2) for _ in plans]
        several = len(plans) > 1
        self.loss_names = ["loss"]
        self.split = [i for i, plan in enumerate(plans) if several and plan.loss is not None]
        self.loss_names += [f"{plans[i].name}_loss" for i in self.split]
        taken = set(self.loss_names)
        self.trackers: list[Tracker] = []
        for i, plan in enumerate(plans):
            target = targets[i]
            for item in plan.metrics if target is not None else []:
                metric = metrics.make(item.identifier, plan.loss, target, outputs[i])
                if any(metric is tracker.metric for tracker in self.trackers):
                    metric = metric.clone()  # one object for several outputs: each keeps its own count
                name = _unique(f"{plan.name}_{item.label}" if several else item.label, taken)
                self.trackers.append(Tracker(name, metric, i, item.weighted))
        self.eager = [tracker for tracker in self.trackers if not tracker.traced]

    @property
    def names(self) -> list[str]:
        """List the log names in order."""
        return self.loss_names + [tracker.name for tracker in self.trackers]

    def reset(self) -> None:
        """Start a new epoch."""
        self.loss_state[:] = 0
        for state in self.output_states:
            state[:] = 0
        for tracker in self.trackers:
            tracker.metric.reset_state()

    def _states(self) -> list[Array]:
        traced = [tracker.metric.total for tracker in self.trackers if isinstance(tracker.metric, metrics.MeanMetric)]
        return [self.loss_state, *self.output_states, *traced]

    def snapshot(self) -> tuple[list[Array], list[dict[str, Any]]]:
        """Copy the results so far."""
        eager = [copy.deepcopy(vars(tracker.metric)) for tracker in self.eager]
        return [state.copy() for state in self._states()], eager

    def restore(self, kept: tuple[list[Array], list[dict[str, Any]]]) -> None:
        """Return to the results that `snapshot` copied."""
        for state, old in zip(self._states(), kept[0], strict=True):
            state[:] = old
        for tracker, attributes in zip(self.eager, kept[1], strict=True):
            vars(tracker.metric).update(attributes)

    def logs(self) -> dict[str, float]:
        """Return the results so far, as Python floats."""
        logs = {"loss": _mean(self.loss_state)}
        for i in self.split:
            logs[f"{self.plans[i].name}_loss"] = _mean(self.output_states[i])
        for tracker in self.trackers:
            logs[tracker.name] = float(tracker.metric.result())
        return logs

    def update_eager(self, targets: Sequence[Any], outputs: Sequence[Array], weights: Sequence[Any]) -> None:
        """Show a finished batch to the metrics that are not compiled into the step."""
        for tracker in self.eager:
            i = tracker.output
            weight = weights[i] if tracker.weighted else None
            tracker.metric.update_state(targets[i], outputs[i].copy(), sample_weight=weight)


def _mean(state: Array) -> float:
    return float(state[0] / state[1]) if state[1] else 0.0


def _unique(name: str, taken: set[str]) -> str:
    number, candidate = 0, name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate


class Steps:
    """Make and keep the programs of one compiled model.

    Args:
        model: Gives `inputs`, `outputs` and `penalties`.
        plans: One for each output, from `Compiled.plan`.
        optimizer: Changes the weights.
        clock: int64 array [seed, finished steps].
    """

    def __init__(self, model: Any, plans: Sequence[OutputPlan], optimizer: Any, clock: Array) -> None:
        self._model, self._plans, self._optimizer, self._clock = model, plans, optimizer, clock
        self._arena = Arena()
        self._trainable = list(model.trainable_weights)
        self._training: Training | None = None
        self._programs: dict[Key, Program] = {}
        self._unit_weights: dict[int, Array] = {}
        self.scoreboard: Scoreboard | None = None

    # -- programs -------------------------------------------------------------------------------

    def program(self, mode: str, targets: Sequence[Array | None], weights: Sequence[Array | None]) -> Program:
        """Return the program for this kind of data."""
        key: Key = (
            mode,
            *((None if y is None else (y.shape[1:], y.dtype.kind in "iub")) for y in targets),
            *(0 if w is None else w.ndim for w in weights),
        )
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = self._build(mode, targets, weights)
        return program

    def check_in(self) -> None:
        """Make sure that all weights are where the programs expect them."""
        for program in self._programs.values():
            program.check_in()

    def release(self) -> None:
        """Let go of the memory that the last batches were fed from."""
        for program in self._programs.values():
            program.release()

    def _build(self, mode: str, targets: Sequence[Array | None], weights: Sequence[Array | None]) -> Program:
        lowering = Lowering(training=mode == "train")
        outputs = lowering.lower(self._model.outputs)
        if mode == "predict":
            return Program(self._model.inputs, outputs, arena=self._arena, clock=self._clock)
        dtype = outputs[0].dtype
        y = [_target_tensor(array, dtype) for array in targets]
        w = [_weight_tensor(weight) for weight in weights]
        board = self._scoreboard_for(y, outputs)
        with tracing():
            losses, total, sinks = self._objective(outputs, y, w, board)
        feeds = [*self._model.inputs, *(t for t in y if t is not None), *w]
        return Program(
            feeds,
            [total, *losses, *outputs],
            arena=self._arena,
            clock=self._clock,
            sinks=sinks,
            objective=total,
            training=self._train() if mode == "train" else None,
        )

    def _train(self) -> Training:
        if self._training is None:
            self._training = Training(self._trainable, self._clock, self._optimizer.bind)
        return self._training

    def _scoreboard_for(self, y: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> Scoreboard:
        if self.scoreboard is None:
            specs = [None if t is None else t.spec for t in y]
            self.scoreboard = Scoreboard(self._plans, specs, [t.spec for t in outputs])
        return self.scoreboard

    def _objective(
        self,
        outputs: Sequence[Tensor],
        y: Sequence[Tensor | None],
        w: Sequence[Tensor],
        board: Scoreboard,
    ) -> tuple[list[Tensor], Tensor, list[Node]]:
        """Trace losses and metrics: the loss of each output, their total, and the sums to keep."""
        means: list[Tensor] = []
        factors: list[float] = []
        guards: list[Node] = []
        sinks: list[Node] = []
        for i, plan in enumerate(self._plans):
            target = y[i]
            if plan.loss is None or target is None:
                continue
            if plan.loss.sparse:
                guards.append(Node(LabelGuard(outputs[i].shape[-1] or 0, getattr(plan.loss, "ignore_class", None)), (target,), ()))
            values = plan.loss.values(target, outputs[i])
            means.append(weighted_mean(values, w[i]))
            factors.append(plan.loss_weight)
            sinks.append(Node(AccumulateScalar(), (means[-1], w[i], State(board.output_states[i])), ()))
        penalties = [regularizer(weight) for regularizer, weight in self._model.penalties]
        if not means and not penalties:
            raise ValueError("the model has no loss: pass loss=... to compile")
        total = weighted_total([*means, *penalties], [*factors, *[1.0] * len(penalties)])
        sinks.append(Node(AccumulateScalar(), (total, w[0], State(board.loss_state)), ()))
        sinks += self._metric_sinks(outputs, y, w, board)
        return means, total, guards + sinks

    def _metric_sinks(
        self, outputs: Sequence[Tensor], y: Sequence[Tensor | None], w: Sequence[Tensor], board: Scoreboard
    ) -> list[Node]:
        sinks = []
        for tracker in board.trackers:
            if not isinstance(tracker.metric, metrics.MeanMetric):
                continue
            values = tracker.metric.values(y[tracker.output], outputs[tracker.output])
            weight = (w[tracker.output],) if tracker.weighted else ()
            sinks.append(Node(AccumulateMean(), (values, *weight, State(tracker.metric.total.view(np.ndarray))), ()))
        return sinks

    # -- running --------------------------------------------------------------------------------

    def run(
        self,
        mode: str,
        inputs: Sequence[Array],
        targets: Sequence[Array | None],
        weights: Sequence[Array | None],
    ) -> Binding:
        """Run one step and return the binding, whose `fetches` are [total, losses..., outputs...].

        For prediction the fetches are the outputs alone.

        Raises:
            DataError: A class label that does not exist.
        """
        size = len(inputs[0])
        binding = self.program(mode, targets, weights).bind(size)
        arrays = [*inputs, *(y for y in targets if y is not None)]
        arrays += [self._ones(size) if w is None else w for w in weights]
        for reader, array in zip(binding.feeds, arrays, strict=True):
            reader.feed(array)
        try:
            binding.run()
        except KernelStoppedError:
            raise self._label_error(targets) from None
        return binding

    def _ones(self, size: int) -> Array:
        ones = self._unit_weights.get(size)
        if ones is None:
            ones = self._unit_weights[size] = np.ones(size)
        return ones

    def _label_error(self, targets: Sequence[Array | None]) -> DataError:
        for plan, target, output in zip(self._plans, targets, self._model.outputs, strict=True):
            if plan.loss is not None and target is not None:
                try:
                    plan.loss.check_targets(target, output.shape, f"output {plan.name!r}")
                except DataError as error:
                    return error
        return DataError("a class label does not exist")


def _target_tensor(array: Array | None, dtype: Any) -> Tensor | None:
    """Integers stay integers (a class number must be exact), the rest takes the model's dtype."""
    if array is None:
        return None
    kind = np.dtype(np.int64) if array.dtype.kind in "iub" else dtype
    return Tensor(Spec((None, *array.shape[1:]), kind), "y_true")


def _weight_tensor(weight: Array | None) -> Tensor:
    tail = () if weight is None else weight.shape[1:]
    return Tensor(Spec((None, *tail), np.dtype(np.float64)), "sample_weight")
