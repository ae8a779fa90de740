"""The interpreter that worker processes run in: that of this process, with its flags and its hash seed.

Guarantees kept here: workers have the flags that this process was started with; a program that is its own
interpreter is never started again; where the environment is not to be trusted (`python -I`, `python -E`)
no `PYTHON*` variable of it is passed on; nothing whose size is up to the user is on the command line or in
the environment that the system passes on, which are limited.
"""

from __future__ import annotations

import os
import socket
import sys

from streamfit._base.errors import WorkerError
from streamfit._base.keys import derive, draw_seed

# Workers share the processor, so libraries in them use one thread each.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "BLIS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
_NEEDED = ((os, "fork"), (socket, "AF_UNIX"), (socket, "SCM_RIGHTS"))
_COUNTED = {
    "debug": "d",
    "optimize": "O",
    "dont_write_bytecode": "B",
    "no_site": "S",
    "verbose": "v",
    "bytes_warning": "b",
    "quiet": "q",
}
_MOST_BYTES = 96 << 10  # Linux refuses 128 KiB in one string, and in all of them where stacks are small
_SEED_VARIABLE = "PYTHONHASHSEED"
_SEEDS = 1 << 32
# Process id of the owner of a fork server: a program that is started in place of an interpreter notices it.
FORK_SERVER_VARIABLE = "STREAMFIT_NURSERY_OF"


class _Program:
    """The hash seed of the latest run of this program: workers that belong to no run take the same."""

    hash_seed: int | None = None


def check_platform() -> None:
    """Raise if worker processes cannot work here."""
    missing = [name for owner, name in _NEEDED if not hasattr(owner, name)]
    if missing:
        raise WorkerError(
            f"worker processes need {', '.join(missing)}, which {sys.platform} does not offer; use threads "
            "(use_multiprocessing=False)."
        )
    frozen = _frozen_by()
    if frozen:
        raise WorkerError(
            f"this program is frozen ({frozen}), and worker processes need a Python interpreter to start: "
            f"{sys.executable!r} would be the program once more. Use threads (use_multiprocessing=False)."
        )
    if not sys.executable:
        raise WorkerError(
            "worker processes need the path of a Python interpreter, and sys.executable is empty here; "
            "use threads (use_multiprocessing=False)."
        )
    owner = os.environ.get(FORK_SERVER_VARIABLE)
    if owner is not None:
        raise WorkerError(
            f"process {owner} started this program as the interpreter of its worker processes "
            f"(sys.executable={sys.executable!r}), and it is none. Use threads (use_multiprocessing=False)."
        )


def _frozen_by() -> str:
    """Return the sign that this program is frozen, or nothing."""
    frozen = getattr(sys, "frozen", False)  # PyInstaller, cx_Freeze, py2exe, py2app, PyOxidizer
    if frozen:
        return f"sys.frozen={frozen!r}"
    if hasattr(sys, "_MEIPASS"):
        return "sys._MEIPASS"
    if getattr(sys, "oxidized", False):
        return "sys.oxidized"
    # Nuitka gives it to each module that it compiles, this one too if it compiled all.
    if "__compiled__" in globals() or hasattr(sys.modules.get("__main__"), "__compiled__"):
        return "__compiled__"
    return ""


def flags() -> list[str]:
    """Return the options of the command line that give an interpreter the flags of this one.

    Isolation is passed on in parts: an interpreter that ignores all of the environment ignores its hash seed.
    """
    own = sys.flags
    found = []
    for name, letter in _COUNTED.items():
        count = max(getattr(own, name), getattr(sys, name, 0) if name == "dont_write_bytecode" else 0)
        found += [f"-{letter * count}"] if count > 0 else []
    distrusts = own.isolated or own.ignore_environment
    found += ["-s"] if distrusts or own.no_user_site else []
    found += ["-P"] if distrusts or own.safe_path else []
    found += ["-u"] if getattr(sys.__stdout__, "write_through", False) else []
    for name, value in sys._xoptions.items():
        found += ["-X", name if value is True else f"{name}={value}"]
    return found


def environment(hash_seed: int) -> tuple[dict[str, str], dict[str, str]]:
    """Return the environment to start an interpreter in, and the variables to add afterwards.

    Args:
        hash_seed: that of its `hash`, in [0, 2**32).
    """
    wanted = own_environment() | _ENVIRONMENT
    wanted.pop("NUMBA_THREADING_LAYER", None)
    later: dict[str, str] = {}
    size = sum(len(name) + len(value) + 2 for name, value in wanted.items())
    for name in sorted(wanted, key=lambda name: -len(wanted[name])):
        if size <= _MOST_BYTES // 4:  # of characters, each of at most four bytes
            break
        later[name] = wanted.pop(name)
        size -= len(name) + len(later[name]) + 2
    wanted[_SEED_VARIABLE] = str(hash_seed)
    wanted[FORK_SERVER_VARIABLE] = str(os.getpid())
    return wanted, later


def own_environment() -> dict[str, str]:
    """Return the variables of the environment, except those that this interpreter ignores."""
    if not sys.flags.ignore_environment:
        return dict(os.environ)
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def search_path() -> list[str]:
    """Return where this process looks for modules, in absolute paths as far as there is a folder to be in."""
    return [found for entry in sys.path if isinstance(entry, str) and (found := _absolute(entry)) is not None]


def _absolute(entry: str) -> str | None:
    try:
        return os.path.abspath(entry)
    except OSError:  # the working folder is gone, and with it all relative paths
        return None


def hash_seed_of_run(seed: int) -> int:
    """Return the hash seed for the workers of a run, and keep it for later workers without a run.

    Args:
        seed: that of the run; equal ones give equal hash seeds.

    Returns:
        the value of PYTHONHASHSEED, where it is set, so that workers hash as this process does.
    """
    found = _seed_of_environment()
    if found is None:
        found = derive(seed, "hash") % (_SEEDS - 1) + 1  # 0 would turn the seed off
    return keep_hash_seed(found)


def keep_hash_seed(hash_seed: int) -> int:
    """Note the hash seed of a run that is resumed, and return it."""
    _Program.hash_seed = hash_seed
    return hash_seed


def hash_seed_of_program(seed: int | None = None) -> int:
    """Return the hash seed for workers that belong to no run: that of the last run, so that sets have the
    same order.

    Args:
        seed: to derive it from if there was no run; None draws it.
    """
    found = _seed_of_environment()
    if found is None and _Program.hash_seed is None:
        return hash_seed_of_run(draw_seed() if seed is None else seed)
    return found if found is not None else int(_Program.hash_seed or 0)


def _seed_of_environment() -> int | None:
    """Return the hash seed that the environment asks for, unless this interpreter ignores it."""
    text = own_environment().get(_SEED_VARIABLE, "")
    return int(text) if text.isascii() and text.isdigit() and int(text) < _SEEDS else None
