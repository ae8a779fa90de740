from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.npy_files import Bomb, mutations

import streamfit
from streamfit import DataError, Sequential, files, layers, source
from streamfit.streams.open_shards import MOST_OPEN
from streamfit.streams.sharded_rows import ShardedArray, ShardedRows
from streamfit.testing import check_source, check_stream

RNG = np.random.default_rng(0)
PLACES: list[dict[str, Any]] = [{}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}]


def save(folder: Path, lengths: list[int], array: np.ndarray, name: str = "x_{}.npy") -> np.ndarray:
    """Write the rows of an array to shards of these lengths."""
    ends = np.cumsum(lengths)
    for number, (end, length) in enumerate(zip(ends, lengths, strict=True)):
        np.save(folder / name.format(number), array[end - length : end])
    return array


def rows_of(pipeline: streamfit.Pipeline, part: int = 0) -> ShardedRows:
    found = pipeline.stage.source.row_parts[part]  # type: ignore[attr-defined]
    assert isinstance(found, ShardedRows)
    return found


def read(pipeline: streamfit.Pipeline) -> np.ndarray:
    batches = list(pipeline.batch(5))
    return np.concatenate(batches, dtype=batches[0].dtype, casting="no")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# -- which files ------------------------------------------------------------------------------------


def test_files_of_folders_and_patterns_come_in_natural_order(tmp_path: Path) -> None:
    whole = save(tmp_path, [1] * 12, np.arange(12))
    names = [str(tmp_path / f"x_{i}.npy") for i in range(12)]
    for given_ in (tmp_path, str(tmp_path), tmp_path / "x_*.npy", str(tmp_path / "**" / "*.npy"), names):
        assert read(files.npy(given_)).tolist() == whole.tolist()
    assert read(files.npy(names[::-1])).tolist() == whole[::-1].tolist()


def test_a_folder_gives_npy_files_alone(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    np.save(tmp_path / "a.npy", np.arange(2))
    np.save(tmp_path / "b" / "c.NPY.npy", np.arange(3))
    np.save(tmp_path / ".hidden.npy", np.arange(3))
    (tmp_path / "readme.txt").write_text("words")
    assert read(files.npy(tmp_path)).tolist() == [0, 1, 0, 1, 2]


def test_names_may_have_any_letters(tmp_path: Path) -> None:
    np.save(tmp_path / "größe 日本 [1].npy", np.arange(3))
    assert read(files.npy(tmp_path / "größe 日本 [1].npy")).tolist() == [0, 1, 2]
    assert read(files.npy(tmp_path)).tolist() == [0, 1, 2]


def test_several_inputs_targets_and_weights_need_not_be_cut_alike(tmp_path: Path) -> None:
    a = save(tmp_path, [3, 4], RNG.random((7, 2)), "a_{}.npy")
    b = save(tmp_path, [7], np.arange(7), "b_{}.npy")
    y = save(tmp_path, [1, 0, 6], np.arange(7) * 2, "y_{}.npy")
    w = save(tmp_path, [6, 1], RNG.random(7), "w_{}.npy")
    at = {name: tmp_path / f"{name}_*.npy" for name in "abyw"}
    named = files.npy({"a": at["a"], "b": at["b"]}, at["y"], at["w"])
    for i, (x, target, weight) in enumerate(named):
        assert (x["a"].tolist(), x["b"]) == (a[i].tolist(), b[i])
        assert (target, weight) == (y[i], w[i])
    x, _ = next(iter(files.npy([[at["a"]], [at["b"]]], at["y"]).shuffle(seed=1).batch(7)))
    assert sorted(x[1].tolist()) == list(range(7))
    assert np.array_equal(x[0], a[x[1]])


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ("{}/none.npy", r"npy\(x=\.\.\.\): there is no file '.*none.npy'"),
        ("{}/none_*.npy", "no file matches '.*none_"),
        ("{}/empty", "the folder '.*empty' has no file that ends in '.npy'"),
        (["{}/x_0.npy", "{}/x_*.npy"], "'.*x_0.npy' is named twice"),
        ([], "the list of paths is empty"),
    ],
)
def test_files_that_are_not_there_are_named(tmp_path: Path, given_: Any, message: str) -> None:
    save(tmp_path, [2], np.arange(2))
    (tmp_path / "empty").mkdir()
    filled = (
        [entry.format(tmp_path) for entry in given_] if isinstance(given_, list) else given_.format(tmp_path)
    )
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        files.npy(filled)


def test_arrays_are_sent_to_source() -> None:
    with pytest.raises(TypeError, match=r"x is a ndarray, not a path; arrays in memory go to source"):
        files.npy(np.zeros(3))  # type: ignore[arg-type]


