from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.npy_files import Bomb, mutations

import streamfit
from streamfit import DataError, files
from streamfit.testing import check_source

RNG = np.random.default_rng(0)
SAVERS = {"stored": np.savez, "compressed": np.savez_compressed}


@pytest.fixture(params=SAVERS)
def save(request: pytest.FixtureRequest) -> Any:
    return SAVERS[request.param]


def write(folder: Path, lengths: list[int], save: Any, **arrays: np.ndarray) -> None:
    ends = np.cumsum(lengths)
    for number, (end, length) in enumerate(zip(ends, lengths, strict=True)):
        save(
            folder / f"part_{number}.npz", **{key: array[end - length : end] for key, array in arrays.items()}
        )


def read(pipeline: streamfit.Pipeline) -> list[Any]:
    return [np.concatenate(part) for part in zip(*pipeline.batch(5), strict=True)]


def test_arrays_of_all_archives_are_joined(tmp_path: Path, save: Any) -> None:
    x, y, w = RNG.random((16, 3), "float32"), np.arange(16), RNG.random(16)
    write(tmp_path, [4, 0, 1, 11], save, x=x, y=y, w=w, unused=np.array(["a"] * 16))
    pipeline = files.npz(tmp_path / "part_*.npz", sample_weight="w")
    for found, wanted in zip(read(pipeline), (x, y, w), strict=True):
        assert found.dtype == wanted.dtype
        assert np.array_equal(found, wanted)
    shuffled = read(pipeline.shuffle(seed=1))
    assert sorted(shuffled[1].tolist()) == list(range(16))
    assert np.array_equal(shuffled[0], x[shuffled[1]])


def test_several_inputs_have_names(tmp_path: Path, save: Any) -> None:
    a, b = np.arange(6.0), np.arange(6)
    write(tmp_path, [4, 2], save, a=a, b=b)
    x, y = next(iter(files.npz(tmp_path, x={"p": "a", "q": "b"}, y="b").batch(6)))
    assert (x["p"].tolist(), x["q"].tolist(), y.tolist()) == (a.tolist(), b.tolist(), b.tolist())
    x, _ = next(iter(files.npz(tmp_path, x=["b", "a"], y="b").batch(6)))
    assert {name: part.tolist() for name, part in x.items()} == {"b": b.tolist(), "a": a.tolist()}
    assert next(iter(files.npz(tmp_path, x="a.npy", y=None).batch(6))).tolist() == a.tolist()
    with pytest.raises(TypeError, match="arrays are called by their names"):
        files.npz(tmp_path, x=[0, 1])  # type: ignore[list-item]


def test_the_checkers_find_nothing(tmp_path: Path) -> None:
    write(tmp_path, [7, 9, 14], np.savez_compressed, x=RNG.random((30, 2), "float32"), y=np.arange(30))
    check_source(files.npz(tmp_path).shuffle().batch(8).open_source(seed=3))


