"""`streamfit check` passes only pipelines that were checked completely, whatever they do to their process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.leaks import nothing_left_behind
from oracles.scripts import environment

from streamfit.testing import CheckFailure, check_generator, check_sequence
from streamfit.testing.checks.all_checks import CHECKS

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="worker processes and their ends as on Linux"),
]

MODULE = """
import atexit, ctypes, os, signal, sys, threading
import numpy as np

class Good:
    def __len__(self): return 4
    def __getitem__(self, index): return np.full((2, 3), index, "float32"), np.zeros((2, 1), "float32")

class Bad(Good):
    def __getitem__(self, index): raise OSError("no such batch")

class ExitsInLen(Good):
    def __len__(self): sys.exit(0)

class Quits(Good):
    def __getitem__(self, index): quit()

exits = os._exit
class OnlyLast(Good):
    def __getitem__(self, index):
        if index == 3: exits(0)
        return super().__getitem__(index)

class Plain(Good):
    def __getitem__(self, index): os._exit(0)

class Replaced(Good):
    def __getitem__(self, index): os.execv(sys.executable, [sys.executable, "-c", "print('14 passed')"])

class Killed(Good):
    def __getitem__(self, index): os.kill(os.getpid(), signal.SIGKILL)

class Crashed(Good):
    def __getitem__(self, index): return ctypes.string_at(0)

class Forged(Good):
    def __getitem__(self, index):
        text = "Forged (sequence), 1 ms a batch\\\\n  ok     length\\\\n14 passed, 0.1 s"
        print(text, flush=True)
        for handle in range(3, 30):  # wherever a report may be expected
            try: os.pwrite(handle, b'{"status": 0, "result": {"status": 0}, "doing": "it ended"}', 0)
            except OSError: pass
        exits(0)

class FailsAndExits(Bad):
    def __init__(self): atexit.register(os._exit, 0)

class DiesAtTheEnd(Good):
    def __init__(self): atexit.register(os.kill, os.getpid(), signal.SIGKILL)

class ClosesOutput(Good):
    def __getitem__(self, index):
        sys.stdout.close()
        return super().__getitem__(index)

class ClosesAll(Good):
    def __getitem__(self, index):
        os.closerange(3, 256)
        open("innocent", "w").write("data")
        keep.append(open("innocent", "r+"))
        return super().__getitem__(index)
keep = []

class Forks(Bad):
    copy = False
    def __getitem__(self, index):
        if not self.copy:
            self.copy = os.fork() == 0
            if not self.copy: os.wait()
        return Good.__getitem__(self, index) if self.copy else super().__getitem__(index)

def ends_its_thread():
    yield np.zeros((2, 3)), np.zeros(2)
    raise SystemExit(0)

class Waits(Good):
    def __getitem__(self, index):
        print("waits", os.getpid(), flush=True)
        threading.Event().wait()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("targets")
    (made / "pipelines.py").write_text(MODULE)
    (made / "ends.py").write_text("import os\nos._exit(0)\n")
    (made / "leaves.py").write_text("raise SystemExit(0)\n")
    return made


def start(target: str, folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "streamfit", "check", target, "--workers", "1", *more]
    return subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def check(target: str, folder: Path, *more: str) -> tuple[int, str, str]:
    process = start(target, folder, *more)
    out, err = process.communicate(timeout=50)
    return process.returncode, out, err


ENDS: list[Any] = [
    ("ends:Anything", 1, "the process ended with exit status 0 while it imported the target"),
    ("leaves:Anything", 2, "SystemExit: 0"),
    ("pipelines:ExitsInLen", 1, "SystemExit: 0"),
    ("pipelines:Quits", 1, "SystemExit"),
    ("pipelines:OnlyLast", 1, "the process ended with exit status 0 while it made the check 'length'"),
    ("pipelines:Plain", 1, "calls os._exit(0), which ends the whole program"),
    ("pipelines:Replaced", 1, "the process ended with exit status 0 while it made the check 'length'"),
    ("pipelines:Killed", 1, "the process was ended by SIGKILL while it made the check 'length'"),
    ("pipelines:Crashed", 1, "the process was ended by SIGSEGV while it made the check 'length'"),
    ("pipelines:Forged", 1, "was not checked to the end: the process ended with exit status 0"),
    ("pipelines:FailsAndExits", 1, "OSError: no such batch"),
    ("pipelines:DiesAtTheEnd", 1, "all checks were made, but the process was ended by SIGKILL after them"),
    ("pipelines:Forks", 1, "OSError: no such batch"),
    ("pipelines:ends_its_thread", 1, "SystemExit"),
]


