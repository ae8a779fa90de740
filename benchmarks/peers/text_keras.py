"""`TextVectorization` of Keras, on TensorFlow, for the benchmark of text.

``arrays`` gives it arrays of strings, all at once to adapt to and batch by batch to transform; ``tf.data`` a
data set in batches, on as many threads as TensorFlow chooses.
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow as tf
from text_common import BATCH, options, serve, texts

chosen = options("arrays", "tf.data")
given = tf.constant(texts(chosen.megabytes))
layer = keras.layers.TextVectorization()
LARGE = 8192  # texts in a batch to adapt to
look_up = tf.function(layer, input_signature=[tf.TensorSpec((None,), tf.string)])


def adapt() -> int:
    """Make the vocabulary; return its size."""
    layer.adapt(given if chosen.kind == "arrays" else tf.data.Dataset.from_tensor_slices(given).batch(LARGE))
    return int(layer.vocabulary_size())


def transform() -> int:
    """Look all texts up; return how many words they have."""
    if chosen.kind == "arrays":
        found = (look_up(given[at : at + BATCH]) for at in range(0, given.shape[0], BATCH))
    else:
        data = tf.data.Dataset.from_tensor_slices(given).batch(BATCH)
        found = iter(data.map(layer, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE))
    return sum(int(tf.math.count_nonzero(numbers)) for numbers in found)


serve({"adapt": adapt, "transform": transform})
