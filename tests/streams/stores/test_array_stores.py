"""HDF5 files and Zarr stores: rows as their libraries read them; what is suspicious or damaged is an
error.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import DataError, Input, Sequential, StreamfitError, files, layers
from streamfit.streams.stores import array_store, inflating
from streamfit.streams.stores.zarr_files import zstd_size

WORDS = np.array(["", "a", "é日本", "🙂"], object)


def arrays(rows: int, start: int = 0) -> dict[str, Any]:
    ids = np.arange(start, start + rows)
    return {
        "id": ids,
        "x": (ids[:, None] + np.array([0, 0.5])).astype("f4"),
        "word": WORDS[ids % 4] if rows else np.empty(0, object),
        "y": (ids % 3).astype("i2"),
    }


def write_hdf5(path: Path, rows: int, start: int = 0, chunk: int = 4) -> Path:
    h5py: Any = pytest.importorskip("h5py", reason="its files are what is read")
    with h5py.File(path, "w") as file:
        for name, values in arrays(rows, start).items():
            kind = h5py.string_dtype() if values.dtype == object else values.dtype
            chunks = (max(1, min(chunk, rows)), *values.shape[1:]) if name != "y" and rows else None
            file.create_dataset(
                f"part/{name}", data=values, dtype=kind, chunks=chunks, compression="gzip" if chunks else None
            )
    return path


def write_zarr(
    path: Path, rows: int, start: int = 0, chunk: int = 4, version: int = 3, shard: int = 0
) -> Path:
    zarr: Any = pytest.importorskip("zarr", reason="its stores are what is read")
    store: Any = zarr.storage.ZipStore(path, mode="w") if path.suffix == ".zip" else path
    group = zarr.open_group(store, mode="w", zarr_format=version)
    for name, values in arrays(rows, start).items():
        made = group.create_array(
            f"part/{name}",
            shape=values.shape,
            dtype=str if values.dtype == object else values.dtype,
            chunks=(chunk, *values.shape[1:]),
            shards=(shard, *values.shape[1:]) if shard and name == "x" else None,
            config={"write_empty_chunks": True},
        )
        if rows:
            made[:] = values
    if path.suffix == ".zip":
        store.close()
    return path


KINDS: dict[str, Any] = {
    "hdf5": ("h5", write_hdf5, files.hdf5),
    "zarr3": ("zarr", write_zarr, files.zarr),
    "zarr2": ("zarr", lambda *args: write_zarr(*args, version=2), files.zarr),
    "shards": ("zarr", lambda *args: write_zarr(*args, shard=8), files.zarr),
    "zip": ("zip", write_zarr, files.zarr),
}
EACH = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind == "hdf5" else [pytest.mark.extras]) for kind in KINDS]
)
X = {name: f"part/{name}" for name in ("id", "x", "word")}


def opened(kind: str, path: Path, **settings: Any) -> Any:
    return KINDS[kind][2](path, **({"x": X, "y": "part/y"} | settings))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a chunk or two."""
    monkeypatch.setattr(array_store, "BLOCK_BYTES", 1 << 10)


@EACH
@pytest.mark.usefixtures("small")
def test_order_once_workers_resume_and_shards(tmp_path: Path, kind: str, check_store: Any) -> None:
    ending, write, _ = KINDS[kind]
    for part, (start, rows) in enumerate([(0, 30), (30, 0), (30, 1), (31, 18)]):
        write(tmp_path / f"part-{part}.{ending}", rows, start)
    rows = opened(kind, tmp_path, name="cells")
    assert (
        repr(rows)
        == f"{kind.rstrip('23') if kind != 'zip' and kind != 'shards' else 'zarr'}('cells', 4 files, 49 rows)"
    )
    store = rows.stage.store
    assert set(store.lengths.tolist()) == {8, 6, 1, 2}
    check_store(rows, 49)
    x, y = next(iter(rows.batch(49)))
    wanted = arrays(49)
    for name, values in {**x, "y": y}.items():
        assert values.dtype == wanted[name].dtype
        np.testing.assert_array_equal(values, wanted[name])


