"""`train_on_batch`, `test_on_batch` and `predict_on_batch`: one step on one batch."""

from __future__ import annotations

from streamfit._base.checks import plain
from streamfit._base.specs import Array
from streamfit.training.batches import one_batch
from streamfit.training.model_call import ModelCall
from streamfit.training.trainable import Trainable


def train_on_batch(
    model: Trainable, x: object, y: object, sample_weight: object, class_weight: object, reset: bool
) -> dict[str, object]:
    """Train on one batch and return the results; those of a `fit` under way stay as they are."""
    call = ModelCall(model, "train_on_batch", writes=True)
    batch = one_batch(x, y, sample_weight, text=call.main.has_host_layers)
    with call.one(batch, plain(class_weight), preserve_metrics=model.session is not None) as runner:
        if reset:
            runner.results.reset()
        runner.train(runner.loaded(batch, training=True))
        return runner.batch_logs()


def test_on_batch(
    model: Trainable, x: object, y: object, sample_weight: object, reset: bool
) -> dict[str, object]:
    """Test on one batch and return the results; those of a `fit` under way stay as they are."""
    call = ModelCall(model, "test_on_batch")
    batch = one_batch(x, y, sample_weight, text=call.main.has_host_layers)
    with call.one(batch, preserve_metrics=model.session is not None) as runner:
        if reset:
            runner.results.reset()
        runner.test(runner.loaded(batch, training=False))
        return runner.batch_logs()


def predict_on_batch(
    model: Trainable, x: object, what: str = "predict_on_batch", source: str = "one batch", rows: int = 0
) -> list[Array]:
    """Return the outputs for one batch.

    Args:
        model: The model.
        x: The batch.
        what: The name of the call.
        source: That of the data.
        rows: How many samples there are, if the data are this one batch: messages then name samples.
    """
    call = ModelCall(model, what, compiled=False)
    batch = one_batch(x, text=call.main.has_host_layers, rows=rows)
    with call.one(batch, source=source) as runner:
        return runner.predict(runner.loaded(batch, training=False))
