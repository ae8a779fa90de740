"""Worker processes start wherever a Python interpreter exists; otherwise there is one clear error."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.leaks import nothing_left_behind
from oracles.loads import Shifted
from oracles.scripts import complaints, environment

import streamfit
from streamfit import Sequential, layers

pytestmark = pytest.mark.timeout(60)
PROCESSES: dict[str, Any] = {"workers": 2, "use_multiprocessing": True}


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    with nothing_left_behind():
        yield


def compiled() -> Any:
    model = Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")
    return model


def numbers(**options: Any) -> list[float]:
    with streamfit.stream(Shifted(), **(PROCESSES | options)) as batches:
        return [float(x[0, 0]) for x, _ in batches]


# --- programs that are no interpreter


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Replace the interpreter by a program; return the file that counts its starts."""
    log, path = tmp_path / "starts", tmp_path / "my_program"
    path.write_text(f"#!/bin/sh\necho >> '{log}'\necho 'usage: my_program FILE' >&2\nexit 2\n")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))
    return lambda: len(log.read_text().splitlines()) if log.exists() else 0


FREEZERS: dict[str, tuple[str, Any]] = {
    "PyInstaller": ("frozen", True),
    "py2app": ("frozen", "macosx_app"),
    "unpacked": ("_MEIPASS", "/tmp/_MEI"),
    "PyOxidizer": ("oxidized", True),
}


@pytest.mark.parametrize("freezer", FREEZERS)
@pytest.mark.parametrize("entrance", ["fit", "evaluate", "predict", "fit_generator"])
def test_frozen_program_is_refused_and_never_started(
    freezer: str, entrance: str, program: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, *FREEZERS[freezer], raising=False)
    with pytest.raises(streamfit.WorkerError, match=r"frozen.*use_multiprocessing=False"):
        getattr(compiled(), entrance)(Shifted(), verbose=0, **PROCESSES)
    assert program() == 0


def test_program_compiled_by_nuitka_is_refused(
    program: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__compiled__", object(), raising=False)
    with pytest.raises(streamfit.WorkerError, match="frozen"):
        numbers()
    assert program() == 0


def test_frozen_program_loads_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert numbers(use_multiprocessing=False) == [0, 1, 2, 3]


def test_what_is_no_interpreter_is_started_once(program: Callable[[], int]) -> None:
    with pytest.raises(streamfit.WorkerError, match=r"my_program.*ended with status 2.*threads"):
        compiled().fit(Shifted(), verbose=0, **PROCESSES)
    assert program() == 1


def test_program_that_embeds_python_does_not_start_itself_again(tmp_path: Path) -> None:
    """A program whose `sys.executable` runs the program once more, whatever its arguments are."""
    log, wrapper = tmp_path / "starts", tmp_path / "wrapper"
    wrapper.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{tmp_path}/main.py'\n")
    wrapper.chmod(0o755)
    (tmp_path / "main.py").write_text(f"""
import sys
open({str(log)!r}, "a").write("x")
import numpy as np
import streamfit
sys.executable = {str(wrapper)!r}
class Data(streamfit.Sequence):
    def __len__(self): return 1
    def __getitem__(self, index): return np.zeros((1, 1))
with streamfit.stream(Data(), workers=1, use_multiprocessing=True) as batches:
    list(batches)
""")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "main.py")],
        capture_output=True,
        text=True,
        timeout=50,
        env=environment(),
    )
    assert done.returncode == 1
    assert "WorkerError: worker processes cannot be started" in done.stderr
    assert log.read_text() == "xx"  # the program, and what was to be its interpreter


# --- sizes


def test_nothing_that_is_long_is_too_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", [*sys.argv, *(f"image-{n}-ä\udce4.png" for n in range(20_000))])
    monkeypatch.setattr(sys, "path", [*sys.path, *(f"/nowhere/{n:08d}" for n in range(4_000))])
    monkeypatch.setattr(sys, "warnoptions", [*sys.warnoptions, *["ignore"] * 50_000])
    for name in "ABC":
        monkeypatch.setenv(f"MY_{name}", name * 1_000_000)

    class Reporter(Shifted):
        def __getitem__(self, index: int) -> Any:
            sizes = [os.environ[f"MY_{name}"] == name * 1_000_000 for name in "ABC"]
            return np.array([[len(sys.argv), sys.argv[-1] == "image-19999-ä\udce4.png", all(sizes)]])

    with streamfit.stream(Reporter(), **PROCESSES) as batches:
        assert next(iter(batches)).tolist() == [[len(sys.argv), 1, 1]]


# --- features that a system may lack


def _refusing(number: int) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EINVAL])
def test_another_kind_of_memory_is_taken(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "memfd_create", _refusing(number), raising=False)
    arrays = np.ones((1000, 1000))
    model = compiled()
    history = model.fit(Shifted(arrays), validation_data=Shifted(arrays), verbose=0, **PROCESSES)
    assert history.receipts[-1].delivered == 4
    assert model.predict(Shifted(arrays), **PROCESSES).shape == (8, 1)


def test_no_memory_at_all_is_one_error_that_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    monkeypatch.setattr(os, "memfd_create", _refusing(errno.ENOSYS), raising=False)
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    opened = os.open

    def open_none(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).startswith(("/dev/shm", "/nonexistent")):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", open_none)
    with pytest.raises(streamfit.WorkerError, match=r"shared memory.*memfd_create.*threads"):
        compiled().fit(Shifted(), verbose=0, **PROCESSES)


