"""The words of a name, and the direction that they mean."""

from __future__ import annotations

import pytest

from streamfit.training.callbacks.directions import direction_by_name, words


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("val_loss", ["val", "loss"]),
        ("myAUCScore", ["my", "auc", "score"]),
        ("F1", ["f1"]),
        ("top5Accuracy", ["top5", "accuracy"]),
        ("a__b-c d", ["a", "b", "c", "d"]),
        ("", []),
    ],
)
def test_words(name: str, parts: list[str]) -> None:
    assert words(name) == parts


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("accuracy", "up"),
        ("acc_2", "up"),
        ("mean_io_u", "up"),
        ("log_cosh", "down"),
        ("cross_entropy", "down"),
        ("false_negatives", "down"),
        ("true_positive_rate", "up"),
        ("terror", None),
        ("accuracy_error", None),
        ("glossary", None),
        ("", None),
    ],
)
def test_directions(name: str, direction: str | None) -> None:
    assert direction_by_name(name) == direction
