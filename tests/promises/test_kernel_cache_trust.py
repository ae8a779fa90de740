"""Compiled kernels on disk: run only if no other user can have written them; no file is left half written."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from oracles.scripts import environment

pytestmark = [
    pytest.mark.jit,
    pytest.mark.timeout(100),
    pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX"),
    pytest.mark.skipif(sys.platform != "linux", reason="kernels are kept on disk as ELF files"),
]
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
SOMEBODY = 54321  # a user that does not exist here

PROGRAM = """
import builtins, os, sys
import numpy as np
before = builtins.__import__
def without_compiler(name, *more):
    if name.partition(".")[0] == "numba":
        raise ImportError("no compiler")
    return before(name, *more)
if sys.argv[1] == "load":
    builtins.__import__ = without_compiler
from streamfit import ops
try:
    right = ops.relu(np.array([-1.0, 2.0])).tolist() == [0.0, 2.0]
    print("right" if right else "wrong", "compiled" if "numba" in sys.modules else "loaded")
except ImportError:
    print("refused")
"""


def run(
    cache: Path | str | None, how: str = "load", before: str = "", folder: Path | None = None, **more: str
) -> tuple[str, str]:
    """Use a kernel in another process; return its output and its standard error."""
    surroundings = environment() | more
    surroundings.pop("NUMBA_CACHE_DIR", None)
    if cache is not None:
        surroundings["NUMBA_CACHE_DIR"] = str(cache)
    done = subprocess.run(
        [sys.executable, "-c", before + PROGRAM, how],
        env={name: value for name, value in surroundings.items() if value != "unset"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout.strip() or f"exit status {done.returncode}", done.stderr


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that a program has filled under a umask that allows everything."""
    cache = tmp_path_factory.mktemp("filled") / "deep" / "cache"
    assert run(cache, "compile", "import os; os.umask(0)\n")[0] == "right compiled"
    assert run(cache)[0] == "right loaded"
    return cache


@pytest.fixture
def cache(filled: Path, tmp_path: Path) -> Path:
    copied = tmp_path / "cache"
    shutil.copytree(filled, copied)  # with all modes
    return copied


def kernels(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.suffix == ".kernel")


