"""`CSVLogger`: columns, appending, gaps, and files that are never left open."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.fake_training import FakeModel, fit

from streamfit.training.callbacks import CSVLogger, LambdaCallback, TerminateOnNaN


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.csv"


def test_rows_and_sorted_columns(path: Path) -> None:
    fit(FakeModel(), CSVLogger(path), [{"mae": 2, "loss": 1}, {"loss": 0.5, "mae": 1e-20}])
    assert path.read_text(encoding="utf-8") == "epoch,loss,mae\n0,1.0,2.0\n1,0.5,1e-20\n"


def test_file_is_complete_after_each_epoch(path: Path) -> None:
    seen: list[int] = []
    look = LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(len(path.read_text("utf-8").splitlines()))
    )
    fit(FakeModel(), [CSVLogger(path), look], [{"loss": 1}] * 3)
    assert seen == [2, 3, 4]


def test_separator_and_appending_with_one_header(path: Path) -> None:
    logs = {"loss": 1, "mse": 2, "val_loss": 3, "val_mse": 4}
    fit(FakeModel(), CSVLogger(path, separator="\t"), [logs])
    again = CSVLogger(str(path), separator="\t", append=True)
    fit(FakeModel(), again, [logs])
    fit(FakeModel(), again, [logs, logs])
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line.count("\t") for line in lines] == [4] * 5
    assert [line.split("\t")[0] for line in lines] == ["epoch", "0", "0", "0", "1"]


def test_without_appending_each_run_starts_anew(path: Path) -> None:
    logger = CSVLogger(path)
    fit(FakeModel(), logger, [{"loss": 1}] * 3)
    fit(FakeModel(), logger, [{"mae": 2}])
    assert path.read_text(encoding="utf-8") == "epoch,mae\n0,2.0\n"


def test_appended_rows_follow_the_header_that_is_there(path: Path) -> None:
    path.write_text("epoch,mae,loss\n0,1,2\n", encoding="utf-8")
    fit(FakeModel(), CSVLogger(path, append=True), [{"loss": 5, "mae": 6}])
    assert path.read_text(encoding="utf-8").splitlines()[-1] == "0,6.0,5.0"


@pytest.mark.parametrize("content", [None, ""])
def test_appending_to_nothing_writes_a_header(path: Path, content: str | None) -> None:
    if content is not None:
        path.write_text(content, encoding="utf-8")
    fit(FakeModel(), CSVLogger(path, append=True), [{"loss": 5}])
    assert path.read_text(encoding="utf-8") == "epoch,loss\n0,5.0\n"


def test_appending_to_a_file_of_another_kind_is_refused(path: Path) -> None:
    path.write_text("time;loss\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"cannot append to .*log\.csv.*does not begin with 'epoch'"):
        fit(FakeModel(), CSVLogger(path, append=True), [{"loss": 5}])
    assert path.read_text(encoding="utf-8") == "time;loss\n"


@pytest.mark.parametrize("metrics", [None, ["loss", "mae", "val_loss", "val_mae"]])
def test_validation_that_comes_later_has_columns_from_the_start(
    path: Path, metrics: list[str] | None
) -> None:
    trained = {"loss": 1.0, "mae": 2.0, "learning_rate": 0.1}
    epochs = [trained, {**trained, "val_loss": 3.0, "val_mae": 4.0}]
    fit(FakeModel(), CSVLogger(path), epochs, do_validation=True, metrics=metrics)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [(row["val_loss"], row["val_mae"]) for row in rows] == [("NA", "NA"), ("3.0", "4.0")]
    assert set(rows[0]) == {"epoch", "loss", "mae", "learning_rate", "val_loss", "val_mae"}


def test_run_that_is_stopped_by_nan(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = [{"loss": 1.0, "val_loss": 1.0}, {"loss": float("nan")}, {"loss": 0.0}]
    history = fit(FakeModel(), [TerminateOnNaN(), CSVLogger(path)], bad)
    assert path.read_text(encoding="utf-8").splitlines()[1:] == ["0,1.0,1.0", "1,nan,NA"]
    assert len(history.epoch) == 2
    assert "terminating training" in capsys.readouterr().out


def test_names_that_come_too_late_are_named_once(path: Path) -> None:
    with pytest.warns(UserWarning, match="CSVLogger does not write late") as caught:
        fit(FakeModel(), CSVLogger(path), [{"loss": 1}, {"loss": 1, "late": 2}, {"loss": 1, "late": 2}])
    assert len(caught) == 1
    assert path.read_text(encoding="utf-8").splitlines()[0] == "epoch,loss"


def test_several_values_are_one_cell(path: Path) -> None:
    logs: dict[str, Any] = {"f1": np.array([0.5, 1.0]), "loss": 1, "note": "a,b", "zero": np.array(2.0)}
    fit(FakeModel(), CSVLogger(path), [logs])
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    assert rows[1] == ["0", "[0.5, 1.0]", "1.0", "a,b", "2.0"]
