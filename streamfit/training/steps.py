"""Steps: the programs that train, test and predict, made when the first data show their shapes.

For each mode and each kind of data (shapes and dtypes of targets, ranks of weights) there is one
program: the model's outputs, each output's loss and metrics, the total loss, and for training the
gradient and the optimizer. Losses and metrics are traced like layers, so a custom one that is written
with `ops` is compiled into the step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from streamfit import metrics
from streamfit._base.errors import DataError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.layers.base import changes
from streamfit.losses import Loss
from streamfit.ops.core import Node, Op, Tensor, Variable, tracing
from streamfit.ops.selecting import counted
from streamfit.program import (
    AccumulateMean,
    AccumulateScalar,
    Arena,
    Binding,
    Lowering,
    Program,
    StateTensor,
    Training,
    weighted_mean,
    weighted_total,
)
from streamfit.training.compile_config import OutputPlan
from streamfit.training.epoch_metrics import EpochMetrics, Snapshot
from streamfit.training.user_warnings import warn
from streamfit.training.watch import Watch, constant_losses, constant_outputs

Key = tuple[Any, ...]
Update = Callable[[Array, Array, Array, Array], list[Call]]


@kernel
def check_labels(labels: Array, classes: int, ignored: int) -> None:
    """Stop the call loop when a label is no whole number in [0, classes), unless it is the ignored one."""
    for i in range(labels.shape[0]):
        label = labels[i]
        if not (0 <= label < classes and label == np.floor(label)) and label != ignored:
            raise FloatingPointError


@kernel
def check_counted_labels(labels: Array, classes: int, ignored: int, weights: Array, repeat: int) -> None:
    """Do as `check_labels` for the labels whose weight is not 0."""
    for i in range(labels.shape[0]):
        label = labels[i]
        right = (0 <= label < classes and label == np.floor(label)) or label == ignored
        if not right and weights[i // repeat] != 0:
            raise FloatingPointError


class LabelGuard(Op):
    """Stop a step before it reads a class that does not exist; has no output.

    Its inputs are the labels and, where weights are given, these.
    """

    differentiable = False

    def __init__(self, classes: int, ignored: int | None) -> None:
        self._classes = classes
        self._ignored = 0 if ignored is None else ignored  # class 0 always exists

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return nothing."""
        return ()

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        labels = inputs[0].reshape(-1)
        if len(inputs) == 1:
            return [(check_labels, (labels, self._classes, self._ignored))]
        weights = inputs[1].reshape(-1)
        repeat = len(labels) // len(weights)
        return [(check_counted_labels, (labels, self._classes, self._ignored, weights, repeat))]


