"""Programs of every kind that fit with worker processes and have no main guard: row 24a of the matrix."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from oracles.scripts import complaints, run

pytestmark = [pytest.mark.jit, pytest.mark.timeout(60)]

CELL = """
import numpy as np
from streamfit import Sequential, layers
from streamfit.utils import Sequence

print("started")
SCALE = 8.0

def scaled(number):
    return number / SCALE

class Data(Sequence):
    def __len__(self):
        return 9
    def __getitem__(self, index):
        return np.full((4, 2), scaled(index)), np.ones((4, 1))

def fit(workers):
    model = Sequential([layers.Dense(1, input_shape=(2,), kernel_initializer="ones")])
    model.compile("sgd", "mse")
    how = {"workers": workers, "use_multiprocessing": workers > 0}
    history = model.fit(Data(), epochs=2, seed=4, verbose=0, **how)
    return [receipt.delivered for receipt in history.receipts], model.get_weights()[0].tobytes()

report, bits = fit(2)
print(report, bits == fit(0)[1])
"""
EXPECTED = ["started", "[9, 9] True"]


@pytest.mark.parametrize("how", ["-c", "stdin", "script", "module"])
def test_24a_a_fit_without_a_main_guard(how: str, tmp_path: Path) -> None:
    code, out, err = run(CELL, how, tmp_path)
    assert (code, complaints(err)) == (0, "")
    assert out.splitlines() == EXPECTED


NOTEBOOK = """
import os, psutil, sys
from oracles.leaks import wait_until
from jupyter_client.manager import KernelManager

manager = KernelManager(kernel_name="python3", transport="ipc")
manager.start_kernel(env=os.environ | {{"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}})
client = manager.blocking_client()
client.start_channels()

def execute(text):
    said = []
    def note(message):
        content = message["content"]
        if message["msg_type"] == "stream":
            said.extend(line for line in content["text"].splitlines(True) if "compiling" not in line)
        elif message["msg_type"] == "error":
            said.append("\\n".join(content["traceback"]))
    reply = client.execute_interactive(text, output_hook=note, timeout=20)
    return reply["content"]["status"], "".join(said)

try:
    client.wait_for_ready(timeout=20)
    for cell in {cells!r}:
        status, said = execute(cell)
        print(status, said, sep="\\n", end="", flush=True)
    pids = [int(pid) for pid in said.split()]
    print(all(map(psutil.pid_exists, pids)), len(pids))
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)

def runs(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

wait_until(lambda: not any(map(runs, pids)), 1.0)
print("left:", [pid for pid in pids if runs(pid)])
"""
OPEN = """
from streamfit.workers import make_pool
pool = make_pool("processes", 2)
class Loader:
    def load(self, ticket):
        return scaled(ticket)
tickets = pool.open(Loader(), range(10**9))
assert [next(tickets).value for _ in range(50)] == [number / 8 for number in range(50)]
print(*pool.pids())
"""


def missing() -> list[str]:
    return [name for name in ("ipykernel", "jupyter_client") if importlib.util.find_spec(name) is None]


@pytest.mark.skipif(bool(missing()), reason=f"not installed: {', '.join(missing())}")
def test_24a_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run cells twice, as people do, leave a pool open, and have the kernel killed."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    code, out, err = run(NOTEBOOK.format(cells=[CELL, CELL, OPEN]), "script", tmp_path, 45)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[:6] == 2 * ["ok", *EXPECTED]
    assert lines[6] == "ok"
    assert lines[8:] == ["True 2", "left: []"]
