"""Numba's internals: whether this process uses them, and what it does where they are missing.

Numba's public functions give no machine code that native code can call and that can be kept on disk. So
`kernels/thunks.py` and `kernels/compiling.py` use internals, which a new release of Numba may change.

Guarantee kept here: where an internal is missing or has changed, kernels still run, with the same results.
Each is then an ordinary function of `numba.njit` that Python calls: slower, and compiled again in
each process.
Only denormal numbers are treated as the caller's floating-point mode says, not taken as zero.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from numba.types import Type

CHANGED = (ImportError, AttributeError, TypeError, LookupError, ValueError, AssertionError)
"""Exceptions where an internal is missing or has changed; for mistakes in kernels Numba raises others."""


class Library(Protocol):
    """The machine code of a function, as far as we use it."""

    def get_pointer_to_function(self, name: str) -> int:
        """Return the address of a symbol, 0 if there is none."""

    def get_llvm_str(self) -> str:
        """Return the instructions that it was made of, as text."""

    def serialize_using_object_code(self) -> tuple[str, str, tuple[bytes, bytes]]:
        """Return a name, a kind, and the object file beside other forms."""


class Description(Protocol):
    """What Numba knows of a compiled function, as far as we use it."""

    llvm_func_name: str


class Overload(Protocol):
    """A function that was compiled for one signature, as far as we use it."""

    library: Library
    fndesc: Description


class Dispatcher(Protocol):
    """A function that Numba compiles, as far as we use it."""

    overloads: Mapping[tuple[Type, ...], Overload]

    def compile(self, signature: tuple[Type, ...]) -> object:
        """Compile for one signature."""

    def __call__(self, *arguments: object) -> object:
        """Run, compiled if it must be."""


class _State:
    usable = True


def usable() -> bool:
    """Return whether kernels may be compiled with Numba's internals."""
    return _State.usable


def give_up(error: BaseException) -> None:
    """Use no internals from now on, and warn of it once.

    Args:
        error: The failure of an internal.
    """
    import numba

    if not _State.usable:
        return
    _State.usable = False
    warnings.warn(
        f"streamfit cannot use the internals of Numba {numba.__version__} ({type(error).__name__}: {error}). "
        "Kernels are called one by one from Python, which is slower, and are compiled anew in each process. "
        "Install a release of Numba that streamfit allows (see its pyproject.toml)",
        RuntimeWarning,
        stacklevel=2,
    )
