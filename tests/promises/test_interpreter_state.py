"""Workers have the interpreter state of the main process: flags, filters, error states, hash seed."""

from __future__ import annotations

import contextvars
import decimal
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.leaks import nothing_left_behind
from oracles.scripts import complaints, environment
from oracles.states import Deep, Overflows, OwnWarning, Warns

import streamfit
from streamfit import Sequence, Sequential, layers
from streamfit.callbacks import LambdaCallback

pytestmark = pytest.mark.timeout(60)
PLACEMENTS: list[dict[str, Any]] = [
    {"workers": 0},
    {"workers": 1},
    {"workers": 2},
    {"workers": 1, "use_multiprocessing": True},
    {"workers": 2, "use_multiprocessing": True},
]
placements = pytest.mark.parametrize("placement", PLACEMENTS, ids=str)


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    with nothing_left_behind():
        yield


def program(text: str, *flags: str, folder: Path, **variables: str) -> tuple[str, str]:
    """Run a program with flags of the interpreter; return its standard output and standard error."""
    (folder / "program.py").write_text(text)
    done = subprocess.run(
        [sys.executable, *flags, str(folder / "program.py")],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"} | variables,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, complaints(done.stderr)


FLAGS = """
import sys
import numpy as np
import streamfit

def state():
    options = {name: value for name, value in sys._xoptions.items()}
    return repr((tuple(sys.flags), options, sys.warnoptions, sys.dont_write_bytecode, sys.pycache_prefix,
                 sys.stdout.write_through, sys.get_int_max_str_digits(), __debug__))

class Reporter(streamfit.Sequence):
    def __len__(self):
        return 1
    def __getitem__(self, index):
        return np.frombuffer(state().encode(), np.uint8)[None]

with streamfit.stream(Reporter(), workers=1, use_multiprocessing=True) as batches:
    there = next(iter(batches)).tobytes().decode()
print(there == state() or (there, state()))
"""


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("-O",),
        ("-OO", "-B"),
        ("-W", "error::UserWarning", "-W", "ignore::FutureWarning"),
        ("-X", "utf8", "-X", "int_max_str_digits=9000", "-X", "mine=3"),
        ("-X", "dev"),
        ("-bb", "-s"),
        ("-P", "-u"),
        ("-X", "pycache_prefix=/tmp/nowhere", "-B"),
    ],
    ids=" ".join,
)
def test_flags_are_those_of_the_main_process(flags: tuple[str, ...], tmp_path: Path) -> None:
    out, _ = program(FLAGS, *flags, folder=tmp_path, PYTHONHASHSEED="7")
    assert out == "True\n"


FOREIGN = "import os\nopen(os.environ['RAN'], 'a').write(__name__ + ' ')\nraise SystemExit(3)\n"
TRUSTED = """
import sys
sys.path[:0] = [p for p in {path!r} if p not in sys.path]
import os
import numpy as np
import streamfit

class Reporter(streamfit.Sequence):
    def __len__(self):
        return 1
    def __getitem__(self, index):
        seen = sorted(name for name in os.environ if name.startswith("PYTHON"))
        return np.array([[len(seen), seen == ["PYTHONHASHSEED"], hash("a") == hash("a")]])

with streamfit.stream(Reporter(), workers=1, use_multiprocessing=True) as batches:
    print(next(iter(batches)).tolist())
"""


