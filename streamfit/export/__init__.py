"""Models in the formats of other programs: ONNX."""

from __future__ import annotations

from streamfit.export.onnx_file import FORMATS, export_onnx, onnx_model

__all__ = ["FORMATS", "export_onnx", "onnx_model"]
