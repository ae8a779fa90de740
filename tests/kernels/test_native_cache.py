"""Machine code on disk: never run when stale or damaged, found again without Numba, safe to share."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit._base.specs import Array
from streamfit.kernels import kernel, native_cache
from streamfit.kernels.arguments import signature_of
from streamfit.kernels.native_cache import CacheEntry, MachineCode, missing_symbols, undefined_symbols

HEAD = b"\x7fELF\x02\x01" + bytes(58) + b"entry\0"  # what an object file begins with; no sections
CODE = MachineCode("entry", ("exp", "memset"), HEAD + bytes(range(256)) * 3 + b"\n\n")
LIMIT = 120


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return tmp_path


def entry(fingerprint: str = "f", variant: str = "v") -> CacheEntry:
    return CacheEntry(__file__, "package.module.name", variant, fingerprint)


def files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


@pytest.mark.jit
def test_what_was_stored_is_found(place: Path) -> None:
    assert entry().load() is None
    assert entry().store(CODE)
    assert entry().load() == CODE
    assert len(files(place)) == 1


@pytest.mark.jit
def test_another_meaning_is_never_found_and_takes_the_place(place: Path) -> None:
    entry("old").store(CODE)
    assert entry("new").load() is None
    entry("new").store(CODE)
    assert entry("old").load() is None
    assert len(files(place)) == 1


@pytest.mark.jit
def test_other_types_live_side_by_side(place: Path) -> None:
    entry(variant="one").store(CODE)
    assert entry(variant="two").load() is None
    entry(variant="two").store(CODE)
    assert entry(variant="one").load() == CODE
    assert len(files(place)) == 2


@pytest.mark.jit
@pytest.mark.parametrize("attribute", ["get_host_cpu_name", "get_process_triple", "get_host_cpu_features"])
def test_another_processor_is_another_key(attribute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def __getattr__(self, name: str) -> Any:
            return (lambda: features) if name == attribute else getattr(real, name)

    class Features(str):
        def flatten(self) -> str:
            return str(self)

    real, features = native_cache._llvm(), Features("something else")
    before = native_cache.surroundings.__wrapped__()
    assert native_cache.surroundings.__wrapped__() == before
    monkeypatch.setattr(native_cache, "_llvm", Other)
    assert native_cache.surroundings.__wrapped__() != before


@pytest.mark.jit
def test_numbas_settings_are_in_the_key_and_its_folder_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    before = native_cache.surroundings.__wrapped__()
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/elsewhere")
    assert native_cache.surroundings.__wrapped__() == before
    monkeypatch.setenv("NUMBA_OPT", "0")
    assert native_cache.surroundings.__wrapped__() != before


@pytest.mark.jit
@settings(max_examples=200)
@given(st.integers(min_value=0), st.integers(1, 255))
def test_one_changed_byte_anywhere_is_noticed(position: int, change: int) -> None:
    whole = packed()
    position %= len(whole)
    damaged = bytearray(whole)
    damaged[position] ^= change
    assert entry()._unpacked(whole) == CODE
    assert entry()._unpacked(bytes(damaged)) is None


@pytest.mark.jit
@given(st.integers(min_value=0), st.binary(max_size=4))
def test_what_is_cut_short_is_noticed(length: int, rest: bytes) -> None:
    whole = packed()
    short = whole[: length % len(whole)] + rest
    assert short == whole or entry()._unpacked(short) is None


def packed() -> bytes:
    if not _packed:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native_cache, "_write", lambda place, data: _packed.append(data))
            entry().store(CODE)
    return _packed[0]


_packed: list[bytes] = []


@pytest.mark.jit
def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked))
    assert not entry().store(CODE)
    assert entry().load() is None
    assert files(tmp_path) == [blocked]


@pytest.mark.jit
@pytest.mark.timeout(60)
def test_readers_and_writers_never_meet_half_a_file(place: Path) -> None:
    versions = {name: MachineCode(name, (), HEAD + name.encode() * 20_000) for name in ("one", "two")}
    wrong: list[Any] = []
    writing = threading.Event()
    writing.set()

    def write(name: str) -> None:
        for _ in range(150):
            entry(name).store(versions[name])

    def read(name: str) -> None:
        while writing.is_set():
            found = entry(name).load()
            if found is not None and found != versions[name]:
                wrong.append(found)

    writers = [threading.Thread(target=write, args=(name,)) for name in ("one", "two", "one", "two")]
    readers = [threading.Thread(target=read, args=(name,)) for name in versions]
    for thread in writers + readers:
        thread.start()
    for thread in writers:
        thread.join()
    writing.clear()
    for thread in readers:
        thread.join()
    assert not wrong
    assert len(files(place)) == 1  # nothing is left of what was written aside
    assert any(entry(name).load() == code for name, code in versions.items())


@pytest.mark.jit
@pytest.mark.parametrize(
    "code",
    [b"", b"nonsense entry", HEAD.replace(b"entry", b"other"), HEAD[:40] + b"\xff" * 8 + HEAD[48:]],
    ids=["nothing", "no object file", "another symbol", "cut short"],
)
def test_what_is_no_object_file_with_the_kernel_is_not_loaded(code: bytes, place: Path) -> None:
    assert entry().store(MachineCode("entry", (), code))
    assert entry().load() is None


# --- whole kernels


@kernel
def exponentials_of(x: Array) -> None:
    """Take the exponential of each number."""
    for i in range(x.shape[0]):
        x[i] = np.exp(x[i])


@pytest.mark.jit
def test_what_machine_code_needs_is_known(place: Path) -> None:
    x = np.zeros(3)
    compiled: Any = exponentials_of
    signature = signature_of((x,))
    compiled.overloads.clear()
    compiled.compile(signature)
    code = compiled._cache_entry(signature).load()
    assert "exp" in code.needs
    assert undefined_symbols(code.code) == code.needs
    assert missing_symbols(code) == []
    assert undefined_symbols(b"MZ no such file") is None


@pytest.mark.jit
def test_machine_code_that_calls_something_missing_is_not_linked(place: Path) -> None:
    compiled: Any = exponentials_of
    signature = signature_of((np.zeros(3),))
    compiled.overloads.clear()
    compiled.compile(signature)
    good = compiled._cache_entry(signature).load()
    lacking = MachineCode(good.symbol, (*good.needs, "a_function_of_nobody"), good.code)
    assert missing_symbols(lacking) == ["a_function_of_nobody"]
    compiled._cache_entry(signature).store(lacking)
    compiled.overloads.clear()
    assert compiled.find(signature) is None
    x = np.zeros(3)
    exponentials_of(x)
    assert x.tolist() == [1, 1, 1]


# --- whole processes

HEAVY = ("numba", "llvmlite", "scipy", "PIL", "matplotlib", "cv2", "pandas", "pyarrow", "h5py", "soundfile")
PROGRAM = """
import sys
import numpy as np
from streamfit.kernels import CallList
from mine import step
x = np.arange(3.0)
CallList([(step, (x,))]).run()
step(x)
print(x.tolist(), "numba" in sys.modules)
"""
MINE = """
from streamfit.kernels import kernel
from theirs import moved
@kernel
def step(x):
    for i in range(x.shape[0]):
        x[i] = moved(x[i]) * 2