@pytest.mark.parametrize(
    "kind", ["hdf5", *(pytest.param(kind, marks=pytest.mark.extras) for kind in ("zarr3", "zip"))]
)
@pytest.mark.usefixtures("small")
def test_processes_read_the_same(tmp_path: Path, kind: str, read_ids: Any) -> None:
    ending, write, _ = KINDS[kind]
    rows = opened(kind, write(tmp_path / f"a.{ending}", 40)).shuffle(9).batch(7)
    assert read_ids(rows, workers=2, use_multiprocessing=True) == read_ids(rows)


@EACH
def test_forms_of_x_and_wrong_names(tmp_path: Path, kind: str) -> None:
    ending, write, make = KINDS[kind]
    path = write(tmp_path / f"a.{ending}", 9)
    assert make(path, "part/x", None).element_spec.shape == (2,)
    x, y, weight = next(iter(make(path, ["part/x"], "part/y", "part/id").batch(3)))
    assert (list(x), y.tolist(), weight.tolist()) == (["part/x"], [0, 1, 2], [0, 1, 2])
    both = make(path, {"both": ["part/id", "part/id"]}, ["part/y", "part/y"])
    x, y = next(iter(both.batch(2)))
    assert (x["both"].tolist(), y.tolist()) == ([[0, 0], [1, 1]], [[0, 0], [1, 1]])
    with pytest.raises(ValueError, match=r"x: .* has no (array|data set) 'part/z'.*It has \['part/id', "):
        make(path, "part/z")
    with pytest.raises(ValueError, match=r"y: .* has no (array|data set) 'y'.*y=None reads without"):
        make(path, "part/x")
    for name in ("part/../part/x", "part", "part/x/z"):
        with pytest.raises(ValueError, match=r"x: .* has no (array|data set)"):
            make(path, name, None)
    with pytest.raises(ValueError, match="missing_chunks='zero': write 'error' or 'fill'"):
        make(path, missing_chunks="zero")
    with pytest.raises(FileNotFoundError):
        make(tmp_path / "none" / "*.x")


@EACH
def test_files_that_differ(tmp_path: Path, kind: str) -> None:
    ending, write, make = KINDS[kind]
    write(tmp_path / f"1.{ending}", 5)
    write(tmp_path / f"2.{ending}", 5)
    with pytest.raises(ValueError, match="make no matrix"):
        list(make(tmp_path, {"a": ["part/x", "part/id"]}, None).batch(2))
    with pytest.raises(DataError, match="there are no rows"):
        make(write(tmp_path / f"0.{ending}", 0), "part/x", None)


@EACH
@pytest.mark.usefixtures("small")
def test_a_file_that_is_replaced_while_it_is_read(tmp_path: Path, kind: str) -> None:
    ending, write, _ = KINDS[kind]
    path = write(tmp_path / f"a.{ending}", 40)
    store = opened(kind, path).stage.store
    store.read(0)
    other = write(tmp_path / f"b.{ending}", 44)
    if path.is_dir():
        shutil.rmtree(path)
    os.replace(other, path)
    with pytest.raises(DataError, match=rf"{path.name}.* was replaced after it was opened"):
        store.read(1)


