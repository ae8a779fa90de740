"""`EarlyStopping`: patience, baseline, warm-up, the best weights, and instances that are used again."""

from __future__ import annotations

from typing import Any

import pytest
from oracles.fake_training import FakeModel, fit

from streamfit.training.callbacks import EarlyStopping, LambdaCallback

NAN = float("nan")


def losses(*values: float, name: str = "loss") -> list[dict[str, float]]:
    return [{name: value} for value in values]


@pytest.mark.parametrize("patience", [0, 1, 2, 3])
def test_patience(patience: int) -> None:
    stopping = EarlyStopping("loss", patience=patience)
    history = fit(FakeModel(), stopping, losses(10.0, 9.0, 8.0, 9.0, 8.9, 8.8, 8.7, 8.6, 8.5))
    assert stopping.stopped_epoch == max(patience, 1) + 2
    assert history.epoch[-1] == stopping.stopped_epoch


@pytest.mark.parametrize(("patience", "epochs"), [(0, 2), (1, 2), (2, 3), (5, 6)])
def test_constant_quantity_runs_patience_and_one_epochs(patience: int, epochs: int) -> None:
    assert (
        len(fit(FakeModel(), EarlyStopping("loss", patience=patience), losses(*[1.0] * 20)).epoch) == epochs
    )


def test_improvement_starts_patience_anew() -> None:
    history = fit(FakeModel(), EarlyStopping("loss", patience=2), losses(5, 6, 4, 5, 3, 4, 4, 1))
    assert len(history.epoch) == 7


def test_small_change_is_no_improvement() -> None:
    fall = losses(1.0, 0.99, 0.98, 0.97, 0.96, 0.95)
    assert len(fit(FakeModel(), EarlyStopping("loss", min_delta=0, patience=2), fall).epoch) == 6
    assert len(fit(FakeModel(), EarlyStopping("loss", min_delta=0.1, patience=2), fall).epoch) == 3
    assert len(fit(FakeModel(), EarlyStopping("loss", min_delta=-0.1, patience=2), fall).epoch) == 3


def test_more_is_better() -> None:
    rise = losses(0.1, 0.2, 0.3, 0.2, 0.2, name="val_accuracy")
    for mode in ("auto", "max"):
        stopping = EarlyStopping("val_accuracy", mode=mode, patience=2)
        assert len(fit(FakeModel(), stopping, rise).epoch) == 5
        assert (stopping.best, stopping.best_epoch) == (0.3, 2)


def test_baseline_must_be_beaten_in_time() -> None:
    falling = losses(0.9, 0.8, 0.7, 0.6, 0.4, 0.3)
    assert len(fit(FakeModel(), EarlyStopping("loss", patience=3, baseline=0.5), falling).epoch) == 6
    late = losses(0.9, 0.8, 0.7, 0.71, 0.72, 0.73)
    assert len(fit(FakeModel(), EarlyStopping("loss", patience=5, baseline=0.5), late).epoch) == 5
    beaten = losses(0.9, 0.4, 0.41, 0.42, 0.43, 0.44)
    assert len(fit(FakeModel(), EarlyStopping("loss", patience=3, baseline=0.5), beaten).epoch) == 5


def test_first_epochs_can_be_let_pass() -> None:
    stopping = EarlyStopping("loss", patience=2, start_from_epoch=3)
    history = fit(FakeModel(), stopping, losses(0.1, 0.2, 0.3, 0.9, 0.9, 0.9, 0.9, 0.9))
    assert len(history.epoch) == 6
    assert (stopping.best, stopping.best_epoch) == (0.9, 3)


@pytest.mark.parametrize(
    ("values", "weights"),
    [
        ((0.2, 0.15, 0.1, 0.11, 0.12, 0.13), 2),  # stopped by patience
        ((0.2, 0.1, 0.3), 1),  # training ran to its end
        ((0.3, 0.2, 0.1), 2),
        ((NAN, 0.5, 0.6), 1),
        ((NAN, NAN), 0),
    ],
)
def test_best_weights_come_back(values: tuple[float, ...], weights: int) -> None:
    model = FakeModel()
    fit(model, EarlyStopping("loss", patience=2, restore_best_weights=True), losses(*values))
    assert model.weights == weights


def test_weights_stay_unless_asked() -> None:
    model = FakeModel()
    fit(model, EarlyStopping("loss", patience=2), losses(0.1, 0.2, 0.3))
    assert model.weights == 2


def test_best_weights_come_back_though_no_epoch_beats_the_baseline_or_another_callback_stops() -> None:
    def stop(epoch: int, logs: Any) -> None:
        model.stop_training = epoch == 3

    model = FakeModel()
    stopping = EarlyStopping("loss", patience=5, baseline=0.5, restore_best_weights=True)
    epochs = losses(0.9, 0.8, 0.7, 0.71, 0.72, 0.73)
    assert len(fit(model, stopping, epochs).epoch) == 5
    assert model.weights == 2
    assert len(fit(model, [stopping, LambdaCallback(on_epoch_end=stop)], epochs).epoch) == 4
    assert model.weights == 2


def test_instance_begins_anew_in_each_run() -> None:
    stopping = EarlyStopping("loss", patience=2, restore_best_weights=True)
    fit(FakeModel(), stopping, losses(0.1, 0.2, 0.3, 0.4))
    model = FakeModel()
    history = fit(model, stopping, losses(5, 4, 3, 2))
    assert len(history.epoch) == 4
    assert (stopping.best, stopping.stopped_epoch, model.weights) == (2, 0, 3)


def test_nan_is_no_improvement_and_stops() -> None:
    assert len(fit(FakeModel(), EarlyStopping("loss", patience=2), losses(1.0, NAN, NAN, NAN)).epoch) == 3
    assert len(fit(FakeModel(), EarlyStopping("loss", patience=2), losses(*[NAN] * 9)).epoch) == 3


def test_epochs_without_validation_do_not_count() -> None:
    logs = [{"val_loss": 1.0}, {"loss": 1}, {"val_loss": 1.0}, {"loss": 1}, {"val_loss": 1.0}]
    assert len(fit(FakeModel(), EarlyStopping(patience=2), logs).epoch) == 5
    assert len(fit(FakeModel(), EarlyStopping(patience=1), logs).epoch) == 3


def test_missing_quantity_warns_and_never_stops() -> None:
    message = (
        "Early stopping conditioned on metric `val_loss` which is not available. Available metrics are: loss"
    )
    with pytest.warns(UserWarning, match=message):
        assert len(fit(FakeModel(), EarlyStopping(), losses(1, 1, 1)).epoch) == 3


def test_unknown_direction_is_an_error_before_the_first_epoch() -> None:
    begun: list[int] = []
    first = LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.append(epoch))
    with pytest.raises(ValueError, match="pass mode='max' or mode='min'"):
        fit(FakeModel(), [EarlyStopping("unknown"), first], losses(1))
    assert not begun


def test_messages(capsys: pytest.CaptureFixture[str]) -> None:
    stopping = EarlyStopping("loss", patience=1, verbose=1, restore_best_weights=True)
    fit(FakeModel(), stopping, losses(1, 2))
    assert capsys.readouterr().out == (
        "Epoch 2: early stopping\nRestoring model weights from the end of the best epoch: 1.\n"
    )
    stopping.verbose = 0
    fit(FakeModel(), stopping, losses(1, 2))
    assert capsys.readouterr().out == ""
