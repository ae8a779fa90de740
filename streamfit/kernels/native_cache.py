"""Machine code of kernels on disk: stored, found again, and loaded into this process without Numba.

To import and prepare Numba costs more than everything else before the first step. A kernel needs only its
machine code to run, which LLVM's linker (in llvmlite) can load by itself.

Guarantees kept here: machine code runs only where everything that it depends on is as it was when it was made
(the function and all that it refers to, types of arguments, processor, versions, Numba's settings), where
every byte is as it was written, and where nobody but this user or root can have written it
(`kernels/private_files.py`); readers and writers in other processes never find half a file; a kernel whose
file cannot be read or written is compiled, as if there were no cache.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import logging
import os
import struct
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from streamfit._base.uninterrupted import uninterrupted
from streamfit.kernels import private_files

if TYPE_CHECKING:
    from llvmlite.binding import ExecutionEngine

_ELF = b"\x7fELF\x02\x01"
_FORMAT = "streamfit kernel 2"
_HARMLESS = {"NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_DISABLE_JIT", "NUMBA_WARNINGS"}
LOGGER = logging.getLogger("streamfit.kernels")
_reported: set[str] = set()
_engines: dict[int, object] = {}  # by address of a thunk; they own the memory of the machine code
_lock = threading.Lock()


@dataclass(frozen=True)
class MachineCode:
    """An object file with one kernel and its thunk.

    Attributes:
        symbol: The thunk's name in it.
        needs: Names of the functions that it calls and does not contain.
        code: The object file.
    """

    symbol: str
    needs: tuple[str, ...]
    code: bytes


@functools.cache
def _llvm() -> ModuleType:
    import llvmlite.binding

    llvmlite.binding.initialize_native_target()
    llvmlite.binding.initialize_native_asmprinter()
    _engines[0] = _engine(llvmlite.binding)  # once there is an engine, symbols of the process can be found
    binding: ModuleType = llvmlite.binding
    return binding


def _engine(llvm: ModuleType) -> ExecutionEngine:
    target = llvm.Target.from_default_triple().create_target_machine(jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)


@functools.cache
def surroundings() -> str:
    """Describe everything outside of a kernel that its machine code depends on."""
    import llvmlite

    llvm = _llvm()
    numba = importlib.util.find_spec("numba")
    version = Path(numba.origin).with_name("_version.py").read_bytes() if numba and numba.origin else b""
    settings = {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith("NUMBA_") and name not in _HARMLESS
    }
    return repr(
        (
            sys.version_info[:2],
            hashlib.blake2b(version, digest_size=16).hexdigest(),
            llvmlite.__version__,
            llvm.get_process_triple(),
            llvm.get_host_cpu_name(),
            llvm.get_host_cpu_features().flatten(),
            settings,
        )
    )


class CacheEntry:
    """The place on disk of one kernel compiled for one signature.

    Args:
        source: The file that defines the kernel.
        name: Its qualified name.
        variant: Distinguishes entries that exist side by side, such as the signature.
        fingerprint: Describes the computation; an entry of another fingerprint is replaced.
    """

    def __init__(self, source: str, name: str, variant: str, fingerprint: str) -> None:
        self._key = (
            "\t".join((_FORMAT, name, variant, surroundings(), fingerprint)).replace("\n", " ").encode()
        )
        side = hashlib.blake2b(f"{variant}\t{surroundings()}".encode(), digest_size=8).hexdigest()
        plain = "".join(letter if letter.isalnum() or letter in "._" else "-" for letter in name)
        self._name, self._source = f"{plain[-100:]}.{side}.kernel", source

    def _places(self) -> Iterator[Path]:
        chosen = _chosen_folder()
        if chosen is not None:
            yield chosen / "streamfit" / self._name
            yield chosen / f"streamfit-{_user()}" / self._name  # where the first is another user's
            return
        source = Path(self._source)
        if source.is_absolute() and (beside := source.with_name("__pycache__")).is_dir():
            yield beside / self._name
        with contextlib.suppress(RuntimeError):  # there is no home
            named = Path(os.environ.get("XDG_CACHE_HOME", ""))
            home = named if named.is_absolute() else Path.home() / ".cache"
            if home.is_absolute():
                yield home / "streamfit" / self._name

    def load(self) -> MachineCode | None:
        """Return the machine code, or None where there is none that is valid."""
        for place in self._places():
            with contextlib.suppress(OSError):
                code = self._unpacked(private_files.read(place))
                if code is not None:
                    return code
        return None

    def _unpacked(self, data: bytes) -> MachineCode | None:
        head, _, body = data.partition(b"\n")
        parts = body.split(b"\n", 3)
        if hashlib.blake2b(body).hexdigest().encode() != head or len(parts) != 4:
            return None
        key, symbol, needs, code = parts
        try:
            names = symbol.decode("ascii"), tuple(needs.decode("ascii").split())
        except UnicodeDecodeError:
            return None
        return MachineCode(*names, code) if key == self._key and _is_whole(code, symbol) else None

    def store(self, machine: MachineCode) -> bool:
        """Write the machine code; return whether there was a place for it."""
        words = (self._key, machine.symbol.encode(), " ".join(machine.needs).encode(), machine.code)
        body = b"\n".join(words)
        data = hashlib.blake2b(body).hexdigest().encode() + b"\n" + body
        reasons: list[OSError] = []
        for place in self._places():
            try:
                _write(place, data)
            except OSError as error:
                reasons.append(error)
            else:
                return True
        _report(reasons)
        return False


def _chosen_folder() -> Path | None:
    """Return the folder that the environment names, if it does not depend on where the program is started."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if not chosen:
        return None
    if not os.path.isabs(chosen):
        _warn_once(
            f"NUMBA_CACHE_DIR={chosen!r} is a relative path: others may have put kernels where this program "
            "is started. It is ignored, and the usual places are used; write an absolute path"
        )
        return None
    return Path(chosen)