@pytest.mark.parametrize("flag", ["-I", "-E"])
def test_nothing_foreign_runs_where_the_environment_is_not_trusted(flag: str, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for name in ("marshal", "contextlib", "numpy", "cloudpickle", "sitecustomize", "wire", "startup"):
        (foreign / f"{name}.py").write_text(FOREIGN)
    text = TRUSTED.format(path=[entry for entry in sys.path if "site-packages" in entry] + [str(ROOT)])
    out, err = program(
        text,
        flag,
        folder=tmp_path,
        PYTHONPATH=str(foreign),
        PYTHONSTARTUP=str(foreign / "startup.py"),
        PYTHONHASHSEED="11",
        RAN=str(tmp_path / "ran"),
    )
    assert (out, err) == ("[[1, 1, 1]]\n", "")
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()


ROOT = Path(streamfit.__file__).parent.parent


def test_module_in_the_current_folder_does_not_run_under_isolation(tmp_path: Path) -> None:
    (tmp_path / "socket.py").write_text(FOREIGN)
    text = TRUSTED.format(path=[entry for entry in sys.path if "site-packages" in entry] + [str(ROOT)])
    program_folder = tmp_path / "elsewhere"
    program_folder.mkdir()
    (program_folder / "program.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-I", str(program_folder / "program.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        env=environment() | {"RAN": str(tmp_path / "ran")},
    )
    assert done.stdout == "[[1, 1, 1]]\n", done.stderr
    assert not (tmp_path / "ran").exists()


# --- warning filters


@placements
@pytest.mark.parametrize("category", [UserWarning, OwnWarning])
def test_filter_that_makes_errors(placement: dict[str, Any], category: type[Warning]) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="in load", category=category)
        with (
            pytest.raises(category, match="in load"),
            streamfit.stream(Warns(category), **placement) as batches,
        ):
            list(batches)


def test_filter_that_ignores_and_one_for_another_class(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="in load")
        warnings.filterwarnings("error", category=DeprecationWarning)
        with streamfit.stream(Warns(), workers=2, use_multiprocessing=True) as batches:
            assert len(list(batches)) == 3
    assert "in load" not in capfd.readouterr().err


@placements
def test_filter_that_is_set_between_epochs(placement: dict[str, Any]) -> None:
    model = Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")

    def strict(epoch: int, logs: Any) -> None:
        warnings.simplefilter("error")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UserWarning, match="in load"):
            model.fit(
                Warns(), epochs=2, verbose=0, callbacks=[LambdaCallback(on_epoch_end=strict)], **placement
            )
    assert len(model.history.epoch) == 1  # type: ignore[union-attr]


def test_module_that_warned_when_it_was_imported_is_imported_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_old.py").write_text(
        "import warnings, numpy as np, streamfit\nwarnings.warn('old', DeprecationWarning)\n"
        "class Data(streamfit.Sequence):\n"
        "    def __len__(self): return 1\n"
        "    def __getitem__(self, i): return np.zeros((1, 1))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import my_old  # type: ignore[import-not-found]

        warnings.simplefilter("error")  # from here on
        with streamfit.stream(my_old.Data(), workers=1, use_multiprocessing=True) as batches:
            assert len(list(batches)) == 1


# --- NumPy's error state


@placements
@pytest.mark.parametrize("entrance", ["fit", "evaluate", "predict", "validation"])
def test_error_state_of_numpy(placement: dict[str, Any], entrance: str) -> None:
    model = Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")
    x, y = np.zeros((4, 3), "float32"), np.zeros((4, 1), "float32")
    call = {
        "fit": lambda: model.fit(Overflows(), verbose=0, **placement),
        "evaluate": lambda: model.evaluate(Overflows(), verbose=0, **placement),
        "predict": lambda: model.predict(Overflows(), **placement),
        "validation": lambda: model.fit(x, y, validation_data=Overflows(), verbose=0, **placement),
    }[entrance]
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        call()
    with np.errstate(all="ignore"):
        model.predict(Overflows(), **placement)


@pytest.mark.parametrize("workers", [0, 1])
def test_error_state_of_numpy_in_a_generator(workers: int) -> None:
    def items() -> Iterator[Any]:
        yield np.ones(3) / np.zeros(3)

    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        next(iter(streamfit.stream(items(), workers=workers)))


def _never(kind: str, flag: int) -> None:
    raise ArithmeticError(f"my own word about {kind}")


@placements
def test_function_that_numpy_calls_for_errors(placement: dict[str, Any]) -> None:
    with (
        np.errstate(over="call", call=_never),
        pytest.raises(ArithmeticError, match="my own word"),
        streamfit.stream(Overflows(), **placement) as batches,
    ):
        list(batches)


VARIABLE: contextvars.ContextVar[float] = contextvars.ContextVar("VARIABLE", default=0.0)


