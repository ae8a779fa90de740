"""The three `*_generator` methods, with the meaning that Keras 2 gave them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamfit.streams import LoadPolicy
from streamfit.training import FitPlan, History, StreamSettings, batches, sessions
from streamfit.training.plan import renamed_epochs


class GeneratorMethods:
    """`fit_generator` and its relatives, for a class that has `evaluate` and `predict`."""

    evaluate: Callable[..., Any]
    predict: Callable[..., Any]

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
        audit: bool = False,
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
        epochs = renamed_epochs(epochs, kwargs, self.fit_generator)
        counts = epochs, initial_epoch, steps_per_epoch, validation_steps
        plan = FitPlan(*counts, validation_freq, class_weight, callbacks, verbose, settings, seed, wrap=True)
        plan.audit = audit
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
