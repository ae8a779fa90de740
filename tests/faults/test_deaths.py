"""Deaths of workers in native code and for lack of memory, seen from `fit`: rows 6 and 7 of the matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.data_sets import CRASHES, Fragile
from oracles.scripts import run
from soak_data import Drawn
from soak_fits import bits_of, make_model

from streamfit._base.errors import WorkerDiedError

pytestmark = [pytest.mark.jit, pytest.mark.timeout(30)]


def fitted(data: Drawn, **how: Any) -> tuple[list[Any], Any]:
    model, _ = make_model()
    history = model.fit(data, epochs=2, seed=5, verbose=0, **how)
    return bits_of(model, history), history


@pytest.mark.parametrize("name", CRASHES)
def test_7_a_crash_in_native_code_is_survived_with_the_same_bits(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calm, _ = fitted(Drawn(12), workers=0)
    bits, history = fitted(Fragile(tmp_path, name, (0, 5, 11)), workers=2, use_multiprocessing=True)
    assert bits == calm
    assert sum(receipt.restarts for receipt in history.receipts) == 3
    assert len(caplog.records) == 3
    for record in caplog.records:
        assert f"killed by {name}" in record.getMessage()
        assert f"in {CRASHES[name].__name__}\n" in record.getMessage()


@pytest.mark.parametrize("name", CRASHES)
def test_7_a_crash_that_repeats_is_told_with_signal_function_memory_and_samples(
    name: str, tmp_path: Path
) -> None:
    model, seen = make_model()
    data = Fragile(tmp_path, name, (7,), always=True)
    with pytest.raises(WorkerDiedError) as caught:
        model.fit(data, verbose=0, shuffle=False, workers=2, use_multiprocessing=True)
    text, notes = str(caught.value), "\n".join(caught.value.__notes__)
    assert text.startswith("3 workers in a row died while loading")
    assert "pass 0, batch 7" in text
    assert f"killed by {name}" in text
    assert "memory had peaked at" in text
    assert f"in {CRASHES[name].__name__}" in notes, "the function that was running"
    assert "in __getitem__" in notes
    assert seen.numbers[::8] == list(range(7)), "everything before it was trained on, and nothing after it"


class Greedy(Drawn):
    """Takes more memory than there is for one of its batches."""

    def __getitem__(self, index: int) -> Any:
        if index == 6:
            np.zeros(1 << 50)
        return super().__getitem__(index)


def test_6_memory_error_in_user_code_is_an_exception_like_any_other() -> None:
    model, seen = make_model()
    with pytest.raises(MemoryError, match=r"8\.00 PiB") as caught:
        model.fit(Greedy(12), verbose=0, shuffle=False, workers=2, use_multiprocessing=True)
    notes = "\n".join(caught.value.__notes__)
    assert "batch 6" in notes
    assert "in __getitem__" in notes
    assert seen.numbers[::8] == list(range(6))


LIMITED = """
import ctypes, resource, sys
sys.path[:0] = {path!r}
from pathlib import Path
from soak_data import Drawn
from soak_fits import bits_of, make_model

class Greedy(Drawn):
    def __getitem__(self, index):
        if index == 2 and ({always} or not Path("mark").exists()):
            Path("mark").touch()
            self.fill({native})
        return super().__getitem__(index)

    def fill(self, native):
        if native:
            libc = ctypes.CDLL(None)
            libc.malloc.restype = ctypes.c_void_p
            libc.memset(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(8 << 30))), 1, ctypes.c_size_t(1))
        else:
            bytearray(8 << 30)

def fit(data, **how):
    model, _ = make_model()
    return bits_of(model, model.fit(data, seed=1, shuffle=False, verbose=0, **how))

calm = fit(Drawn(12), workers=0)
limit = 6 << 30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    print(fit(Greedy(12), workers=2, use_multiprocessing=True) == calm)
except Exception as error:
    print(type(error).__name__, error, *error.__notes__, sep="\\n")
"""


def limited(folder: Path, native: bool, always: bool) -> tuple[str, str]:
    tools = str(Path(__file__).resolve().parents[2] / "tools")
    program = LIMITED.format(path=[tools], native=native, always=always)
    code, out, err = run(program, "script", folder)
    assert code == 0, err
    return out, err


def test_6_a_limit_that_user_code_runs_into_is_an_exception(tmp_path: Path) -> None:
    out, err = limited(tmp_path, native=False, always=True)
    assert out.startswith("MemoryError\n")
    assert "pass 0, batch 2" in out
    assert err == ""


def test_6_native_code_that_dies_of_the_limit_is_told_with_the_likely_cause(tmp_path: Path) -> None:
    out, _ = limited(tmp_path, native=True, always=True)
    assert out.startswith("WorkerDiedError\n3 workers in a row died while loading")
    assert "pass 0, batch 2" in out
    assert "SIGSEGV" in out
    assert "address space is limited to 6.4 GB (ulimit -v)" in out
    assert "in fill" in out


def test_6_native_code_that_dies_of_the_limit_once_changes_nothing(tmp_path: Path) -> None:
    out, err = limited(tmp_path, native=True, always=False)
    assert out == "True\n"
    assert "batch 2" in err
    assert "limited to 6.4 GB" in err