class Reads(Sequence):
    """Reads the settings of its thread."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        return np.array([[VARIABLE.get(), float(decimal.getcontext().prec)]])


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_threads_have_the_context_of_the_consumer(workers: int) -> None:
    token = VARIABLE.set(5.0)
    try:
        with decimal.localcontext(prec=7), streamfit.stream(Reads(), workers=workers) as batches:
            assert {tuple(batch[0]) for batch in batches} == {(5.0, 7.0)}
    finally:
        VARIABLE.reset(token)


@placements
def test_recursion_limit(placement: dict[str, Any]) -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(6000)
    try:
        with streamfit.stream(Deep(), **placement) as batches:
            assert next(iter(batches))[0, 0] == 2000
    finally:
        sys.setrecursionlimit(before)


# --- the hash seed

HASHES = """
import sys, warnings
import numpy as np
import streamfit
from streamfit import Sequential, layers
from streamfit.callbacks import Callback
from streamfit.testing import leaks

class Hashes(streamfit.Sequence):
    def __len__(self):
        return 4
    def __getitem__(self, index):
        return np.full((2, 1), hash("name") % 1000, "float32"), np.zeros((2, 1), "float32")

def model():
    found = Sequential([layers.Dense(1, input_shape=(1,), kernel_initializer="ones", use_bias=False)])
    found.compile(streamfit.optimizers.SGD(0.0), "mse")
    return found

placement = dict(workers=2, use_multiprocessing=True)
"""
COMPARED = """
m = model()
fits = [m.fit(Hashes(), seed=s, verbose=0, **placement).history["loss"][0] for s in (3, 3, 4)]
m.fit(Hashes(), seed=3, verbose=0, **placement)
both = m.evaluate(Hashes(), verbose=0, **placement), m.predict(Hashes(), **placement)[0, 0] ** 2
print(fits[0] == fits[1] == both[0] == both[1], fits[0] != fits[2], fits[0])
"""


def test_one_hash_seed_for_a_seed_and_for_what_looks_at_its_results(tmp_path: Path) -> None:
    first, _ = program(HASHES + COMPARED, folder=tmp_path)
    second, _ = program(HASHES + COMPARED, folder=tmp_path)
    assert first.startswith("True True")
    assert first == second


def test_the_seed_of_the_environment_is_that_of_workers(tmp_path: Path) -> None:
    text = (
        HASHES
        + "print(float(model().evaluate(Hashes(), verbose=0, **placement)) == (hash('name') % 1000) ** 2)"
    )
    out, _ = program(text, folder=tmp_path, PYTHONHASHSEED="5")
    assert out == "True\n"


RESUMED = """
backup = sys.argv[0] + ".backup"
seen = []
class Stops(Callback):
    def on_epoch_begin(self, epoch, logs):
        if len(sys.argv) < 2 and epoch == 2 and STOP:
            raise KeyboardInterrupt
    def on_epoch_end(self, epoch, logs):
        seen.append(float(logs["loss"]))
from streamfit.callbacks import BackupAndRestore
try:
    model().fit(Hashes(), epochs=4, verbose=0, callbacks=[BackupAndRestore(backup), Stops()], **placement)
except KeyboardInterrupt:
    pass
print(seen)
"""


def test_a_resumed_run_hashes_as_before(tmp_path: Path) -> None:
    before, _ = program(HASHES + "STOP = True" + RESUMED, folder=tmp_path)
    after, _ = program(HASHES + "STOP = False" + RESUMED, folder=tmp_path)
    losses = eval(before) + eval(after)
    assert len(losses) == 4
    assert len(set(losses)) == 1


KILLED = """
import os, signal
class Kills(Callback):
    def on_epoch_end(self, epoch, logs):
        for pid in workers():
            os.kill(pid, signal.SIGKILL)
def workers():
    import streamfit.workers
    return streamfit.workers.live_pids()
warnings.simplefilter("ignore")
losses = model().fit(Hashes(), epochs=3, verbose=0, callbacks=[Kills()], **placement).history["loss"]
print(len(set(losses)))
"""


def test_workers_that_take_the_place_of_others_hash_alike(tmp_path: Path) -> None:
    out, _ = program(HASHES + KILLED, folder=tmp_path)
    assert out == "1\n"
