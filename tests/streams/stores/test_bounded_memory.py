"""Reading takes no more memory than the formula of docs/files.md says, under a hard limit of the system."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from oracles.scripts import run

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA limits only the heap elsewhere"),
]

SCRIPT = """
import resource, sys
import numpy as np
from streamfit import stream
from streamfit._base.specs import Spec
from streamfit.streams.block_windows import blocks_ahead
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stages.stage import ORDER_BYTES
from streamfit.streams.stores.store import Store, StoreBlock
from streamfit.streams.stores.store_rows import StoreRows

WIDTH, ROWS, BLOCKS, IN_WINDOW = 25, 40_000, 250, 8
ROW, MIB = 4 * WIDTH, 1 << 20

class Made(Store):
    '''Blocks of 4 MB that are made when they are read.'''
    def __init__(self, blocks, rows):
        self._lengths = np.full(blocks, rows, np.int64)
    lengths = property(lambda self: self._lengths)
    specs = property(lambda self: Spec((WIDTH,), np.dtype("f4")))
    row_bytes = property(lambda self: ROW)
    def read(self, block):
        rows = np.full((self._lengths[block], WIDTH), block, "f4")
        return StoreBlock(rows)
    def where(self, block, row=None):
        return f"block {block}"
    def identity(self):
        return {}
    def text(self):
        return "made()"

WORKERS, PROCESSES = 2, sys.argv[1] == "processes"

def read(blocks, rows, in_window):
    made = Pipeline(StoreRows(Made(blocks, rows)), "made").shuffle(in_window * rows).batch(1_000)
    total = 0
    with stream(made, seed=1, workers=WORKERS, use_multiprocessing=PROCESSES) as batches:
        for batch in batches.epoch(0):
            total += int(batch.x[:, 0].sum(dtype="f8"))
    return total == rows * blocks * (blocks - 1) // 2

def data_bytes():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmData")) * 1024

assert read(5, 100, 2)  # everything is imported and compiled
window, block = IN_WINDOW * ROWS * (ROW + ORDER_BYTES), ROWS * ROW
ahead = blocks_ahead(Made(BLOCKS, ROWS), WORKERS)
in_threads = 0 if PROCESSES else ahead + 3 * WORKERS
limit = data_bytes() + 3 * window + (1 + in_threads) * block + 64 * MIB
assert BLOCKS * block > 2.5 * (limit - data_bytes())
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
print(read(BLOCKS, ROWS, IN_WINDOW), flush=True)
try:
    read(BLOCKS, ROWS, 100)  # a window of 100 blocks
except MemoryError:
    print("refused")
"""


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_data_larger_than_the_limit_are_read_and_larger_windows_are_not(kind: str, tmp_path: Path) -> None:
    code, out, error = run(SCRIPT.replace("sys.argv[1]", repr(kind)), "script", tmp_path, 100)
    assert code == 0, error
    assert out.split() == ["True", "refused"]
