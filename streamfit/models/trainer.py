"""`Trainer`: the methods of a model that train, evaluate and predict, short callers of the one loop."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

from streamfit._base.errors import NotCompiledError
from streamfit._base.names import did_you_mean
from streamfit._base.specs import Array
from streamfit.metrics import Metric
from streamfit.streams import LoadPolicy
from streamfit.training import (
    Compiled,
    FitPlan,
    History,
    Runner,
    StreamSettings,
    TrainableFlags,
    batches,
    compile_checks,
    sessions,
)


class Trainer:
    """Give a model `compile`, `fit`, `evaluate`, `predict`, and these for generators and single batches."""

    stop_training: bool
    stop_evaluating: bool
    stop_predicting: bool

    def _reset_trainer(self) -> None:
        self._compiled: Compiled | None = None
        self._runner: Runner | None = None
        self.history: History | None = None
        self.session: Any = None  # the run of fit that is under way
        self.stop_training = self.stop_evaluating = self.stop_predicting = False

    def _forget_programs(self) -> None:
        self._runner = None

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        target_tensors: Any = None,
        distribute: Any = None,
        **kwargs: Any,
    ) -> None:
        """Say how the model is trained. Weights are kept, the optimizer's state is forgotten.

        Args:
            optimizer: A name such as ``'adam'``, or an optimizer.
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
                accepted for Keras 3's sake; what they ask for is always so or has no meaning here.

        Raises:
            ValueError: An unknown name, or lists that do not fit the outputs.
            TypeError: An unknown keyword, or an argument of the wrong kind.
        """
        compile_checks(target_tensors, distribute, kwargs)
        flags = TrainableFlags(self)  # type: ignore[arg-type]
        compiled = Compiled(
            optimizer, loss, metrics, loss_weights, weighted_metrics, sample_weight_mode, flags
        )
        if self.outputs:  # type: ignore[attr-defined]
            compiled.plan(self.output_names)  # type: ignore[attr-defined]
        self._compiled, self._runner = compiled, None

    @property
    def optimizer(self) -> Any:
        """Return the optimizer, or None before `compile`."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def loss(self) -> Any:
        """Return the loss, or None before `compile`."""
        return None if self._compiled is None else self._compiled.loss

    @property
    def metrics_names(self) -> list[str]:
        """List the names of what `evaluate` returns, in its order; ['loss'] before the model is built."""
        return self.runner().names

    @property
    def metrics(self) -> list[Metric]:
        """List the metric objects, in the order of `metrics_names`; none before the first batch."""
        return [] if self._runner is None else self._runner.metrics

    def runner(self, compiled: bool = True) -> Runner:
        """Return what runs single steps.

        Raises:
            NotCompiledError: `compiled` is asked for, and `compile` was not called.
        """
        if compiled and self._compiled is None:
            raise NotCompiledError(
                "You must compile a model before training/testing. Use `model.compile(optimizer, loss)`."
            )
        if self._runner is None:
            self._runner = Runner(self, self._compiled)
        return self._runner

    # -- whole data sets ------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        max_queue_size: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        *,
        validation_batch_size: int | None = None,
        seed: int | None = None,
        load_timeout: float | None = None,
        on_bad_sample: str = "raise",
        max_bad_samples: int | None = None,
        worker_init: Callable[[], Any] | None = None,
        **kwargs: Any,
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
            shuffle: Whether to take samples (of arrays) or batches (of a `Sequence`) in a new order in
                each epoch; ``'batch'`` shuffles whole batches of arrays.
            class_weight: Weight by class number; for several outputs by output name, or a list.
            sample_weight: One weight a sample (n,), or (n, steps) in temporal mode; by output if several.
            initial_epoch: Number of the first epoch.
            steps_per_epoch: End an epoch after so many steps; the next goes on where it stopped.
            validation_steps: Validate on so many batches.
            validation_freq: Validate every so many epochs, or in those (1-based) epochs.
            max_queue_size: Batches that workers load ahead; 10 by default.
            workers: How many workers load; 0 loads in this thread. By default what a `Sequence` asks for.
            use_multiprocessing: Whether workers are processes; else they are threads.
            validation_batch_size: Samples a step when validating on arrays; by default `batch_size`.
            seed: Makes the run repeatable; by default from `set_random_seed` or drawn, see ``History.seed``.
            load_timeout: Seconds until a worker process that loads a batch is taken for hung and replaced;
                by default a hundred times the longest load so far, a minute at the least.
            on_bad_sample: 'raise', or 'skip' to leave out, with a warning and named in the receipt, samples
                (of a `Sequence`: batches) whose load raises or kills its workers.
            max_bad_samples: How many may be left out in all; needed with 'skip'.
            worker_init: Called without arguments once in each worker before its first load: in each process
                (those that take a dead one's place too) or thread; where no worker loads, once in this
                thread. What it raises ends the run.

        Returns:
            The history: logs by name, epoch numbers, the seed and the receipts.

        Raises:
            NotCompiledError: `compile` was not called.
            ValueError: Arguments or data that do not fit.
        """
        policy = LoadPolicy(load_timeout, on_bad_sample, max_bad_samples)
        settings = StreamSettings(max_queue_size, workers, use_multiprocessing, policy, worker_init)
        epochs = _renamed_epochs(epochs, kwargs, self.fit)
        counts = epochs, initial_epoch, steps_per_epoch, validation_steps
        plan = FitPlan(*counts, validation_freq, class_weight, callbacks, verbose, settings, seed)
        val_size = validation_batch_size
        plan.training = batches.Data(x, y, sample_weight, batch_size, shuffle, validation_batch_size=val_size)
        plan.validation = batches.validation(validation_data, validation_split, batch_size, val_size)
        plan.check_validation()
        return sessions.fit(self, plan)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        *,
        return_dict: bool = False,
        load_timeout: float | None = None,
        on_bad_sample: str = "raise",
        max_bad_samples: int | None = None,
        worker_init: Callable[[], Any] | None = None,
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
        logs = sessions.evaluate(self, data, settings, steps, verbose, callbacks)
        return logs if return_dict else _results(logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = 0,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        *,
        load_timeout: float | None = None,
        worker_init: Callable[[], Any] | None = None,
    ) -> Any:
        """Compute the outputs for all samples, in order.

        Args:
            x: As in `fit`; targets and weights that a stream yields are not looked at.
            batch_size, verbose, callbacks, max_queue_size, workers, use_multiprocessing: As in `fit`.
            steps: Stop after so many batches.
            load_timeout, worker_init: As in `fit`. No sample is ever left out: outputs stay where their
                inputs are.

        Returns:
            An array (n, ...), or a list of them for several outputs (a dictionary if the model was made with
            one).
        """
        data = batches.Data(x, None, None, batch_size, shuffle=False, targets=False)
        policy = LoadPolicy(load_timeout)
        settings = StreamSettings(max_queue_size, workers, use_multiprocessing, policy, worker_init)
        return self._pack_outputs(sessions.predict(self, data, settings, steps, verbose, callbacks))

    def _pack_outputs(self, arrays: list[Array]) -> Any:
        if isinstance(self._output_structure, dict):  # type: ignore[attr-defined]
            return dict(zip(self.output_names, arrays, strict=True))  # type: ignore[attr-defined]
        return arrays[0] if len(arrays) == 1 else arrays

    # -- generators, with the meaning of Keras 2 ---------------------------------------------------

    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: int | str = 1,
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        class_weight: Any = None,
        max_queue_size: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        *,
        seed: int | None = None,
        load_timeout: float | None = None,
        on_bad_sample: str = "raise",
        max_bad_samples: int | None = None,
        worker_init: Callable[[], Any] | None = None,
        **kwargs: Any,
    ) -> History:
        """Train on a generator or a `Sequence`; every epoch has exactly `steps_per_epoch` steps.

        Passes over a `Sequence` follow one another inside an epoch, so that each batch is used once a pass.
        The arguments are those of `fit`.

        Raises:
            ValueError: `steps_per_epoch` is missing and the data are no `Sequence`.
        """
        batches.need_steps(generator, steps_per_epoch, "steps_per_epoch")
        policy = LoadPolicy(load_timeout, on_bad_sample, max_bad_samples)
        settings = StreamSettings(max_queue_size, workers, use_multiprocessing, policy, worker_init)
        epochs = _renamed_epochs(epochs, kwargs, self.fit_generator)
        counts = epochs, initial_epoch, steps_per_epoch, validation_steps
        plan = FitPlan(*counts, validation_freq, class_weight, callbacks, verbose, settings, seed, wrap=True)
        plan.training = batches.Data(generator, None, None, None, shuffle)
        plan.validation = batches.validation(validation_data, 0.0, None)
        if plan.validation is not None:
            batches.need_steps(plan.validation.x, validation_steps, "validation_steps")
        plan.check_validation()
        return sessions.fit(self, plan)

    def evaluate_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        verbose: int | str = 0,
        *,
        worker_init: Callable[[], Any] | None = None,
    ) -> Any:
        """Compute the loss and the metrics on `steps` batches; see `evaluate`."""
        batches.need_steps(generator, steps, "steps")
        return self.evaluate(
            generator,
            steps=steps,
            callbacks=callbacks,
            max_queue_size=max_queue_size,
            workers=workers,
            use_multiprocessing=use_multiprocessing,
            verbose=verbose,
            worker_init=worker_init,
        )

    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        verbose: int | str = 0,
        *,
        worker_init: Callable[[], Any] | None = None,
    ) -> Any:
        """Compute the outputs for `steps` batches; see `predict`."""
        batches.need_steps(generator, steps, "steps")
        return self.predict(
            generator,
            steps=steps,
            callbacks=callbacks,
            max_queue_size=max_queue_size,
            workers=workers,
            use_multiprocessing=use_multiprocessing,
            verbose=verbose,
            worker_init=worker_init,
        )

    # -- single batches -------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        reset_metrics: bool = True,
        *,
        return_dict: bool = False,
    ) -> Any:
        """Train on one batch and return its loss and the metrics.

        Args:
            x, y, sample_weight, class_weight: One batch, as in `fit`.
            reset_metrics: Whether metrics start anew; else they go on from the last call.
            return_dict: Return results by name.
        """
        return sessions.on_batch(
            self, "train", (x, y, sample_weight), class_weight, reset_metrics, return_dict
        )

    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        reset_metrics: bool = True,
        *,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and the metrics of one batch, in inference mode.

        Args:
            x, y, sample_weight, reset_metrics, return_dict: As in `train_on_batch`.
        """
        return sessions.on_batch(self, "test", (x, y, sample_weight), None, reset_metrics, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for one batch.

        Args:
            x: As in `train_on_batch`.

        Returns:
            As `predict` does.
        """
        return self._pack_outputs(sessions.predict_on_batch(self, x))

    def reset_metrics(self) -> None:
        """Forget the running results."""
        self.runner().reset()


def _results(logs: dict[str, float]) -> Any:
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


def _renamed_epochs(epochs: int, kwargs: dict[str, Any], method: Callable[..., Any]) -> int:
    if "nb_epoch" in kwargs:
        warnings.warn("The `nb_epoch` argument in `fit` has been renamed `epochs`.", stacklevel=3)
        epochs = int(kwargs.pop("nb_epoch"))
    if kwargs:
        parameters = inspect.signature(method).parameters.values()
        known = [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
        hints = "".join(did_you_mean(name, known) for name in kwargs)
        raise TypeError(f"Unrecognized keyword arguments: {kwargs}" + (f".{hints}" if hints else ""))
    return epochs