"""
THEIRS = """
from streamfit.kernels.decorator import inlined
@inlined
def moved(x):
    return x + 1
"""


class Workshop:
    """A folder with a program of two files and a cache."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder, folder / "cache"
        (folder / "mine.py").write_text(MINE)
        (folder / "theirs.py").write_text(THEIRS)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))

    def run(self, **variables: str) -> str:
        environment = {k: v for k, v in os.environ.items() if k != "NUMBA_DISABLE_JIT"}
        path = os.pathsep.join([str(self.folder), *sys.path])
        environment |= {
            "NUMBA_CACHE_DIR": str(self.cache),
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=True,
        )
        return done.stdout.strip()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.mark.jit
@pytest.mark.timeout(LIMIT)
def test_the_second_run_needs_no_numba_and_edits_are_noticed(workshop: Workshop) -> None:
    assert workshop.run() == "[6.0, 10.0, 14.0] True"
    assert workshop.run() == "[6.0, 10.0, 14.0] False"
    workshop.edit("mine.py", "* 2", "* 3")
    assert workshop.run() == "[12.0, 21.0, 30.0] True"
    workshop.edit("theirs.py", "x + 1", "x - 1")  # the caller's file is the same as before
    assert workshop.run() == "[-12.0, -3.0, 6.0] True"
    assert workshop.run() == "[-12.0, -3.0, 6.0] False"


@pytest.mark.jit
@pytest.mark.timeout(LIMIT)
def test_damaged_files_are_compiled_anew(workshop: Workshop) -> None:
    right = workshop.run().split("]")[0]
    for path in files(workshop.cache):
        data = bytearray(path.read_bytes())
        data[-100] ^= 1
        path.write_bytes(bytes(data))
    assert workshop.run() == f"{right}] True"
    assert workshop.run() == f"{right}] False"


@pytest.mark.timeout(LIMIT)
def test_nothing_is_compiled_or_kept_where_the_compiler_is_off(workshop: Workshop) -> None:
    assert workshop.run(NUMBA_DISABLE_JIT="1") == "[6.0, 10.0, 14.0] False"
    assert not workshop.cache.exists()


@pytest.mark.timeout(LIMIT)
def test_importing_the_library_imports_nothing_large() -> None:
    heavy = f"{{{', '.join(map(repr, HEAVY))}}} & set(sys.modules)"
    script = f"import sys, streamfit; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", script], timeout=LIMIT, check=True)
