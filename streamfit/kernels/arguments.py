"""Arguments of kernels: their types, which decide what is compiled, and their machine words.

Numba compiles a kernel to a C function ``status f(result*, error*, words...)`` in which an array is
flattened to ``(parent, owner, size, itemsize, data, shape..., strides...)``. All of these are pointers or
64-bit integers, which every 64-bit calling convention passes as one class of argument.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from streamfit._base.specs import Array

Type = tuple[str, int] | None
"""An array by its dtype and number of axes; None is a whole number."""
Signature = tuple[Type, ...]
_KINDS = "biufc"


def signature_of(arguments: tuple[Any, ...]) -> Signature:
    """Return the types of arguments."""
    return tuple((a.dtype.str, a.ndim) if isinstance(a, np.ndarray) else None for a in arguments)


def address_of(array: Array) -> int:
    """Return where the data of a C-contiguous array begin."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))
    except (TypeError, ValueError):  # empty; this way takes five times as long
        address: int = array.ctypes.data
        return address


def is_native(array: Array) -> bool:
    """Return whether machine code can be given an array: to read, and to write, as nobody says which."""
    dtype = array.dtype
    return array.flags.carray and dtype.isnative and dtype.kind in _KINDS  # C-contiguous, aligned, writeable


def words_of(arguments: tuple[Any, ...]) -> list[int] | None:
    """Return the machine words of arguments, or None if machine code cannot be called with them."""
    words: list[int] = []
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            if not is_native(argument):
                return None
            words += (0, 0, argument.size, argument.itemsize, address_of(argument))
            words += argument.shape
            words += argument.strides
        elif isinstance(argument, (int, np.integer)):
            words.append(int(argument))
        else:
            return None
    return words


def checked_words(name: str, arguments: tuple[Any, ...]) -> list[int]:
    """Return the machine words of arguments that a kernel may also write to.

    Raises:
        ValueError: An array is not as kernels need it.
        TypeError: Something is neither an array nor a whole number.
    """
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            if not is_native(argument):
                raise ValueError(
                    f"kernel {name} needs C-contiguous, writeable, aligned arrays of numbers, got dtype "
                    f"{argument.dtype} and {argument.flags}"
                )
        elif not isinstance(argument, int):
            raise TypeError(f"kernel {name} takes arrays and whole numbers, got {type(argument).__name__}")
    return words_of(arguments) or []
