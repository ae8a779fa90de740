"""`ReduceLROnPlateau`: patience, cooldown, the least rate, and the rate in the logs."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.fake_training import FakeModel, FakeOptimizer, fit

from streamfit.training.callbacks import ReduceLROnPlateau


def rates(losses: list[float], *, start: float = 1.0, name: str = "loss", **options: object) -> list[float]:
    """Return the rate that each epoch was trained with, and the one after the last."""
    model = FakeModel(optimizer=FakeOptimizer(start))
    plateau = ReduceLROnPlateau(**{"monitor": name, "factor": 0.5, "patience": 1, **options})
    history = fit(model, plateau, [{name: loss} for loss in losses])
    assert history.history["lr"] == history.history["learning_rate"]
    return [*history.history["learning_rate"], model.optimizer.learning_rate]


@pytest.mark.parametrize(
    ("patience", "expected"),
    [(0, [1, 1, 0.5, 0.25, 0.125]), (1, [1, 1, 0.5, 0.25, 0.125]), (2, [1, 1, 1, 0.5, 0.5])],
)
def test_patience(patience: int, expected: list[float]) -> None:
    assert rates([1, 1, 1, 1], patience=patience) == expected


def test_improvement_starts_patience_anew() -> None:
    assert rates([1, 1, 0.5, 0.5, 0.5], patience=2) == [1, 1, 1, 1, 1, 0.5]


def test_cooldown() -> None:
    assert rates([1] * 7, cooldown=2) == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]


def test_change_below_the_least_is_no_improvement() -> None:
    assert rates([1.0, 0.99995])[-1] == 0.5
    assert rates([1.0, 0.99995], min_delta=0)[-1] == 1.0


def test_more_is_better() -> None:
    assert rates([0.5, 0.6, 0.7], name="accuracy")[-1] == 1.0
    assert rates([0.5, 0.6, 0.7], name="accuracy", mode="min")[-1] == 0.25


def test_least_rate() -> None:
    assert rates([1] * 5, factor=0.1, min_lr=0.05) == [1, 1, 0.1, 0.05, 0.05, 0.05]


@pytest.mark.parametrize("least", [0.1, 0.3, 0.7])
def test_least_rate_in_single_precision_is_not_reduced_again(
    least: float, capsys: pytest.CaptureFixture[str]
) -> None:
    start = float(np.float32(least))
    assert rates([1] * 4, start=start, min_lr=least, verbose=1) == [start] * 5
    assert capsys.readouterr().out == ""


def test_instance_begins_anew_in_each_run() -> None:
    plateau = ReduceLROnPlateau("loss", factor=0.5, patience=2, cooldown=5)
    fit(FakeModel(), plateau, [{"loss": 1}] * 4)
    assert plateau.in_cooldown()
    model = FakeModel(optimizer=FakeOptimizer(1.0))
    fit(model, plateau, [{"loss": 9}, {"loss": 8}])
    assert (plateau.best, plateau.wait, plateau.in_cooldown()) == (8, 0, False)
    assert model.optimizer.learning_rate == 1.0


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_factor_that_does_not_reduce(factor: float) -> None:
    with pytest.raises(ValueError, match=r"ReduceLROnPlateau does not support a factor >= 1\.0\."):
        ReduceLROnPlateau(factor=factor)


def test_factor_of_nothing_leads_to_the_least_rate() -> None:
    assert rates([1, 1], factor=0.0, min_lr=0.25) == [1, 1, 0.25]


def test_negative_factor() -> None:
    with pytest.raises(ValueError, match=r"less than 1, got -0\.5"):
        ReduceLROnPlateau(factor=-0.5)


def test_missing_quantity_warns_and_logs_the_rate_all_the_same() -> None:
    plateau = ReduceLROnPlateau(patience=1)
    with pytest.warns(
        UserWarning, match="Learning rate reduction is conditioned on metric `val_loss` which is not"
    ):
        history = fit(FakeModel(), plateau, [{"loss": 1}] * 3)
    assert history.history["learning_rate"] == [0.1] * 3


def test_message(capsys: pytest.CaptureFixture[str]) -> None:
    rates([1, 1], verbose=1)
    assert capsys.readouterr().out == "\nEpoch 2: ReduceLROnPlateau reducing learning rate to 0.5.\n"
