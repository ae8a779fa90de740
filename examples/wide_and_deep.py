"""Who earns more than 50,000 dollars a year? A wide-and-deep model of UCI's Adult, from partitioned Parquet.

It reads ``adult-train.csv`` and ``adult-test.csv`` in the folder that is given, by default ``shared/data``
beside the project, and writes the first one as Parquet in hive partitions, as other tools leave tables.
Without the files, or without pyarrow, it does nothing.

The model (Cheng et al., 2016) is the sum of a linear model of words and crosses of words, which remembers
combinations, and of a network that reads numbers and embedded words, which generalizes.
"""

import csv
import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np

from streamfit import Input, Model, files, layers, ops, optimizers, set_random_seed
from streamfit.utils import adapt_layers

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
FILES = ("adult-train.csv", "adult-test.csv")
NUMBERS = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
WORDS = ["workclass", "education", "marital_status", "occupation", "relationship", "race", "sex"]
WORDS += ["native_country"]
NAMES = ["age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation"]
NAMES += ["relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week"]
NAMES += ["native_country", "income"]
CROSSES = [
    ("education", "occupation"),
    ("marital_status", "occupation"),
    ("relationship", "occupation"),
    ("native_country", "education", "occupation"),
    ("sex", "relationship", "education"),
]
BINS = 1000  # of each cross


def read_csv(path):
    """Return the columns of a file as arrays; the income is 1 above 50,000 dollars."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, skipinitialspace=True) if len(row) == len(NAMES)]
    columns = dict(zip(NAMES, zip(*rows, strict=True), strict=True))
    table = {name: np.array(columns[name], "float32") for name in NUMBERS}
    table |= {name: np.array(columns[name], object) for name in WORDS}
    table["income"] = np.array([income.startswith(">50K") for income in columns["income"]], "float32")
    return table


def write_parquet(columns, folder):
    """Write a table of columns, a folder for each class of work."""
    import pyarrow
    from pyarrow import parquet

    parquet.write_to_dataset(pyarrow.table(columns), folder, partition_cols=["workclass"])


def wide_and_deep(train):
    """Return the compiled model; its statistics and vocabularies are those of `train`, read once."""
    normalization = layers.Normalization()
    lookups = {name: layers.StringLookup() for name in WORDS}
    adapt_layers({"numbers": normalization, **lookups}, train)

    inputs = {"numbers": Input((len(NUMBERS),), name="numbers")}
    inputs |= {name: Input((1,), name=name, dtype="string") for name in WORDS}
    deep = [normalization(inputs["numbers"])]
    wide = []
    for name, lookup in lookups.items():
        number = lookup(inputs[name])
        deep.append(layers.Flatten()(layers.Embedding(lookup.vocabulary_size(), 8)(number)))
        wide.append(layers.Flatten()(layers.Embedding(lookup.vocabulary_size(), 1)(number)))
    for names in CROSSES:
        bucket = layers.HashedCrossing(BINS)([inputs[name] for name in names])
        wide.append(layers.Flatten()(layers.Embedding(BINS, 1)(bucket)))

    hidden = layers.Concatenate()(deep)
    for units in (64, 32):
        hidden = layers.Dense(units, activation="relu")(hidden)
    logit = layers.Add()([*wide, layers.Dense(1)(hidden)])
    model = Model(inputs, ops.sigmoid(logit))
    model.compile(optimizers.Adam(1e-3), "binary_crossentropy", metrics=["accuracy"])
    return model


def main(folder):
    """Train with three seeds; the mean of the accuracies on the test set must be that of the literature."""
    train, test = (read_csv(folder / name) for name in FILES)
    columns = {"numbers": np.stack([test[name] for name in NUMBERS], axis=1)}
    columns |= {name: test[name] for name in WORDS}
    income = test["income"]
    accuracies = []
    with tempfile.TemporaryDirectory() as temporary:
        write_parquet(train, temporary)
        rows = files.parquet(temporary, {"numbers": NUMBERS, **{name: name for name in WORDS}}, "income")
        for seed in range(3):
            set_random_seed(seed)
            model = wide_and_deep(rows)
            model.fit(rows.shuffle().batch(256), epochs=3, seed=seed, verbose=0)
            _, accuracy = model.evaluate(columns, income, batch_size=1024, verbose=0)
            print(
                f"seed {seed}: {accuracy:.2%} of {len(income):,} people that it has not seen are judged right"
            )
            accuracies.append(accuracy)
    print(f"mean of three seeds: {np.mean(accuracies):.2%}")
    assert np.mean(accuracies) >= 0.85


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else BESIDE
    missing = [name for name in FILES if not (chosen / name).exists()]
    if missing:
        print(f"skipped: {' and '.join(missing)} not found in {chosen}; name the folder that holds them")
    elif importlib.util.find_spec("pyarrow") is None:
        print("skipped: it needs pyarrow, which writes and reads Parquet: pip install 'streamfit[arrow]'")
    else:
        main(chosen)
