"""What runs ONNX models: ONNX Runtime, and the evaluator in NumPy that the `onnx` package brings."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, Any]


HAS_RUNTIME = importlib.util.find_spec("onnxruntime") is not None
needs_runtime = pytest.mark.skipif(not HAS_RUNTIME, reason="the package onnxruntime is not installed")
RUNTIMES = ["reference", pytest.param("onnxruntime", marks=needs_runtime)]


def best_runtime(dtype: str, lacks_doubles: bool) -> str:
    """Return ONNX Runtime where it is installed and computes in this dtype."""
    return "onnxruntime" if HAS_RUNTIME and not (dtype == "float64" and lacks_doubles) else "reference"


class Session:
    """One model in a runtime.

    Args:
        content: The bytes of a file.
        runtime: One of `RUNTIMES`.
    """

    def __init__(self, content: bytes, runtime: str) -> None:
        import onnx
        from onnx.reference import ReferenceEvaluator

        self.model = onnx.load_from_string(content)
        onnx.checker.check_model(self.model, full_check=True)
        if runtime == "onnxruntime":
            import onnxruntime

            settings = onnxruntime.SessionOptions()
            settings.intra_op_num_threads = 1
            settings.log_severity_level = 3
            self._run = onnxruntime.InferenceSession(content, settings).run
        else:
            self._run = ReferenceEvaluator(self.model).run
        self.inputs = [each.name for each in self.model.graph.input]
        self.outputs = [each.name for each in self.model.graph.output]

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        results: list[Array] = self._run(None, dict(zip(self.inputs, arrays, strict=True)))
        return results


def check(
    session: Session, arrays: Sequence[Array], wanted: Sequence[Array], tolerance: float = 1e-5
) -> None:
    """Run a model and compare shapes, dtypes and numbers."""
    for got, due in zip(session(arrays), wanted, strict=True):
        assert np.asarray(got).dtype == due.dtype
        assert np.shape(got) == due.shape
        np.testing.assert_allclose(got, due, rtol=tolerance, atol=tolerance)
