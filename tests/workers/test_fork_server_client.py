"""The parent's side of the fork server."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from streamfit._base.errors import WorkerError
from streamfit.workers.processes.fork_server_client import ForkServerClient
from streamfit.workers.transport import wire

pytestmark = pytest.mark.timeout(30)


def frames(fork_server_client: ForkServerClient, count: int) -> list[wire.Frame]:
    fork_server_client.channel.socket.setblocking(True)
    got: list[wire.Frame] = []
    while len(got) < count:
        got += [frame for frame in fork_server_client.channel.receive() if frame.kind != wire.READY]
    fork_server_client.channel.socket.setblocking(False)
    return got


def test_births_and_deaths_are_reported_with_their_status() -> None:
    fork_server_client = ForkServerClient()
    channels = [fork_server_client.spawn(key) for key in (5, 6)]
    born = frames(fork_server_client, 2)
    assert [(frame.kind, frame.number) for frame in born] == [(wire.SPAWNED, 5), (wire.SPAWNED, 6)]
    fork_server_client.kill(6)
    (dead,) = frames(fork_server_client, 1)
    assert (dead.kind, dead.number, dead.extra) == (wire.EXITED, 6, 9)
    channels[0].close()  # its worker sees the end of its socket and leaves
    (dead,) = frames(fork_server_client, 1)
    assert (dead.kind, dead.number, dead.extra) == (wire.EXITED, 5, 0)
    fork_server_client.kill(5)  # long gone: nobody else is hit
    channels[1].close()
    fork_server_client.close()


def test_fork_server_that_is_still_starting_does_not_hold_up_the_end() -> None:
    fork_server_client = ForkServerClient()
    os.kill(fork_server_client.pid, signal.SIGSTOP)  # as slow as can be
    fork_server_client.spawn(1).close()
    began = time.monotonic()
    fork_server_client.close()
    assert time.monotonic() - began < 1.5


def test_copy_made_by_fork_holds_no_socket() -> None:
    fork_server_client = ForkServerClient()
    pid = os.fork()
    if pid == 0:
        os._exit(fork_server_client.channel.fileno() == -1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    fork_server_client.close()


def test_interpreter_that_cannot_be_started_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(WorkerError, match="/nonexistent/python"):
        ForkServerClient()
