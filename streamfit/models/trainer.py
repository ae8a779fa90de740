"""`Trainer`: the methods of a model that train and evaluate, short callers of the one loop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from streamfit._base import uses
from streamfit._base.checks import steps_or_none, whole
from streamfit._base.config import keeping_seeds, read_only_seed
from streamfit._base.errors import NotCompiledError
from streamfit._base.specs import Array
from streamfit.metrics import Metric
from streamfit.models.graph_model import GraphModel
from streamfit.models.step_checks import check_steps
from streamfit.optimizers import Optimizer
from streamfit.streams import LoadPolicy
from streamfit.training import (
    CompileConfig,
    FitPlan,
    FitSession,
    History,
    Runner,
    StopFlag,
    StreamSettings,
    TrainableFlags,
    batches,
    compile_checks,
    evaluation,
    fitting,
    renamed_epochs,
    single_batches,
    whole_steps,
)
from streamfit.training.batches import Data
from streamfit.training.model_profile import ModelProfile
from streamfit.training.profile_run import profile_run
from streamfit.training.timed_steps import TimedRunner


class Trainer(GraphModel):
    """Give a graph `compile`, `fit`, `evaluate`, and these for single batches."""

    stop_training: bool
    stop_evaluating = StopFlag()
    stop_predicting = StopFlag()

    def _reset_trainer(self) -> None:
        self._compiled: CompileConfig | None = None
        self._runner: Runner | None = None
        self._owner = object()  # the optimizer's key for this model
        self._carried: tuple[Array, dict[str, Array]] | None = None  # of the model that this is a copy of
        self.history: History | None = None
        self.session: FitSession | None = None  # the run of fit that is under way
        self.stop_training = False

    def _forget_programs(self) -> None:
        self._runner = None

    def compile(
        self,
        optimizer: object = "rmsprop",
        loss: object = None,
        metrics: object = None,
        loss_weights: object = None,
        sample_weight_mode: object = None,
        weighted_metrics: object = None,
        target_tensors: object = None,
        distribute: object = None,
        **kwargs: object,
    ) -> None:
        """Set how the model is trained. Weights are kept, results of metrics are forgotten.

        Args:
            optimizer: A name such as ``'adam'``, or an optimizer. A name or a new optimizer starts afresh.
                The object that the model had continues: with its steps, its rate, and its state for each
                weight that it trained until now. One that has worked for another model starts afresh
                here, and keeps its state for the other; its settings count for both.
            loss: A name, a function (y_true, y_pred) made of `ops`, a `Loss`, or a list or a dictionary by
                output name of them; one loss goes to all outputs.
            metrics: A list of names, functions or `Metric` objects for every output; a list of lists; or
                a dictionary by output name. They do not see weights.
            loss_weights: A list, or a dictionary by output name; 1.0 where nothing is given.
            sample_weight_mode: None, or ``'temporal'`` for weights of shape (samples, steps).
            weighted_metrics: As `metrics`, but they see sample and class weights.
            target_tensors: Must be None: targets come with the data.
            distribute: Must be None.
            kwargs: ``run_eagerly``, ``steps_per_execution``, ``jit_compile`` and ``auto_scale_loss`` are
                accepted for Keras 3's sake; they have no effect here.

        Raises:
            ValueError: An unknown name, or lists that do not fit the outputs.
            TypeError: An unknown keyword, an argument of the wrong kind, or a class with a step of its own.
            ModelInUseError: Another thread trains the model.
        """
        compile_checks(target_tensors, distribute, kwargs)
        check_steps(type(self))
        arguments = optimizer, loss, metrics, loss_weights, weighted_metrics, sample_weight_mode

        def take() -> None:
            flags = TrainableFlags(self)
            compiled = CompileConfig(*arguments, flags, owner=self._owner, previous=self._compiled)
            if self.outputs:
                compiled.plan(self.output_names)
            self._compiled, self._runner, self._carried = compiled, None, None

        self._change("compile", take, optimizer)

    def _change(self, what: str, act: Callable[[], None], *also: object) -> None:
        """Change the model while no other thread works with it.

        Raises:
            ModelInUseError: Another thread trains it.
        """
        objects = [item for item in also if isinstance(item, Optimizer)]
        uses.write(what, self.name, frozenset((self, *self.weights, *objects)), act)

    @property
    def optimizer(self) -> Any:
        """Return the optimizer, with the steps and the state of this model, or None before `compile`."""
        return None if self._compiled is None else self._compiled.own_optimizer()

    @property
    def compiled(self) -> bool:
        """Return whether `compile` was called."""
        return self._compiled is not None

    @property
    def loss(self) -> object:
        """Return the loss, or None before `compile`."""
        return None if self._compiled is None else self._compiled.loss

    @property
    def metrics_names(self) -> list[str]:
        """List the names of the results of `evaluate`, in their order; ['loss'] before the model is built."""
        return self.runner().names

    @property
    def metrics(self) -> list[Metric]:
        """List the metric objects, in the order of `metrics_names`; none before the first batch."""
        return [] if self._runner is None else self._runner.metrics

    def runner(self, compiled: bool = True) -> Runner:
        """Return the runner of single steps.

        Raises:
            NotCompiledError: `compiled` is asked for, and `compile` was not called.
        """
        if compiled and self._compiled is None:
            raise NotCompiledError(
                "You must compile a model before training/testing. Use `model.compile(optimizer, loss)`."
            )
        runner = self._runner
        if runner is None:
            with uses.building:  # of two threads that come first, one makes it
                runner = self._runner = self._runner or self._new_runner()
        return runner

    def _new_runner(self) -> Runner:
        if self._carried is None:
            return Runner(self, self._compiled)
        step_state, results = self._carried
        runner = Runner(self, self._compiled, step_state.copy())
        runner.restore_states(results)
        return runner

    # -- whole data sets ------------------------------------------------------------------------

    def fit(
        self,
        x: object = None,
        y: object = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: object = None,
        validation_split: float = 0.0,
        validation_data: object = None,
        shuffle: bool | str = True,
        class_weight: object = None,
        sample_weight: object = None,
        initial_epoch: int = 0,
        steps_per_epoch: float | None = None,
        validation_steps: float | None = None,
        validation_freq: int | Collection[int] = 1,
        max_queue_size: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        *,
        validation_batch_size: int | None = None,
        seed: int | None = None,
        load_timeout: float | None = None,
        on_bad_sample: str = "raise",
        max_bad_samples: int | None = None,
        audit: bool = False,
        worker_init: Callable[[], object] | None = None,
        **kwargs: object,
    ) -> History:
        """Train the model.

        Args:
            x: Inputs: an array (n, ...), a list or dictionary of arrays, a memory map, a generator of
                (x, y) or (x, y, weights), a `Sequence`, or a `Source`.
            y: Targets, when `x` is arrays.
            batch_size: Samples a step for arrays; 32 by default.
            epochs: The number of the last epoch; runs `epochs - initial_epoch` epochs.
            verbose: 0 silent, 1 or 'auto' a progress bar, 2 one line an epoch.
            callbacks: `Callback` objects.
            validation_split: Share of the arrays' last samples to validate on, in [0, 1).
            validation_data: (x, y) or (x, y, weights), or any stream; wins over `validation_split`.
            shuffle: Whether samples of arrays, or batches of a `Sequence`, come in a new order in each pass;
                ``'batch'`` shuffles whole batches of arrays.
            class_weight: Weight by class number; for several outputs by output name, or a list.
            sample_weight: One weight a sample (n,), or (n, steps) in temporal mode; by output if several.
            initial_epoch: Number of the first epoch.
            steps_per_epoch: Steps in an epoch, rounded up; the next one continues where it stopped.
            validation_steps, validation_freq: Validate on so many batches; every so many epochs, or in those.
            max_queue_size: Batches that workers load ahead; 10 by default.
            workers, use_multiprocessing: How many workers load, and whether these are processes and not
                threads; 0 loads in this thread. By default the attributes of a `Sequence`.
            validation_batch_size: Samples a step when validating on arrays; by default `batch_size`.
            seed: Makes the run repeatable; by default from `set_random_seed` or drawn; see ``History.seed``.
            load_timeout: Seconds for a load in a process; by default 100 times the longest, at least 60.
            on_bad_sample, max_bad_samples: 'raise', or 'skip' and how many samples (of a `Sequence`: batches)
                may be left out whose load raises or kills its workers; the receipt names them.
            audit: Whether receipts have a checksum of the arrays that were trained on (`contents`).
            worker_init: Called once in each worker (process or thread, also one that replaces another) before
                its first load; without workers once in this thread. What it raises ends the run.

        Returns:
            The history: logs by name, epoch numbers, the seed and the receipts.

        Raises:
            NotCompiledError: `compile` was not called.
            ModelInUseError: Another thread trains this model, or one that shares weights with it.
            ValueError: Arguments or data that do not fit.
        """
        policy = LoadPolicy(load_timeout, on_bad_sample, max_bad_samples)
        settings = StreamSettings(max_queue_size, workers, use_multiprocessing, policy, worker_init)
        epochs = renamed_epochs(epochs, kwargs, self.fit)
        counts = epochs, initial_epoch, *whole_steps(steps_per_epoch, validation_steps), validation_freq
        plan = FitPlan(*counts, class_weight, callbacks, verbose, settings, seed, audit=audit)
        own = validation_batch_size
        training = batches.Data(x, y, sample_weight, batch_size, shuffle, validation_batch_size=own)
        validation = batches.validation(validation_data, validation_split, batch_size, own)
        plan = plan.with_data(training, validation)
        plan.check_validation()
        return fitting.fit(self, plan)

    def evaluate(
        self,
        x: object = None,
        y: object = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: object = None,
        steps: float | None = None,
        callbacks: object = None,
        max_queue_size: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        *,
        return_dict: bool = False,
        load_timeout: float | None = None,
        on_bad_sample: str = "raise",
        max_bad_samples: int | None = None,
        worker_init: Callable[[], object] | None = None,
    ) -> Any:
        """Compute the loss and the metrics, in inference mode.

        Args:
            x, y, batch_size, sample_weight, max_queue_size, workers, use_multiprocessing: As in `fit`.
            verbose: As in `fit`.
            steps: Stop after so many batches.
            callbacks: `Callback` objects.
            return_dict: Return results by name.
            load_timeout, on_bad_sample, max_bad_samples, worker_init: As in `fit`.

        Returns:
            The loss alone if there are no metrics, else a list in the order of `metrics_names`.
        """
        data = batches.Data(x, y, sample_weight, batch_size, shuffle=False)
        policy = LoadPolicy(load_timeout, on_bad_sample, max_bad_samples)
        settings = StreamSettings(max_queue_size, workers, use_multiprocessing, policy, worker_init)
        logs = evaluation.evaluate(self, data, settings, steps_or_none("steps", steps), verbose, callbacks)
        return logs if return_dict else _results(logs)

    def profile(
        self,
        x: object = None,
        y: object = None,
        batch_size: int | None = None,
        sample_weight: object = None,
        class_weight: object = None,
        shuffle: bool | str = True,
        batches: int = 20,
        training: bool = True,
        max_queue_size: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        *,
        load_timeout: float | None = None,
        on_bad_sample: str = "raise",
        max_bad_samples: int | None = None,
        worker_init: Callable[[], object] | None = None,
    ) -> ModelProfile:
        """Find out where the time of training goes: which layer, forward and backward, or waiting for data.

        A copy of the model is trained on some batches as `fit` does it; then one step is run several times as
        a whole and, with the clock between its operations, part by part. The model stays as it was: weights,
        optimizer, seeds, running results, history. The data are read, so an iterator is further on behind it.

        Args:
            x, y, batch_size, sample_weight, class_weight, shuffle: As in `fit`.
            batches: How many batches to read at most, from 1 on.
            training: Whether to measure steps of training; else the forward pass with loss and metrics, as in
                `evaluate`.
            max_queue_size, workers, use_multiprocessing: As in `fit`: who loads decides how long it takes.
            load_timeout, on_bad_sample, max_bad_samples, worker_init: As in `fit`.

        Returns:
            The times, to print, or as values: see `ModelProfile`.

        Raises:
            NotCompiledError: `compile` was not called.
            DataError: The data gave no batch, or do not fit the model.
            TypeError, ValueError: An argument of the wrong kind.

        Example:
            >>> import numpy as np
            >>> import streamfit as sf
            >>> layers = [sf.Input((8,)), sf.layers.Dense(32, "relu", name="a"), sf.layers.Dense(1, name="b")]
            >>> model = sf.Sequential(layers)
            >>> model.compile("sgd", "mse")
            >>> found = model.profile(np.ones((64, 8)), np.ones((64, 1)), batch_size=16, batches=4)
            >>> [row.name for row in found.rows]
            ['a', 'b', 'loss and metrics', 'optimizer']
            >>> found.rows[0].flops == 2 * (2 * 16 * 8 * 32)  # forward, and backward by the kernel alone
            True
        """
        self.runner()  # or it is not compiled
        policy = LoadPolicy(load_timeout, on_bad_sample, max_bad_samples)
        settings = StreamSettings(max_queue_size, workers, use_multiprocessing, policy, worker_init)
        data = Data(x, y, sample_weight, batch_size, shuffle if training else False)
        count = whole("batches", batches, 1)
        with keeping_seeds():
            twin = copy.deepcopy(self)
            state = np.array([read_only_seed(), 0], np.int64) if twin._carried is None else twin._carried[0]
            runner = twin._runner = TimedRunner(twin, twin._compiled, state)
            return profile_run(twin, runner, data, settings, count, class_weight, training)

    # -- single batches -------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: object,
        y: object = None,
        sample_weight: object = None,
        class_weight: object = None,
        reset_metrics: bool = True,
        *,
        return_dict: bool = False,
    ) -> Any:
        """Train on one batch and return its loss and the metrics.

        Args:
            x, y, sample_weight, class_weight: One batch, as in `fit`.
            reset_metrics: Whether metrics start anew; else they continue from the last call.
            return_dict: Return results by name.
        """
        logs = single_batches.train_on_batch(self, x, y, sample_weight, class_weight, reset_metrics)
        return logs if return_dict else _results(logs)

    def test_on_batch(
        self,
        x: object,
        y: object = None,
        sample_weight: object = None,
        reset_metrics: bool = True,
        *,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and the metrics of one batch, in inference mode.

        Args:
            x, y, sample_weight, reset_metrics, return_dict: As in `train_on_batch`.
        """
        logs = single_batches.test_on_batch(self, x, y, sample_weight, reset_metrics)
        return logs if return_dict else _results(logs)

    def reset_metrics(self) -> None:
        """Forget the running results."""
        self._change("reset_metrics", self.runner().results.reset)


def _results(logs: dict[str, object]) -> object:
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
