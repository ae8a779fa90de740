from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from streamfit.streams import bus_errors

pytestmark = pytest.mark.skipif(not bus_errors._AVAILABLE, reason="Linux on 64-bit processors")

BEGIN = """
    import os, sys
    import numpy as np
    from streamfit import DataError, files
    from streamfit.streams.open_shards import OpenShard
    from streamfit.streams.rows import MappedRows, rows_of

    path = sys.argv[1]
    ids = np.arange(20_000)[::-3]
    checks = [False, True]  # the file is cut off between the check and the copy

    def late(check):
        return lambda self: checks.pop(0) and check(self)

    def cut_off(rows):
        rows.pick(ids)
        os.truncate(path, 5000)
        try:
            rows.pick(ids)
        except DataError as error:
            print(error)
"""
MAPPED = """
    rows = rows_of(np.load(path, mmap_mode="r"), "x")
    checks.insert(0, True)
    MappedRows._check = late(MappedRows._check)
    cut_off(rows)
"""
SHARDED = """
    rows = files.npy(path).stage.source.row_parts[0]
    rows.pick(ids)
    checks.insert(0, True)
    OpenShard.check = late(OpenShard.check)
    cut_off(rows)
"""
FOREIGN = """
    import mmap
    rows = rows_of(np.load(path, mmap_mode="r"), "x")
    with open(path, "rb") as file:
        other = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    os.truncate(path, 5000)
    print(other[200_000])
"""


def run(path: Path, script: str) -> subprocess.CompletedProcess[str]:
    np.save(path, np.zeros((20_000, 8)))
    command = [sys.executable, "-c", textwrap.dedent(BEGIN) + textwrap.dedent(script), str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.parametrize(("script", "message"), [(MAPPED, "was 1280128 bytes"), (SHARDED, "was changed")])
def test_a_file_that_is_cut_off_within_a_copy_is_an_error(tmp_path: Path, script: str, message: str) -> None:
    done = run(tmp_path / "x.npy", script)
    assert done.returncode == 0, done.stderr
    assert message in done.stdout


def test_other_bus_errors_end_the_process_as_before(tmp_path: Path) -> None:
    assert run(tmp_path / "x.npy", FOREIGN).returncode == -signal.SIGBUS


def test_a_map_is_guarded_as_long_as_it_lives(tmp_path: Path) -> None:
    from streamfit.streams.rows import MappedRows, rows_of

    np.save(tmp_path / "x.npy", np.zeros(10))
    rows = rows_of(np.load(tmp_path / "x.npy", mmap_mode="r"), "x")
    assert isinstance(rows, MappedRows)
    assert bus_errors._guard is not None
    address = rows._address
    assert address in bus_errors._guard._ranges
    assert not bus_errors.is_torn(address)
    del rows
    assert address not in bus_errors._guard._ranges