def test_fit_has_the_same_bits_on_any_workers(tmp_path: Path, save: Any) -> None:
    write(tmp_path, [30, 30], save, x=RNG.random((60, 4), "float32"), y=RNG.random(60, "float32"))
    found = []
    for place in ({}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}):
        streamfit.set_random_seed(1)
        model = streamfit.Sequential([streamfit.Input((4,)), streamfit.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(files.npz(tmp_path).shuffle().batch(8), epochs=2, seed=7, verbose=0, **place)  # type: ignore[arg-type]
        found.append([weight.tobytes() for weight in model.get_weights()])
    assert found[1:] == found[:1] * 2


def test_what_is_not_there_is_named(tmp_path: Path, save: Any) -> None:
    write(tmp_path, [2], save, x=np.zeros(2), label=np.zeros(2))
    with pytest.raises(DataError, match=r"part_0\.npz' has no array 'y'; it has 'x', 'label'"):
        files.npz(tmp_path)
    save(tmp_path / "part_0.npz", x=np.zeros(2), y=np.zeros(3))
    with pytest.raises(DataError, match=r"the arrays of '.*' differ in their number of rows: 'x' 2, 'y' 3"):
        files.npz(tmp_path)
    save(tmp_path / "part_0.npz", x=np.zeros((0, 2)), y=np.zeros(0))
    with pytest.raises(DataError, match="there are no samples"):
        files.npz(tmp_path)


def test_archives_that_differ_are_named(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "0.npz", x=np.zeros((2, 3)))
    save(tmp_path / "1.npz", x=np.zeros((2, 4)))
    with pytest.raises(DataError, match=r"1\.npz', array 'x' has dtype float64 and rows of shape \(4,\)"):
        files.npz(tmp_path, y=None)


def test_text_is_for_x_alone(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "0.npz", x=np.array(["ab", "c"]), y=np.array(["d", "e"]))
    assert next(iter(files.npz(tmp_path, y=None).batch(2))).tolist() == ["ab", "c"]
    with pytest.raises(DataError, match=r"y.* has dtype <U1, which is no number"):
        files.npz(tmp_path)


def test_pickles_are_not_run(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "0.npz", x=np.array([Bomb(tmp_path / "ran")], object))
    with pytest.raises(DataError, match="holds Python objects, which are pickles"):
        files.npz(tmp_path, y=None)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("shuffled", [False, True])
def test_an_archive_that_changes_while_it_is_read_is_an_error(
    tmp_path: Path, save: Any, shuffled: bool
) -> None:
    write(tmp_path, [30, 30], save, x=RNG.random((60, 9)))
    pipeline = files.npz(tmp_path, y=None)
    with (tmp_path / "part_1.npz").open("r+b") as file:
        file.truncate(150)
    with pytest.raises(DataError, match=r"part_1\.npz' was changed"):
        list((pipeline.shuffle(seed=1) if shuffled else pipeline).batch(10))


def test_other_compressions_and_false_sizes_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(9))
    for method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        with zipfile.ZipFile(tmp_path / "0.npz", "w", method) as archive:
            archive.write(tmp_path / "x.npy", "x.npy")
        with pytest.raises(DataError, match="compressed in a way that NumPy does not use"):
            files.npz(tmp_path / "0.npz", y=None)
    with zipfile.ZipFile(tmp_path / "0.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "x.npy", "x.npy")
    content = (tmp_path / "0.npz").read_bytes()
    (tmp_path / "0.npz").write_bytes(content[:-40])
    with pytest.raises(DataError, match=r"is no archive as np\.savez writes it: BadZipFile"):
        files.npz(tmp_path / "0.npz", y=None)
    at = content.rfind(b"PK\x01\x02") + 24  # where the directory says how large the member is
    (tmp_path / "0.npz").write_bytes(content[:at] + (1 << 30).to_bytes(4, "little") + content[at + 4 :])
    with pytest.raises(DataError, match="cannot stand for the 1,073,741,824"):
        files.npz(tmp_path / "0.npz", y=None)


def test_damaged_bytes_of_a_compressed_array_are_found(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "0.npz", x=RNG.random(500))
    content = bytearray((tmp_path / "0.npz").read_bytes())
    content[2000] ^= 1
    (tmp_path / "0.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"0\.npz', array 'x' cannot be decoded"):
        list(files.npz(tmp_path, y=None).batch(100))


def test_a_changed_file_is_an_error_or_equal_data(tmp_path: Path, save: Any) -> None:
    path, refused = tmp_path / "0.npz", 0
    save(path, x=np.arange(60).reshape(20, 3))
    for content in mutations(path.read_bytes(), around=400):
        path.write_bytes(content)
        try:
            found = np.concatenate(list(files.npz(path, y=None).batch(7)))
        except DataError:
            refused += 1
            continue
        assert found.shape[1:] == (3,) or found.ndim == 1
        if save is np.savez_compressed:  # its checksums are compared
            assert found.tolist() == np.arange(60).reshape(20, 3).tolist()
    assert 60 < refused < 100


def test_data_travel_as_paths(tmp_path: Path, save: Any) -> None:
    write(tmp_path, [500, 500], save, x=RNG.random((1000, 8)))
    assert len(pickle.dumps(files.npz(tmp_path, y=None).stage)) < 4000
