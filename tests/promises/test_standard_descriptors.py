"""Standard streams closed, closed later, replaced, or written to by native code: same data, same end."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from oracles.scripts import environment

pytestmark = pytest.mark.timeout(60)

HEAD = """
import ctypes, hashlib, os, sys
import numpy as np
import streamfit

MAIN = os.getpid()

def shout():
    for number in (0, 1, 2):
        try:
            os.write(number, b"stray " * 50)
        except OSError:
            pass
    library = ctypes.CDLL(None)
    library.puts(b"native " * 100)
    library.fflush(None)

class Data(streamfit.Sequence):
    def __init__(self, act=lambda index: None):
        super().__init__()
        self.act = act
        self.table = np.arange(40_000.0).reshape(200, 200)

    def __len__(self):
        return 24

    def __getitem__(self, index):
        self.act(index)
        x = np.full((16, 50), index) + self.rng(index).random((16, 50))
        return {"x": x, "y": self.table[index : index + 16], "pid": np.full(16, os.getpid())}

def digest(data, **how):
    with streamfit.stream(data, seed=3, **how) as batches:
        sums = [hashlib.sha256(b["x"].tobytes() + b["y"].tobytes()).hexdigest() for b in batches]
    return f"{len(sums)} {hashlib.sha256(repr(sums).encode()).hexdigest()[:16]}"

def report(text):
    with open(sys.argv[1], "w") as file:
        file.write(text)
"""


def result_of(text: str, folder: Path, closing: str = ">/dev/null 2>/dev/null") -> str:
    """Run a program whose streams the shell has closed; return the text that it wrote to a file."""
    program, result = folder / "program.py", folder / "result"
    program.write_text(HEAD + text)
    result.write_text("nothing")
    command = ["/bin/sh", "-c", f'exec "$0" "$1" "$2" {closing}', sys.executable, str(program), str(result)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, timeout=40, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return result.read_text()


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the digest of the data loaded inline."""
    return result_of("report(digest(Data()))", tmp_path_factory.mktemp("right"))


WAYS = [" ".join(c) for n in (1, 2, 3) for c in itertools.combinations(("<&-", ">&-", "2>&-"), n)]


@pytest.mark.parametrize("closing", WAYS)
def test_native_code_writes_to_closed_streams(closing: str, right: str, tmp_path: Path) -> None:
    text = (
        "shout(); got = digest(Data(lambda index: shout()), workers=2, use_multiprocessing=True); report(got)"
    )
    assert result_of(text, tmp_path, closing) == right


AFTERWARDS = """
def act(index):
    # Streams are closed or replaced in a load; what opens next gets their numbers, and native code writes.
    if os.getpid() != MAIN:
        if index % 3 == 0:
            os.closerange(0, 3)
        elif index % 3 == 1:
            file = os.open(sys.argv[1] + f".{os.getpid()}", os.O_CREAT | os.O_RDWR)
            os.dup2(file, 1)
            os.dup2(file, 2)
        shout()

report(digest(Data(act), workers=3, use_multiprocessing=True))
"""


def test_streams_are_closed_and_replaced_in_loads(right: str, tmp_path: Path) -> None:
    assert result_of(AFTERWARDS, tmp_path) == right


WHILE_RUNNING = """
with streamfit.stream(Data(lambda index: shout()), seed=3, workers=2, use_multiprocessing=True) as batches:
    sums = []
    for number, b in enumerate(batches):
        if number == 2:
            os.closerange(0, 3)      # a program that becomes a daemon in the middle of a run
        if number == 8:
            os.kill(int(b["pid"][0]), 9)
        shout()
        sums.append(hashlib.sha256(b["x"].tobytes() + b["y"].tobytes()).hexdigest())
report(f"{len(sums)} {hashlib.sha256(repr(sums).encode()).hexdigest()[:16]}")
"""


def test_streams_are_closed_in_the_middle_of_a_run(right: str, tmp_path: Path) -> None:
    assert result_of(WHILE_RUNNING, tmp_path) == right


NUMBERS = """
class Look(Data):
    def __getitem__(self, index):
        batch = super().__getitem__(index)
        ours = all(os.readlink(f"/proc/self/fd/{n}") == "/dev/null" for n in (0, 1, 2))
        batch["fds"] = np.full(16, ours and os.getpid() != MAIN)
        return batch

with streamfit.stream(Look(), workers=2, use_multiprocessing=True) as batches:
    ours = all(b["fds"].all() for b in batches)
    low = [os.readlink(f"/proc/self/fd/{n}") for n in (0, 1, 2) if os.path.islink(f"/proc/self/fd/{n}")]
report(f"{ours} {low}")
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to look at descriptors")
def test_numbers_of_standard_streams_stay_theirs(tmp_path: Path) -> None:
    assert result_of(NUMBERS, tmp_path, "<&- >&- 2>&-") == "True ['/dev/null', '/dev/null', '/dev/null']"