@pytest.mark.parametrize("given_", ["train/x.npy", Path("train/x.npy"), b"train/x.npy"])
def test_a_path_in_place_of_data_names_the_function_that_reads_it(given_: object) -> None:
    for call in (source, streamfit.stream):
        with pytest.raises(TypeError, match=r"read it with streamfit\.files\.npy\('train/x.npy', \.\.\.\)"):
            call(given_)


# -- what is in them --------------------------------------------------------------------------------

DTYPES = ["float32", "float64", "int8", "uint16", "int64", "bool", ">f4", "float16", "<U5"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tail", [(), (3,), (2, 3)])
def test_dtypes_and_shapes_stay(tmp_path: Path, dtype: str, tail: tuple[int, ...]) -> None:
    whole = save(tmp_path, [4, 0, 1, 8], RNG.integers(0, 2, (13, *tail)).astype(dtype))
    pipeline = files.npy(tmp_path)
    ids = RNG.permutation(13)
    for found, wanted in (
        (read(pipeline), whole),
        (rows_of(pipeline).pick(ids), whole[ids]),
        (rows_of(pipeline).pick(ids, np.empty_like(whole)), whole[ids]),
        (pipeline.stage.source.row_parts[0].array[2:11:3], whole[2:11:3]),  # type: ignore[attr-defined]
    ):
        assert found.dtype == wanted.dtype
        assert found.flags.c_contiguous
        assert found.flags.owndata or found.base is not None
        assert np.array_equal(found, wanted)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=9).filter(any),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_shards_are_one_long_array(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], most: int, draw: Any, large: bool
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    whole = save(folder, lengths, RNG.random((sum(lengths), 3)).astype("float32"))
    rows = rows_of(files.npy(folder))
    rows._files.most, rows._all = most, rows._all if len(rows._all) <= most else []
    if large:
        rows.row_bytes, rows.array.ends.flags.writeable = 12, False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamfit.streams.sharded_rows._LARGE_ROW", 1 if large else 1 << 20)
        for _ in range(6):
            ids = np.array([draw.randrange(len(whole)) for _ in range(draw.randrange(1, 7))])
            assert np.array_equal(rows.pick(ids), whole[ids])
            start = draw.randrange(len(whole) + 1)
            stop = draw.randrange(start, len(whole) + 1)
            assert np.array_equal(rows.span(start, stop), whole[start:stop])
            assert np.array_equal(rows.pick(np.arange(start, stop)), whole[start:stop])
            assert len(rows._files._open) <= most


def test_zero_samples_are_an_error(tmp_path: Path) -> None:
    save(tmp_path, [0, 0], np.empty((0, 3)))
    with pytest.raises(DataError, match=r"x has shape \(0, 3\): there are no samples in it"):
        files.npy(tmp_path)


def test_unequal_totals_are_an_error(tmp_path: Path) -> None:
    save(tmp_path, [3, 4], np.zeros(7))
    save(tmp_path, [6], np.zeros(6), "y_{}.npy")
    with pytest.raises(DataError, match="Found 7 input samples and 6 target samples"):
        files.npy(tmp_path / "x_*.npy", tmp_path / "y_*.npy")


@pytest.mark.parametrize("other", [np.zeros((2, 4)), np.zeros((2, 3), "float32"), np.zeros(2)])
def test_a_shard_of_another_form_is_named(tmp_path: Path, other: np.ndarray) -> None:
    np.save(tmp_path / "x_0.npy", np.zeros((2, 3)))
    np.save(tmp_path / "x_1.npy", other)
    with pytest.raises(
        DataError, match=r"x_1\.npy' has dtype .*, where dtype float64 and rows of shape \(3,\)"
    ):
        files.npy(tmp_path)


def test_text_is_for_x_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.array(["ab", "c"]))
    assert read(files.npy(tmp_path / "words.npy")).tolist() == ["ab", "c"]
    np.save(tmp_path / "x.npy", np.zeros(2))
    with pytest.raises(DataError, match="y has dtype <U2, which is no number"):
        files.npy(tmp_path / "x.npy", tmp_path / "words.npy")


# -- hostile headers --------------------------------------------------------------------------------


def written(header: str, values: bytes = b"", version: tuple[int, int] = (1, 0), length: int = -1) -> bytes:
    text = header.encode("utf-8")
    size = len(text) if length < 0 else length
    return (
        b"\x93NUMPY" + bytes(version) + size.to_bytes(2 if version[0] == 1 else 4, "little") + text + values
    )


