"""Faults at chosen system calls: rows 3 and 23 of the matrix, where a kill by the clock would need luck."""

from __future__ import annotations

import fcntl
import functools
import os
import signal
import struct
import termios
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from oracles.leaks import wait_until
from oracles.loaders import Calls, Numbers, expected
from oracles.strace import injected

from streamfit._base.errors import WorkerError
from streamfit.workers import make_pool
from streamfit.workers.transport import wire

pytestmark = pytest.mark.timeout(30)
KEY_BYTES = 3 << 20


@dataclass
class Waits:
    """Waits at its first ticket until a file is there; then loads values with a part for the frame and one
    for the slot, both large."""

    folder: Path

    def load(self, ticket: int) -> Any:
        (self.folder / f"waits-{os.getpid()}").touch()
        wait_until((self.folder / "open").exists)
        return {"x": expected(ticket, (1 << 14,)), "text": "word" * 30_000, f"key {ticket}": ticket}


def check(loaded: Any) -> int:
    ticket = int(loaded.ticket)
    np.testing.assert_array_equal(loaded.value["x"], expected(ticket, (1 << 14,)))
    assert loaded.value["text"] == "word" * 30_000
    assert loaded.value[f"key {ticket}"] == ticket
    return ticket


@pytest.mark.parametrize("when", range(1, 6))
@pytest.mark.parametrize("call", ["sendmsg", "fallocate", "mmap", "recvmsg"])
def test_3_worker_killed_at_a_system_call_leaves_nothing_torn(call: str, when: int, tmp_path: Path) -> None:
    with make_pool("processes", 1, ahead=4) as pool:
        run = pool.open(Waits(tmp_path), range(12))
        (victim,) = pool.pids()
        assert wait_until(lambda: (tmp_path / f"waits-{victim}").exists())
        with injected(victim, call, f"signal=SIGKILL:when={when}"):
            (tmp_path / "open").touch()
            got = list(run)
        assert [check(loaded) for loaded in got] == list(range(12))
        killed = pool.restarts
        assert killed == (victim not in pool.pids())
    assert killed == 1 or (call in ("fallocate", "mmap") and when > 1), "there were that many calls"


def large_key(ticket: int, folder: Path) -> dict[str, np.ndarray]:
    """Return a value whose structure alone is more than a socket takes at once."""
    (folder / f"{ticket}-{os.getpid()}").touch()
    return {f"{ticket} " + "k" * KEY_BYTES: expected(ticket)}


def waiting_bytes(sock: Any) -> int:
    return int(struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, b"\0" * 4))[0])


def test_3_a_frame_of_which_only_a_part_was_written_is_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels: list[wire.Channel] = []
    monkeypatch.setattr(wire.Channel, "__init__", noting(channels, wire.Channel.__init__))
    with make_pool("processes", 1, ahead=2) as pool:
        run = pool.open(Calls(functools.partial(large_key, folder=tmp_path)), range(6))
        channel = channels[-1]
        (victim,) = pool.pids()
        # Nobody reads, so the worker stops in the middle of its first frame: the socket is full.
        assert wait_until(lambda: waiting_bytes(channel.socket) > 1 << 16 and sleeps(victim))
        assert waiting_bytes(channel.socket) < KEY_BYTES
        os.kill(victim, signal.SIGKILL)
        assert wait_until(lambda: not psutil.pid_exists(victim))
        got = list(run)
        assert pool.restarts == 1
    assert [loaded.ticket for loaded in got] == list(range(6))
    for loaded in got:
        ((key, value),) = loaded.value.items()
        assert key == f"{loaded.ticket} " + "k" * KEY_BYTES
        np.testing.assert_array_equal(value, expected(loaded.ticket))
    assert got[0].attempts == 2
    assert (tmp_path / f"0-{victim}").exists(), "it had been loaded when its worker died"


def noting(channels: list[wire.Channel], original: Any) -> Any:
    def init(self: wire.Channel, sock: Any) -> None:
        original(self, sock)
        channels.append(self)

    return init


def sleeps(pid: int) -> bool:
    return bool(psutil.Process(pid).status() == psutil.STATUS_SLEEPING)


FORKS = "clone,clone3,fork,vfork"


def test_23_a_process_that_cannot_be_made_leaves_fewer_workers() -> None:
    with make_pool("processes", 3) as pool:
        pool.start()
        (fork_server,) = psutil.Process().children()
        with injected(fork_server.pid, FORKS, "error=EAGAIN:when=2+"):
            with pytest.warns(RuntimeWarning, match=r"could not be started .*going on with") as caught:
                got = list(pool.open(Numbers(), range(20)))
            assert len(pool.pids()) == 1
        assert len(caught) == 2
        assert [loaded.ticket for loaded in got] == list(range(20))


def test_23_no_process_at_all_is_an_error_and_the_pool_can_be_used_again() -> None:
    with make_pool("processes", 2) as pool:
        pool.start()
        (fork_server,) = psutil.Process().children()
        with (
            injected(fork_server.pid, FORKS, "error=EAGAIN"),
            pytest.warns(RuntimeWarning, match="going on with 1"),
            pytest.raises(WorkerError, match=r"could not be started .*use fewer workers, or threads"),
        ):
            list(pool.open(Numbers(), range(20)))
        assert [loaded.ticket for loaded in pool.open(Numbers(), range(20))] == list(range(20))
