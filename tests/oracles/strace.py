"""Have system calls of a running process fail, or kill it, with strace."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from oracles.leaks import wait_until


@cache
def why_not() -> str:
    """Return why processes cannot be traced here, or nothing."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", "-o", "/dev/null", "-e", "inject=getppid:error=EPERM", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return tried.stderr.strip().splitlines()[0] if tried.returncode else ""


@contextmanager
def injected(pid: int, calls: str, fault: str) -> Iterator[None]:
    """Have system calls of a process go wrong while the block runs; skip the test where that cannot be done.

    Args:
        pid: the process; its children are left alone.
        calls: names of system calls, with commas between.
        fault: what happens, as strace has it: "error=EAGAIN", "signal=SIGKILL:when=2".
    """
    if reason := why_not():
        pytest.skip(reason)
    tracer = subprocess.Popen(
        ["strace", "-qq", "-o", "/dev/null", f"-etrace={calls}", f"-einject={calls}:{fault}", "-p", str(pid)],
        stderr=subprocess.PIPE,
    )
    try:
        traced = wait_until(lambda: _tracer_of(pid) == tracer.pid or tracer.poll() is not None)
        if tracer.poll() is not None and tracer.stderr is not None:
            pytest.skip(f"strace cannot attach: {tracer.stderr.read().decode()}")
        assert traced
        yield
    finally:
        tracer.terminate()  # lets go of the process, if it is still there
        tracer.communicate(timeout=10)


def _tracer_of(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("TracerPid:"):
            return int(line.split()[1])
    return 0
