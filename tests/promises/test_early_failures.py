"""Errors that can be found before the first step are raised there, with what to write instead."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streamfit as sf
from streamfit.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X.sum(1, keepdims=True)
HALVING = sf.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)


class Count(Callback):
    """Counts steps and epochs, and reads the logs as users do."""

    def __init__(self) -> None:
        self.steps = self.epochs = 0
        self.last = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        self.last = logs["loss"]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs += 1
        self.last = logs.get("loss")


def model_with(optimizer: Any = "sgd", built: bool = True, metrics: Any = ("mae",)) -> sf.Sequential:
    model = sf.Sequential([sf.layers.Dense(1, **({"input_shape": (3,)} if built else {}))])
    model.compile(optimizer, "mse", metrics=list(metrics))
    return model


def fails(make: Any, error: Any, words: str, model: Any = None, steps: int = 0, **how: Any) -> None:
    """Train with a callback, and expect an error before that many steps."""
    count = Count()
    how = {"epochs": 3, "verbose": 0, **how}
    with pytest.raises(error, match=words):
        (model or model_with()).fit(X, Y, batch_size=8, callbacks=[count, make()], **how)
    assert count.steps == steps


def weights(path: Any, **how: Any) -> ModelCheckpoint:
    return ModelCheckpoint(path, save_weights_only=True, **how)


# -- names in the logs

WATCHERS: dict[str, Any] = {
    "EarlyStopping": lambda name: EarlyStopping(name, mode="min"),
    "ReduceLROnPlateau": lambda name: ReduceLROnPlateau(name),
    "ModelCheckpoint": lambda name: weights("w.safetensors", monitor=name, save_best_only=True),
}


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("watcher", WATCHERS)
def test_a_misspelt_monitor_is_refused_with_the_names(watcher: str, built: bool) -> None:
    def make() -> Callback:
        return WATCHERS[watcher]("val_mea")  # type: ignore[no-any-return]

    words = rf"{watcher} got monitor='val_mea'.*loss, mae, val_loss, val_mae.*Did you mean 'val_mae'"
    fails(make, ValueError, words, model_with(built=built), validation_data=(X, Y))
    generator = ((X[:8], Y[:8]) for _ in range(99))
    count = Count()
    with pytest.raises(ValueError, match=words):
        model_with(built=built).fit_generator(
            generator,
            steps_per_epoch=3,
            validation_data=(X, Y),
            validation_steps=1,
            verbose=0,
            callbacks=[count, make()],
        )
    assert count.steps == 0


@pytest.mark.parametrize("watcher", WATCHERS)
def test_without_validation_a_warning_comes_before_the_first_step(
    watcher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    heard: list[int] = []

    class Listen(Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            heard.append(len(warned))

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        callbacks = [Listen(), WATCHERS[watcher]("val_loss")]
        assert len(model_with().fit(X, Y, epochs=2, verbose=0, callbacks=callbacks).epoch) == 2
    assert heard == [1]
    assert "has no validation" in str(warned[0].message)
    assert "one of loss, mae" in str(warned[0].message)


def test_a_name_that_a_callback_logs_is_no_mistake() -> None:
    class Score(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["score"] = -float(epoch)

    scores = [
        Score(),
        LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(score=-epoch)),
        LambdaCallback(on_epoch_end=lambda epoch, logs: logs.__setitem__("score", -epoch)),
    ]
    for score in scores:
        stop = EarlyStopping("score", mode="max", patience=1)
        assert len(model_with().fit(X, Y, epochs=9, verbose=0, callbacks=[score, stop]).epoch) == 2


def test_names_that_a_metric_decides_on_are_checked_after_the_first_step() -> None:
    class Two(sf.metrics.Metric):
        """A user's metric: its results are not known yet."""

        def __init__(self, name: str = "two") -> None:
            super().__init__(name=name)
            self.sum = self.add_variable((), name="sum")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            self.sum.assign_add(1.0)

        def result(self) -> Any:
            if not self.sum:
                raise ZeroDivisionError("no data yet")
            return float(self.sum)

    model = model_with(metrics=[Two()])
    fails(lambda: EarlyStopping("tow", mode="max"), ValueError, "names are .*two", model, steps=1)
    stop = EarlyStopping("two", mode="max")
    assert len(model.fit(X, Y, epochs=2, verbose=0, callbacks=[stop]).epoch) == 2


