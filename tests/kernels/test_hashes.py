"""The kernels hash as the plain Python does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit._base.farmhash import fingerprint64
from streamfit._base.siphash import siphash
from streamfit._base.utf8 import utf8
from streamfit.kernels.arguments import is_native
from streamfit.kernels.hashes import hashes_of_numbers, hashes_of_texts

WORDS = st.integers(0, 2**64 - 1)


def test_texts_of_every_length_that_is_treated_differently() -> None:
    texts = [("aß𝄞b€" * 60)[:size] for size in range(150)]
    assert hashes_of_texts(texts).tolist() == [fingerprint64(text.encode()) for text in texts]
    assert hashes_of_texts(texts, (7, 2**64 - 1)).tolist() == [
        siphash(text.encode(), (7, 2**64 - 1)) for text in texts
    ]


@pytest.mark.parametrize("texts", [["a", "bc"], ["ä", ""], [""], []])
def test_no_process_compiles_the_kernel_because_texts_cannot_be_written_to(texts: list[str]) -> None:
    assert all(is_native(array) for array in utf8(texts))


@given(st.lists(st.text(max_size=90), max_size=5), WORDS, WORDS)
def test_any_text_and_key(texts: list[str], first: int, second: int) -> None:
    assert hashes_of_texts(texts).tolist() == [fingerprint64(text.encode()) for text in texts]
    wanted = [siphash(text.encode(), (first, second)) for text in texts]
    assert hashes_of_texts(texts, (first, second)).tolist() == wanted


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5), WORDS)
def test_numbers_are_hashed_as_their_digits(numbers: list[int], key: int) -> None:
    array = np.array(numbers, np.int64)
    assert hashes_of_numbers(array).tolist() == [fingerprint64(str(n).encode()) for n in numbers]
    wanted = [siphash(str(n).encode(), (key, 1)) for n in numbers]
    assert hashes_of_numbers(array, (key, 1)).tolist() == wanted


@pytest.mark.parametrize("number", [0, 9, 10, -1, -10, 10**18, 2**63 - 1, -(2**63)])
def test_the_ends_of_numbers(number: int) -> None:
    assert hashes_of_numbers(np.array([number]))[0] == fingerprint64(str(number).encode())