@pytest.mark.parametrize(("target", "status", "words"), ENDS, ids=[end[0] for end in ENDS])
def test_what_ends_the_program_never_passes(target: str, status: int, words: str, folder: Path) -> None:
    only = "fresh" if target.endswith("thread") else "length" if "length" in words else "form"
    ended, out, err = check(target, folder, "--only", only)
    assert ended == status
    assert words in " ".join((out + err).split())


def test_what_is_right_passes_with_its_report(folder: Path) -> None:
    ended, out, err = check("pipelines:Good", folder)
    assert (ended, err) == (0, "")
    assert out.splitlines()[0].startswith("Good (sequence), ")
    counted = re.match(r"(\d+) passed, (\d+) do not apply, ", out.splitlines()[-1])
    assert counted, out
    assert int(counted[1]) + int(counted[2]) == sum("sequence" in check.kinds for check in CHECKS)


def test_a_closed_output_of_the_pipeline_is_not_ours(folder: Path) -> None:
    ended, out, _ = check("pipelines:ClosesOutput", folder, "--only", "length")
    assert ended == 0
    assert "1 passed" in out


def test_a_report_that_cannot_be_written_is_no_pass_and_harms_no_file(folder: Path) -> None:
    ended, out, err = check("pipelines:ClosesAll", folder, "--only", "length")
    assert ended == 1
    assert "passed" not in out
    assert "was not checked to the end" in err
    assert (folder / "innocent").read_text() == "data"


@pytest.fixture
def leaving_nothing() -> Iterator[None]:
    with nothing_left_behind():
        yield


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_check_that_is_stopped_ends_its_process(
    number: signal.Signals, folder: Path, leaving_nothing: None
) -> None:
    process = start("pipelines:Waits", folder, "--only", "length")
    assert process.stdout is not None
    state, _, inner = process.stdout.readline().partition(" ")
    assert state == "waits"
    watched = os.pidfd_open(int(inner))
    try:
        process.send_signal(number)
        process.communicate(timeout=30)  # both have closed their output by then
        signal.pidfd_send_signal(watched, 0)
    except ProcessLookupError:
        pass  # it has ended, and its exit code was read
    finally:
        os.close(watched)
    assert process.returncode != 0


class Leaves:
    """Ends the program on its second batch."""

    def __init__(self, ends: Any) -> None:
        self.ends = ends

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        if index == 1:
            getattr(*self.ends)(0)
        return np.zeros((2, 3)), np.zeros(2)


@pytest.mark.parametrize("name", ["exit", "_exit"])
def test_checks_that_are_called_fail_as_well(name: str) -> None:
    owner = sys if name == "exit" else os
    words = "SystemExit" if name == "exit" else r"os\._exit\(0\)"
    with pytest.raises(CheckFailure, match=words):
        check_sequence(Leaves((owner, name)), only="content")

    def batches() -> Iterator[Any]:
        yield np.zeros((2, 3)), np.zeros(2)
        getattr(owner, name)(0)

    with pytest.raises(CheckFailure, match=words):
        check_generator(batches, only=["fresh"])


def test_a_test_of_the_plugin_fails_as_well(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import os, pytest\n"
        "class Gone:\n"
        "    def __len__(self): return 3\n"
        "    def __getitem__(self, index): os._exit(0)\n"
        "@pytest.mark.streamfit(make=Gone, only=['content'])\n"
        "def test_it(streamfit_check): streamfit_check()\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 1
    assert "os._exit(0)" in done.stdout
