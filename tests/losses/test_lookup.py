"""Losses by name."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit import losses
from streamfit._base.errors import UnknownNameError

SPELLINGS = {
    "MeanSquaredError": ["mse", "MSE", "mean_squared_error", "MeanSquaredError", "meanSquaredError"],
    "MeanAbsoluteError": ["mae", "MAE"],
    "MeanAbsolutePercentageError": ["mape", "MAPE"],
    "MeanSquaredLogarithmicError": ["msle", "MSLE"],
    "BinaryCrossentropy": ["bce", "BCE", "binary_crossentropy"],
    "KLDivergence": ["kld", "KLD", "kullback_leibler_divergence", "kl_divergence"],
    "Huber": ["huber", "huber_loss", "Huber"],
    "LogCosh": ["logcosh", "log_cosh", "LogCosh"],
    "CosineSimilarity": ["cosine_similarity", "cosine_proximity"],
}


@pytest.mark.parametrize(("wanted", "spellings"), SPELLINGS.items())
def test_spellings_of_keras(wanted: str, spellings: list[str]) -> None:
    assert [type(losses.get(name)).__name__ for name in spellings] == [wanted] * len(spellings)


def test_short_functions_are_the_long_ones() -> None:
    assert losses.mse is losses.MSE is losses.mean_squared_error
    assert losses.bce is losses.BCE is losses.binary_crossentropy


def test_none_is_no_loss() -> None:
    assert losses.get(None) is None


def test_unknown_names_get_a_hint() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown loss function: 'mena_squared_error'\. Did you mean"):
        losses.get("mena_squared_error")


@pytest.mark.parametrize("wrong", [3, 0.5, ["mse"], np.zeros(2)])
def test_things_that_are_no_loss_are_refused(wrong: object) -> None:
    with pytest.raises(TypeError, match="loss function must be a name, an instance, a class or a function"):
        losses.get(wrong)


def test_description_without_a_class_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"a dictionary that describes a loss function .* got the keys \['name'\]"
    ):
        losses.get({"name": "mse"})
