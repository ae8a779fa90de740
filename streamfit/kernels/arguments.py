"""Arguments of kernels: their types, which decide what is compiled, and their machine words.

Numba flattens an array to ``(parent, owner, size, itemsize, data, shape..., strides...)``. Each of these is a
pointer or a 64-bit integer, one *word*; so is a whole number. The words of a call lie side by side in memory,
and the kernel's thunk (`kernels/thunks.py`) loads them from there.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from streamfit._base.specs import Array

Argument = Array | int
Type = tuple[str, int] | None
"""An array by its dtype and number of axes; None is a whole number."""
Signature = tuple[Type, ...]
Thunk = Callable[[int], int]
"""A thunk as Python calls it: from the address of words to a status, 0 where the kernel ran to its end."""
DATA = 4
"""Which word of an array points at its data."""
_KINDS = "biufc"
_address, _byte_at = ctypes.addressof, ctypes.c_char.from_buffer


class _Types(dict[tuple[np.dtype[np.generic], int], Type]):
    """Types of arrays: to write down a dtype takes longer than to find it here."""

    def __missing__(self, key: tuple[np.dtype[np.generic], int]) -> Type:
        dtype, axes = key
        if len(self) > 1000:  # dtypes of records are without number
            self.clear()
        found = self[key] = dtype.str, axes
        return found


_TYPES = _Types()
_CFunction = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)


def signature_of(arguments: Sequence[object]) -> Signature:
    """Return the types of arguments."""
    # A list becomes a tuple faster than a generator does; this is done at each call of a kernel.
    return tuple([_TYPES[a.dtype, a.ndim] if isinstance(a, np.ndarray) else None for a in arguments])


def words_of_array(axes: int) -> int:
    """Count the words of an array.

    Example:
        >>> len(words_of([np.zeros((2, 3))])) == words_of_array(2) == 9
        True
    """
    return DATA + 1 + 2 * axes


def thunk_at(address: int) -> Thunk:
    """Return the thunk at an address as a function that lets go of the interpreter's lock."""
    return cast(Thunk, _CFunction(address))


def address_of(array: Array) -> int:
    """Return where the data of a C-contiguous array begin."""
    try:
        return _address(_byte_at(array.data))
    except (TypeError, ValueError):  # an empty array; this way takes five times as long
        address: int = array.ctypes.data
        return address


def is_native(array: Array) -> bool:
    """Return whether machine code can read and write an array: kernels do not declare which they do."""
    dtype = array.dtype
    return array.flags.carray and dtype.isnative and dtype.kind in _KINDS  # C-contiguous, aligned, writeable


def native_array(array: Array) -> Array:
    """Return an array as machine code wants it: itself, or a copy.

    Example:
        >>> given = np.ones(3)
        >>> native_array(given) is given
        True
        >>> given.flags.writeable = False
        >>> native_array(given) is given
        False
    """
    return array if is_native(array) else np.array(array, array.dtype.newbyteorder("="), order="C")


def words_of(arguments: Sequence[object]) -> list[int] | None:
    """Return the machine words of arguments, or None if machine code cannot be called with them."""
    words: list[int] = []
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            if not is_native(argument):
                return None
            try:  # as `address_of`, without the call
                address = _address(_byte_at(argument.data))
            except (TypeError, ValueError):
                address = argument.ctypes.data
            words += (0, 0, argument.size, argument.itemsize, address, *argument.shape, *argument.strides)
        elif isinstance(argument, (int, np.integer)):
            words.append(int(argument))
        else:
            return None
    return words


def checked_words(name: str, arguments: Sequence[object]) -> list[int]:
    """Return the machine words of arguments that a kernel may also write to.

    Raises:
        ValueError: An array is not as kernels need it.
        TypeError: An argument is neither an array nor a whole number.
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
