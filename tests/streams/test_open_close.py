"""`Source.open` and `close`: once in each process that loads, before the first load and after the last."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import Source, SourceTraits, Ticket, source, stream
from streamfit.streams import DelegatingSource

pytestmark = pytest.mark.timeout(60)


class Filed(Source):
    """Reads from a file that `open` opens; notes each call in a folder."""

    traits = SourceTraits(in_workers=True)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file: Any = None

    def note(self, what: str) -> None:
        with (self.folder / "notes").open("a") as notes:
            notes.write(f"{what} {os.getpid()}\n")

    def batches(self, data_epoch: int) -> int:
        return 8

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        for number in range(start, 8):
            yield Ticket(data_epoch, number, np.arange(number, number + 1))

    def open(self) -> None:
        self.note("open")
        self.file = (self.folder / "data").open("rb")

    def load(self, ticket: Ticket) -> Any:
        # Threads share the file: read at a place, without moving its position.
        return np.frombuffer(os.pread(self.file.fileno(), 2, int(ticket.ids[0])), np.uint8), None, None

    def close(self) -> None:
        self.note("close")
        self.file.close()


def pipeline(found: Source) -> Any:
    """Return the same batches through a stage."""
    return source(found).map(lambda x: x)


WORKERS: list[dict[str, Any]] = [{}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}]


@pytest.mark.parametrize("workers", WORKERS, ids=str)
@pytest.mark.parametrize(
    "wrap", [lambda found: found, DelegatingSource, pipeline], ids=["plain", "wrapped", "stages"]
)
def test_open_and_close_once_in_each_process(
    tmp_path: Path, workers: dict[str, Any], wrap: Callable[[Source], Any]
) -> None:
    (tmp_path / "data").write_bytes(bytes(range(10)))
    with stream(wrap(Filed(tmp_path)), seed=5, **workers) as batches:
        for _ in range(2):
            assert [batch.tolist() for batch in batches] == [[k, k + 1] for k in range(8)]
    notes = [line.split() for line in (tmp_path / "notes").read_text().splitlines()]
    opened = [process for what, process in notes if what == "open"]
    closed = [process for what, process in notes if what == "close"]
    assert sorted(opened) == sorted(closed)
    if workers.get("use_multiprocessing"):
        assert len(set(opened)) == len(opened) <= 2
        assert str(os.getpid()) not in opened
    else:
        assert set(opened) == {str(os.getpid())}