PLAIN = "{{'descr': '<f4', 'fortran_order': False, 'shape': {}}}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x93NUMP", "is no .npy file"),
        (b"PK\x03\x04 something else", "is no .npy file"),
        (b"\x93NUMPY\x01\x00\x76", "cut off within its header"),
        (written(PLAIN.format((2,)), b"1234"), "has .* bytes, and its header says .*cut off"),
        (
            written(PLAIN.format((2,)), b"123456789"),
            "has .* bytes, and its header says .*more than one array",
        ),
        (written(PLAIN.format((10**15, 10**6))), "bytes, and its header says"),
        (written(PLAIN.format((10**30, 0))), "its rows hold no values"),
        (written(PLAIN.format((-5, -5))), "its rows hold no values"),
        (written("{'descr': '<U0', 'fortran_order': False, 'shape': (5,)}\n"), "its rows hold no values"),
        (written(PLAIN.format(()), b"1234"), "holds a single value"),
        (written(PLAIN.format((1,)), b"1234", (2, 0), 1 << 31), "has a header of 2,147,483,660 bytes"),
        (written(PLAIN.format((1,)), b"1234", (4, 0)), r"has version 4\.0 of the format"),
        (written("(" * 9000), "has a header that cannot be read"),
        (written("{'descr': '<f4', 'shape': (1,)}\n", b"1234"), "has a header that cannot be read"),
        (written("__import__('os').mkdir('/tmp/x')\n"), "has a header that cannot be read"),
        (
            written("{'descr': [('日', '<f4')], 'fortran_order': False, 'shape': (1,)}\n", b"1234", (3, 0)),
            "struct",
        ),
        (
            written("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}\n", b"1234"),
            "pass its fields",
        ),
        (
            written("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,)}\n", b"12345678"),
            "is no number",
        ),
    ],
)
def test_headers_that_lie_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        files.npy(path)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions_are_read(tmp_path: Path, version: tuple[int, int]) -> None:
    (tmp_path / "x.npy").write_bytes(written(PLAIN.format((2,)), np.float32([1, 2]).tobytes(), version))
    assert read(files.npy(tmp_path)).tolist() == [1, 2]


