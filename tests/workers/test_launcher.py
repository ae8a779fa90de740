"""The parent's side of the nursery."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from streamfit._base.errors import WorkerError
from streamfit.workers import wire
from streamfit.workers.launcher import Launcher

pytestmark = pytest.mark.timeout(30)


def frames(launcher: Launcher, count: int) -> list[wire.Frame]:
    launcher.channel.socket.setblocking(True)
    got: list[wire.Frame] = []
    while len(got) < count:
        got += [frame for frame in launcher.channel.receive() if frame.kind != wire.READY]
    launcher.channel.socket.setblocking(False)
    return got


def test_births_and_deaths_are_reported_with_their_status() -> None:
    launcher = Launcher()
    channels = [launcher.spawn(key) for key in (5, 6)]
    born = frames(launcher, 2)
    assert [(frame.kind, frame.number) for frame in born] == [(wire.BORN, 5), (wire.BORN, 6)]
    launcher.kill(6)
    (dead,) = frames(launcher, 1)
    assert (dead.kind, dead.number, dead.extra) == (wire.DEAD, 6, 9)
    channels[0].close()  # its worker sees the end of its socket and leaves
    (dead,) = frames(launcher, 1)
    assert (dead.kind, dead.number, dead.extra) == (wire.DEAD, 5, 0)
    launcher.kill(5)  # long gone: nobody else is hit
    channels[1].close()
    launcher.close()


def test_nursery_that_is_still_starting_does_not_hold_up_the_end() -> None:
    launcher = Launcher()
    os.kill(launcher.pid, signal.SIGSTOP)  # as slow as can be
    launcher.spawn(1).close()
    began = time.monotonic()
    launcher.close()
    assert time.monotonic() - began < 1.5


def test_copy_made_by_fork_holds_no_socket() -> None:
    launcher = Launcher()
    pid = os.fork()
    if pid == 0:
        os._exit(launcher.channel.fileno() == -1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    launcher.close()


def test_interpreter_that_cannot_be_started_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(WorkerError, match="/nonexistent/python"):
        Launcher()
