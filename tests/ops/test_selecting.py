"""Values pass unchanged; their gradient is 0 where the weight is 0, even if the output's gradient is NaN."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import gradients

from streamfit import ops
from streamfit._base.errors import ShapeError
from streamfit.ops.selecting import counted


@pytest.mark.parametrize("weights", [np.array([1.0, 0.0, 2.0]), np.array([[1.0, 0], [0, 0], [1, 1]])])
def test_the_gradient_is_chosen(weights: np.ndarray) -> None:  # type: ignore[type-arg]
    x = np.array([[1.0, 2], [0, -1], [3, 4]])

    def logs(value: object, weight: object) -> object:
        return ops.log(counted(value, weight))

    with np.errstate(all="ignore"):
        trace = gradients.Trace(logs, [x, weights], 3, [True, True])
        trace.compute()
        slopes, _ = trace.gradients([np.ones((3, 2))])
        factor = weights if weights.ndim == 2 else np.repeat(weights[:, None], 2, 1)
        np.testing.assert_allclose(slopes[0], np.where(factor != 0, 1 / x, 0.0))


def test_arrays_pass() -> None:
    x = np.array([1.0, np.nan])
    np.testing.assert_array_equal(counted(x, np.zeros(2)), x)


def test_weights_of_other_samples_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"weights of shape \(3,\) do not fit an output of shape \(2, 3\)"):
        counted(np.ones((2, 3)), np.ones(3))
