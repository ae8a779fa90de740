"""Fashion-MNIST: 70,000 pictures of clothes, in the form of MNIST."""

from __future__ import annotations

import os

from streamfit.datasets.image_digits import read_splits
from streamfit.datasets.local_files import Splits, find_local

_ADDRESS = "https://github.com/zalandoresearch/fashion-mnist"


def load_data(path: str | os.PathLike[str] = "fashion-mnist") -> Splits:
    """Read Fashion-MNIST.

    Args:
        path: A folder with the four files in IDX format (``train-images-idx3-ubyte.gz`` and so on), or an
            archive of NumPy with ``x_train``, ``y_train``, ``x_test`` and ``y_test``. A name is looked for
            here and in ``~/.keras/datasets``, where Keras puts the files into ``fashion-mnist``.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``, as for `mnist`.

    Raises:
        NoFileError: There is no such file; the message says what to download, and where it belongs.
        DataError: It is damaged or something else.
    """
    return read_splits(find_local(path, [], _ADDRESS), _ADDRESS)
