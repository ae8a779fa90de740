"""A process that runs a user's code, and whose result counts only if that process wrote it down.

The end of a process is no proof: ``sys.exit(0)`` in a pipeline, ``os._exit`` in a library or another program
in its place all give status 0. Guarantee kept here: the result is what the process wrote to a result file,
together with a token that only this process was given. The file has no name, so only these two processes
know it. Without a result file there is no result, whatever the status and the output are.
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import TypedDict

_LARGEST = 1 << 26
_PATIENCE = 2.0  # seconds in which the process may end by itself
_PR_SET_PDEATHSIG = 1
_FIRST_LINES = """
import importlib, json, os, sys
request = json.loads(os.pread(int(sys.argv[1]), 1 << 26, 0))
handle, sys.path[:], sys.argv[:] = int(sys.argv[1]), request["path"], request["argv"]
importlib.import_module(request["module"]).serve(handle, request)
"""


class Request(TypedDict):
    """The task of the process: which module serves it, with which options and settings."""

    token: str
    parent: int
    module: str
    options: Mapping[str, object]
    path: list[str]
    argv: list[str]


class Report(TypedDict):
    """The result that the process writes: its exit status, values for JSON, and what to complain of."""

    status: int
    data: object
    errors: list[str]


@dataclass(frozen=True)
class CheckOutcome:
    """How a process ended.

    Attributes:
        report: The result that it wrote; None if it wrote none.
        doing: Its last note of what it was doing; None if it did not begin.
        ending: How the process ended, as part of a sentence; empty for the status that it announced.
    """

    report: Report | None
    doing: str | None
    ending: str


class ResultFile:
    """The file to which a process writes what it does, and its result.

    Args:
        handle: A descriptor of it.
        token: Proves that the process itself wrote the result.
    """

    def __init__(self, handle: int, token: str) -> None:
        self._handle, self._token, self._writer = handle, token, os.getpid()
        self._file = self._identity()
        os.set_inheritable(handle, False)
        os.ftruncate(handle, 0)  # the user's code must not read the token here

    def _identity(self) -> tuple[int, int]:
        found = os.fstat(self._handle)
        return found.st_dev, found.st_ino

    def write(self, doing: str, report: Report | None = None) -> None:
        """Replace the content of the file.

        A copy of the process made by `fork` writes nothing.

        Raises:
            OSError: The descriptor was closed, and perhaps is that of another file now.
        """
        if os.getpid() != self._writer:
            return
        if self._identity() != self._file:
            raise OSError("the descriptor for the result was closed and is that of another file now")
        data = json.dumps({"token": self._token, "doing": doing, "result": report}).encode()
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, data, 0)


def begin(handle: int, request: Request) -> ResultFile:
    """Prepare the process that `run` started; return its result file."""
    if sys.platform == "linux":  # end with the other process, however that ends
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != request["parent"]:
        raise SystemExit(1)
    return ResultFile(handle, request["token"])


def run(module: str, options: Mapping[str, object]) -> CheckOutcome:
    """Start a process, wait for its end and return what it wrote.

    Args:
        module: Has ``serve(handle, request)``, which calls `begin` first; `request` holds `options`.
        options: Values for JSON.
    """
    request = Request(
        token=secrets.token_hex(16),
        parent=os.getpid(),
        module=module,
        options=options,
        path=[entry for entry in sys.path if isinstance(entry, str)],
        argv=sys.argv,
    )
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(request).encode())
        file.flush()
        # The interpreter's own options, as for the processes of the standard library.
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        command = [sys.executable, *flags, "-c", _FIRST_LINES, str(file.fileno())]
        with _forwarded_termination(), subprocess.Popen(command, pass_fds=(file.fileno(),)) as process:
            try:
                status = process.wait()
            finally:
                _end(process)
        return _outcome(os.pread(file.fileno(), _LARGEST, 0), request["token"], status)


def _outcome(data: bytes, token: str, status: int) -> CheckOutcome:
    try:
        content = json.loads(data)
    except ValueError:
        content = {}
    if not isinstance(content, dict) or content.get("token") != token or "doing" not in content:
        return CheckOutcome(None, None, _ending(status))
    report = content["result"]
    as_announced = report is not None and report.get("status") == status
    return CheckOutcome(report, content["doing"], "" if as_announced else _ending(status))


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
def _forwarded_termination() -> Iterator[None]:
    """Let SIGTERM end the other process first, unless the program handles the signal itself."""
    alone = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not alone or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
