"""`Programs`: the programs that train, test and predict, made when the first data show their shapes.

For each mode and each kind of data (shapes and dtypes of targets, ranks of weights) there is one
program: the model's outputs, each output's loss and metrics, the total loss, and for training the
gradient and the optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from streamfit._base.specs import Array, Shape
from streamfit.layers.base import changes
from streamfit.ops.assigning import Assign
from streamfit.ops.core import Node, Tensor, Value, Variable, tracing
from streamfit.program import Arena, Lowering, MakesUpdate, Program, Training
from streamfit.training.compile_config import OutputPlan
from streamfit.training.host_inputs import HostPart
from streamfit.training.model_graph import ModelGraph
from streamfit.training.running_results import RunningResults
from streamfit.training.step_objective import step_data, target_tail, trace_objective
from streamfit.training.target_checks import TargetWarnings, constant_losses, constant_outputs
from streamfit.training.user_warnings import warn

Key = tuple[object, ...]
Penalty = tuple[Callable[[Tensor], Value], Variable]


class Programs:
    """Make and keep the programs of one model.

    Args:
        model: The model, built.
        plans: One for each output, from `CompileConfig.plan`.
        step_state: int64 array [seed, finished steps].
        results: Holds the running sums of losses and metrics.
        trainable: The weights that are trained.
        update: Gives the optimizer's update; None for a model that only predicts.
        values: What to read in the place of the values of variables: copies of another moment.
        penalties: (regularizer, weight) of each penalty that counts.
        host: What of the model runs where batches are loaded; by default nothing.

    Attributes:
        target_warnings: One for each output with a loss.
    """

    def __init__(
        self,
        model: ModelGraph,
        plans: Sequence[OutputPlan],
        step_state: Array,
        results: RunningResults,
        trainable: Sequence[Variable] = (),
        update: MakesUpdate | None = None,
        values: Mapping[Variable, Array] | None = None,
        penalties: Sequence[Penalty] = (),
        host: HostPart | None = None,
    ) -> None:
        self._host = HostPart(model) if host is None else host
        self._model, self._plans, self._step_state, self._values = model, plans, step_state, values
        self._results, self._trainable, self._update = results, list(trainable), update
        self._penalties = list(penalties)
        self._arena = Arena()
        self._training: Training | None = None
        self._programs: dict[Key, Program] = {}
        self.target_warnings = [
            TargetWarnings(plan.loss, plan.name) for plan in plans if plan.loss is not None
        ]
        self._warned = False
        self._seen: tuple[int, int] = (-1, -1)  # changes of all layers, and revision of the model's

    def get(
        self,
        mode: str,
        targets: Sequence[Array | None],
        weights: Sequence[Array | None],
        checked: bool = False,
    ) -> Program:
        """Return the program for this kind of data."""
        if changes.count != self._seen[0]:
            self._forget_outdated()
        key: Key = (
            mode,
            checked,
            *(
                (None if y is None else (self._tail(y, i), y.dtype.kind in "iub"))
                for i, y in enumerate(targets)
            ),
            *(0 if w is None else w.ndim for w in weights),
        )
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = self._build(mode, targets, weights, checked)
            if program.training is not None and program.training.admit(program.tables):
                self._forget_bindings()
            self._seen = changes.count, self._revision()  # composing a layer may have set attributes
        return program

    def _tail(self, target: Array, output: int) -> Shape:
        """Return the lengths of a target's axes behind the batch; None where the output's axis is free."""
        return target_tail(target, self._model.outputs[output].spec)

    def _forget_outdated(self) -> None:
        """Forget programs that were made of layers with other settings."""
        before, now = self._seen[1], self._revision()
        self._seen = changes.count, now
        if now != before:
            self._programs.clear()

    def _revision(self) -> int:
        return sum(layer.revision for layer in self._model.layers)

    # -- memory ---------------------------------------------------------------------------------

    def refresh_bindings(self) -> None:
        """Make sure that all weights are where the programs expect them."""
        if self._training is not None:
            self._training.flat.rebind()  # before any program checks where its weights are
        for program in self._programs.values():
            program.refresh_bindings()

    def rebind(self) -> None:
        """Ask for the optimizer's calls anew: a setting that decides on them has changed."""
        if self._training is not None:
            self._training.rebind()
            self._forget_bindings()

    def _forget_bindings(self) -> None:
        """Have all programs that train bound again, with other calls of the optimizer."""
        for program in self._programs.values():
            if program.training is not None:
                program.forget()

    def release(self) -> None:
        """Let go of the memory that the last batches were fed from."""
        for program in self._programs.values():
            program.release()

    def trained_vector(self) -> Array:
        """Return the vector that the trained weights live in."""
        return self._train().flat.vector

    def _train(self) -> Training:
        if self._training is None:
            assert self._update is not None
            self._training = Training(self._trainable, self._step_state, self._update)
            for program in self._programs.values():
                program.refresh_bindings()  # the weights have just moved
        return self._training

    # -- building -------------------------------------------------------------------------------

    def _build(
        self, mode: str, targets: Sequence[Array | None], weights: Sequence[Array | None], checked: bool
    ) -> Program:
        lowering = Lowering(training=mode == "train")
        with self._host.collecting():
            outputs = self._host.fetched(lowering.lower(self._model.outputs))
            masks = self._lowered_masks(lowering)
        with tracing():
            effects = [Node(Assign(), (value, weight), ()) for weight, value in lowering.assigned.items()]
        if mode == "predict":
            return Program(
                self._host.feeds[False],
                outputs,
                arena=self._arena,
                step_state=self._step_state,
                sinks=effects,
                values=self._values,
                layer_of=lowering.layer_of,
            )
        self._refuse_text()
        self._warn_of_constants(lowering, outputs)
        data = step_data(targets, weights, outputs, masks)
        specs = [None if target is None else target.spec for target in data.targets]
        epoch_metrics = self._results.metrics_for(specs, [tensor.spec for tensor in outputs])
        with tracing():
            penalties = [regularizer(weight) for regularizer, weight in self._penalties]
            objective = trace_objective(
                self._plans,
                outputs,
                data,
                epoch_metrics,
                self.target_warnings,
                [*penalties, *lowering.losses],
            )
        given = [target for target in data.targets if target is not None]
        return Program(
            [*self._host.feeds[mode == "train"], *given, *data.weights],
            [objective.total, *objective.losses, *outputs],
            arena=self._arena,
            step_state=self._step_state,
            guards=objective.guards,
            sinks=[*objective.sinks, *effects],
            objective=objective.total,
            training=self._train() if mode == "train" else None,
            checked=checked,
            values=self._values,
            layer_of=lowering.layer_of,
        )

    def _refuse_text(self) -> None:
        """Refuse a loss or metrics of an output that is text."""
        for place in self._host.finishing:
            plan = self._plans[place]
            if plan.loss is not None or plan.metrics:
                raise ValueError(
                    f"output {plan.name!r} is text, which has no loss and no metrics: give the model the "
                    "output that the text is made of, too, and compile with a loss for that one (None for "
                    "the text)"
                )

    def _lowered_masks(self, lowering: Lowering) -> list[Tensor | None]:
        """Return the mask of each output; None where all positions count."""
        masks = [tensor.mask for tensor in self._model.outputs]
        found = iter(lowering.lower([mask for mask in masks if mask is not None]))
        return [None if mask is None else next(found) for mask in masks]

    def _warn_of_constants(self, lowering: Lowering, outputs: Sequence[Tensor]) -> None:
        if not self._warned:
            text = constant_outputs(lowering.nodes) or constant_losses(self._plans, outputs)
            self._warned = text is not None
            if text is not None:
                warn(text)
