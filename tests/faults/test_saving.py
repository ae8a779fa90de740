"""Faults at each system call that writes a model: afterwards there is the old file or the new one, whole.

The process that saves is forked from one that has everything imported, once for each fault.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from oracles.scripts import environment
from oracles.strace import injected

from streamfit.models import load_model

pytestmark = pytest.mark.timeout(60)
CALLS = ("openat", "write", "fsync", "linkat", "rename")
FAULTS = ("error=ENOSPC", "error=EIO", "signal=SIGKILL")

SAVES = """
import os, socket, sys
from streamfit import Input, Sequential, layers
model = Sequential([Input((3,)), layers.Dense(8), layers.Dense(1)])
model.compile("adam", "mse")
control = socket.socket(fileno=int(sys.argv[1]))
model.set_weights([weight * 0 + 1 for weight in model.get_weights()])
model.save(sys.argv[2])
model.set_weights([weight * 0 + 2 for weight in model.get_weights()])
control.recv(1)
control.send(b"s")  # the first file is there
while control.recv(1):
    child = os.fork()
    if child:
        control.send(child.to_bytes(8, "little"))
        control.send(os.waitpid(child, 0)[1].to_bytes(8, "little"))
        continue
    control.recv(1)  # the parent traces this process from here on
    try:
        model.save(sys.argv[2])
    except OSError:
        os._exit(1)
    os._exit(0)
"""


@contextmanager
def saver(path: Path) -> Iterator[socket.socket]:
    """Start the process that saves to a path, once with weights of 1, then with weights of 2."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-c", SAVES, str(theirs.fileno()), str(path)]
        process = subprocess.Popen(command, env=environment(), pass_fds=[theirs.fileno()])
        theirs.close()
        try:
            yield ours
        finally:
            ours.close()
            process.wait(20)


def save_with(control: socket.socket, call: str, fault: str) -> int:
    """Have one save go wrong; return how its process ended."""
    control.send(b"f")
    pid = int.from_bytes(control.recv(8), "little")
    try:
        with injected(pid, call, fault):
            control.send(b"g")
            return os.waitstatus_to_exitcode(int.from_bytes(control.recv(8), "little"))
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise


@pytest.mark.parametrize("ending", ["streamfit", "keras"])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_old_file_or_the_new_one_is_there_whatever_fails(tmp_path: Path, fault: str, ending: str) -> None:
    if ending == "keras":
        pytest.importorskip("h5py")
    path = tmp_path / f"model.{ending}"
    failed = set()
    with saver(path) as control:
        control.send(b"s")
        control.recv(1)
        old = path.read_bytes()
        for call in CALLS:
            for when in range(1, 20):
                path.write_bytes(old)
                status = save_with(control, call, f"{fault}:when={when}")
                model = load_model(path)
                values = {float(value) for weight in model.get_weights() for value in weight.reshape(-1)}
                assert values in ({1.0}, {2.0}), (call, when)
                assert values == {2.0} or status != 0
                names = set(os.listdir(tmp_path)) - {path.name}
                assert not names or (fault.startswith("signal") and call == "rename"), (call, when, names)
                for name in names:
                    (tmp_path / name).unlink()
                if status == 0:
                    break  # there are fewer of these calls
                assert status == (-signal.SIGKILL if fault.startswith("signal") else 1)
                failed.add(call)
            else:
                pytest.fail(f"{call} never ended")
    assert {"write", "fsync", "rename"} <= failed
