"""CIFAR-10: 60,000 small photographs of 10 classes."""

from __future__ import annotations

import os

from streamfit.datasets.cifar_archives import read_batches
from streamfit.datasets.local_files import Splits, find_local

_ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"


def load_data(path: str | os.PathLike[str] = "cifar-10-python.tar.gz") -> Splits:
    """Read CIFAR-10.

    Args:
        path: The archive as it was published, or the folder ``cifar-10-batches-py`` that it was unpacked to.
            A name is looked for here and in ``~/.keras/datasets``. Its pickles may hold arrays alone:
            anything else in them is refused.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images uint8 (50000, 32, 32, 3) and (10000, 32, 32, 3), with
        the channels first where `image_data_format` says so, and labels uint8 (n, 1) from 0 to 9.

    Raises:
        NoFileError: There is no such file; the message says what to download, and where it belongs.
        DataError: It is damaged or something else.
    """
    found = find_local(path, ["cifar-10-batches-py", "cifar-10-python.tar.gz"], _ADDRESS)
    training = [f"data_batch_{number}" for number in range(1, 6)]
    return read_batches(found, training, "labels"), read_batches(found, ["test_batch"], "labels")
