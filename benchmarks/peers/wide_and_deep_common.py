"""What all sides of the benchmark of wide-and-deep share: the table, the sizes of the model, and the options.

The table lies in one folder: ``rows/`` is hive-partitioned Parquet of text and numbers, ``integers/`` Parquet
of the integers that lookups and crosses make of them, both for streamfit; ``table.npz`` holds the same rows
as arrays, for the peers. Reading that needs numpy only.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NUMBERS = ("age", "education_num", "capital_gain", "capital_loss", "hours_per_week")
WORDS = (
    *("workclass", "education", "marital_status", "occupation"),
    *("relationship", "race", "sex", "native_country"),
)
CROSSES = (
    ("education", "occupation"),
    ("marital_status", "occupation"),
    ("relationship", "occupation"),
    ("native_country", "education", "occupation"),
    ("sex", "relationship", "education"),
)
WIDE = (*WORDS, *("_".join(names) for names in CROSSES))
TARGET = "income"
NAMES = (
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation"),
    *("relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country"),
    TARGET,
)
BINS, WIDTH, HIDDEN, BATCH = 1000, 8, (64, 32), 256
LEARNING_RATE = 1e-3

Column = NDArray[np.generic]


def read_csv(path: Path) -> dict[str, Column]:
    """Return the columns of one of UCI's files: float32, text, and 0.0 or 1.0 for the income."""
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n.").split(", ") for line in file if line.count(",") == len(NAMES) - 1]
    columns: dict[str, Column] = {}
    for name, values in zip(NAMES, zip(*rows, strict=True), strict=True):
        if name in NUMBERS:
            columns[name] = np.array(values, np.float32)
        elif name in WORDS:
            columns[name] = np.array(values, object)
        elif name == TARGET:
            columns[name] = np.array([value == ">50K" for value in values], np.float32)
    return columns


def write(folder: Path, columns: Mapping[str, Column], crosses: NDArray[np.int64]) -> None:
    """Write the table in both forms.

    Args:
        folder: An empty one.
        columns: What `read_csv` returns.
        crosses: The bucket of each cross, shape (rows, crosses).
    """
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(dict(columns))
    pyarrow.parquet.write_to_dataset(table, str(folder / "rows"), partition_cols=["workclass"])
    tables = [vocabulary(columns[name]) for name in WORDS]
    words = np.stack(
        [[table[word] for word in columns[name].tolist()] for name, table in zip(WORDS, tables, strict=True)],
        1,
    )
    texts = {name: column.astype(str) if name in WORDS else column for name, column in columns.items()}
    np.savez(folder / "table.npz", **texts, ids=words, crosses=crosses)


def write_integers(folder: Path) -> None:
    """Write the table of integers as Parquet, of the arrays that `write` has left."""
    import pyarrow
    import pyarrow.parquet

    table = Table(str(folder))
    columns = {name: table.numbers[:, place] for place, name in enumerate(NUMBERS)}
    columns |= {name: table.wide[:, place] for place, name in enumerate(WIDE)}
    (folder / "integers").mkdir()
    table_of_all = pyarrow.table({**columns, TARGET: table.y[:, 0]})
    pyarrow.parquet.write_table(table_of_all, str(folder / "integers" / "rows.parquet"))


def vocabulary(column: Column) -> dict[str, int]:
    """Return the number of each word, the most frequent first, from 1 on: 0 is for words that are unknown."""
    words, counts = np.unique(column.astype(str), return_counts=True)
    return {word: number for number, word in enumerate(words[np.argsort(-counts)].tolist(), 1)}


class Table:
    """The rows as arrays.

    Args:
        folder: That of `write`.

    Attributes:
        columns: float32 for numbers, `str` objects for words, and the target.
        numbers: Numbers with mean 0 and variance 1, float32, shape (rows, numbers).
        ids: Words as integers, each column in a range of its own, int64, shape (rows, words).
        wide: The same and the crosses, behind one another, shape (rows, words + crosses).
        y: The target, float32, shape (rows, 1).
        sizes: How many integers each column of words has, the unknown word included.
    """

    def __init__(self, folder: str) -> None:
        with np.load(Path(folder, "table.npz")) as file:
            arrays = {name: file[name] for name in file.files}
        ids, crosses = arrays.pop("ids"), arrays.pop("crosses")
        self.columns = {
            name: array.astype(object) if name in WORDS else array for name, array in arrays.items()
        }
        raw = np.stack([arrays[name] for name in NUMBERS], 1).astype(np.float64)
        self.mean, self.deviation = raw.mean(0), raw.std(0)
        self.numbers = ((raw - self.mean) / self.deviation).astype(np.float32)
        self.sizes = [int(column.max()) + 1 for column in ids.T]
        self.ids = ids + np.cumsum([0, *self.sizes[:-1]])
        self.wide = np.concatenate([self.ids, crosses + sum(self.sizes) + BINS * np.arange(len(CROSSES))], 1)
        self.y = arrays[TARGET][:, None]
        self.steps = -(-len(self.y) // BATCH)

    @property
    def deep_rows(self) -> int:
        """Return the number of rows of a table of all words."""
        return sum(self.sizes)

    @property
    def wide_rows(self) -> int:
        """Return the number of rows of a table of all words and buckets."""
        return self.deep_rows + BINS * len(CROSSES)


def options(*kinds: str) -> argparse.ArgumentParser:
    """Return the parser of a side: what it reads, and the folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("folder")
    return parser