class Steps:
    """Make and keep the programs of one compiled model.

    Args:
        model: Gives `inputs`, `outputs` and `penalties`.
        plans: One for each output, from `CompileConfig.plan`.
        clock: int64 array [seed, finished steps].
        trainable: The weights that are trained.
        update: Given (weights, gradient, sizes, clock), returns the optimizer's calls; None for a model that
            only predicts.
        values: What to read in the place of the values of variables: copies of another moment.

    Attributes:
        done: How many of the joined steps the last `run` has done.
    """

    def __init__(
        self,
        model: Any,
        plans: Sequence[OutputPlan],
        clock: Array,
        trainable: Sequence[Variable] = (),
        update: Update | None = None,
        values: Mapping[Variable, Array] | None = None,
    ) -> None:
        self._model, self._plans, self._clock, self._values = model, plans, clock, values
        self._trainable, self._update = list(trainable), update
        self._arena = Arena()
        self._training: Training | None = None
        self._programs: dict[Key, Program] = {}
        self._unit_weights: dict[int, Array] = {}
        self.epoch_metrics: EpochMetrics | None = None
        self.ran: Binding | None = None  # last
        self.done = 1
        self._kept_scores: dict[str, Array] = {}
        self.watches = [Watch(plan.loss, plan.name) for plan in plans if plan.loss is not None]
        self._warned = False
        self._seen: tuple[int, int] = (-1, -1)

    # -- programs -------------------------------------------------------------------------------

    def program(
        self,
        mode: str,
        targets: Sequence[Array | None],
        weights: Sequence[Array | None],
        checked: bool = False,
    ) -> Program:
        """Return the program for this kind of data."""
        if changes.count != self._seen[0]:
            self._look_at_layers()
        key: Key = (
            mode,
            checked,
            *((None if y is None else (y.shape[1:], y.dtype.kind in "iub")) for y in targets),
            *(0 if w is None else w.ndim for w in weights),
        )
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = self._build(mode, targets, weights, checked)
            self._seen = changes.count, self._revision()  # composing a layer may have set attributes
        return program

    def _look_at_layers(self) -> None:
        """Forget programs that were made of layers with other settings."""
        before, now = self._seen[1], self._revision()
        self._seen = changes.count, now
        if now != before:
            self._programs.clear()

    def _revision(self) -> int:
        return sum(layer.revision for layer in self._model.layers)

    def refresh_bindings(self) -> None:
        """Make sure that all weights are where the programs expect them."""
        if self._training is not None:
            self._training.flat.rebind()  # before any program looks whether it has lost its weights
        for program in self._programs.values():
            program.refresh_bindings()

    def rebind(self) -> None:
        """Ask for the optimizer's calls anew: a setting was changed that decides which they are."""
        if self._training is not None:
            self._training.rebind()
            for program in self._programs.values():
                if program.training is not None:
                    program.forget()

    def release(self) -> None:
        """Let go of the memory that the last batches were fed from."""
        for program in self._programs.values():
            program.release()

    def keep_scores(self, scores: dict[str, Array]) -> None:
        """Begin with these running results, now or when there is something to hold them."""
        if self.epoch_metrics is None:
            self._kept_scores = scores
        else:
            self.epoch_metrics.overwrite(scores)

    def reset(self) -> None:
        """Forget the running results, also those that were to be taken up."""
        self._kept_scores = {}
        if self.epoch_metrics is not None:
            self.epoch_metrics.reset()

    def go_on_with(self, results: Snapshot) -> None:
        """Take up what `EpochMetrics.snapshot` gave of a model like this: perhaps no step follows."""
        if self.epoch_metrics is None:
            self.epoch_metrics = EpochMetrics(self._plans, results.targets, results.outputs)
        self.epoch_metrics.restore(results)

    def withhold_scores(self) -> dict[str, Array]:
        """Return the running results that wait for something to hold them, which now begins at zero."""
        waiting, self._kept_scores = self._kept_scores, {}
        return waiting

    def trained_vector(self) -> Array:
        """Return the vector that the trained weights live in."""
        return self._train().flat.vector

    @property
    def gradients(self) -> dict[Variable, Array]:
        """Return the gradient of each trained weight, as the last step left it."""
        return {} if self._training is None else self._training.grads

    def _build(
        self, mode: str, targets: Sequence[Array | None], weights: Sequence[Array | None], checked: bool
    ) -> Program:
        lowering = Lowering(training=mode == "train")
        outputs = lowering.lower(self._model.outputs)
        if mode == "predict":
            return Program(
                self._model.inputs, outputs, arena=self._arena, clock=self._clock, values=self._values
            )
        self._warn_of_constants(lowering, outputs)
        dtype = outputs[0].dtype
        y = [_target_tensor(array, dtype) for array in targets]
        w = [_weight_tensor(weight) for weight in weights]
        epoch_metrics = self._epoch_metrics_for(y, outputs)
        with tracing():
            chosen = [weight is not None for weight in weights]
            losses, total, guards, sinks = self._objective(outputs, y, w, chosen, epoch_metrics)
        feeds = [*self._model.inputs, *(t for t in y if t is not None), *w]
        return Program(
            feeds,
            [total, *losses, *outputs],
            arena=self._arena,
            clock=self._clock,
            guards=guards,
            sinks=sinks,
            objective=total,
            training=self._train() if mode == "train" else None,
            checked=checked,
            values=self._values,
        )

    def _warn_of_constants(self, lowering: Lowering, outputs: Sequence[Tensor]) -> None:
        if not self._warned:
            text = constant_outputs(lowering.nodes) or constant_losses(self._plans, outputs)
            self._warned = text is not None
            if text is not None:
                warn(text)

    def _train(self) -> Training:
        if self._training is None:
            assert self._update is not None
            self._training = Training(self._trainable, self._clock, self._update)
            for program in self._programs.values():
                program.refresh_bindings()  # the weights have just moved
        return self._training

    def _epoch_metrics_for(self, y: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> EpochMetrics:
        if self.epoch_metrics is None:
            specs = [None if t is None else t.spec for t in y]
            self.epoch_metrics = EpochMetrics(self._plans, specs, [t.spec for t in outputs])
            self.epoch_metrics.overwrite(self.withhold_scores())
        return self.epoch_metrics

    def _objective(
        self,
        outputs: Sequence[Tensor],
        y: Sequence[Tensor | None],
        w: Sequence[Tensor],
        chosen: Sequence[bool],
        epoch_metrics: EpochMetrics,
    ) -> tuple[list[Tensor], Tensor, list[Node], list[Node]]:
        """Trace losses and metrics: the loss of each output, their total, guards, and the sums to keep.

        Where weights are `chosen`, what weighs 0 is left out of loss and gradient, whatever it is.
        """
        means: list[Tensor] = []
        factors: list[float] = []
        guards: list[Node] = []
        sinks: list[Node] = []
        watches = iter(self.watches)
        for i, plan in enumerate(self._plans):
            target = y[i]
            watch = None if plan.loss is None else next(watches)
            if plan.loss is None or watch is None or target is None:
                continue
            guards += filter(None, [watch.node(target, w[i])])
            if plan.loss.sparse:
                guard = LabelGuard(outputs[i].shape[-1] or 0, getattr(plan.loss, "ignore_class", None))
                guards.append(Node(guard, (target, w[i]) if chosen[i] else (target,), ()))
            values, mask = _loss_values(plan.loss, target, outputs[i], w[i] if chosen[i] else None)
            means.append(weighted_mean(values, w[i], mask, plan.loss.reduction, chosen=chosen[i]))
            factors.append(plan.loss_weight)
            if i in epoch_metrics.split:  # a single output's loss is the total, which is kept anyway
                sinks.append(
                    Node(
                        AccumulateScalar(), (means[-1], w[i], StateTensor(epoch_metrics.output_states[i])), ()
                    )
                )
        penalties = [regularizer(weight) for regularizer, weight in self._model.penalties]
        if not means and not penalties:
            raise ValueError("the model has no loss: pass loss=... to compile")
        total = weighted_total([*means, *penalties], [*factors, *[1.0] * len(penalties)])
        sinks.append(Node(AccumulateScalar(), (total, w[0], StateTensor(epoch_metrics.loss_state)), ()))
        sinks += self._metric_sinks(outputs, y, w, epoch_metrics)
        return means, total, guards, sinks

    def _metric_sinks(
        self,
        outputs: Sequence[Tensor],
        y: Sequence[Tensor | None],
        w: Sequence[Tensor],
        epoch_metrics: EpochMetrics,
    ) -> list[Node]:
        sinks = []
        for tracker in epoch_metrics.trackers:
            if not isinstance(tracker.metric, metrics.MeanMetric):
                continue
            target = y[tracker.output]
            assert target is not None  # an output with a metric has targets
            values = tracker.metric.values(target, outputs[tracker.output])
            assert isinstance(values, Tensor)  # values of a tensor are one
            weight = (w[tracker.output],) if tracker.weighted else ()
            sinks.append(
                Node(
                    AccumulateMean(),
                    (values, *weight, StateTensor(tracker.metric.total.view(np.ndarray))),
                    (),
                )
            )
        return sinks

    # -- running --------------------------------------------------------------------------------

    def run(
        self,
        mode: str,
        inputs: Sequence[Array],
        targets: Sequence[Array | None],
        weights: Sequence[Array | None],
        steps: int = 1,
        checked: bool = False,
        asked: Array | None = None,
    ) -> Binding:
        """Run one step, or several on joined batches, and return the binding.

        Its `fetches` are [total, losses..., outputs...] of the last step; for prediction the outputs alone.

        With `checked`, a training step stops before anything is changed when its loss or gradient is not
        finite. Where `asked` (int64 (1,)) is not 0 after one of several steps, the others are left.

        Raises:
            KernelStoppedError: A class label that does not exist, see `label_error`; or what `checked` found.
        """
        size = len(inputs[0]) // steps
        binding = self.ran = self.program(mode, targets, weights, checked).bind(size)
        arrays = [*inputs, *(y for y in targets if y is not None)]
        arrays += [self._ones(size) if w is None else w for w in weights]
        if steps == 1:
            for reader, array in zip(binding.feeds, arrays, strict=True):
                reader.feed(array)
            binding.run()
        else:
            self.done = binding.run_steps(arrays, steps, asked)
        return binding

    def _ones(self, size: int) -> Array:
        ones = self._unit_weights.get(size)
        if ones is None:
            ones = self._unit_weights[size] = np.ones(size)
        return ones

    def label_error(self, targets: Sequence[Array | None], weights: Sequence[Array | None]) -> DataError:
        """Return the error for the labels that stopped a step; those that weigh 0 did not."""
        outputs = self._model.outputs
        for plan, target, weight, output in zip(self._plans, targets, weights, outputs, strict=True):
            if plan.loss is not None and target is not None:
                if weight is not None:
                    rows = weight.reshape(weight.shape + (1,) * (target.ndim - weight.ndim))
                    target = np.where(rows == 0, 0, target)  # class 0 always exists
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


def _loss_values(
    loss: Loss, target: Tensor, output: Tensor | Array, weights: Tensor | None
) -> tuple[Any, Any]:
    """Trace the values of a loss and its mask; what weighs 0 or is masked gets no gradient."""
    mask = loss.mask(target)
    for factor in (weights, mask):
        if factor is not None and factor.shape == output.shape[: len(factor.shape)]:
            output = counted(output, factor)
    return loss.values(target, output), mask


def _weight_tensor(weight: Array | None) -> Tensor:
    tail = () if weight is None else weight.shape[1:]
    return Tensor(Spec((None, *tail), np.dtype(np.float64)), "sample_weight")
