"""The formats of files that pipelines read: how each writes some samples, for tests that try all formats."""

from __future__ import annotations

import csv
import json
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


def write_arrow(path: Path, ids: np.ndarray, other: bool) -> None:
    import pyarrow as pa

    columns = table(ids, other)
    columns["word"] = pa.array(columns["word"], pa.string())
    made = pa.table(columns)
    opened = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    with opened(path, made.schema) as writer:
        for batch in made.to_batches(max_chunksize=4):
            writer.write_batch(batch)


def write_hdf5(path: Path, ids: np.ndarray, other: bool) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, values in table(ids, other).items():
            kind = {"dtype": h5py.string_dtype()} if name == "word" else {}
            chunks = {"chunks": (min(4, len(ids)),)} if len(ids) else {}
            file.create_dataset(name, data=np.asarray(values, object if kind else None), **kind, **chunks)


def write_zarr(path: Path, ids: np.ndarray, other: bool) -> None:
    import zarr

    store = zarr.storage.ZipStore(path, mode="w")
    group = zarr.create_group(store)
    for name, values in table(ids, other).items():
        kind = "string" if name == "word" else np.asarray(values).dtype
        whole = {"write_empty_chunks": True}  # else a chunk of zeros looks like one that was lost
        made = group.create_array(name, shape=(len(ids),), chunks=(4,), dtype=kind, config=whole)
        made[:] = np.asarray(values, object if name == "word" else None)
    store.close()


def write_csv(path: Path, ids: np.ndarray, other: bool) -> None:
    columns = table(ids, False)
    header = ["id", "value", "word", "z" if other else "y"]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(zip(*columns.values(), strict=True))


def write_json_lines(path: Path, ids: np.ndarray, other: bool) -> None:
    columns = {name: np.asarray(values).tolist() for name, values in table(ids, False).items()}
    if other:
        columns["value"] = [{"a": 1}] * len(ids)
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def write_npz(path: Path, ids: np.ndarray, other: bool) -> None:
    columns = {name: np.asarray(values) for name, values in table(ids, other).items() if name != "word"}
    with open(path, "wb") as file:
        np.savez(file, **columns)


def write_compressed_npz(path: Path, ids: np.ndarray, other: bool) -> None:
    columns = {name: np.asarray(values) for name, values in table(ids, other).items() if name != "word"}
    with open(path, "wb") as file:
        np.savez_compressed(file, **columns)


INPUTS = ["id", "value", "word"]

FORMATS = {
    "arrow": Format(write_arrow, lambda path: files.arrow(path, target="y"), ".arrow", needs=["pyarrow"]),
    "arrow stream": Format(
        write_arrow, lambda path: files.arrow(path, target="y"), ".arrows", needs=["pyarrow"]
    ),
    "csv": Format(
        write_csv,
        lambda path: files.csv(path, target="y", types={"value": "float32"}),
        ".csv",
        needs=["pyarrow"],
    ),
    "json lines": Format(
        write_json_lines,
        lambda path: files.json_lines(path, target="y", types={"value": "float32"}),
        ".jsonl",
        needs=["pyarrow"],
    ),
    "npz": Format(write_npz, lambda path: files.npz(path, ["id", "value"], "y"), ".npz", words=False),
    "npz, compressed": Format(
        write_compressed_npz, lambda path: files.npz(path, ["id", "value"], "y"), ".npz", words=False
    ),
    "hdf5": Format(write_hdf5, lambda path: files.hdf5(path, INPUTS, "y"), ".h5"),
    "parquet": Format(
        write_parquet, lambda path: files.parquet(path, target="y"), ".parquet", needs=["pyarrow"]
    ),
    "zarr": Format(write_zarr, lambda path: files.zarr(path, INPUTS, "y"), ".zip", needs=["zarr"]),
}
