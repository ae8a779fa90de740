"""tf.data's side of the loader benchmark.

``window`` takes whole batches of a window shuffle written by hand from a generator; ``buffer`` takes row
groups from a generator, cuts them into rows and shuffles these in a buffer of 100,000.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from loaders_window import batches, read_group, row_groups
from parquet_common import Array, options, paths, serve

BUFFER = 100_000


def main() -> None:
    """Serve passes."""
    chosen = options("window", "buffer")
    groups = row_groups(paths(chosen.folder))
    passes = 0

    def whole() -> Iterator[Any]:
        nonlocal passes
        passes += 1
        if chosen.variant == "window":
            yield from batches(groups, chosen.batch, passes)
            return
        for at in np.random.default_rng(passes).permutation(len(groups)):
            yield read_group(*groups[at][:2])

    signature = (
        tf.TensorSpec((None, 20), tf.float32),
        tf.TensorSpec((None, 4), tf.int32),
        tf.TensorSpec((None,), tf.float32),
    )
    dataset: Any = tf.data.Dataset.from_generator(whole, output_signature=signature)
    if chosen.variant == "buffer":
        dataset = dataset.unbatch().shuffle(BUFFER).batch(chosen.batch)
    dataset = dataset.prefetch(tf.data.AUTOTUNE)

    def read() -> Iterator[Array]:
        for _, _, targets in dataset.as_numpy_iterator():
            yield targets

    serve(read, sum(rows for _, _, rows in groups))


if __name__ == "__main__":
    main()
