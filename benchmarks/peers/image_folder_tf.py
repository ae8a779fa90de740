"""tf.data's side of the benchmark of image folders: a parallel map that TensorFlow tunes, on two threads.

``plain`` is as TensorFlow does it by default: JPEG by the fast, less exact cosine transform, resized without
antialias. ``exact`` decodes to the bits of Pillow and streamfit; ``antialias`` resizes as these two do, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from image_folder_common import BATCH, SIZE, WORKERS, options, serve


def main() -> None:
    """Serve passes."""
    chosen = options()
    tf.config.threading.set_intra_op_parallelism_threads(WORKERS)
    tf.config.threading.set_inter_op_parallelism_threads(WORKERS)
    paths = sorted(map(str, chosen.folder.glob("*/*.jpg")))
    labels = [int(path.split("/")[-2]) for path in paths]

    antialias = chosen.variant == "antialias"
    method = "" if chosen.variant == "plain" else "INTEGER_ACCURATE"

    def load(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method=method)
        return tf.image.resize(image, (SIZE, SIZE), antialias=antialias), label

    made = tf.data.Dataset.from_tensor_slices((paths, labels)).shuffle(len(paths))
    made = made.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)

    def read() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from made.as_numpy_iterator()

    serve(read)


if __name__ == "__main__":
    main()
