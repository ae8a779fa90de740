"""The methods of a Keras model that a subclass may define there, but that nothing would call here."""

from __future__ import annotations

_LOSS = (
    "a loss of your own goes to compile(loss=...), one that needs values from inside the model to "
    "self.add_loss(...) in call"
)
_TRAIN = f"{_LOSS}; for steps of another kind write the loop over batches yourself, with train_on_batch"
_METRICS = "metrics, also those of your own, go to compile(metrics=...)"
_TEST = f"{_METRICS}; or write the loop over batches yourself, with test_on_batch"
_PREDICT = "what predict shall return is what call returns; or use another Model over the same layers"
_INSTEAD = {
    "train_step": _TRAIN,
    "test_step": _TEST,
    "predict_step": _PREDICT,
    "compute_loss": _LOSS,
    "compute_metrics": _METRICS,
    "make_train_function": _TRAIN,
    "make_test_function": _TEST,
    "make_predict_function": _PREDICT,
}


def check_steps(cls: type) -> None:
    """Refuse a class of models that defines a step of its own.

    Raises:
        TypeError: It does; the message says what to write.

    Example:
        >>> class Own:
        ...     def compute_metrics(self, x, y, y_pred, sample_weight): ...
        >>> check_steps(Own)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        TypeError: Own.compute_metrics would never be called: ...
    """
    for name, advice in _INSTEAD.items():
        if hasattr(cls, name):
            raise TypeError(
                f"{cls.__name__}.{name} would never be called: a step is one compiled program, made of what "
                f"`call`, losses and metrics compose. Instead: {advice}"
            )
