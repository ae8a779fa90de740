"""mode='auto' asks the metric, then the whole words of its own name, and otherwise lists the known names."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import Input, Model, Sequential, layers, losses, metrics, ops, optimizers
from streamfit.callbacks import Callback, EarlyStopping, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau

X = np.random.default_rng(0).normal(size=(12, 2)).astype("float32")
Y = (X[:, :1] > 0).astype("float32")


def plain(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def named(name: str, direction: Any = None) -> Any:
    def function(y_true: Any, y_pred: Any) -> Any:
        return plain(y_true, y_pred)

    function.__name__ = name
    if direction:
        function.direction = direction  # type: ignore[attr-defined]
    return function


class Own(metrics.MeanMetric):
    """A metric without a direction, unless one is passed."""

    def __init__(self, name: str, **attributes: Any) -> None:
        super().__init__(name)
        vars(self).update(attributes)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return plain(y_true, y_pred)


class Reporter(Callback):
    """Replace the values of one name by rising values."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs[self.name] = float(epoch)


def network(*items: Any, loss: Any = "mse") -> Any:
    model = Sequential([layers.Dense(1, activation="sigmoid", input_shape=(2,))])
    model.compile(optimizers.SGD(0.0), loss, metrics=list(items))
    return model


def found(model: Any, name: str, y: Any = Y) -> str:
    """Return the direction that a callback uses: rising values end a run after 2 epochs, or never."""
    callbacks = [Reporter(name), EarlyStopping(name, patience=1)]
    history = model.fit(X, y, epochs=4, verbose=0, validation_data=(X, y), callbacks=callbacks)
    return {4: "up", 2: "down"}[len(history.epoch)]


BUILT_IN = {
    "up": [
        *(metrics.AUC, metrics.Precision, metrics.Recall, metrics.TruePositives, metrics.TrueNegatives),
        *(metrics.Accuracy, metrics.BinaryAccuracy, metrics.CosineSimilarity),
        *(metrics.TopKCategoricalAccuracy, metrics.CategoricalAccuracy),
    ],
    "down": [
        *(metrics.MeanSquaredError, metrics.RootMeanSquaredError, metrics.FalseNegatives, metrics.Poisson),
        *(metrics.FalsePositives, metrics.BinaryCrossentropy, metrics.KLDivergence, metrics.Hinge),
        *(metrics.LogCoshError, metrics.CategoricalHinge, metrics.MeanAbsolutePercentageError),
    ],
}


@pytest.mark.parametrize(
    ("make", "wanted"), [(make, wanted) for wanted, made in BUILT_IN.items() for make in made]
)
def test_each_of_our_metrics_knows_its_direction_whatever_it_is_called(make: Any, wanted: str) -> None:
    for name in ("x", "loss_of_x" if wanted == "up" else "accuracy_of_x"):
        assert found(network(make(name=name)), f"val_{name}") == wanted


@pytest.mark.parametrize(
    ("item", "name", "wanted"),
    [
        ("acc", "acc", "up"),
        ("mape", "mape", "down"),
        ("huber", "huber", "down"),
        ("cosine_similarity", "cosine_similarity", "up"),
        (losses.cosine_similarity, "cosine_similarity", "down"),  # the loss is the negative cosine
        (losses.Huber(name="precision"), "precision", "down"),
        (Own("x", direction="up"), "x", "up"),
        (Own("accuracy_x", _direction="down"), "accuracy_x", "down"),
        (Own("x", direction="min"), "x", "down"),
        (named("x", "up"), "x", "up"),
        (named("my_error"), "my_error", "down"),
        (named("MyF1Score"), "MyF1Score", "up"),
        (Own("mean_IoU"), "mean_IoU", "up"),
        (named("auc_2"), "auc_2", "up"),
    ],
)
def test_the_metric_or_the_words_of_its_name_decide(item: Any, name: str, wanted: str) -> None:
    assert found(network(item), f"val_{name}") == wanted
    assert found(network(item), name) == wanted


