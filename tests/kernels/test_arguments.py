"""Words of arguments, whatever arrays of the same shape came before."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit.kernels.arguments import signature_of, types_and_words


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (1, 4), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["u1", "f4", "f8", "i8", "c16", "?"])
def test_words_are_those_of_the_array(dtype: str, shape: tuple[int, ...]) -> None:
    """Twice, since the second array is looked up."""
    for _ in range(2):
        array = np.zeros(shape, dtype)
        found = types_and_words((array, 7, np.int64(8)))
        assert found is not None
        types, words = found
        address = array.ctypes.data if array.size else 0
        expected = [0, 0, array.size, array.itemsize, address, *array.shape, *array.strides, 7, 8]
        assert (types, words) == (signature_of((array, 7, 8)), expected)


@pytest.mark.parametrize("kind", ["strided", "read-only", "swapped", "objects", "a float"])
def test_what_machine_code_cannot_take(kind: str) -> None:
    """An array of the same shape that it can take came before."""
    array: object = np.zeros((4, 3))
    assert types_and_words((array,)) is not None
    if kind == "strided":
        array = np.zeros((4, 6))[:, ::2]
    elif kind == "read-only":
        array = np.broadcast_to(np.float64(1), (4, 3))
    elif kind == "swapped":
        array = np.zeros((4, 3), np.dtype("f8").newbyteorder())
    elif kind == "objects":
        array = np.zeros((4, 3), object)
    else:
        array = 1.5
    assert types_and_words((array,)) is None
