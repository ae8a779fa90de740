"""Frames: whole or not at all, never blocking, with their descriptors."""

from __future__ import annotations

import gc
import itertools
import os
import socket
import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit._base.errors import WorkerError
from streamfit.workers.transport import wire
from streamfit.workers.transport.wire import Channel, Frame

Ends = tuple[Channel, Channel]


def pair() -> Ends:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return Channel(ours), Channel(theirs)


@pytest.fixture
def ends() -> Iterator[Ends]:
    both = pair()
    yield both
    for end in both:
        end.close()


def drain(channel: Channel) -> list[Frame]:
    frames: list[Frame] = []
    while not channel.ended:
        got = channel.receive(wait=False)
        if not got and not channel.ended:
            break
        frames += got
    return frames


@given(st.lists(st.binary(max_size=300), max_size=20), st.lists(st.integers(1, 90), min_size=1))
def test_frames_arrive_whole_however_the_bytes_are_cut(bodies: list[bytes], steps: list[int]) -> None:
    ours, theirs = pair()
    for number, body in enumerate(bodies):
        theirs.put(wire.RESULT, body, queue=1, attempt=2, slot=3, extra=4, number=number)
    raw = b"".join(bytes(part) for part, _, _ in theirs._out)
    frames: list[Frame] = []
    at = 0
    for step in itertools.cycle(steps):
        theirs.socket.sendall(raw[at : at + step])
        frames += drain(ours)
        at += step
        if at >= len(raw):
            break
    theirs.close()
    frames += drain(ours)
    ours.close()
    assert [(f.number, f.body) for f in frames] == list(enumerate(bodies))
    assert all((f.queue, f.attempt, f.slot, f.extra) == (1, 2, 3, 4) for f in frames)


def test_torn_frame_is_never_read(ends: Ends) -> None:
    ours, theirs = ends
    theirs.put(wire.RESULT, b"whole", number=1)
    theirs.put(wire.RESULT, b"torn in the middle", number=2)
    raw = b"".join(bytes(part) for part, _, _ in theirs._out)
    theirs.socket.sendall(raw[:-5])
    theirs.socket.close()
    assert [frame.body for frame in drain(ours)] == [b"whole"]
    assert ours.ended


def test_full_socket_blocks_nobody_and_nothing_is_lost(ends: Ends) -> None:
    ours, theirs = ends
    bodies = [bytes([number % 256]) * 5000 for number in range(300)]
    for number, body in enumerate(bodies):
        ours.put(wire.TICKET, body, number=number)
    assert not ours.flush()
    got: list[Frame] = []
    while not ours.flush():
        got += drain(theirs)
    got += drain(theirs)
    assert [frame.body for frame in got] == bodies


def test_descriptors_arrive_with_their_frames(ends: Ends) -> None:
    ours, theirs = ends
    pipes = [os.pipe() for _ in range(3)]
    ours.put(wire.TICKET, b"before")
    ours.put(wire.SLOT, fds=(pipes[0][0],), slot=0)
    ours.put(wire.SLOT, b"two", fds=(pipes[1][0], pipes[2][0]), slot=1)
    ours.put(wire.TICKET, b"after")
    assert ours.flush()
    frames = drain(theirs)
    assert [len(frame.fds) for frame in frames] == [0, 1, 2, 0]
    for (_, end), fd in zip(pipes, [fd for frame in frames for fd in frame.fds], strict=True):
        os.write(end, b"x%d" % end)
        assert os.read(fd, 9) == b"x%d" % end
        assert not os.get_inheritable(fd)
        os.close(fd)
    for both in pipes:
        os.close(both[0])
        os.close(both[1])


def test_descriptors_that_nobody_took_are_closed() -> None:
    ours, theirs = pair()
    read, write = os.pipe()
    ours.put(wire.SLOT, b"x" * 100, fds=(read,))
    raw, fds, _ = ours._out[0]
    socket.send_fds(ours.socket, [bytes(raw)[:40]], list(fds))
    assert theirs.receive() == []
    theirs.close()
    ours.close()
    os.close(read)
    with pytest.raises(BrokenPipeError):
        os.write(write, b"x")
    os.close(write)


def test_dead_reader_is_no_error_for_the_writer(ends: Ends) -> None:
    ours, theirs = ends
    theirs.socket.close()
    ours.put(wire.TICKET, b"lost")
    assert ours.flush()
    assert drain(ours) == []
    assert ours.ended


def test_owner_of_a_descriptor_lives_until_it_is_sent(ends: Ends) -> None:
    ours, theirs = ends

    class Owner:
        pass

    owner = Owner()
    watch = weakref.ref(owner)
    for _ in range(100):
        ours.put(wire.TICKET, b"x" * 5000)
    ours.put(wire.TICKET, b"last", keep=owner)
    del owner
    ours.flush()
    gc.collect()
    assert watch() is not None
    while not ours.flush():
        drain(theirs)
    assert watch() is None


def test_body_too_large_for_a_frame_is_refused(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_MAX_BODY", 10)
    with pytest.raises(WorkerError, match="11 bytes"):
        ends[0].put(wire.TICKET, b"x" * 11)