def test_what_is_written_is_for_this_user_alone_whatever_the_umask(filled: Path) -> None:
    assert len(kernels(filled)) > 1
    for path in [filled.parent, filled, *filled.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def file_mode(mode: int) -> Callable[[Path], None]:
    return lambda cache: kernels(cache)[1].chmod(mode)


def folder_mode(mode: int) -> Callable[[Path], None]:
    return lambda cache: kernels(cache)[0].parent.chmod(mode)


def above_mode(mode: int) -> Callable[[Path], None]:
    return lambda cache: cache.chmod(mode)


def owner_of_file(cache: Path) -> None:
    os.chown(kernels(cache)[1], SOMEBODY, -1)


def owner_of_folder(cache: Path) -> None:
    os.chown(kernels(cache)[1].parent, SOMEBODY, -1)


def owner_above(cache: Path) -> None:
    os.chown(cache, SOMEBODY, -1)


def link_to_file(cache: Path) -> None:
    path = kernels(cache)[0]
    path.symlink_to(path.rename(cache / "elsewhere"))


def link_to_folder(cache: Path) -> None:
    folder = kernels(cache)[0].parent
    folder.symlink_to(folder.rename(cache / "elsewhere"))


def pipe(cache: Path) -> None:
    path = kernels(cache)[0]
    path.unlink()
    os.mkfifo(path)


def folder_in_place(cache: Path) -> None:
    path = kernels(cache)[1]
    path.unlink()
    path.mkdir()


needs_root = pytest.mark.skipif(not ROOT, reason="only root can give files to another user")
LAX: list[object] = [
    pytest.param(file_mode(0o660), id="file of a group"),
    pytest.param(file_mode(0o602), id="file of all"),
    pytest.param(folder_mode(0o770), id="folder of a group"),
    pytest.param(folder_mode(0o1777), id="folder of all, even sticky"),
    pytest.param(above_mode(0o777), id="others may move the folder"),
    pytest.param(owner_of_file, id="file of another", marks=needs_root),
    pytest.param(owner_of_folder, id="folder of another", marks=needs_root),
    pytest.param(owner_above, id="way through another's folder", marks=needs_root),
    pytest.param(link_to_file, id="link to a file"),
    pytest.param(link_to_folder, id="link to a folder"),
    pytest.param(pipe, id="pipe"),
    pytest.param(folder_in_place, id="folder in the place of a file"),
]


@pytest.mark.parametrize("spoil", LAX)
def test_what_others_may_have_written_is_not_run(spoil: Callable[[Path], None], cache: Path) -> None:
    spoil(cache)
    assert run(cache)[0] == "refused"


def test_a_sticky_folder_above_and_folders_that_can_only_be_read_are_fine(cache: Path) -> None:
    cache.chmod(0o1777)
    kernels(cache)[0].parent.chmod(0o755)
    kernels(cache)[0].chmod(0o644)
    assert run(cache)[0] == "right loaded"


def test_it_is_compiled_anew_and_tightened(cache: Path) -> None:
    folder_mode(0o777)(cache)
    file_mode(0o666)(cache)
    pipe(cache)
    assert run(cache, "compile")[0] == "right compiled"
    assert run(cache)[0] == "right loaded"
    for path in cache.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077


@needs_root
def test_two_users_may_name_one_folder(cache: Path) -> None:
    owner_of_folder(cache)
    assert run(cache, "compile")[0] == "right compiled"
    assert run(cache)[0] == "right loaded"


def test_a_place_that_cannot_be_trusted_is_told_of_once(cache: Path) -> None:
    cache.chmod(0o777)
    said, err = run(cache, "compile")
    assert said == "right compiled"
    assert err.count("RuntimeWarning") == 1
    assert f"others may write to {cache}; set NUMBA_CACHE_DIR to a folder that belongs to you" in err


@pytest.mark.parametrize("chosen", ["cache", "./cache", "../here/cache"])
def test_a_relative_path_is_ignored_with_a_word(chosen: str, cache: Path, tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    cache.rename(here / "cache")
    said, err = run(chosen, folder=here, HOME=str(home), XDG_CACHE_HOME="also/relative")
    assert said in ("refused", "right loaded")  # from the usual places, where the library has been used
    assert err.count("RuntimeWarning") == 1
    assert f"NUMBA_CACHE_DIR={chosen!r} is a relative path" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here"]


LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
"""
NAMED = """
import os
del os.O_TMPFILE
"""


@pytest.mark.parametrize("way", ["", NAMED], ids=["nameless", "named"])
def test_a_full_disk_leaves_nothing_and_harms_nothing(way: str, tmp_path: Path) -> None:
    assert run(tmp_path / "new", "compile", way + LIMITED)[0] == "right compiled"
    assert [path for path in (tmp_path / "new").rglob("*") if path.is_file()] == []


def test_no_home_and_no_folder_are_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert run(blocked, "compile") == ("right compiled", "")
    assert run(None, "load", HOME="unset", XDG_CACHE_HOME="unset")[0] in ("right loaded", "refused")


KILLED = """
import os, signal
def deadly(name):
    real = getattr(os, name)
    def act(*args, **more):
        if name == "fchmod" or any(".kernel" in str(arg) for arg in args):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **more)
    setattr(os, name, act)
deadly({moment!r})
"""


@pytest.mark.parametrize(("way", "moment"), [("", "link"), ("", "fchmod"), (NAMED, "fchmod")])
def test_a_killed_writer_leaves_nothing_for_long(way: str, moment: str, cache: Path) -> None:
    kernels(cache)[0].unlink()
    whole = len(kernels(cache))
    assert run(cache, "compile", way + KILLED.format(moment=moment))[0] in (
        "exit status -9",
        "right compiled",
    )
    run(cache)
    assert len(kernels(cache)) == whole
    assert [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".kernel"] == []


def test_what_older_versions_left_goes_and_what_is_being_written_stays(cache: Path) -> None:
    folder = kernels(cache)[0].parent
    old, now = folder / "some.kernel.123456.140125", folder / "some.kernel.123457.140125"
    old.write_bytes(b"half")
    with now.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert run(cache)[0] == "right loaded"
    assert (old.exists(), now.exists()) == (False, True)
