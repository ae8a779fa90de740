"""streamfit's side of the memory benchmark: the digits through two worker processes."""

from __future__ import annotations

from typing import Any

from memory_common import WORKERS, Digits, open_digits, options, train

import streamfit as sf


class Sequence(Digits, sf.utils.Sequence):
    """The digits as a streamfit `Sequence`."""

    def __init__(self, images: Any, labels: Any) -> None:
        super().__init__()
        self.hold(images, labels)


def main() -> None:
    """Train."""
    chosen = options()
    digits = Sequence(*open_digits(chosen.folder))
    train(sf, digits, chosen.epochs, workers=WORKERS, use_multiprocessing=True)


if __name__ == "__main__":
    main()