# -- epochs without validation


@pytest.mark.parametrize("freq", [2, [2, 4]])
def test_an_epoch_without_validation_is_no_error(freq: Any, tmp_path: Path) -> None:
    made = [
        weights(tmp_path / "a{epoch}-{val_loss:.3f}.safetensors"),
        weights(tmp_path / "b{epoch}-{val_mae:.3f}.safetensors", save_best_only=True),
        weights(tmp_path / "c{epoch}.safetensors", monitor="val_mae", save_best_only=True),
        weights(tmp_path / "d{epoch}-{val_mae}.safetensors", period=3),
        EarlyStopping("val_loss", patience=9),
        ReduceLROnPlateau("val_mae", patience=9),
        CSVLogger(tmp_path / "log.csv"),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        how = {"validation_data": (X, Y), "validation_freq": freq, "verbose": 0}
        history = model_with().fit(X, Y, epochs=4, callbacks=made, **how)
    assert len(history.epoch) == 4
    names = sorted(path.name[:2] for path in tmp_path.glob("*.safetensors"))
    assert names == ["a2", "a4", "b2", "b4", "c2", "c4", "d4"]
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [row["val_loss"] == "NA" for row in rows] == [True, False, True, False]


# -- paths

PATHS: dict[str, tuple[Any, str]] = {
    "w-{acc:.2f}.safetensors": (KeyError, r"acc\\?' is not one of epoch, loss, mae"),
    "w-{val_mae}.safetensors": (KeyError, "without validation_data"),
    "w-{batch}.safetensors": (KeyError, "save_freq=<number of batches>"),
    "w-{lr}.safetensors": (KeyError, r"lr\\?' is not one of"),
    "{}.safetensors": (KeyError, "is not one of"),
    "w-{epoch:2.5d}.safetensors": (ValueError, "filepath="),
    "w-{loss:03d}.safetensors": (ValueError, "filepath="),
    "w-{epoch.safetensors": (ValueError, "fields cannot be read"),
    "w": (ValueError, "must end in '.safetensors' or '.weights.h5'.*Write 'w.safetensors'"),
    "w-{epoch:02d}-{loss:.2f}": (ValueError, "must end in '.safetensors'"),
    "w.{epoch:02d}.npz": (ValueError, r"Write 'w\.\{epoch:02d\}\.safetensors'"),
    "w.{epoch:02d}.keras": (ValueError, r"weights alone are saved as"),
    "folder.safetensors": (IsADirectoryError, "non-directory"),
    "file/w.safetensors": (OSError, "cannot be written to"),
    "file/{epoch}/w.safetensors": (OSError, "cannot be written to"),
    "/proc/none/w{epoch}.safetensors": (OSError, "cannot be written to"),
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_of_a_checkpoint_that_cannot_be(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder.safetensors").mkdir()
    fails(lambda: weights(path), *PATHS[path])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.safetensors"], "nothing was left"


def test_names_that_only_epochs_have_are_not_those_of_batches(tmp_path: Path) -> None:
    path = tmp_path / "w{val_loss}.safetensors"
    fails(lambda: weights(path, save_freq=2), KeyError, "batches .*have no results", validation_data=(X, Y))


def test_paths_that_can_be_filled(tmp_path: Path) -> None:
    made = [
        ReduceLROnPlateau("loss"),
        weights(tmp_path / "new" / "{{x}}-{lr:.3f}-{loss!r:.4}-{epoch:>04d}.safetensors"),
        weights(tmp_path / "e{epoch:02d}" / "w.safetensors"),
    ]
    model_with().fit(X, Y, verbose=0, callbacks=made)
    assert len(list((tmp_path / "new").glob("{x}-0.010-*-0001.safetensors"))) == 1
    assert (tmp_path / "e01" / "w.safetensors").exists()


@pytest.mark.parametrize("append", [True, False])
@pytest.mark.parametrize("path", ["none/log.csv", "file/log.csv", "folder", "/proc/none.csv"])
def test_a_path_of_a_log_that_cannot_be(
    path: str, append: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    fails(lambda: CSVLogger(path, append=append), OSError, "CSVLogger: filename=.*cannot be written to")


# -- learning rates


@pytest.mark.parametrize("schedule", [HALVING, lambda step: 0.1], ids=["schedule", "function"])
def test_a_rate_that_cannot_be_set(schedule: Any) -> None:
    for make in (lambda: ReduceLROnPlateau("loss"), lambda: LearningRateScheduler(lambda epoch: 0.1)):
        model = model_with(sf.optimizers.Adam(schedule))
        fails(
            make, TypeError, "follows a schedule and cannot be set; make the optimizer with a number", model
        )


# -- settings

SETTINGS: list[tuple[Any, dict[str, Any], str]] = [
    (EarlyStopping, {"patience": -2}, "patience"),
    (EarlyStopping, {"patience": 1.5}, "patience"),
    (EarlyStopping, {"patience": float("nan")}, "patience"),
    (EarlyStopping, {"patience": None}, "patience"),
    (EarlyStopping, {"patience": "3"}, "patience"),
    (EarlyStopping, {"min_delta": float("nan")}, "min_delta"),
    (EarlyStopping, {"min_delta": "small"}, "min_delta"),
    (EarlyStopping, {"baseline": float("nan")}, "baseline"),
    (EarlyStopping, {"start_from_epoch": -1}, "start_from_epoch"),
    (EarlyStopping, {"monitor": None}, "monitor"),
    (ReduceLROnPlateau, {"patience": -1}, "patience"),
    (ReduceLROnPlateau, {"cooldown": -1}, "cooldown"),
    (ReduceLROnPlateau, {"cooldown": 0.5}, "cooldown"),
    (ReduceLROnPlateau, {"factor": float("nan")}, "factor"),
    (ReduceLROnPlateau, {"factor": -0.1}, "factor"),
    (ReduceLROnPlateau, {"min_lr": -1e-3}, "min_lr"),
    (ReduceLROnPlateau, {"min_delta": float("nan")}, "min_delta"),
    (ModelCheckpoint, {"filepath": "w", "save_freq": 0}, "save_freq"),
    (ModelCheckpoint, {"filepath": "w", "save_freq": True}, "save_freq"),
    (ModelCheckpoint, {"filepath": "w", "period": 0.5}, "period"),
    (ModelCheckpoint, {"filepath": "w", "initial_value_threshold": float("nan")}, "initial_value_threshold"),
    (CSVLogger, {"filename": "log", "separator": ""}, "separator"),
    (CSVLogger, {"filename": "log", "separator": ", "}, "separator"),
    (CSVLogger, {"filename": "log", "separator": "\n"}, "separator"),
    (CSVLogger, {"filename": "log", "append": "False"}, "append"),
    (LearningRateScheduler, {"schedule": 0.1}, "schedule"),
    (LearningRateScheduler, {"schedule": None}, "schedule"),
]


@pytest.mark.parametrize(("kind", "settings", "word"), SETTINGS)
def test_a_setting_out_of_range_is_refused_by_name(kind: Any, settings: dict[str, Any], word: str) -> None:
    with pytest.raises((TypeError, ValueError), match=word):
        kind(**settings)


def test_numbers_of_numpy_are_numbers() -> None:
    stop = EarlyStopping("loss", patience=np.int64(1), min_delta=np.float32(1e9), baseline=np.inf)
    plateau = ReduceLROnPlateau("loss", factor=np.float32(0.5), cooldown=np.int8(1), min_lr=np.float64(0))
    assert len(model_with().fit(X, Y, epochs=9, verbose=0, callbacks=[stop, plateau]).epoch) == 2


# -- a truncated log


@pytest.mark.parametrize("cut", ['1,0.2,"[0.5, 1', "1,0.2", "1,"])
def test_a_row_comes_on_a_line_of_its_own_after_a_cut_one(cut: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"epoch,loss,mae\n0,0.5,0.25\n{cut}")
    with pytest.warns(UserWarning, match=r"the last line of .*log\.csv is cut"):
        model_with().fit(X, Y, epochs=2, verbose=0, callbacks=[CSVLogger(path, append=True)])
    rows = list(csv.reader(path.read_text().splitlines()))
    assert [row[0] for row in rows] == ["epoch", "0", "1", "0", "1"]
    assert [len(row) for row in rows[3:]] == [3, 3]