def test_pickles_are_not_run(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([Bomb(tmp_path / "ran")], object), allow_pickle=True)
    with pytest.raises(DataError, match=r"x.npy' holds Python objects, which are pickles"):
        files.npy(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_fortran_order_is_refused_where_rows_do_not_lie_together(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(RNG.random((4, 3))))
    with pytest.raises(DataError, match=r"is in Fortran order.*np\.ascontiguousarray"):
        files.npy(tmp_path)
    np.save(tmp_path / "x.npy", np.asfortranarray(RNG.random((1, 3))))
    assert len(files.npy(tmp_path)) == 1


def test_a_changed_file_is_an_error_or_what_numpy_reads(tmp_path: Path) -> None:
    path, refused = tmp_path / "x.npy", 0
    np.save(path, np.arange(60.0).reshape(20, 3))
    for content in mutations(path.read_bytes(), around=128):
        path.write_bytes(content)
        try:
            found = read(files.npy(path))
        except DataError:
            refused += 1
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert found.tobytes() == np.load(path, allow_pickle=False).tobytes()
    assert 60 < refused < 100


# -- files that change while they are read ----------------------------------------------------------


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(150)


def replace(path: Path) -> None:
    other = path.with_suffix(".other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(200)
        file.write(b"\xff")
    os.utime(path, ns=(0, 12345))


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\xff")


CHANGES = [
    (cut, r"x_1\.npy' was changed.*had 848 bytes and has 150"),
    (replace, r"x_1\.npy' was replaced"),
    (rewrite, r"x_1\.npy' was changed"),
    (append, r"x_1\.npy' was changed.*had 848 bytes and has 849"),
    (Path.unlink, r"x_1\.npy' cannot be (read|opened) any more"),
]


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(("change", "message"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_file_that_changes_while_it_is_read_is_an_error(
    tmp_path: Path, change: Callable[[Path], None], message: str, shuffled: bool
) -> None:
    save(tmp_path, [30, 30], RNG.random((60, 3)))
    pipeline = files.npy(tmp_path)
    batches = iter((pipeline.shuffle(seed=1) if shuffled else pipeline).batch(10))
    next(batches)
    change(tmp_path / "x_1.npy")
    with pytest.raises(DataError, match=message):
        list(batches)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_fit_names_a_file_that_was_cut_off(tmp_path: Path, place: dict[str, Any]) -> None:
    save(tmp_path, [300, 300], RNG.random((600, 3)))
    save(tmp_path, [600], RNG.random(600), "y_{}.npy")
    pipeline = files.npy(tmp_path / "x_*.npy", tmp_path / "y_*.npy")
    model = Sequential([layers.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    cut(tmp_path / "x_1.npy")
    with pytest.raises(DataError, match=r"x_1\.npy' was changed.* bytes and has 150"):
        model.fit(pipeline.shuffle(), verbose=0, **place)


def test_a_new_name_or_other_permissions_do_no_harm(tmp_path: Path) -> None:
    save(tmp_path, [30, 30], np.arange(60))
    batches = iter(files.npy(tmp_path).batch(10))
    next(batches)
    os.link(tmp_path / "x_1.npy", tmp_path / "copy")
    (tmp_path / "x_0.npy").chmod(0o400)
    assert sum(len(batch) for batch in batches) == 50


# -- many files, workers, resuming -------------------------------------------------------------------


def test_descriptors_and_maps_do_not_grow_with_the_files(tmp_path: Path) -> None:
    count = 3 * MOST_OPEN
    whole = save(tmp_path, [2] * count, np.arange(2 * count))
    pipeline = files.npy(tmp_path)
    before = descriptors()
    assert read(pipeline.shuffle(seed=3)).tolist() != whole.tolist()
    for ids in (np.arange(2 * count)[::-1], np.arange(0, 2 * count, 7), np.arange(90)[::-1]):
        assert np.array_equal(rows_of(pipeline).pick(ids), whole[ids])
    assert np.array_equal(rows_of(pipeline).span(0, 2 * count), whole)
    assert descriptors() - before <= 4 * MOST_OPEN
    del pipeline
    assert descriptors() == before


def test_data_travel_as_paths(tmp_path: Path) -> None:
    whole = save(tmp_path, [5000, 5000], RNG.random((10_000, 8)))
    pipeline = files.npy(tmp_path)
    assert np.array_equal(rows_of(pipeline).pick(np.array([7, 3])), whole[[7, 3]])
    sent = pickle.dumps(pipeline.stage)
    assert len(sent) < 3000
    assert np.array_equal(
        pickle.loads(sent).source.load(streamfit.Ticket(0, 0, np.array([9, 1])))[0], whole[[9, 1]]
    )


def test_the_checkers_find_nothing(tmp_path: Path) -> None:
    save(tmp_path, [7, 0, 1, 22], RNG.random((30, 2)).astype("float32"))
    save(tmp_path, [12, 18], np.arange(30), "y_{}.npy")
    pipeline = files.npy(tmp_path / "x_*.npy", tmp_path / "y_*.npy").shuffle().batch(8)
    check_source(pipeline.open_source(seed=3))
    check_stream(lambda: streamfit.stream(pipeline, workers=2, seed=3), only=("left_behind", "reread"))


def test_same_bits_as_arrays_in_memory_on_any_workers(tmp_path: Path) -> None:
    x = save(tmp_path, [13, 0, 50, 27], RNG.random((90, 4)).astype("float32"))
    y = save(tmp_path, [45, 45], RNG.integers(0, 2, 90).astype("float32"), "y_{}.npy")
    pipeline = files.npy(tmp_path / "x_*.npy", tmp_path / "y_*.npy")

    def weights(data: streamfit.Pipeline, place: dict[str, Any]) -> list[bytes]:
        streamfit.set_random_seed(1)
        model = Sequential([layers.Input((4,)), layers.Dense(3, "tanh"), layers.Dense(1, "sigmoid")])
        model.compile("adam", "binary_crossentropy")
        model.fit(data.shuffle().batch(16), epochs=2, seed=7, verbose=0, **place)
        return [weight.tobytes() for weight in model.get_weights()]

    wanted = weights(source(x, y), {})
    for place in PLACES:
        assert weights(pipeline, place) == wanted


def test_shards_of_readers_are_the_whole(tmp_path: Path) -> None:
    save(tmp_path, [3, 9, 1], np.arange(13))
    parts = [read(files.npy(tmp_path).shuffle(seed=2).shard(3, number)) for number in range(3)]
    assert sorted(np.concatenate(parts).tolist()) == list(range(13))


@pytest.mark.parametrize("step", range(5))
def test_a_pass_goes_on_at_any_batch(tmp_path: Path, step: int) -> None:
    save(tmp_path, [7, 13], np.arange(20))
    pipeline = files.npy(tmp_path).shuffle().batch(4)
    whole = [batch.x.tolist() for batch in pipeline.open_source(seed=5).make_reader().read(3)]
    rest = [batch.x.tolist() for batch in pipeline.open_source(seed=5).make_reader().read(3, step)]
    assert len(whole) == 5
    assert rest == whole[step:]


def test_an_empty_array_has_no_rows() -> None:
    array = ShardedArray([], [], (2,), np.dtype("float32"))
    assert (len(array), array.shape, array.ndim) == (0, (0, 2), 2)
