"""Arguments of the callbacks: the names, order and defaults that scripts for Keras rely on."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from streamfit.training import callbacks

COMMON: dict[str, dict[str, Any]] = {
    "BackupAndRestore": {
        "backup_dir": inspect.Parameter.empty,
        "save_freq": "epoch",
        "double_checkpoint": False,
        "delete_checkpoint": True,
    },
    "EarlyStopping": {
        "monitor": "val_loss",
        "min_delta": 0,
        "patience": 0,
        "verbose": 0,
        "mode": "auto",
        "baseline": None,
        "restore_best_weights": False,
        "start_from_epoch": 0,
    },
    "ModelCheckpoint": {
        "filepath": inspect.Parameter.empty,
        "monitor": "val_loss",
        "verbose": 0,
        "save_best_only": False,
        "save_weights_only": False,
        "mode": "auto",
        "save_freq": "epoch",
        "initial_value_threshold": None,
    },
    "ReduceLROnPlateau": {
        "monitor": "val_loss",
        "factor": 0.1,
        "patience": 10,
        "verbose": 0,
        "mode": "auto",
        "min_delta": 1e-4,
        "cooldown": 0,
        "min_lr": 0.0,
    },
    "LearningRateScheduler": {"schedule": inspect.Parameter.empty, "verbose": 0},
    "CSVLogger": {"filename": inspect.Parameter.empty, "separator": ",", "append": False},
    "StreamProfiler": {},
    "TerminateOnNaN": {"raise_error": False},
    "History": {},
    "ProgressBar": {},
    "LambdaCallback": {
        "on_epoch_begin": None,
        "on_epoch_end": None,
        "on_train_begin": None,
        "on_train_end": None,
        "on_train_batch_begin": None,
        "on_train_batch_end": None,
    },
}


@pytest.mark.parametrize("name", sorted(COMMON))
def test_positional_arguments_are_those_of_keras(name: str) -> None:
    parameters = inspect.signature(getattr(callbacks, name)).parameters.values()
    positional = {item.name: item.default for item in parameters if item.kind is item.POSITIONAL_OR_KEYWORD}
    assert list(positional.items()) == list(COMMON[name].items())


def test_every_callback_is_listed_here() -> None:
    listed = {name for name in callbacks.__all__ if name not in ("Callback", "CallbackList")}
    assert listed == set(COMMON)
