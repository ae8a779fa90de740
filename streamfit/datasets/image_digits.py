"""What MNIST and Fashion-MNIST have in common: 28 x 28 gray images of 10 classes, in two formats."""

from __future__ import annotations

import os

from streamfit._base.errors import DataError, NoFileError
from streamfit.datasets.idx_files import read_idx
from streamfit.datasets.local_files import Splits, load_npz

_PARTS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def read_splits(path: str, address: str) -> Splits:
    """Read an archive of NumPy, or a folder with the four files in IDX format.

    Raises:
        NoFileError: One of the four is not there.
        DataError: They are not what they should be.
    """
    if os.path.isdir(path):
        names = []
        for part in _PARTS:
            found = [name for name in (part, f"{part}.gz") if os.path.exists(os.path.join(path, name))]
            if not found:
                raise NoFileError(
                    f"the folder {path!r} has no {part}.gz; get the four files of {address}, or read single "
                    "ones with streamfit.datasets.read_idx"
                )
            names.append(os.path.join(path, found[0]))
        x_train, y_train, x_test, y_test = map(read_idx, names)
    else:
        x_train, y_train, x_test, y_test = load_npz(path, ["x_train", "y_train", "x_test", "y_test"])
    for x, y in ((x_train, y_train), (x_test, y_test)):
        if x.shape[1:] != (28, 28) or y.shape != x.shape[:1]:
            raise DataError(f"{path!r} holds images of shape {x.shape} with labels of shape {y.shape}")
    return (x_train, y_train), (x_test, y_test)
