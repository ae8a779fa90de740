"""`evaluate`, `predict(out=...)` and `predict_batches` take the same memory for any number of batches."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from oracles.scripts import run

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.jit,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the kernel's own account"),
]

# A batch has 1 MiB of inputs and 1 MiB of outputs: 112 of them do not fit into the 64 MiB that are allowed
# beyond what is in use after the first ones.
SCRIPT = """
import json, os, resource, sys
import numpy as np
import streamfit as sf
from streamfit import Sequential, layers, source

FEW, MANY, ROWS, WIDTH = 16, 112, 1024, 256
folder, kind = sys.argv[1:]

def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

class Watch:
    most = 0
    def look(self):
        self.most = max(self.most, status("RssAnon"))

watch = Watch()
BASE = np.random.default_rng(0).random((ROWS, WIDTH), "float32")

def batch(index):
    watch.look()
    return BASE + np.float32(index), BASE

def generator(count):
    for index in range(count):
        yield batch(index)

class Batches(sf.Sequence):
    def __init__(self, count):
        super().__init__()
        self.count = count
    def __len__(self):
        return self.count
    def __getitem__(self, index):
        return batch(index)

def mapped(count):
    def look(x):
        watch.look()
        return x
    x = np.lib.format.open_memmap(f"{folder}/x.npy", "w+", "float32", (count * ROWS, WIDTH))
    return source(x, x).batch(ROWS).map(look, on="x")

make = {"generator": generator, "sequence": Batches, "memory map": mapped}[kind]
model = Sequential([layers.Input((WIDTH,)), layers.ReLU()])
model.compile("sgd", "mse", metrics=["mae"])

def evaluate(count):
    model.evaluate(make(count), verbose=0)

def predict(count):
    out = np.lib.format.open_memmap(f"{folder}/out.npy", "w+", "float32", (count * ROWS, WIDTH))
    model.predict(make(count), out=out)

def predict_file(count):
    if os.path.exists(f"{folder}/file.npy"):
        os.remove(f"{folder}/file.npy")
    model.predict(make(count), out=f"{folder}/file.npy")

def iterate(count):
    for ids, predictions in model.predict_batches(make(count)):
        assert predictions.shape == (ROWS, WIDTH)

found = {}
for call in (evaluate, predict, predict_file, iterate):
    call(FEW)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (status("VmData") + (64 << 20), hard))
    peaks = []
    for count in (FEW, MANY):
        watch.most = 0
        call(count)
        peaks.append(max(watch.most, status("RssAnon")))
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    found[call.__name__] = peaks
print(json.dumps(found))
"""


@pytest.mark.parametrize("kind", ["generator", "sequence", "memory map"])
def test_memory_does_not_grow_with_the_batches(kind: str, tmp_path: Path) -> None:
    script = SCRIPT.replace("sys.argv[1:]", repr([str(tmp_path), kind]))
    code, out, error = run(script, seconds=100)
    assert code == 0, error
    for call, (few, many) in json.loads(out).items():
        assert many < few + (32 << 20), (sys.platform, kind, call, few >> 20, many >> 20)
