"""Keras' preprocessing layers in tf.data for the benchmark of augmentation, on one core."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from augmentation_common import MEAN, PHOTO, SMALL, STD, serve

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
normal = keras.layers.Normalization(mean=[255 * m for m in MEAN], variance=[(255 * s) ** 2 for s in STD])
small = [
    keras.layers.RandomFlip("horizontal"),
    keras.layers.ZeroPadding2D(4),
    keras.layers.RandomCrop(32, 32),
    keras.layers.RandomErasing(1.0, scale=(64 / 1024, 64 / 1024)),
    normal,
]
photo = [
    keras.layers.RandomZoom((-0.5, 0.0), (-0.5, 0.0), interpolation="bilinear"),
    keras.layers.RandomCrop(224, 224),
    keras.layers.RandomFlip("horizontal"),
    keras.layers.RandomBrightness(0.4),
    keras.layers.RandomContrast(0.4),
    keras.layers.RandomSaturation((0.3, 0.7)),
    keras.layers.RandomHue(0.1),
    normal,
]


def pipeline(layers: list[keras.layers.Layer]):
    """Return a function that sends one batch through tf.data: whole batches are quickest."""

    @tf.function
    def transformed(batch: tf.Tensor) -> tf.Tensor:
        x = tf.cast(batch, tf.float32)
        for layer in layers:
            x = layer(x, training=True)
        return x

    def run(batch: np.ndarray) -> np.ndarray:
        data = tf.data.Dataset.from_tensors(batch).map(transformed)
        return next(data.as_numpy_iterator())

    eager = tf.zeros((1, 256, 256, 3))
    for layer in layers:  # built outside of the function, whose graph would hold their weights
        eager = layer(eager, training=True)
    return run


serve({SMALL: pipeline(small), PHOTO: pipeline(photo)}, ["keras", "tensorflow-cpu"])
