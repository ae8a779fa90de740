"""Keras' side of the benchmark of wide-and-deep: `fit`, on the backend in KERAS_BACKEND.

The columns of words share one table with a range for each, and so do words and crosses in the wide part.
``strings`` looks words up and crosses them with Keras' layers in a tf.data pipeline, batch by batch, also
with the backend JAX, as Keras' guide advises; ``whole`` does so for all rows at once, at the beginning of
each epoch; ``integers`` is `fit` on arrays of integers that were made before.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras_fit import EpochEnds
from serve import Train, Trained, between, serve, timed, versions
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


class Lookups:
    """Make integers of words by Keras' layers."""

    def __init__(self, table: Table) -> None:
        tables = [vocabulary(table.columns[name]) for name in WORDS]
        self.lookups = [keras.layers.StringLookup(vocabulary=list(words)) for words in tables]
        self.crossings = [keras.layers.HashedCrossing(BINS) for _ in CROSSES]
        self.starts = np.cumsum([0, *table.sizes[:-1]])[None]
        self.first = table.deep_rows + BINS * np.arange(len(CROSSES))[None]

    def __call__(self, words: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the numbers of words, and those of words and crosses."""
        found = [look(words[name]) for look, name in zip(self.lookups, WORDS, strict=True)]
        ids = tf.stack(found, 1) + self.starts
        pairs = zip(self.crossings, CROSSES, strict=True)
        crosses = tf.stack([cross([words[name] for name in names]) for cross, names in pairs], 1)
        return ids, tf.concat([ids, crosses + self.first], 1)


def pipeline(table: Table) -> tf.data.Dataset:
    """Return shuffled batches, of which words are looked up one by one."""
    look_up = Lookups(table)

    def integers(words: dict[str, tf.Tensor], numbers: tf.Tensor, y: tf.Tensor) -> object:
        ids, wide = look_up(words)
        return {"numbers": numbers, "ids": ids, "wide": wide}, y

    words = {name: table.columns[name].astype(str) for name in WORDS}
    rows = tf.data.Dataset.from_tensor_slices((words, table.numbers, table.y)).cache()
    batches = rows.shuffle(len(table.y)).batch(BATCH)
    return batches.map(integers, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def prepare(kind: str, table: Table, steps_per_execution: int) -> Train:
    """Build everything; return the function that trains."""
    model = build(table, steps_per_execution)
    arrays = {"numbers": table.numbers, "ids": table.ids, "wide": table.wide}
    data = {"x": arrays, "y": table.y, "batch_size": BATCH}
    if kind == "strings":
        data = {"x": pipeline(table)}
    if kind == "whole":
        look_up, words = (
            Lookups(table),
            {name: tf.constant(table.columns[name].astype(str)) for name in WORDS},
        )
        compiled = tf.function(look_up.__call__)

        def epoch() -> tuple[float, float]:
            ids, wide = compiled(words)
            arrays.update(ids=ids.numpy(), wide=wide.numpy())
            logs = model.fit(arrays, table.y, batch_size=BATCH, epochs=1, verbose=0).history
            return float(logs["loss"][-1]), float(logs["accuracy"][-1])

        return timed(epoch)

    def train(epochs: int) -> Trained:
        ends = EpochEnds()
        logs = model.fit(**data, epochs=epochs + 1, verbose=0, callbacks=[ends]).history
        return Trained(between(ends.stamps), float(logs["loss"][-1]), float(logs["accuracy"][-1]))

    return train


if __name__ == "__main__":
    parser = options("strings", "whole", "integers")
    parser.add_argument("--steps-per-execution", type=int, default=1)
    chosen = parser.parse_args()
    rows = Table(chosen.folder)
    package = {"tensorflow": "tensorflow_cpu"}.get(keras.backend.backend(), keras.backend.backend())
    serve(
        prepare(chosen.kind, rows, chosen.steps_per_execution),
        rows.steps,
        versions("keras", package, "tensorflow-cpu", "numpy"),
    )