def _user() -> str:
    return str(os.geteuid()) if hasattr(os, "geteuid") else "user"


def _write(place: Path, data: bytes) -> None:
    private_files.write(place, data, make_folder=place.parent.name != "__pycache__")


def _report(reasons: list[OSError]) -> None:
    """Report once that kernels are not kept, because others could change them."""
    distrusted = [reason for reason in reasons if isinstance(reason, private_files.UntrustedError)]
    if not distrusted:
        return
    text = (
        f"compiled kernels are not kept on disk, so each program compiles them anew: {distrusted[-1]}; set "
        "NUMBA_CACHE_DIR to a folder that belongs to you and that nobody else can write to"
    )
    if os.environ.get("NUMBA_CACHE_DIR"):
        _warn_once(text)
    elif text not in _reported:
        _reported.add(text)
        LOGGER.warning("%s", text)


def _warn_once(text: str) -> None:
    if text not in _reported:
        _reported.add(text)
        warnings.warn(text, RuntimeWarning, stacklevel=2)


def _is_whole(code: bytes, symbol: bytes) -> bool:
    """Return whether this looks like an object file with a symbol: LLVM itself does not check that."""
    if code[:6] != _ELF or len(code) < 64 or symbol not in code:
        return False
    (table,) = struct.unpack_from("<Q", code, 40)
    size, count = struct.unpack_from("<HH", code, 58)
    return bool(table + size * count <= len(code))


def undefined_symbols(code: bytes) -> tuple[str, ...] | None:
    """List the names that an object file refers to and does not define; None if it is no 64-bit ELF file.

    Layout: "System V Application Binary Interface", chapter 4 (64-bit objects, little-endian).
    """
    if code[:6] != _ELF:
        return None
    (table,) = struct.unpack_from("<Q", code, 40)
    size, count = struct.unpack_from("<HH", code, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, table + size * i) for i in range(count)]
    found = []
    for _, kind, _, _, offset, length, link, _, _, entry in sections:
        if kind != 2:  # the symbol table
            continue
        names = sections[link][4]
        for place in range(offset + entry, offset + length, entry):
            name, _, _, section = struct.unpack_from("<IBBH", code, place)
            if section == 0:
                start = names + name
                found.append(code[start : code.index(b"\0", start)].decode())
    return tuple(sorted(found))


def missing_symbols(machine: MachineCode) -> list[str]:
    """List the functions that machine code needs and this process does not have."""
    llvm = _llvm()
    return [name for name in machine.needs if not llvm.address_of_symbol(name)]


def link(machine: MachineCode) -> int:
    """Load machine code into this process, for good, and return the address of its thunk.

    Each object file has a linker of its own, so that equal names in two of them do not clash. No symbol may
    be missing: see `missing_symbols`. No signal handler interrupts this: llvmlite notes only after LLVM has
    taken an object over that it must not free it, too.
    """
    addresses: list[int] = []
    uninterrupted(lambda: addresses.append(_link(machine)))
    return addresses[0]


def _link(machine: MachineCode) -> int:
    llvm = _llvm()
    with _lock:
        engine = _engine(llvm)
        engine.add_object_file(llvm.ObjectFileRef.from_data(machine.code))
        engine.finalize_object()
        address: int = engine.get_function_address(machine.symbol)
        _engines[address] = engine
    return address
