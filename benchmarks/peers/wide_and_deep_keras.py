"""Keras' side of the benchmark of wide-and-deep: `fit`, on the backend in KERAS_BACKEND.

The columns of words share one table with a range for each, and so do words and crosses in the wide part.
``strings`` looks words up and crosses them with Keras' layers in a tf.data pipeline, batch by batch, also
with the backend JAX, as Keras' guide advises; ``whole`` does so for all rows at once, at the beginning of
each epoch; ``integers`` is `fit` on arrays of integers that were made before.
"""

from __future__ import annotations

import keras
import numpy as np
from keras_fit import EpochEnds
from serve import Train, Trained, between, serve, versions
from wide_and_deep_common import (
    BATCH,
    BINS,
    CROSSES,
    HIDDEN,
    LEARNING_RATE,
    NUMBERS,
    WIDTH,
    WORDS,
    Table,
    options,
    vocabulary,
)

keras.config.disable_interactive_logging()


def build(table: Table, steps_per_execution: int) -> keras.Model:
    """Return the compiled model of integers."""
    numbers = keras.layers.Input((len(NUMBERS),), name="numbers")
    ids = keras.layers.Input((len(WORDS),), dtype="int64", name="ids")
    wide = keras.layers.Input((len(WORDS) + len(CROSSES),), dtype="int64", name="wide")
    embedded = keras.layers.Flatten()(keras.layers.Embedding(table.deep_rows, WIDTH)(ids))
    deep = keras.layers.Concatenate()([numbers, embedded])
    for units in HIDDEN:
        deep = keras.layers.Dense(units, activation="relu")(deep)
    linear = keras.ops.sum(keras.layers.Embedding(table.wide_rows, 1)(wide), axis=1)
    logit = keras.layers.Add()([keras.layers.Dense(1)(deep), linear])
    out = keras.layers.Activation("sigmoid")(logit)
    model = keras.Model({"numbers": numbers, "ids": ids, "wide": wide}, out)
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        "binary_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
    )
    return model


def from_strings(table: Table) -> object:
    """Return a tf.data pipeline that makes integers of words."""
    import tensorflow as tf

    lookups = [keras.layers.StringLookup(vocabulary=list(vocabulary(table.columns[name]))) for name in WORDS]
    crossings = [keras.layers.HashedCrossing(BINS) for _ in CROSSES]
    starts = np.cumsum([0, *table.sizes[:-1]])[None]
    first = table.deep_rows + BINS * np.arange(len(CROSSES))[None]

    def integers(words: dict[str, tf.Tensor], numbers: tf.Tensor, y: tf.Tensor) -> object:
        ids = tf.stack([look(words[name]) for look, name in zip(lookups, WORDS, strict=True)], 1) + starts
        crosses = [
            cross([words[name] for name in names]) for cross, names in zip(crossings, CROSSES, strict=True)
        ]
        wide = tf.concat([ids, tf.stack(crosses, 1) + first], 1)
        return {"numbers": numbers, "ids": ids, "wide": wide}, y

    words = {name: table.columns[name].astype(str) for name in WORDS}
    rows = tf.data.Dataset.from_tensor_slices((words, table.numbers, table.y)).cache()
    batches = rows.shuffle(len(table.y)).batch(BATCH)
    return batches.map(integers, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def prepare(kind: str, table: Table, steps_per_execution: int) -> Train:
    """Build everything; return the function that trains."""
    model = build(table, steps_per_execution)
    if kind == "strings":
        data = {"x": from_strings(table)}
    else:
        x = {"numbers": table.numbers, "ids": table.ids, "wide": table.wide}
        data = {"x": x, "y": table.y, "batch_size": BATCH, "shuffle": True}

    def train(epochs: int) -> Trained:
        ends = EpochEnds()
        logs = model.fit(**data, epochs=epochs + 1, verbose=0, callbacks=[ends]).history
        return Trained(between(ends.stamps), float(logs["loss"][-1]), float(logs["accuracy"][-1]))

    return train


if __name__ == "__main__":
    parser = options("strings", "integers")
    parser.add_argument("--steps-per-execution", type=int, default=1)
    chosen = parser.parse_args()
    rows = Table(chosen.folder)
    package = {"tensorflow": "tensorflow_cpu"}.get(keras.backend.backend(), keras.backend.backend())
    serve(
        prepare(chosen.kind, rows, chosen.steps_per_execution),
        rows.steps,
        versions("keras", package, "tensorflow-cpu", "numpy"),
    )
