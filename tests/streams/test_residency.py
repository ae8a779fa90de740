from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from streamfit import files
from streamfit.streams import residency
from streamfit.streams.open_shards import OpenShard
from streamfit.streams.residency import Residency


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residency, "memory_of_machine", lambda: 8 << 20)


@pytest.mark.usefixtures("little_memory")
def test_few_pages_stay_mapped_until_the_files_were_read_once() -> None:
    found = Residency(4 << 20, first_pass=1 << 20)
    given_back = [found.full(0, 512 << 10) for _ in range(16)]
    assert given_back == [False, True] * 4 + [False, True] * 4
    found = Residency(4 << 20, first_pass=256 << 10)
    given_back = [found.full(0, 256 << 10) for _ in range(16 + 8)]
    assert given_back == [True] * 15 + [False] * 3 + [True] + [False] * 3 + [True, False]


@pytest.mark.usefixtures("little_memory")
def test_single_rows_count_with_the_pages_around_them() -> None:
    found = Residency(100 << 20, first_pass=1 << 20)
    assert [found.full(4, 400) for _ in range(8)] == [False, False, False, True] * 2
    assert found.mapped == 0


def test_files_that_may_stay_mapped_are_not_counted() -> None:
    found = Residency(1000, first_pass=1000)
    assert not any(found.full(256, 1000) for _ in range(1000))
    assert found.mapped == 0


def test_pages_of_all_shards_are_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.arange(1000.0))
    rows = files.npy(tmp_path).stage.source.row_parts[0]  # type: ignore[attr-defined]
    rows._residency = Residency(24_000, first_pass=1000)
    released: list[OpenShard] = []
    monkeypatch.setattr(OpenShard, "release", lambda shard: released.append(shard))
    rows.pick(np.array([0, 1500, 2500]))
    assert len(released) == 3


MEASURE = """
    import sys
    import numpy as np
    from streamfit import files

    def resident():
        with open("/proc/self/status") as lines:
            found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
        return sum(map(int, found.values())) >> 10

    data = files.npy(sys.argv[1])
    next(iter(data.take(512).shuffle(seed=1).batch(256)))  # loads what the order is computed with
    before, most = resident(), 0
    for number, batch in enumerate(data.shuffle(seed=1).batch(256)):
        if number % 8 == 0:
            most = max(most, resident())
    print(most - before)
"""


@pytest.mark.timeout(60)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the kernel's own account")
def test_memory_stays_bounded_when_large_shards_are_read(tmp_path: Path) -> None:
    for number in range(4):
        np.lib.format.open_memmap(
            tmp_path / f"{number}.npy", "w+", "float32", (25_000, 1024)
        )  # mostly a hole
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURE), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 110  # MiB: what may be mapped, and a few batches
