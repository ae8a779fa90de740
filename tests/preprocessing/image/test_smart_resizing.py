"""`smart_resize`: cut to the ratio, then resized; the oracle is a crop by hand and `resized`."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.pictures import picture

from streamfit._base.errors import DataError
from streamfit.augment.images import Images
from streamfit.augment.resampling import resized
from streamfit.preprocessing.image import smart_resize


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int16"])
@pytest.mark.parametrize(
    ("size", "box"),
    [((4, 4), (0, 4, 12, 16)), (4, (0, 4, 12, 16)), ((20, 5), (0, 8, 12, 11)), ((3, 10), (3, 0, 9, 20))],
)
def test_crop_and_resize(dtype: str, size: tuple[int, int] | int, box: tuple[int, int, int, int]) -> None:
    x = np.stack([picture(12, 20, seed=seed) for seed in range(2)]).astype(dtype)
    top, left, bottom, right = box
    cut = x[:, top:bottom, left:right].astype(np.float32)
    for interpolation in ("bilinear", "nearest", "area"):
        wanted = resized(Images.of(cut), size, interpolation, antialias=False).value()
        found = smart_resize(x, size, interpolation)
        np.testing.assert_allclose(found, wanted, atol=1e-3)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(smart_resize(x[0], size, interpolation), found[0])
        turned = smart_resize(x.transpose(0, 3, 1, 2), size, interpolation, "channels_first")
        np.testing.assert_array_equal(turned.transpose(0, 2, 3, 1), found)


def test_wrong_arguments() -> None:
    with pytest.raises(DataError, match="must have shape"):
        smart_resize(np.zeros((2, 3)), 4)
    with pytest.raises(DataError, match="of dtype <U1"):
        smart_resize(np.full((2, 3, 1), "a"), 4)
    with pytest.raises(ValueError, match=r"size=\(1, 2, 3\)"):
        smart_resize(np.zeros((2, 3, 1)), (1, 2, 3))
    with pytest.raises(ValueError, match="interpolation='lanczos5': write one of"):
        smart_resize(np.zeros((2, 3, 1)), 4, "lanczos5")  # type: ignore[arg-type]
