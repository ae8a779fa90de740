"""The three `*_generator` methods, with the meaning that Keras 2 gave them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from streamfit.models.prediction_methods import PredictionMethods
from streamfit.streams import LoadPolicy
from streamfit.training import FitPlan, History, StreamSettings, batches, fitting
from streamfit.training.plan import renamed_epochs, whole_steps


class GeneratorMethods(PredictionMethods):
    """Add `fit_generator` and its relatives to a model that has `evaluate` and `predict`."""

    def fit_generator(
        self,
        generator: object,
        steps_per_epoch: float | None = None,
        epochs: int = 1,
        verbose: int | str = 1,
        callbacks: object = None,
        validation_data: object = None,
        validation_steps: float | None = None,
        validation_freq: int | Collection[int] = 1,
        class_weight: object = None,
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
        audit: bool = False,
        worker_init: Callable[[], object] | None = None,
        **kwargs: object,
    ) -> History:
        """Train on a generator or a `Sequence`; every epoch has exactly `steps_per_epoch` steps.

        Passes over a `Sequence` follow one another inside an epoch, so that each batch is used once a pass.
        The arguments are those of `fit`. Numbers of steps are rounded up: ``len(x) / 32``.

        Raises:
            ValueError: `steps_per_epoch` is missing and the data are no `Sequence`.
        """
        batches.need_steps(generator, steps_per_epoch, "steps_per_epoch")
        policy = LoadPolicy(load_timeout, on_bad_sample, max_bad_samples)
        settings = StreamSettings(max_queue_size, workers, use_multiprocessing, policy, worker_init)
        epochs = renamed_epochs(epochs, kwargs, self.fit_generator)
        counts = epochs, initial_epoch, *whole_steps(steps_per_epoch, validation_steps), validation_freq
        plan = FitPlan(*counts, class_weight, callbacks, verbose, settings, seed, wrap=True, audit=audit)
        validation = batches.validation(validation_data, 0.0, None)
        plan = plan.with_data(batches.Data(generator, None, None, None, shuffle), validation)
        if isinstance(validation, batches.Data):
            batches.need_steps(validation.x, validation_steps, "validation_steps")
        plan.check_validation()
        return fitting.fit(self, plan)

    def evaluate_generator(
        self,
        generator: object,
        steps: float | None = None,
        callbacks: object = None,
        max_queue_size: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        verbose: int | str = 0,
        *,
        worker_init: Callable[[], object] | None = None,
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
        generator: object,
        steps: float | None = None,
        callbacks: object = None,
        max_queue_size: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        verbose: int | str = 0,
        *,
        worker_init: Callable[[], object] | None = None,
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