@pytest.mark.parametrize("name", ["loss", "val_loss"])
def test_a_loss_is_better_when_it_is_lower(name: str) -> None:
    assert found(network("accuracy"), name) == "down"


@pytest.mark.parametrize("output", ["error", "loss_head", "accuracy", "false"])
def test_the_name_of_the_output_says_nothing(output: str) -> None:
    inputs = Input((2,))
    outputs = [layers.Dense(1, "sigmoid", name=name)(inputs) for name in (output, "other")]
    model = Model(inputs, outputs)
    items = ["accuracy", "mae", named("hits"), Own("odd")]
    model.compile(optimizers.SGD(0.0), "mse", metrics={output: items})
    for own, wanted in (("accuracy", "up"), ("mae", "down"), ("hits", "up"), ("loss", "down")):
        assert found(model, f"val_{output}_{own}", [Y, Y]) == wanted
    with pytest.raises(ValueError, match=rf"monitor='val_{output}_odd' and cannot tell"):
        found(model, f"val_{output}_odd", [Y, Y])


@pytest.mark.parametrize("name", ["terror", "glossy", "accurate", "accuracy_loss", "truer", "score"])
def test_in_doubt_it_is_an_error_with_the_names_that_exist(name: str) -> None:
    model = network(Own(name))
    for make in (EarlyStopping, ReduceLROnPlateau):
        with pytest.raises(
            ValueError, match=rf"cannot tell .*loss, {name}, val_loss, val_{name}.*mode='max'"
        ):
            model.fit(X, Y, verbose=0, validation_data=(X, Y), callbacks=[make(f"val_{name}")])
    assert model.optimizer.iterations == 0
    model.fit(X, Y, verbose=0, callbacks=[EarlyStopping(name, mode="min")])


@pytest.mark.parametrize("mode", ["auto", "min"])
@pytest.mark.parametrize(
    ("wrong", "meant"), [("val_los", "val_loss"), ("acuracy", "accuracy"), ("val_acc", "val_accuracy")]
)
def test_a_misspelt_name_is_told_before_the_first_step(
    mode: str, wrong: str, meant: str, tmp_path: Path
) -> None:
    model = network("accuracy")
    checkpoint = {"save_best_only": True, "save_weights_only": True}
    for callback in (
        EarlyStopping(wrong, mode=mode),
        ReduceLROnPlateau(wrong, mode=mode),
        ModelCheckpoint(tmp_path / "best.safetensors", wrong, mode=mode, **checkpoint),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match="loss, accuracy, val_loss, val_accuracy") as error:
            model.fit(X, Y, verbose=0, validation_data=(X, Y), callbacks=[callback])
        assert f"Did you mean {meant!r}?" in str(error.value)
        assert "mode" not in str(error.value).replace("ModelCheckpoint", "")
    assert model.optimizer.iterations == 0


def test_a_name_that_a_callback_adds_is_no_mistake() -> None:
    model = network("accuracy")
    for name in ("val_acc", "reward"):
        adds = LambdaCallback(on_epoch_end=lambda epoch, logs, name=name: logs.update({name: -float(epoch)}))
        stopping = EarlyStopping(name, mode="max", patience=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            history = model.fit(X, Y, epochs=5, verbose=0, validation_data=(X, Y), callbacks=[adds, stopping])
        assert len(history.epoch) == 2
        assert stopping.best == 0.0


def test_an_epoch_without_validation_is_no_missing_name() -> None:
    stopping = EarlyStopping("val_loss", patience=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = network().fit(
            X, Y, epochs=6, verbose=0, validation_data=(X, Y), validation_freq=2, callbacks=[stopping]
        )
    assert len(history.epoch) == 4


def test_a_model_that_is_built_by_its_first_batch() -> None:
    model = Sequential([layers.Dense(1, activation="sigmoid")])
    model.compile(optimizers.SGD(0.0), "mse", metrics=[metrics.AUC(name="roc")])
    assert found(model, "val_roc") == "up"
