"""Indices that are checked while a program runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import ops
from streamfit._base.errors import SampleError
from streamfit._base.specs import Spec
from streamfit.kernels import KernelStoppedError
from streamfit.ops import Tensor
from streamfit.ops.checked import CheckedIndices
from streamfit.program import Arena, Program


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "float32", "float64"])
def test_a_program_stops_at_the_first_wrong_one(dtype: str) -> None:
    x = Tensor(Spec((None, 3), np.dtype(dtype)), "x")
    y = ops.checked_indices(x, 5, "table 't'")
    assert isinstance(y, Tensor)
    program = Program([x], [y], arena=Arena(), step_state=np.zeros(2, np.int64))
    binding = program.bind(2)
    good = np.array([[0, 1, 4], [4, 2, 0]], dtype)
    binding.feeds[0].feed(good)
    binding.run()
    assert binding.fetches[0].tolist() == good.astype(int).tolist()
    assert binding.fetches[0].dtype == np.int64
    wrong: list[Any] = [5, 7] + ([-1] if dtype != "uint8" else [])
    wrong += [2.5, np.nan, np.inf, -0.5] if dtype.startswith("f") else []
    for value in wrong:
        bad = good.copy()
        bad[1, 1] = value
        binding.feeds[0].feed(bad)
        with pytest.raises(KernelStoppedError) as caught:
            binding.run()
        (op,) = [node.op for node in binding.nodes if isinstance(node.op, CheckedIndices)]
        assert any(argument is op.wrong for argument in caught.value.arguments)
        error = op.error((2, 3))
        assert error.row == 1
        assert str(bad[1, 1].item()) in str(error)
        assert "table 't'" in str(error)


def test_truth_values_are_indices() -> None:
    assert np.asarray(ops.checked_indices(np.array([True, False]), 2)).tolist() == [1, 0]


def test_arrays_are_checked_at_once() -> None:
    with pytest.raises(
        SampleError, match=r"indices: row 1 holds 9; its indices must be whole numbers in \[0, 9\)"
    ):
        ops.checked_indices([[0], [9]], 9)
    with pytest.raises(SampleError, match=r"takes whole numbers \(int64\), but row 0 holds 0.5"):
        ops.checked_indices(np.array([0.5]), 9)
