"""Work that runs a user's code in a process of its own, and counts only if it says so in writing.

A process that ends says little: ``sys.exit(0)`` in a pipeline, ``os._exit`` in a library, another program in
its place end it with status 0. Guarantee kept here: a result is what the process wrote on a sheet, a file
without a name that only these two know of, with a word that nothing but this work was told; without one
there is no result, whatever the status and the output.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_LARGEST = 1 << 26
_PATIENCE = 2.0  # seconds in which the process may end by itself
_PR_SET_PDEATHSIG = 1
_FIRST_LINES = """
import importlib, json, os, sys
told = json.loads(os.pread(int(sys.argv[1]), 1 << 26, 0))
sheet, sys.path[:], sys.argv[:] = int(sys.argv[1]), told["path"], told["argv"]
importlib.import_module(told["module"]).serve(sheet, told)
"""


@dataclass(frozen=True)
class CheckOutcome:
    """How a process ended.

    Attributes:
        written: What it wrote in the end; None if it wrote nothing.
        doing: What it was doing last, in its own words; None if it did not begin.
        ending: How the process ended, as part of a sentence; empty for the status that it announced.
    """

    written: dict[str, Any] | None
    doing: str | None
    ending: str


class Sheet:
    """The file on which a process writes what it does, and its result.

    Args:
        handle: A descriptor of it.
        word: What shows that the writing is its own.
    """

    def __init__(self, handle: int, word: str) -> None:
        self._handle, self._word, self._writer = handle, word, os.getpid()
        self._file = self._identity()
        os.set_inheritable(handle, False)
        os.ftruncate(handle, 0)  # nothing that the program reads later has the word

    def _identity(self) -> tuple[int, int]:
        found = os.fstat(self._handle)
        return found.st_dev, found.st_ino

    def write(self, doing: str, result: dict[str, Any] | None = None) -> None:
        """Replace what is written.

        A copy of the process made by `fork` writes nothing.

        Raises:
            OSError: The descriptor was closed, and perhaps is that of another file now.
        """
        if os.getpid() != self._writer:
            return
        if self._identity() != self._file:
            raise OSError("the descriptor for the result was closed and is that of another file now")
        data = json.dumps({"word": self._word, "doing": doing, "result": result}).encode()
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, data, 0)


def begin(handle: int, told: dict[str, Any]) -> Sheet:
    """Prepare the process that was started by `run`; return its sheet."""
    if sys.platform == "linux":  # end with the other process, however that ends
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != told["parent"]:
        raise SystemExit(1)
    return Sheet(handle, told["word"])


def run(module: str, options: dict[str, Any]) -> CheckOutcome:
    """Start a process, wait for its end and return what it wrote.

    Args:
        module: Has ``serve(handle, told)``, which calls `begin` first; `told` holds `options`.
        options: Values for JSON.
    """
    word = secrets.token_hex(16)
    told = {"word": word, "parent": os.getpid(), "module": module, "options": options}
    told |= {"path": [entry for entry in sys.path if isinstance(entry, str)], "argv": sys.argv}
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(told).encode())
        file.flush()
        # The interpreter's own options, as for the processes of the standard library.
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        command = [sys.executable, *flags, "-c", _FIRST_LINES, str(file.fileno())]
        with _ending_with_us(), subprocess.Popen(command, pass_fds=(file.fileno(),)) as process:
            try:
                status = process.wait()
            finally:
                _end(process)
        return _outcome(os.pread(file.fileno(), _LARGEST, 0), word, status)


def _outcome(data: bytes, word: str, status: int) -> CheckOutcome:
    try:
        read = json.loads(data)
    except ValueError:
        read = {}
    if not isinstance(read, dict) or read.get("word") != word or "doing" not in read:
        return CheckOutcome(None, None, _ending(status))
    written = read["result"]
    as_announced = written is not None and written.get("status") == status
    return CheckOutcome(written, read["doing"], "" if as_announced else _ending(status))


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Make sure that the process has ended; one that was interrupted together with us ends by itself."""
    if process.returncode is not None:
        return
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _ending_with_us() -> Iterator[None]:
    """Let a request to terminate end the other process first, where nobody else listens to it."""
    alone = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not alone or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
