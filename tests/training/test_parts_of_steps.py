"""Numbers of steps that are no whole numbers, such as ``len(x) / 32``, are rounded up as in Keras 2."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit import Sequence, Sequential, layers

X = np.arange(20, dtype="float32").reshape(10, 2)


class Batches(Sequence):
    """Ten samples in batches of four."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(4 * index, 4 * index + 4)
        return X[rows], X[rows, :1]


def model() -> Sequential:
    made = Sequential([layers.Dense(1, input_shape=(2,))])
    made.compile("sgd", "mse")
    return made


@pytest.mark.parametrize("steps", [10 / 4, np.float32(2.5), 3.0, 3])
def test_a_part_of_a_step_is_a_step(steps: float) -> None:
    made = model()
    for run in (made.fit, made.fit_generator):
        history = run(
            Batches(), steps_per_epoch=steps, validation_data=Batches(), validation_steps=1.25, verbose=0
        )
        assert history.receipts[-1].delivered == 3
    assert made.predict_generator(Batches(), steps).shape == (10, 1)
    assert made.predict(Batches(), steps=1.5).shape == (8, 1)
    assert np.isclose(
        made.evaluate_generator(Batches(), steps), made.evaluate(Batches(), steps=2.5, verbose=0)
    )


@pytest.mark.parametrize(
    ("steps", "error"),
    [(float("inf"), TypeError), (float("nan"), ValueError), (-0.5, TypeError), (0, ValueError)],
)
def test_steps_that_are_none(steps: float, error: type[Exception]) -> None:
    with pytest.raises(error, match="steps_per_epoch must be"):
        model().fit(Batches(), steps_per_epoch=steps, verbose=0)
    with pytest.raises(error, match="steps must be"):
        model().evaluate(Batches(), steps=steps, verbose=0)
