"""CIFAR-100: 60,000 small photographs of 100 classes, in 20 groups."""

from __future__ import annotations

import os

from streamfit.datasets.cifar_archives import read_batches
from streamfit.datasets.local_files import Splits, find_local

_ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"


def load_data(label_mode: str = "fine", path: str | os.PathLike[str] = "cifar-100-python.tar.gz") -> Splits:
    """Read CIFAR-100.

    Args:
        label_mode: ``'fine'`` for the 100 classes, ``'coarse'`` for the 20 groups.
        path: The archive as it was published, or the folder ``cifar-100-python`` that it was unpacked to. A
            name is looked for here and in ``~/.keras/datasets``.

    Returns:
        As for `cifar10`.

    Raises:
        ValueError: The label mode is none of these.
        NoFileError: There is no such file; the message says what to download, and where it belongs.
        DataError: It is damaged or something else.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f"label_mode={label_mode!r}: write 'fine' or 'coarse'")
    found = find_local(path, ["cifar-100-python", "cifar-100-python.tar.gz"], _ADDRESS)
    labels = f"{label_mode}_labels"
    return read_batches(found, ["train"], labels), read_batches(found, ["test"], labels)
