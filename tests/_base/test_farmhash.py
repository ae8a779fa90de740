"""The fingerprint is FarmHash's, on every length that it treats differently."""

from __future__ import annotations

import pytest

from streamfit._base.farmhash import fingerprint64

# Made with Google's C++ code, of the texts that `text` returns.
PUBLISHED = {
    0: 11160318154034397263,
    1: 11795596070477164822,
    4: 5229200165339728586,
    7: 2326968938742419854,
    8: 16943539220291562265,
    16: 3820547438670371201,
    17: 16324845785421546951,
    32: 127699506250089056,
    33: 13415271314500398898,
    64: 2544848233693181161,
    65: 8179483852271218337,
    128: 7808010523399645295,
    129: 11397533613750170066,
    200: 3666315064520934872,
}


def text(size: int) -> bytes:
    return bytes(97 + (place * 7 + size) % 26 for place in range(size))


@pytest.mark.parametrize("size", PUBLISHED)
def test_the_numbers_of_the_reference(size: int) -> None:
    assert fingerprint64(text(size)) == PUBLISHED[size]


def test_buckets_are_those_of_tensorflow() -> None:
    # From the documentation of tf.strings.to_hash_bucket_fast.
    assert [fingerprint64(word) % 3 for word in (b"Hello", b"TensorFlow", b"2.x")] == [0, 2, 2]
