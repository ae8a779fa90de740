"""A signal handler that raises while a kernel is compiled: it waits for the end, and the kernel is whole."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, cast

import numpy as np
import pytest

from streamfit._base.specs import Array
from streamfit.kernels import compiling, kernel
from streamfit.kernels.arguments import signature_of
from streamfit.kernels.decorator import CompiledKernel

pytestmark = [pytest.mark.jit, pytest.mark.timeout(60)]


class HandlerError(BaseException):
    """What the handler raises."""


@pytest.fixture(autouse=True)
def handler_raises() -> Iterator[None]:
    """Let SIGUSR1 raise in the main thread."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise HandlerError

    before = signal.signal(signal.SIGUSR1, handle)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_kernel_is_whole_and_the_exception_is_raised(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @kernel
    def triple(x: Array) -> None:
        for i in range(x.shape[0]):
            x[i] *= 3

    machine_code = compiling.machine_code

    def interrupted(*arguments: Any) -> Any:
        if moment == "before":
            os.kill(os.getpid(), signal.SIGUSR1)
        made = machine_code(*arguments)
        if moment == "after":
            os.kill(os.getpid(), signal.SIGUSR1)
        return made

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiling, "machine_code", interrupted)
    x = np.ones(4)
    compiled, signature = cast(CompiledKernel, triple), signature_of((x,))
    with pytest.raises(HandlerError):
        compiled.compile(signature)
    assert signature in compiled.overloads
    triple(x)
    assert x.tolist() == [3.0] * 4
