"""The memory benchmark sees peaks of a process and of its descendants, and reports failures."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import pytest
from oracles.benchmarks import BENCHMARKS, load

MEGABYTES = 60

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# Touches the memory, waits for the watcher, and frees the memory.
EATS = (
    f"import time; eaten = b'x' * ({MEGABYTES} << 20); time.sleep(0.4)\n"
    "del eaten; print('done', flush=True); time.sleep(0.2)"
)
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {EATS!r}], check=True)"
# Both processes at the same time, each with its own memory.
TWO = (
    f"import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', {EATS!r}])\n"
    f"{EATS}\nchild.wait()"
)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that measures."""
    return load(BENCHMARKS / "memory.py", monkeypatch)


def peak(memory: ModuleType, code: str) -> Any:
    """Run some Python under watch."""
    side = memory.Side("side", (sys.executable, "-c", code))
    return memory.peak_memory(side, 20)


@pytest.mark.timeout(60)
def test_peaks_of_main_process_and_tree(memory: ModuleType) -> None:
    idle = peak(memory, "import time; time.sleep(0.4)")
    alone, below, both = (peak(memory, code) for code in (EATS, PARENT, TWO))
    eaten = MEGABYTES * (1 << 20) / 1e6
    slack = 15
    assert alone.main - idle.main == pytest.approx(eaten, abs=slack)
    assert alone.tree - idle.tree == pytest.approx(eaten, abs=slack)
    assert below.main - idle.main < slack
    assert below.tree - idle.tree > eaten - slack
    assert both.tree - idle.tree > 2 * eaten - slack


@pytest.mark.timeout(30)
def test_failures_have_their_last_lines(memory: ModuleType) -> None:
    with pytest.raises(memory.SideFailedError, match="exit code 1; last lines: the reason"):
        peak(memory, "import sys; sys.exit('the reason')")
    before = set(memory.descendants(os.getpid()))
    side = memory.Side("side", (sys.executable, "-c", PARENT.replace("0.4", "60")))
    with pytest.raises(memory.SideFailedError, match=r"not done within 0\.5 s"):
        memory.peak_memory(side, 0.5)
    assert set(memory.descendants(os.getpid())) <= before  # no descendant is left


def test_what_is_gone_takes_no_memory(memory: ModuleType) -> None:
    assert memory.kilobytes("/proc/self/status", "VmHWM") > 1000
    assert memory.kilobytes("/proc/self/status", "NoSuchLine") == 0
    assert memory.kilobytes("/proc/0/status", "VmHWM") == 0


def test_the_promise_is_what_is_above_numba(memory: ModuleType) -> None:
    peaks = {memory.NUMBA: [memory.Peak(100, 50)], memory.DEMO: [memory.Peak(499, 451)]}
    found = memory.targets(memory.summaries_of(peaks))
    assert [(round(target.value), target.met) for target in found] == [(399, True), (401, False)]
    assert str(found[1]).endswith("above an interpreter with numba: 401.00 MB (promised <= 400 MB)")
