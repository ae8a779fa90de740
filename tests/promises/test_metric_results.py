"""Results that are arrays or dictionaries reach logs, history, files and the bar; errors name others."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import Input, Model, Sequential, layers, metrics, ops, optimizers
from streamfit.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    ModelCheckpoint,
    ReduceLROnPlateau,
)

X = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
Y = (X[:, :1] + 0.3 * X[:, 1:] > 0).astype("float32")
LEVELS = [0.3, 0.5, 0.6]


class Table(metrics.Metric):
    """Count targets and decisions; returns its own state arrays."""

    def __init__(self, name: str = "table") -> None:
        super().__init__(name=name)
        self.counts = self.add_variable((2, 2))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        np.add.at(self.counts, (y_true.ravel().astype(int), (y_pred.ravel() > 0.5).astype(int)), 1)

    def result(self) -> Any:
        return self.counts


class Parts(Table):
    """Return several results by name."""

    def result(self) -> Any:
        return {"hits": np.trace(self.counts), "more": {"table": self.counts, "loss": np.float32(2)}}


class Odd(Table):
    def __init__(self, value: Any) -> None:
        super().__init__("odd")
        self.value = value

    def result(self) -> Any:
        return self.value


def network(*items: Any) -> Sequential:
    model = Sequential([layers.Dense(1, activation="sigmoid", input_shape=(2,), kernel_initializer="ones")])
    model.compile(optimizers.SGD(0.0), "binary_crossentropy", metrics=list(items))
    return model


def recalls(model: Any) -> Any:
    said = model.predict(X, verbose=0)
    return np.array([((said > level) & (Y == 1)).sum() / (Y == 1).sum() for level in LEVELS])


def test_arrays_are_kept_as_arrays_everywhere() -> None:
    model = network(metrics.Recall(thresholds=LEVELS, name="recall"))
    seen: list[Any] = []

    class Look(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(logs["recall"])

    history = model.fit(X, Y, 8, 2, verbose=0, validation_data=(X, Y), callbacks=[Look()]).history
    wanted = recalls(model)
    found = [*history["recall"], *history["val_recall"], model.evaluate(X, Y, verbose=0)[1]]
    found += [model.train_on_batch(X, Y)[1], model.test_on_batch(X, Y, return_dict=True)["recall"]]
    for value in found:
        assert isinstance(value, np.ndarray)
        np.testing.assert_allclose(value, wanted)
    assert [value.shape for value in seen] == [(3,)] * 6


def test_a_metric_that_goes_on_with_its_array_does_not_change_what_was_logged() -> None:
    history = network(Table()).fit(X, Y, epochs=3, verbose=0).history
    assert [value.sum() for value in history["table"]] == [20.0] * 3
    assert len({id(value) for value in history["table"]}) == 3


def test_dictionaries_are_logged_by_their_keys() -> None:
    model = network(Parts(), "mae")
    history = model.fit(X, Y, verbose=0, validation_data=(X, Y)).history
    names = ["loss", "hits", "table", "loss_1", "mae"]
    assert list(history) == names + [f"val_{name}" for name in names]
    assert list(model.evaluate(X, Y, verbose=0, return_dict=True)) == names == model.metrics_names
    assert history["hits"][0] == np.trace(history["table"][0])
    assert history["loss_1"] == [2.0]
    assert len(model.evaluate(X, Y, verbose=0)) == len(model.train_on_batch(X, Y)) == 5


def test_keys_of_several_outputs_do_not_fall_together() -> None:
    inputs = Input((2,))
    model = Model(inputs, [layers.Dense(1, "sigmoid", name=name)(inputs) for name in ("a", "b")])
    model.compile("sgd", "mse", metrics=[Parts()])
    history = model.fit(X, [Y, Y], verbose=0).history
    assert {"a_hits", "b_hits", "a_table", "b_table", "a_loss_1", "b_loss_1"} < set(history)


def test_csv_holds_json(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    model = network(metrics.Recall(thresholds=LEVELS, name="recall"), Parts("parts"))
    model.fit(
        X, Y, epochs=2, verbose=0, validation_data=(X, Y), validation_freq=2, callbacks=[CSVLogger(path)]
    )
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert json.loads(rows[0]["recall"]) == recalls(model).tolist()
    assert np.array(json.loads(rows[1]["table"])).shape == (2, 2)
    assert rows[0]["val_table"] == "NA"
    assert json.loads(rows[1]["val_recall"]) == recalls(model).tolist()


@pytest.mark.parametrize("verbose", [1, 2])
def test_lines_show_the_values(verbose: int, capsys: pytest.CaptureFixture[str]) -> None:
    model = network(metrics.Recall(thresholds=LEVELS, name="recall"), Table())
    model.fit(X, Y, verbose=verbose)
    shown = ", ".join(f"{value:.4f}" for value in recalls(model))
    text = capsys.readouterr().out
    assert f" - recall: [{shown}] - table: [[" in text
    assert len(text.splitlines()) == 1


def test_a_backup_brings_arrays_back_as_they_were(tmp_path: Path) -> None:
    def run(epochs: int, folder: str) -> Any:
        backup = BackupAndRestore(tmp_path / folder, delete_checkpoint=False)
        model = network(metrics.Recall(thresholds=LEVELS, name="recall"), Parts())
        return model.fit(X, Y, epochs=epochs, verbose=0, seed=1, callbacks=[backup]).history

    run(2, "parts")
    resumed, whole = run(3, "parts"), run(3, "whole")
    assert list(resumed) == list(whole)
    for name, values in whole.items():
        for one, other in zip(resumed[name], values, strict=True):
            assert type(one) is type(other)
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("make", [EarlyStopping, ReduceLROnPlateau])
def test_what_watches_an_array_says_so_before_the_first_step(make: Any) -> None:
    model = network(metrics.Precision(thresholds=[0.3, 0.7], name="precision"))
    with pytest.raises(
        ValueError, match=rf"{make.__name__} got monitor='val_precision'.*shape \(2,\).*val_loss"
    ):
        model.fit(X, Y, verbose=0, validation_data=(X, Y), callbacks=[make("val_precision")])
    assert model.optimizer.iterations == 0
    checkpoint = ModelCheckpoint("best.safetensors", "precision", save_best_only=True, save_weights_only=True)
    with pytest.raises(ValueError, match="ModelCheckpoint got monitor='precision', which is an array"):
        model.fit(X, Y, verbose=0, callbacks=[checkpoint])


def test_an_array_that_comes_as_a_surprise_cannot_be_watched_either() -> None:
    class Late(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["late"] = np.ones(3)

    with pytest.raises(
        ValueError, match=r"EarlyStopping got monitor='late', which is an array of shape \(3,\)"
    ):
        network().fit(X, Y, verbose=0, callbacks=[Late(), EarlyStopping("late", mode="min")])


def test_a_key_of_a_dictionary_can_be_watched() -> None:
    stopping = EarlyStopping("val_hits", patience=0)
    history = network(Parts()).fit(X, Y, epochs=5, verbose=0, validation_data=(X, Y), callbacks=[stopping])
    assert len(history.epoch) == 2  # more hits are better, and they never increase


@pytest.mark.parametrize("value", [None, "0.5", object(), {"a": None}, ["x"]])
def test_what_is_no_result_names_the_metric(value: Any) -> None:
    with pytest.raises(TypeError, match=r"metric 'odd'.* has the result .*must be a number, an array"):
        network(Odd(value)).fit(X, Y, verbose=0)


@pytest.mark.parametrize("value", [True, 3, np.float32(0.5), np.array(2.0), [1, 2], (0.5, 0.25)])
def test_numbers_of_any_kind_are_results(value: Any) -> None:
    found = network(Odd(value)).evaluate(X, Y, verbose=0)[1]
    assert type(found) is (np.ndarray if np.ndim(value) else float)
    np.testing.assert_array_equal(found, value)


def test_numpy_in_a_metric_or_a_loss_says_what_to_write() -> None:
    def rounded(y_true: Any, y_pred: Any) -> Any:
        return np.mean(np.round(y_pred) == y_true)

    def method(y_true: Any, y_pred: Any) -> Any:
        return (y_pred - y_true).mean()

    def root(y_true: Any, y_pred: Any) -> Any:
        return np.sqrt(y_pred)

    for wrong in (rounded, method, root):
        with pytest.raises(
            TypeError, match=rf"metric '{wrong.__name__}' failed .*ops\.round.*Metric subclass"
        ):
            network(wrong).evaluate(X, Y, verbose=0)
        model = Sequential([layers.Dense(1, input_shape=(2,))])
        model.compile("sgd", wrong)
        with pytest.raises(TypeError, match=rf"loss '{wrong.__name__}' failed .*ops\.round"):
            model.fit(X, Y, verbose=0)


def test_equality_in_a_formula_is_that_of_the_elements() -> None:
    def hits(y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.round(y_pred) == y_true, axis=-1)

    def misses(y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.cast(ops.round(y_pred) != y_true, "float32"), axis=-1)

    model = network(hits, misses)
    found = model.evaluate(X, Y, verbose=0)
    assert found[1] == pytest.approx(np.mean(np.round(model.predict(X, verbose=0)) == Y))
    assert found[2] == pytest.approx(1 - found[1])


def test_what_returns_nothing_is_named() -> None:
    def forgetful(y_true: Any, y_pred: Any) -> None:
        ops.mean(y_true - y_pred)

    with pytest.raises(TypeError, match="metric 'forgetful' returned None; does it lack a `return`"):
        network(forgetful).fit(X, Y, verbose=0)
    model = Sequential([layers.Dense(1, input_shape=(2,))])
    model.compile("sgd", forgetful)
    for run in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(TypeError, match="loss 'forgetful' returned None"):
            run(X, Y)


@pytest.mark.parametrize("make", [metrics.Precision, metrics.Recall])
@pytest.mark.parametrize("shape", [(20,), (20, 1)])
def test_class_numbers_where_rows_are_needed(make: Any, shape: tuple[int, ...]) -> None:
    model = Sequential([layers.Dense(3, activation="softmax", input_shape=(2,))])
    for settings in ({"class_id": 1}, {}):
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=[make(name="m", **settings)])
        with pytest.raises(ValueError, match=r"metric 'm' needs .*one-hot targets.*to_categorical\(y, 3\)"):
            model.fit(X, (np.arange(20) % 3).reshape(shape), verbose=0)
    with pytest.raises(ValueError, match=r"class_id=5.* shape \(2, 3\)"):
        make(class_id=5)(np.eye(3)[:2], np.full((2, 3), 0.3))
