"""MNIST: 70,000 handwritten digits."""

from __future__ import annotations

import os

from streamfit.datasets.image_digits import read_splits
from streamfit.datasets.local_files import Splits, find_local

_ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"


def load_data(path: str | os.PathLike[str] = "mnist.npz") -> Splits:
    """Read MNIST.

    Args:
        path: ``mnist.npz`` as Keras has it, or a folder with the four files in IDX format
            (``train-images-idx3-ubyte.gz`` and so on). A name is looked for here and in
            ``~/.keras/datasets``.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images uint8 (60000, 28, 28) and (10000, 28, 28), 0 to 255,
        and labels uint8 from 0 to 9.

    Raises:
        NoFileError: There is no such file; the message says what to download, and where it belongs.
        DataError: It is damaged or something else.
    """
    return read_splits(find_local(path, ["mnist.npz"], _ADDRESS), _ADDRESS)