@EACH
def test_fit_on_them(tmp_path: Path, kind: str) -> None:
    ending, write, make = KINDS[kind]
    model = Sequential([Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    rows = make(write(tmp_path / f"a.{ending}", 40), "part/x", "part/y")
    history = model.fit(rows.shuffle().batch(8), epochs=2, verbose=0, seed=1)
    assert [receipt.delivered for receipt in history.receipts] == [5, 5]


@pytest.mark.extras
@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_arrays_of_zarr_are_read_as_arrays_where_they_are_passed(tmp_path: Path, shuffle: Any) -> None:
    zarr: Any = pytest.importorskip("zarr", reason="its arrays are what is passed")
    write_zarr(tmp_path / "a.zarr", 40)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")["part"]

    def fitted(x: Any, y: Any, **settings: Any) -> Any:
        model = Sequential([Input((2,)), layers.Dense(1, kernel_initializer="ones")])
        model.compile("sgd", "mse")
        return model.fit(x, y, shuffle=shuffle, verbose=0, seed=1, batch_size=8, **settings).history

    wanted = fitted(arrays(40)["x"] / 40, arrays(40)["y"])
    scaled = zarr.create_array(tmp_path / "s.zarr", data=arrays(40)["x"] / 40, chunks=(4, 2))
    assert fitted(scaled, group["y"]) == wanted
    assert fitted(scaled, group["y"], workers=2) == wanted


# -- HDF5 -----------------------------------------------------------------------------------------------


@pytest.fixture
def h5py() -> Any:
    return pytest.importorskip("h5py", reason="its files are what is read")


def test_what_leads_out_of_an_hdf5_file_is_refused(tmp_path: Path, h5py: Any) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.zeros((4, 2))
    (tmp_path / "raw.bin").write_bytes(bytes(64))
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["external link"] = h5py.ExternalLink(other.name, "x")
        file["inside"] = np.zeros(4)
        file["soft"] = h5py.SoftLink("/inside")
        file["group"] = h5py.ExternalLink(other.name, "/")
        file.create_dataset("external", (4, 2), "f8", external=[(str(tmp_path / "raw.bin"), 0, 64)])
        layout = h5py.VirtualLayout((4, 2), "f8")
        layout[:] = h5py.VirtualSource(str(other), "x", (4, 2))
        file.create_virtual_dataset("virtual", layout)
        file["pair"] = np.zeros(4, [("a", "i4"), ("b", "f4")])
        file["complex"] = np.zeros(4, "c8")
        file["single"] = 3.0
        file.create_dataset("lists", (4,), h5py.vlen_dtype("i4"))
    for name, reason in {
        "external link": "'external link' of .* is a link to .*other.h5",
        "soft": "'soft' of .* is a link to b'/inside', which is not followed",
        "group/x": "'group' of .* is a link",
        "external": "has its values in other files",
        "virtual": "has its values in other files",
        "pair": "no numbers and no text",
        "complex": "no numbers and no text",
        "lists": "no numbers and no text",
        "single": "is a single value",
    }.items():
        with pytest.raises(DataError, match=reason):
            files.hdf5(path, name, None)


def test_texts_and_other_values_of_hdf5(tmp_path: Path, h5py: Any) -> None:
    path = tmp_path / "a.h5"
    words = ["é日本", "", "x"]
    with h5py.File(path, "w") as file:
        file["fixed"] = np.array([word.encode() for word in words])
        file.create_dataset("any", data=words, dtype=h5py.string_dtype())
        file["latin"] = np.array([b"\xff", b"a", b"b"])
        file["truth"] = np.array([True, False, True])
        file["half"] = np.arange(3, dtype="f2")
        file.create_dataset("fast", data=np.arange(3), compression="lzf", shuffle=True, fletcher32=True)
    for name, wanted in {
        "fixed": words,
        "any": words,
        "truth": [True, False, True],
        "half": [0, 1, 2],
        "fast": [0, 1, 2],
    }.items():
        found = next(iter(files.hdf5(path, name, None).batch(3)))
        assert found.tolist() == wanted
        assert found.dtype == (object if wanted is words else h5py.File(path)[name].dtype)
    with pytest.raises(DataError, match=r"a.h5', rows 0 to 2: 'latin' cannot be read: UnicodeDecodeError"):
        list(files.hdf5(path, "latin", None))


def test_chunks_that_were_never_written(tmp_path: Path, h5py: Any) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("part", (10, 2), "f4", chunks=(2, 2), fillvalue=7)[4:6] = 1
        file.create_dataset("late", (1 << 40,), "f4")
        file.create_dataset("bomb", (1 << 40, 1 << 10), "f4", chunks=(1 << 10, 1 << 10))
        file.create_dataset("wide", (4, 1 << 28), "f8", chunks=(1, 1 << 20))
    for name, found in {"part": "1 of its 5 chunks", "late": "0 of its 4,398,046,511,104 bytes"}.items():
        with pytest.raises(DataError, match=rf"has {found}.*missing_chunks='fill'"):
            files.hdf5(path, name, None)
    assert [x.tolist()[0] for x in files.hdf5(path, "part", None, missing_chunks="fill")] == [
        *[7] * 4,
        *[1] * 2,
        *[7] * 4,
    ]
    with pytest.raises(DataError, match="a row of 'wide' takes 2,147,483,648 bytes"):
        files.hdf5(path, "wide", None, missing_chunks="fill")
    with pytest.raises(DataError, match="rows, which are more than 10,000,000 blocks"):
        files.hdf5(path, "bomb", None, missing_chunks="fill")


def test_deflated_chunks_that_are_too_large_are_refused(
    tmp_path: Path, h5py: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", data=np.zeros((8, 2)), chunks=(4, 2), compression="gzip")
        x.id.write_direct_chunk((4, 0), zlib.compress(bytes(8 << 20), 9))
        twice = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        twice.set_chunk((4,))
        twice.set_deflate(5)
        twice.set_shuffle()
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(file.id, b"twice", h5py.h5t.NATIVE_DOUBLE, space, twice).write(
            space, space, np.zeros(4)
        )
    monkeypatch.setattr(inflating, "ALLOWED_BYTES", 1 << 10)
    with pytest.raises(DataError, match=r"the chunk at \(4, 0\) takes 1,\d+,\d+ bytes or more"):
        list(files.hdf5(path, "x", None))
    with pytest.raises(DataError, match="nothing is due behind deflate"):
        files.hdf5(path, "twice", None)


def test_schemas_of_hdf5_files_that_differ(tmp_path: Path, h5py: Any) -> None:
    for number, values in enumerate(
        [np.zeros((4, 2), "f4"), np.zeros((4, 3), "f4"), np.zeros((4, 2), ">f8")]
    ):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file["x"], file["y"] = values, np.zeros(5 if number == 2 else 4)
    with pytest.raises(
        DataError, match=r"1.h5': 'x' has dtype float32 and shape \(3,\) .* \(2,\) in .*0.h5'"
    ):
        files.hdf5([tmp_path / "0.h5", tmp_path / "1.h5"], "x", None)
    with pytest.raises(DataError, match=r"2.h5': arrays differ in their number of rows: \{'x': 4, 'y': 5\}"):
        files.hdf5(tmp_path / "2.h5")
    assert files.hdf5(tmp_path / "2.h5", "x", None).peek().dtype == np.dtype("f8")  # in native order
    with h5py.File(tmp_path / "3.h5", "w") as file:
        file["z"] = np.zeros(3)
    with pytest.raises(DataError, match=r"3.h5' has no data set 'x', which .*0.h5' has"):
        files.hdf5([tmp_path / "0.h5", tmp_path / "3.h5"], "x", None)


DAMAGED = """
import pathlib, resource, sys
from streamfit import StreamfitError, files
resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
kinds = []
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.h5")):
    try:
        kinds.append(len(list(files.hdf5(path, ["part/id", "part/x", "part/word"], "part/y").batch(64))))
    except StreamfitError as error:
        kinds.append(-1)
        assert path.name in str(error), error
    except ValueError as error:
        assert "has no data set" in str(error), error
        kinds.append(-2)
    print(path.name, kinds[-1], flush=True)
"""


@pytest.mark.usefixtures("h5py")
def test_damaged_hdf5_files_are_errors_or_data(tmp_path: Path, damaged: Any) -> None:
    whole = write_hdf5(tmp_path / "whole", 40).read_bytes()
    for number, raw in enumerate(damaged(whole, 100)):
        (tmp_path / f"{number:03}.h5").write_bytes(raw)
    code = textwrap.dedent(DAMAGED)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    kinds = [line.split()[1] for line in done.stdout.splitlines()]
    assert len(kinds) == 100
    assert 10 < sum(kind.startswith("-") for kind in kinds) < 100


# -- Zarr -----------------------------------------------------------------------------------------------


@pytest.mark.extras
@pytest.mark.parametrize("kind", ["zarr3", "zarr2", "shards"])
def test_a_chunk_that_is_lost_is_an_error(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind][1](tmp_path / "a.zarr", 40)
    chunk = path / "part" / "x" / {"zarr3": "c/2/0", "zarr2": "2.0", "shards": "c/1/0"}[kind]
    chunk.unlink()
    with pytest.raises(DataError, match=r"rows 0 to 39: 'part/x' has no chunk .*missing_chunks='fill'"):
        list(opened(kind, path))
    rows = list(opened(kind, path, missing_chunks="fill").batch(40))
    assert rows[0][0]["x"][8:12].tolist() == [[0, 0]] * 4
    other = tmp_path / "outside"
    other.write_bytes(bytes(32))
    chunk.symlink_to(other)
    with pytest.raises(DataError, match="symbolic link"):
        list(opened(kind, path))


@pytest.mark.extras
def test_codecs_that_make_objects_are_refused(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "a.zarr", 8, version=2)
    metadata = path / "part" / "id" / ".zarray"
    said = json.loads(metadata.read_text())
    for change, reason in (
        ({"dtype": "|O", "filters": [{"id": "pickle"}]}, "encoded by 'pickle'"),
        ({"dtype": "|O", "filters": None}, "objects that are no text"),
        ({"dtype": [["a", "<i4"]]}, "no numbers and no text"),
        ({"compressor": {"id": "lzma"}}, "encoded by 'lzma'"),
        ({"chunks": [0]}, "no shape"),
        ({"chunks": [4, 4]}, "differ in their number of axes"),
        ({"shape": [1 << 50]}, "number of rows"),
    ):
        metadata.write_text(json.dumps(said | change))
        with pytest.raises(DataError, match=reason):
            opened("zarr2", path)
    path = write_zarr(tmp_path / "b.zarr", 8)
    metadata = path / "part" / "id" / "zarr.json"
    said = json.loads(metadata.read_text())
    said["codecs"][0] = {"name": "numcodecs.pickle"}
    metadata.write_text(json.dumps(said))
    with pytest.raises(DataError, match=r"encoded by 'numcodecs\.pickle'"):
        opened("zarr3", path)


@pytest.mark.extras
def test_chunks_that_say_they_are_huge_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numcodecs: Any = pytest.importorskip("numcodecs", reason="its codecs make the bombs")
    for version, packed in (
        (3, numcodecs.zstd.compress(bytes(64 << 20))),
        (2, numcodecs.blosc.compress(bytes(64 << 20), b"zstd", 5)),
    ):
        path = write_zarr(tmp_path / f"{version}.zarr", 8, version=version)
        chunk = path / "part" / "x" / ("c/0/0" if version == 3 else "0.0")
        chunk.write_bytes(packed)
        with pytest.raises(DataError, match=r"takes 67,108,864 bytes or more, where a chunk of \(4, 2\)"):
            list(opened("zarr3", path))
    assert zstd_size(numcodecs.zstd.compress(bytes(300))) == 300
    assert zstd_size(numcodecs.zstd.compress(bytes(70_000))) == 70_000
    path = write_zarr(tmp_path / "gzip.zarr", 8, version=2)
    metadata = path / "part" / "x" / ".zarray"
    metadata.write_text(
        json.dumps(json.loads(metadata.read_text()) | {"compressor": {"id": "gzip", "level": 5}})
    )
    bomb = numcodecs.GZip().encode(bytes(64 << 20))
    monkeypatch.setattr(inflating, "ALLOWED_BYTES", 1 << 20)
    for place in ("0.0", "1.0"):
        (path / "part" / "x" / place).write_bytes(bomb)
    with pytest.raises(DataError, match="bytes or more, where a chunk"):
        list(opened("zarr2", path))


@pytest.mark.extras
def test_zip_archives_with_compressed_members_are_refused(tmp_path: Path) -> None:
    folder = write_zarr(tmp_path / "a.zarr", 8)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = tmp_path / f"{method}.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for name in sorted(folder.rglob("*")):
                if name.is_file():
                    archive.write(name, name.relative_to(folder).as_posix())
    assert len(opened("zip", tmp_path / "0.zip")) == 8
    with pytest.raises(DataError, match="is compressed by zip"):
        opened("zip", tmp_path / "8.zip")
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(DataError, match=r"text.zip' is no zip archive"):
        opened("zip", tmp_path / "text.zip")


@pytest.mark.extras
@pytest.mark.parametrize("kind", ["zarr3", "zarr2", "shards", "zip"])
def test_damaged_zarr_stores_are_errors_or_data(tmp_path: Path, kind: str, damaged: Any) -> None:
    path = KINDS[kind][1](tmp_path / f"a.{KINDS[kind][0]}", 16)
    places = [name for name in sorted(path.rglob("*")) if name.is_file()] if path.is_dir() else [path]
    kinds = []
    for number in range(25):
        place = places[number % len(places)]
        whole = place.read_bytes()
        place.write_bytes(damaged(whole, 25, seed=number)[number])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                kinds.append(f"{len(list(opened(kind, path).batch(64)))} batches")
        except (StreamfitError, ValueError) as error:
            kinds.append(f"{type(error).__name__} {error}")
        place.write_bytes(whole)
    ours = [found for found in kinds if "Error" in found and path.name in found]
    assert all(found.startswith("DataError") or "has no array" in found for found in ours)
    assert len(ours) > 3
    assert len(ours) + sum(found.endswith(" batches") for found in kinds) == 25
