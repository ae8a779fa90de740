"""streamfit's side of the benchmark of image folders: ``plain`` as Keras resizes, ``antialias`` as Pillow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from image_folder_common import BATCH, SIZE, WORKERS, options, serve

import streamfit


def main() -> None:
    """Serve passes."""
    chosen = options()
    resizing, _, workers = chosen.variant.partition(", ")
    made = streamfit.preprocessing.image_dataset_from_directory(
        chosen.folder,
        image_size=SIZE,
        batch_size=BATCH,
        seed=1,
        antialias=resizing == "antialias",
        verbose=False,
    )
    batches = streamfit.stream(made, workers=WORKERS, use_multiprocessing=workers == "processes")

    def read() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from batches

    serve(read)


if __name__ == "__main__":
    main()
