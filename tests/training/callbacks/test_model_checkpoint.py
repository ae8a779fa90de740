"""`ModelCheckpoint`: the saved files, when they are saved, and their names."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from oracles.fake_training import FakeModel, fit

from streamfit.training.callbacks import CallbackList, ModelCheckpoint


def epochs(*losses: float) -> list[dict[str, float]]:
    return [{"loss": loss, "val_loss": loss} for loss in losses]


def saved(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


def test_every_epoch_in_a_folder_that_is_made(tmp_path: Path) -> None:
    fit(FakeModel(), ModelCheckpoint(tmp_path / "a" / "b" / "last.keras"), epochs(3, 2, 1))
    assert saved(tmp_path / "a" / "b") == {"last.keras": "model 2"}


def test_weights_only(tmp_path: Path) -> None:
    fit(FakeModel(), ModelCheckpoint(tmp_path / "w.weights.h5", save_weights_only=True), epochs(1))
    assert saved(tmp_path) == {"w.weights.h5": "weights 0"}


def test_file_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fit(FakeModel(), ModelCheckpoint("here.keras"), epochs(1))
    assert saved(tmp_path) == {"here.keras": "model 0"}


def test_name_has_the_epoch_from_one_and_the_logs(tmp_path: Path) -> None:
    fit(FakeModel(), ModelCheckpoint(tmp_path / "w.{epoch:02d}-{val_loss:.2f}.h5"), epochs(0.5, 0.25))
    assert list(saved(tmp_path)) == ["w.01-0.50.h5", "w.02-0.25.h5"]


def test_name_with_the_batch_from_one(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}-{batch}-{loss:.1f}.h5", save_freq=1)
    fit(FakeModel(), checkpoint, epochs(4, 3), steps=2)
    assert list(saved(tmp_path)) == ["1-1-4.0.h5", "1-2-4.0.h5", "2-1-3.0.h5", "2-2-3.0.h5"]


def test_batches_are_counted_over_epochs_and_runs(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path / "{epoch:02d}.h5", save_freq=15)
    fit(FakeModel(), checkpoint, epochs(*[1.0] * 10), steps=5)
    assert list(saved(tmp_path)) == ["03.h5", "06.h5", "09.h5"]
    for path in tmp_path.iterdir():
        path.unlink()
    for _ in range(2):  # five are waiting already
        fit(FakeModel(), checkpoint, epochs(1.0), steps=5)
    assert list(saved(tmp_path)) == ["01.h5"]


def test_every_other_epoch(tmp_path: Path) -> None:
    fit(FakeModel(), ModelCheckpoint(tmp_path / "{epoch}.h5", period=2), epochs(1, 1, 1, 1, 1))
    assert list(saved(tmp_path)) == ["2.h5", "4.h5"]


def test_only_the_best(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}.h5", save_best_only=True)
    fit(FakeModel(), checkpoint, epochs(3, 4, 2, 2, 1))
    assert list(saved(tmp_path)) == ["1.h5", "3.h5", "5.h5"]
    assert checkpoint.best == 1


def test_best_stays_from_run_to_run(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path / "best.h5", save_best_only=True)
    fit(FakeModel(), checkpoint, epochs(3, 1))
    fit(FakeModel(), checkpoint, epochs(2, 2, 2))
    assert saved(tmp_path) == {"best.h5": "model 1"}


@pytest.mark.parametrize(("mode", "kept"), [("max", "model 1"), ("min", "model 2")])
def test_direction_decides_what_is_best(tmp_path: Path, mode: str, kept: str) -> None:
    checkpoint = ModelCheckpoint(tmp_path / "best.h5", "loss", save_best_only=True, mode=mode)
    fit(FakeModel(), checkpoint, epochs(2, 3, 1))
    assert saved(tmp_path) == {"best.h5": kept}


@pytest.mark.parametrize("mode", ["min", "auto"])
def test_threshold_must_be_beaten(tmp_path: Path, mode: str) -> None:
    def checkpoint(threshold: float) -> ModelCheckpoint:
        path = tmp_path / "best.h5"
        return ModelCheckpoint(path, save_best_only=True, mode=mode, initial_value_threshold=threshold)

    fit(FakeModel(), checkpoint(0.0), epochs(2, 1))
    assert saved(tmp_path) == {}
    fit(FakeModel(), checkpoint(1.5), epochs(2, 1))
    assert saved(tmp_path) == {"best.h5": "model 1"}


def test_quantity_that_is_never_there_warns_and_saves(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path / "m.h5", "unknown", save_best_only=True)
    with pytest.warns(UserWarning, match="Can save best model only with unknown available"):
        fit(FakeModel(), checkpoint, epochs(1))
    assert saved(tmp_path) == {"m.h5": "model 0"}


def test_epoch_without_validation_does_not_overwrite_the_best(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path / "best.h5", save_best_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(FakeModel(), checkpoint, [{"val_loss": 1.0}, {"loss": 0.1}, {"val_loss": 2.0}])
    assert saved(tmp_path) == {"best.h5": "model 0"}


def test_unknown_direction_is_an_error(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path / "m.h5", "thing", save_best_only=True)
    with pytest.raises(ValueError, match="ModelCheckpoint got monitor='thing'"):
        fit(FakeModel(), checkpoint, [{"thing": 1.0}])


def test_unknown_mode_warns(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="ModelCheckpoint mode 'unknown' is unknown"):
        ModelCheckpoint(tmp_path / "m.h5", mode="unknown")


@pytest.mark.parametrize("wrong", ["batch", 0, -1, 1.5])
def test_unknown_frequency(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(ValueError, match="Unrecognized save_freq"):
        ModelCheckpoint(tmp_path / "m.h5", save_freq=wrong)


def test_unknown_period(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="period must be a number of epochs from 1, got 0"):
        ModelCheckpoint(tmp_path / "m.h5", period=0)


def test_unknown_field_of_the_name(tmp_path: Path) -> None:
    with pytest.raises(
        KeyError, match=r"Failed to format this callback filepath: .*mae.* is not one of epoch, loss"
    ):
        fit(FakeModel(), ModelCheckpoint(tmp_path / "{mae}.h5"), epochs(1))


def test_directory_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(
        IsADirectoryError, match="Please specify a non-directory filepath for ModelCheckpoint"
    ):
        fit(FakeModel(), ModelCheckpoint(tmp_path), epochs(1))


def test_no_batch_logs_are_wanted_unless_saving_by_batches(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    assert not CallbackList(ModelCheckpoint(path)).wants_train_batch_end
    assert CallbackList(ModelCheckpoint(path, save_freq=3)).wants_train_batch_end


def test_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.h5"
    fit(FakeModel(), ModelCheckpoint(path, verbose=1, save_best_only=True), epochs(1, 0.5, 2))
    assert capsys.readouterr().out == (
        f"\nEpoch 1: val_loss improved from None to 1.00000, saving model to {path}\n"
        f"\nEpoch 2: val_loss improved from 1.00000 to 0.50000, saving model to {path}\n"
        "\nEpoch 3: val_loss did not improve from 0.50000\n"
    )
    fit(FakeModel(), ModelCheckpoint(path, verbose=1), epochs(1))
    assert capsys.readouterr().out == f"\nEpoch 1: saving model to {path}\n"
