"""Layer 1: the `kernel` decorator, bound calls, and the kernels that several packages share."""

from __future__ import annotations

from streamfit.kernels.calls import Call, CallList, InputPointer, KernelStoppedError, run
from streamfit.kernels.decorator import JIT_ENABLED, kernel

__all__ = ["JIT_ENABLED", "Call", "CallList", "InputPointer", "KernelStoppedError", "kernel", "run"]
