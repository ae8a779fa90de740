"""`Runner`: takes one batch through one step of a model, and keeps the running results.

The model is built here if its first batch must show the shapes. An error in the data says which source,
epoch, batch and samples it is about.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from streamfit._base.config import next_seed
from streamfit._base.errors import DataError, StreamfitError
from streamfit._base.specs import Array
from streamfit.kernels import KernelStoppedError
from streamfit.layers import number_streams
from streamfit.metrics import Metric
from streamfit.program import check_finite
from streamfit.training.compiled import Compiled, OutputPlan, ResultNames
from streamfit.training.intake import Intake
from streamfit.training.joined import one_step, rows_of_step, where
from streamfit.training.nonfinite import nonfinite_error
from streamfit.training.notices import warn
from streamfit.training.optimizer_state import plainly
from streamfit.training.scoreboard import Scoreboard
from streamfit.training.steps import Steps

_OURS = Metric.__module__.rpartition(".")[0]
_MOST_TOGETHER = 64  # steps in one native call: Ctrl-C and the progress bar wait for its end


class Runner:
    """Run steps of one model.

    Args:
        model: Has `inputs`, `outputs`, `output_names`, `build_for(x)`.
        compiled: The arguments of `compile`; None for a model that only predicts.

    Attributes:
        checked: Whether a training step stops before it changes anything when its loss or gradient is not
            finite.
    """

    def __init__(self, model: Any, compiled: Compiled | None) -> None:
        self._model, self._compiled = model, compiled
        self._steps: Steps | None = None
        self._intake: Intake | None = None
        self.clock = np.array([next_seed(), 0], np.int64)
        self.class_weight: Any = None
        self.source, self.checked = "data", False

    # -- set-up ---------------------------------------------------------------------------------

    def prepare(self, x: Any) -> None:
        """Build the model for inputs like `x`, if that has not been done."""
        if self._steps is None:
            self._model.build_for(x)
            self._set_up()

    def _set_up(self) -> None:
        model, names = self._model, self._model.output_names
        number_streams(model.layers)
        if self._compiled is None:
            plans = [OutputPlan(name, None, 1.0) for name in names]
            self._steps = Steps(model, plans, self.clock)
        else:
            plans = self._compiled.plan(names)
            trained = self._compiled.flags.weights(model)
            self._steps = Steps(model, plans, self.clock, trained, self._compiled.bind)
        self._intake = Intake(model.inputs, plans, [tensor.spec for tensor in model.outputs])

    def check_in(self) -> None:
        """Prepare for a run of steps; called once a run."""
        if self._steps is None and self._model.inputs:
            self._set_up()
        if self._steps is not None:
            self._steps.check_in()

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
        return {} if self._board is None else self._board.states()

    def trained_vector(self) -> Array:
        """Return the vector that all trained weights live in; the optimizer has vectors like it."""
        self.check_in()
        assert self._steps is not None
        return self._steps.trained_vector()

    def keep_scores(self, scores: dict[str, Array]) -> None:
        """Go on with the running results of an interrupted epoch."""
        self.check_in()
        assert self._steps is not None
        self._steps.keep_scores(scores)

    def release(self) -> None:
        """Let go of the memory of the last batch; called after each run of steps."""
        if self._steps is not None:
            self._steps.release()

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
        optimizer = self._compiled.optimizer  # type: ignore[union-attr]
        if optimizer.needs_prepare:
            optimizer.prepare(int(self.clock[1]))
        self._score("train", batch, self.class_weight)

    def test(self, batch: Any) -> None:
        """Evaluate one batch."""
        self._score("test", batch, None)

    def _score(self, mode: str, batch: Any, class_weight: Any) -> None:
        intake, steps = self._prepared(batch)
        try:
            inputs = intake.inputs(batch.x)
            targets = intake.targets(batch.y)
            if batch.sample_weight is None and class_weight is None:
                weights: Sequence[Array | None] = [None] * len(targets)
            else:
                weights = intake.weights(batch.sample_weight, targets, class_weight)
            self._check_lengths(inputs, targets)
            checked = self.checked and mode == "train"
            self.binding = steps.run(mode, inputs, targets, weights, batch.steps, checked)
        except DataError as error:
            if batch.steps > 1:  # those before the wrong one are steps to be done
                for step in range(batch.steps):
                    self._score(mode, one_step(batch, step), class_weight)
            raise self._located(error, batch) from error.__cause__
        except KernelStoppedError as stopped:
            raise self._stopped(stopped, batch, targets) from None
        if steps.scoreboard is not None and steps.scoreboard.eager:
            outputs = self.binding.fetches[-len(targets) :]
            steps.scoreboard.update_eager(targets, outputs, weights)

    def _stopped(
        self, stopped: KernelStoppedError, batch: Any, targets: Sequence[Array | None]
    ) -> StreamfitError:
        """Return the error for what a kernel found that stopped the walk."""
        steps, one = self._steps, one_step(batch, stopped.step)
        assert steps is not None
        if stopped.kernel is check_finite:
            losses = self._losses(steps.ran)
            return nonfinite_error(one, self.source, losses, steps.gradients, self._model)
        rows = rows_of_step(batch, stopped.step)
        return self._located(steps.label_error([None if y is None else y[rows] for y in targets]), one)

    def _prepared(self, batch: Any) -> tuple[Intake, Steps]:
        try:
            self.prepare(batch.x)
        except DataError as error:
            raise self._located(error, batch) from error.__cause__
        assert self._intake is not None
        assert self._steps is not None
        return self._intake, self._steps

    def together(self, mode: str) -> int:
        """Return how many batches may be joined and run in one native call.

        One, when something has to happen between two steps.
        """
        if self._steps is None or self._steps.scoreboard is None or self._steps.scoreboard.eager:
            return 1
        if mode == "train" and self._compiled.optimizer.needs_prepare:  # type: ignore[union-attr]
            return 1
        return _MOST_TOGETHER

    def predict(self, batch: Any) -> list[Array]:
        """Return copies of the outputs for one batch."""
        intake, steps = self._prepared(batch)
        try:
            binding = steps.run("predict", intake.inputs(batch.x), (), ())
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
        return type(error)(f"{error} (source {self.source!r}, {where(batch)})")

    # -- results --------------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget the running results, and those of an interrupted epoch that no step has taken up."""
        if self._board is not None:
            self._board.reset()
        elif self._steps is not None:
            self._steps.keep_scores({})

    @contextlib.contextmanager
    def lent(self, source: str, class_weight: Any = None, *, checked: bool = False) -> Iterator[None]:
        """Serve other data for a while, perhaps in the middle of a `fit`.

        Args:
            source: What to call the data in messages.
            class_weight: Their class weights.
            checked: Whether training steps are checked.
        """
        before = self.source, self.class_weight, self.checked
        self.check_in()
        self.source, self.class_weight, self.checked = source, class_weight, checked
        try:
            yield
        finally:
            self.source, self.class_weight, self.checked = before
            self.release()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Put the running results aside for a while: looking at other data in mid-epoch harms nothing."""
        board = self._board
        kept = None if board is None else board.snapshot()
        self.reset()
        try:
            yield
        finally:
            if board is not None and kept is not None:
                board.restore(kept)
            else:
                self.reset()

    def logs(self) -> dict[str, float]:
        """Return the running results by name, in the order of the logs."""
        return {} if self._board is None else self._board.logs()

    def batch_logs(self) -> dict[str, float]:
        """Return the losses of the last batch alone, with the running metrics."""
        return self.logs() | self._losses(self.binding)

    def _losses(self, binding: Any) -> dict[str, float]:
        """Return the losses of the batch that a binding ran last."""
        assert self._board is not None
        return {
            name: float(value) for name, value in zip(self._board.loss_names, binding.fetches, strict=False)
        }

    @property
    def names(self) -> list[str]:
        """List the names of the results; just ['loss'] for a model that is not built."""
        if self._compiled is None or not self._model.output_names:
            return ["loss"]
        return ResultNames.of(self._compiled.plan(self._model.output_names)).all

    @property
    def loss_described(self) -> Any:
        """The loss as plain values, by which two models can be compared."""
        return None if self._compiled is None else plainly(self._compiled.loss)

    @property
    def expected_names(self) -> tuple[list[str], bool]:
        """The names that results will have, as far as they are known before the first batch, and whether
        that is for sure: a metric of the user's may decide on its names while it runs."""
        compiled = self._compiled
        outputs = self._model.output_names or getattr(self._model, "sole_output", ())
        if compiled is None or not outputs:
            return ["loss"], False
        plans = compiled.plan(outputs)
        return ResultNames.of(plans).all, all(_is_known(item.identifier) for p in plans for item in p.metrics)

    @property
    def metrics(self) -> list[Metric]:
        """List the metrics; empty before the first batch, whose shapes decide what 'accuracy' is."""
        return [] if self._board is None else [tracker.metric for tracker in self._board.trackers]

    @property
    def _board(self) -> Scoreboard | None:
        return None if self._steps is None else self._steps.scoreboard


def _is_known(metric: Any) -> bool:
    """Tell whether a metric has one result, under its own name: all but metrics of the user's have."""
    kind = metric if isinstance(metric, type) else type(metric)
    return not issubclass(kind, Metric) or kind.__module__.startswith(_OURS)
