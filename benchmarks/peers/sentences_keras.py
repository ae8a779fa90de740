"""Keras' side of the benchmark of sentences: `fit` on a tf.data pipeline that looks the words up.

Also with the backend JAX the pipeline is TensorFlow's, as Keras' guide advises.
"""

from __future__ import annotations

import argparse

import keras
import tensorflow as tf
from sentences_common import (
    BATCH,
    HIDDEN,
    LEARNING_RATE,
    VOCABULARY,
    WARM,
    WIDTH,
    WORDS,
    Epoch,
    options,
    read,
    serve,
    vocabulary,
)

keras.config.disable_interactive_logging()


def look_up(kind: str) -> keras.layers.Layer:
    """Return what makes numbers of sentences."""
    if kind == "vectorization":
        return keras.layers.TextVectorization(
            standardize=None, output_sequence_length=WORDS, vocabulary=vocabulary()
        )
    return keras.layers.StringLookup(mask_token="", vocabulary=vocabulary())


def prepare(chosen: argparse.Namespace) -> Epoch:
    """Build and compile the model, train a few batches, and return what trains an epoch."""
    sentences, y = read(chosen.file)
    layer = look_up(chosen.kind)
    whole = tf.data.Dataset.from_tensor_slices((tf.constant(sentences), y))

    def numbers(texts: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if chosen.kind == "lookup":
            texts = tf.strings.split(texts, " ").to_tensor(shape=(None, WORDS))
        return layer(texts), labels

    def batches(count: int) -> tf.data.Dataset:
        batched = whole.take(count).batch(BATCH)
        return batched.map(numbers, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    model = keras.Sequential(
        [
            keras.layers.Input((WORDS,), dtype="int64"),
            keras.layers.Embedding(VOCABULARY + 2, WIDTH),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(HIDDEN, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        "binary_crossentropy",
        steps_per_execution=chosen.steps_per_execution,
    )

    def train(data: tf.data.Dataset) -> float:
        return float(model.fit(data, epochs=1, verbose=0).history["loss"][0])

    train(batches(WARM * BATCH))
    epoch = batches(len(sentences))
    return lambda: train(epoch)


if __name__ == "__main__":
    parser = options("vectorization", "lookup")
    parser.add_argument("--steps-per-execution", type=int, default=1)
    serve(prepare(parser.parse_args()), "keras", "jax", "tensorflow-cpu", "numpy")
