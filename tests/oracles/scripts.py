"""Run Python programs the ways people do, in a process group of their own, with a hard limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path


def environment() -> dict[str, str]:
    """Return an environment in which a child finds the same modules as this process."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def start(text: str, how: str = "-c", folder: Path | None = None) -> subprocess.Popen[str]:
    """Start a program given as text: by "-c", from "stdin", as a "script" or as a "module"."""
    command, source = [sys.executable], None
    if how == "-c":
        command += ["-c", text]
    elif how == "stdin":
        command, source = [*command, "-"], text
    else:
        assert folder is not None
        (folder / "program.py").write_text(text)
        command += ["program.py"] if how == "script" else ["-m", "program"]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE if source else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=folder,
        start_new_session=True,
    )
    if source:
        assert process.stdin is not None
        process.stdin.write(source)
        process.stdin.close()
        process.stdin = None
    return process


def run(text: str, how: str = "-c", folder: Path | None = None, seconds: float = 25) -> tuple[int, str, str]:
    """Run a program to its end; return its exit code and its output."""
    process = start(text, how, folder)
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        finish(process)
    return process.returncode, out, err


def complaints(err: str) -> str:
    """Return the standard error of a program, without the notes that kernels are being compiled."""
    return "".join(line for line in err.splitlines(True) if not line.startswith("streamfit: compiling "))


def finish(process: subprocess.Popen[str]) -> None:
    """End a program and everything in its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