PROGRAM = """
import numpy as np
import streamfit
class Data(streamfit.Sequence):
    def __init__(self):
        self.large = np.arange(300_000.0)
    def __len__(self):
        return 4
    def __getitem__(self, index):
        return np.full((1, 1), self.large[index])
{before}
for options in (dict(), dict(workers=2), dict(workers=2, use_multiprocessing=True)):
    with streamfit.stream(Data(), **options) as batches:
        print([float(batch[0, 0]) for batch in batches])
"""
EXPECTED = "[0.0, 1.0, 2.0, 3.0]\n" * 3


def run(command: list[str], folder: Path, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=50, cwd=folder, env=environment(), **how
    )


@pytest.mark.parametrize("hidden", ["/proc", "/dev/shm", "/proc /dev/shm"])
def test_without_proc_or_shared_memory_folder(hidden: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM.format(before=""))
    hide = "".join(f"mount -t tmpfs none {folder} && " for folder in hidden.split())
    if "/dev/shm" in hidden:
        hide += "mount -o remount,ro /dev/shm && "
    for start in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        if shutil.which("unshare"):
            done = run([*start, "sh", "-c", f'{hide}exec "$0" program.py', sys.executable], tmp_path)
            if done.stdout:
                assert (done.returncode, done.stdout, complaints(done.stderr)) == (0, EXPECTED, "")
                return
    pytest.skip("this system does not let a program have mounts of its own")


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_where_the_kernel_refuses_memfd_create(error: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM.format(before=""))
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    inject = f"inject=memfd_create:error={error}"
    command = ["strace", "-f", "-o", "/dev/null", "-e", "trace=memfd_create", "-e", inject, sys.executable]
    done = run([*command, "program.py"], tmp_path)
    if "strace:" in done.stderr:
        pytest.skip(f"strace cannot be used here: {done.stderr[:100]}")
    assert (done.returncode, done.stdout) == (0, EXPECTED), done.stderr


@pytest.mark.parametrize("path", ["", "sys.path[:0] = ['', 'src', './more']"])
def test_deleted_working_folder(path: str, tmp_path: Path) -> None:
    before = f"import os, sys, tempfile\n{path}\ngone = tempfile.mkdtemp()\nos.chdir(gone)\nos.rmdir(gone)"
    (tmp_path / "program.py").write_text(PROGRAM.format(before=before))
    done = run([sys.executable, "program.py"], tmp_path)
    assert (done.returncode, done.stdout, complaints(done.stderr)) == (0, EXPECTED, "")


def test_working_folder_that_goes_between_two_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    with streamfit.stream(Shifted(), **PROCESSES) as batches:
        assert len(list(batches)) == 4
        gone.rmdir()
        assert len(list(batches)) == 4
    model = compiled()
    assert model.fit(Shifted(), verbose=0, **PROCESSES).receipts[-1].delivered == 4


# --- errors name objects that cannot be sent

NOTEBOOK = """
import functools, os, threading
import numpy as np
import streamfit
_guard = threading.Lock()
_tables = {"a": [1, {"deep": threading.Event()}]}

class _Base(streamfit.Sequence):
    def __len__(self):
        return 2

class Direct(_Base):

    def __getitem__(self, index):
        with _guard:
            return np.zeros((1, 1))

def _helper():
    return _tables["a"]

class Indirect(_Base):

    def __getitem__(self, index):
        return np.zeros((1, 1)), _helper()

class Nested(_Base):

    def __getitem__(self, index):
        def inside():
            return [_guard.locked() for _ in range(2)]

        return np.array([inside()])

class Property(_Base):

    @property
    def free(self):
        return not _guard.locked()

    def __getitem__(self, index):
        return np.array([[self.free]])

class Attribute(_Base):

    def __init__(self):
        self.settings = {"x": [0, functools.partial(max, _Holder())]}

    def __getitem__(self, index):
        return np.zeros((1, 1))

class _Holder:
    def __init__(self):
        self.large = np.zeros(1 << 20)
        self.file = open(os.devnull, "rb")

    def __del__(self):
        self.file.close()

class ClassAttribute(_Base):

    shared = threading.RLock()

    def __getitem__(self, index):
        return np.zeros((1, 1))

def in_a_closure():
    connection = threading.Condition()

    class Closes(_Base):
        def __getitem__(self, index):
            with connection:
                return np.zeros((1, 1))

    return Closes()
"""

CASES = {
    "Direct": r"the global my_notebook._guard, used in .*Direct\)\.__getitem__, is a _thread.lock",
    "Indirect": r"global my_notebook._tables\['a'\]\[1\]\['deep'\].*, used in the global my_notebook._helper",
    "Nested": r"the global my_notebook._guard, used in .*Nested\)\.__getitem__",
    "Property": r"the global my_notebook._guard, used in .*Property\)\.free",
    "Attribute": r"\.settings\['x'\]\[1\]\.args\[0\]\.file is a _io\.BufferedReader",
    "ClassAttribute": r"\.shared is a _thread\.RLock",
    "in_a_closure": r"its variable 'connection'\)",
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("entrance", ["stream", "predict"])
def test_error_names_what_cannot_travel_and_where_it_is(
    case: str, entrance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = types.ModuleType("my_notebook")  # no worker can import it, as that of a notebook
    monkeypatch.setitem(sys.modules, "my_notebook", notebook)
    exec(NOTEBOOK, vars(notebook))
    data = getattr(notebook, case)()
    load = {
        "stream": lambda: list(iter(streamfit.stream(data, **PROCESSES))),
        "predict": lambda: compiled().predict(data, **PROCESSES),
    }[entrance]
    with pytest.raises(streamfit.PicklingError, match=CASES[case]):
        load()
