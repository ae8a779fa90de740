"""Floor 1: the Numba policy, bound calls, and the kernels that several rooms share."""

from __future__ import annotations

from streamfit.kernels.calls import Call, CallList, KernelStoppedError, Reader, run
from streamfit.kernels.policy import JIT_ENABLED, kernel

__all__ = ["JIT_ENABLED", "Call", "CallList", "KernelStoppedError", "Reader", "kernel", "run"]
