"""streamfit's side of the benchmark of wide-and-deep: `fit`, shuffled anew in each epoch.

``strings`` reads Parquet and looks words up and crosses them in the model, as ``examples/wide_and_deep.py``
does; ``categories`` has the reader make integers of words, by the vocabularies of such layers, and the model
cross these; ``integers`` reads Parquet of the integers; ``arrays`` is `fit` on these in memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from serve import Train, Trained, between, serve, versions
from streamfit_fit import EpochEnds
from wide_and_deep_common import (
    BATCH,
    BINS,
    CROSSES,
    HIDDEN,
    LEARNING_RATE,
    NUMBERS,
    TARGET,
    WIDE,
    WIDTH,
    WORDS,
    Table,
    options,
)

from streamfit import Input, Model, Pipeline, files, layers, ops, optimizers
from streamfit.utils import adapt_layers


def joined(wide: list[Any], deep: list[Any], inputs: Any) -> Model:
    """Return the compiled model of what the two parts read."""
    hidden = layers.Concatenate()(deep)
    for units in HIDDEN:
        hidden = layers.Dense(units, activation="relu")(hidden)
    model = Model(inputs, ops.sigmoid(layers.Add()([*wide, layers.Dense(1)(hidden)])))
    model.compile(optimizers.Adam(LEARNING_RATE), "binary_crossentropy", metrics=["accuracy"])
    return model


def of_strings(rows: Pipeline) -> Model:
    """Return the model of words: a lookup and a table for each column."""
    normalization, lookups = layers.Normalization(), {name: layers.StringLookup() for name in WORDS}
    adapt_layers({"numbers": normalization, **lookups}, rows)
    inputs = {"numbers": Input((len(NUMBERS),), name="numbers")}
    inputs |= {name: Input((1,), name=name, dtype="string") for name in WORDS}
    deep = [normalization(inputs["numbers"])]
    wide = []
    for name, lookup in lookups.items():
        number, size = lookup(inputs[name]), lookup.vocabulary_size()
        deep.append(layers.Flatten()(layers.Embedding(size, WIDTH)(number)))
        wide.append(layers.Flatten()(layers.Embedding(size, 1)(number)))
    for names in CROSSES:
        bucket = layers.HashedCrossing(BINS)([inputs[name] for name in names])
        wide.append(layers.Flatten()(layers.Embedding(BINS, 1)(bucket)))
    return joined(wide, deep, inputs)


def of_categories(folder: str) -> tuple[Pipeline, Model]:
    """Return rows of which the reader has made integers of words, and the model that crosses these."""
    lookups = {name: layers.StringLookup() for name in WORDS}
    adapt_layers(lookups, files.parquet(folder, list(WORDS)))
    words = {name: lookup.get_vocabulary(include_special_tokens=False) for name, lookup in lookups.items()}
    crossed = sorted({name for names in CROSSES for name in names})
    columns = {"numbers": list(NUMBERS), "ids": list(WORDS), **{name: name for name in crossed}}
    rows = files.parquet(folder, columns, TARGET, categories=words)
    normalization = layers.Normalization()
    adapt_layers({"numbers": normalization}, rows)

    inputs = {"numbers": Input((len(NUMBERS),), name="numbers")}
    inputs["ids"] = Input((len(WORDS),), dtype="int32", name="ids")
    inputs |= {name: Input((1,), dtype="int32", name=name) for name in crossed}
    sizes = [len(words[name]) for name in WORDS]
    starts = np.cumsum([0, *sizes, *[BINS] * len(CROSSES)])
    ids = ops.add(inputs["ids"], starts[: len(WORDS)].astype("int32"))
    crosses = [
        layers.HashedCrossing(BINS, dtype="int32")([inputs[name] for name in names]) for names in CROSSES
    ]
    buckets = ops.add(ops.concatenate(crosses, axis=-1), starts[len(WORDS) : -1].astype("int32"))
    bag = layers.EmbeddingBag(int(starts[-1]), 1, "sum", mask_zero=False)
    linear = bag(ops.concatenate([ids, buckets], axis=-1))
    embedded = layers.Flatten()(layers.Embedding(sum(sizes), WIDTH)(ids))
    return rows, joined([linear], [normalization(inputs["numbers"]), embedded], inputs)


def of_integers(table: Table) -> Model:
    """Return the model of integers: one table of words, one of words and buckets."""
    inputs = {
        "numbers": Input((len(NUMBERS),), name="numbers"),
        "ids": Input((len(WORDS),), dtype="int64", name="ids"),
        "wide": Input((len(WORDS) + len(CROSSES),), dtype="int64", name="wide"),
    }
    embedded = layers.Flatten()(layers.Embedding(table.deep_rows, WIDTH)(inputs["ids"]))
    linear = layers.EmbeddingBag(table.wide_rows, 1, "sum", mask_zero=False)(inputs["wide"])
    return joined([linear], [inputs["numbers"], embedded], inputs)


def prepare(kind: str, folder: str) -> tuple[Train, int]:
    """Build everything; return the function that trains, and the number of steps of an epoch."""
    table, ends = Table(folder), EpochEnds()
    if kind == "strings":
        columns = {"numbers": list(NUMBERS), **{name: name for name in WORDS}}
        rows = files.parquet(str(Path(folder, "rows")), columns, TARGET)
        model, data = of_strings(rows), {"x": rows.shuffle().batch(BATCH)}
    elif kind == "categories":
        rows, model = of_categories(str(Path(folder, "rows")))
        data = {"x": rows.shuffle().batch(BATCH)}
    elif kind == "integers":
        columns = {"numbers": list(NUMBERS), "ids": list(WORDS), "wide": list(WIDE)}
        rows = files.parquet(str(Path(folder, "integers")), columns, TARGET)
        model, data = of_integers(table), {"x": rows.shuffle().batch(BATCH)}
    else:
        x = {"numbers": table.numbers, "ids": table.ids, "wide": table.wide}
        model, data = of_integers(table), {"x": x, "y": table.y, "batch_size": BATCH}

    def train(epochs: int) -> Trained:
        ends.stamps.clear()
        logs = model.fit(**data, epochs=epochs + 1, verbose=0, callbacks=[ends]).history
        return Trained(between(ends.stamps), float(logs["loss"][-1]), float(logs["accuracy"][-1]))

    return train, table.steps


if __name__ == "__main__":
    chosen = options("strings", "categories", "integers", "arrays").parse_args()
    function, steps = prepare(chosen.kind, chosen.folder)
    serve(function, steps, versions("streamfit", "numba", "numpy", "pyarrow"))
