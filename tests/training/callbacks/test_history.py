"""`History`: lists by name, epochs, and nothing shared between runs."""

from __future__ import annotations

from oracles.fake_training import FakeModel, fit

from streamfit.training.callbacks import History


def test_lists_have_a_value_for_each_epoch_in_which_the_name_occurred() -> None:
    history = fit(
        FakeModel(), None, [{"loss": 3}, {"loss": 2, "val_loss": 5}, {"loss": 1}, {"loss": 0, "val_loss": 4}]
    )
    assert history.history == {"loss": [3.0, 2.0, 1.0, 0.0], "val_loss": [5.0, 4.0]}
    assert list(history.history) == ["loss", "val_loss"]
    assert history.epoch == [0, 1, 2, 3]


def test_epochs_are_numbered_from_the_initial_epoch() -> None:
    assert fit(FakeModel(), None, [{"loss": 1}] * 2, initial_epoch=2).epoch == [2, 3]


def test_users_own_history_keeps_earlier_lists_untouched() -> None:
    own = History()
    first_returned = fit(FakeModel(), own, [{"loss": 1}])
    first = own.history
    fit(FakeModel(), own, [{"loss": 2}, {"loss": 3}])
    assert first == first_returned.history == {"loss": [1.0]}
    assert own.history == {"loss": [2.0, 3.0]}
    assert own.epoch == [0, 1]


def test_seed_and_receipts_outlive_the_beginning_of_training() -> None:
    history = History()
    assert (history.seed, history.receipts) == (None, [])
    history.seed = 7
    history.receipts.append("receipt")
    history.on_train_begin()
    assert (history.seed, history.receipts) == (7, ["receipt"])


def test_repr_names_what_is_there() -> None:
    assert repr(fit(FakeModel(), None, [{"loss": 1, "mae": 2}])) == "History(epochs=1, logs=['loss', 'mae'])"
