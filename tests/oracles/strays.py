"""Misuse of descriptors that user code did not open; quick to import, since workers do."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import streamfit

Act = Callable[[int], None]


def sockets() -> list[int]:
    """Return the descriptors of this process that are sockets."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                found.append(int(name))
        except OSError:
            continue
    return found


class Data(streamfit.Sequence):
    """Does something to this process's descriptors at one index, once or at every load."""

    def __init__(self, act: Act, flag: Path | None = None, at: int = 7) -> None:
        super().__init__()
        self.act, self.flag, self.at, self.main = act, flag, at, os.getpid()

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Any:
        if index == self.at and os.getpid() != self.main:
            try:
                if self.flag is not None:
                    self.flag.touch(exist_ok=False)
                self.act(index)
            except FileExistsError:
                pass
        return np.full((4, 3), index, "float32")


def write_text(_: int) -> None:
    for fd in sockets():
        os.write(fd, b"libfoo: cannot open display\n")


def write_one_byte(_: int) -> None:
    for fd in sockets():
        os.write(fd, b"\n")


def write_zeros(_: int) -> None:
    for fd in sockets():
        os.write(fd, bytes(4096))


def close_all(_: int) -> None:
    os.closerange(3, 256)


def put_a_file_over(_: int) -> None:
    file = os.open("/dev/null", os.O_RDWR)
    for fd in sockets():
        os.dup2(file, fd)


def put_a_socket_over(_: int) -> None:
    one, _other = socket.socketpair()
    for fd in sockets():
        if fd != one.fileno():
            os.dup2(one.fileno(), fd)


def shut_down(_: int) -> None:
    for fd in sockets():
        with socket.socket(fileno=os.dup(fd)) as sock:
            sock.shutdown(socket.SHUT_RDWR)


def read_from(_: int) -> None:
    for fd in sockets():
        with socket.socket(fileno=os.dup(fd)) as sock:
            sock.settimeout(0.2)
            try:
                sock.recv(10)
            except TimeoutError:
                continue
