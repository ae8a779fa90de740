"""SipHash-2-4 is that of its paper and of TensorFlow."""

from __future__ import annotations

import pytest

from streamfit._base.siphash import siphash

KEY = (12345678901234567, 2**63 - 1)
# tf.strings.to_hash_bucket_strong(text, 2**62, KEY) of TensorFlow 2.21, of the texts that `text` returns.
OF_TENSORFLOW = {
    0: 1941105165216414875,
    1: 2236869500267858810,
    4: 2180883669555373125,
    7: 2416560282811068826,
    8: 1806242397271583092,
    15: 4048369953187145893,
    16: 36600154185889336,
    17: 2152408460773090988,
    32: 2609848995869696925,
    64: 2836614208100882541,
    200: 706019925967090063,
    300: 2279612994362970416,
}


def text(size: int) -> bytes:
    return bytes(97 + (place * 7 + size) % 26 for place in range(size))


@pytest.mark.parametrize("size", OF_TENSORFLOW)
def test_the_numbers_of_tensorflow(size: int) -> None:
    assert siphash(text(size), KEY) % 2**62 == OF_TENSORFLOW[size]


def test_the_example_of_the_paper() -> None:
    key = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
    assert siphash(bytes(range(15)), key) == 0xA129CA6149BE45E5
