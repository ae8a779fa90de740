"""The formats of files that pipelines read: how each writes some samples, for tests that try all formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamfit import files
from streamfit.streams import Pipeline

WORDS = ["plain", "ünïcödé", "日本語", "😀 zwei Wörter", 'with "quotes", commas', "", "line"]


@dataclass(frozen=True)
class Format:
    """One format.

    Args:
        write: Writes the samples with some ids to a file; with `other` their value has another dtype.
        open: Makes a pipeline of a folder of such files.
        ending: Of the files.
        words: Whether samples have a word.
        needs: The packages that it needs.
        empty: Whether a file may have no samples.
    """

    write: Callable[[Path, np.ndarray, bool], None]
    open: Callable[[Path], Pipeline]
    ending: str
    words: bool = True
    needs: Sequence[str] = ()
    empty: bool = True


def word(name: int) -> str:
    return WORDS[name % len(WORDS)]


def table(ids: np.ndarray, other: bool) -> dict[str, object]:
    return {
        "id": ids,
        "value": (ids * 0.5).astype("float64" if other else "float32"),
        "word": [word(int(name)) for name in ids],
        "y": ids % 3,
    }


def write_parquet(path: Path, ids: np.ndarray, other: bool) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = table(ids, other)
    columns["word"] = pa.array(columns["word"], pa.string())
    pq.write_table(pa.table(columns), path, row_group_size=4)


FORMATS = {
    "parquet": Format(
        write_parquet, lambda path: files.parquet(path, target="y"), ".parquet", needs=["pyarrow"]
    ),
}
