"""Keras' side of the memory benchmark: the digits through a `PyDataset` with two worker processes.

``--hide`` makes installed packages look absent, as in ``first_step_keras.py``: Keras would import other
backends and scikit-learn whenever they are installed.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from first_step_keras import hide
from memory_common import WORKERS, Digits, open_digits, options, train


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--hide", action="append", default=[])
    hidden, rest = parser.parse_known_args()
    hide(hidden.hide)
    sys.argv[1:] = rest
    chosen = options()
    import keras

    class Dataset(Digits, keras.utils.PyDataset):  # type: ignore[misc]
        """The digits as a Keras data set."""

        def __init__(self, images: Any, labels: Any) -> None:
            super().__init__(workers=WORKERS, use_multiprocessing=True)
            self.hold(images, labels)

    train(keras, Dataset(*open_digits(chosen.folder)), chosen.epochs)


if __name__ == "__main__":
    main()
