"""What holds for all formats of files: order, each sample once, resuming, shards, workers, errors."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from oracles.formats import FORMATS, Format, word
from oracles.leaks import nothing_left_behind
from oracles.stages import batch_value, delivered, resumed

from streamfit import DataError
from streamfit.streams import Feed, Pipeline
from streamfit.streams.stages.elements import as_mapping
from streamfit.testing import check_source
from streamfit.workers import Pool, make_pool

pytestmark = pytest.mark.timeout(60)
LENGTHS = [9, 0, 1, 6, 5]


def _cases() -> Iterator[object]:
    for name, form in FORMATS.items():
        yield pytest.param(form, id=name, marks=[pytest.mark.extras] if form.needs else [])


@pytest.fixture(params=list(_cases()))
def form(request: pytest.FixtureRequest) -> Format:
    for package in request.param.needs:
        pytest.importorskip(package, reason=f"needs {package}: make test-extras")
    return request.param


def write(form: Format, folder: Path, lengths: list[int] = LENGTHS) -> None:
    """Write files with so many samples each; the ids count through all of them."""
    ends = np.cumsum(lengths)
    for number, (length, end) in enumerate(zip(lengths, ends.tolist(), strict=True)):
        if length or form.empty:
            form.write(folder / f"part-{number}{form.ending}", np.arange(end - length, end), False)


@pytest.fixture
def made(form: Format, tmp_path: Path) -> Pipeline:
    write(form, tmp_path)
    return form.open(tmp_path)


@pytest.fixture(scope="module")
def threads() -> Iterator[Pool]:
    with make_pool("threads", 2, 4) as pool:
        yield pool


@pytest.fixture(scope="module")
def processes() -> Iterator[Pool]:
    with make_pool("processes", 2, 4) as pool:
        yield pool


def check_samples(form: Format, element: object) -> list[int]:
    """Check the values of a batch and return its ids."""
    assert isinstance(element, tuple)
    x, y = as_mapping(element[0]), element[1]
    ids = np.asarray(x["id"])
    assert ids.dtype == np.int64
    assert np.asarray(x["value"]).dtype == np.float32
    assert np.array_equal(x["value"], ids * np.float32(0.5))
    assert np.array_equal(y, ids % 3)
    if form.words:
        assert np.asarray(x["word"]).tolist() == [word(name) for name in ids.tolist()]
    return ids.tolist()


def test_samples_come_as_they_lie(form: Format, made: Pipeline) -> None:
    found = [check_samples(form, each) for each in made.batch(4)]
    assert list(itertools.chain(*found)) == list(range(21))
    assert len(made) == 21
    assert [len(batch) for batch in found] == [4, 4, 4, 4, 4, 1]


def test_each_sample_once_in_another_order(form: Format, made: Pipeline) -> None:
    seeded = Pipeline(made.shuffle(8).batch(4).stage, seed=3)
    passes = [list(itertools.chain(*(check_samples(form, each) for each in seeded))) for _ in range(2)]
    assert [sorted(ids) for ids in passes] == [list(range(21))] * 2
    assert passes[0] != passes[1] != list(range(21))


def test_workers_change_nothing(made: Pipeline, threads: Pool, processes: Pool) -> None:
    chosen = made.shuffle(8).batch(4)
    expected = delivered(chosen, passes=2)
    assert delivered(chosen, threads, passes=2) == expected
    assert delivered(chosen, processes, passes=2) == expected


def test_each_batch_is_a_place_to_resume_at(
    form: Format, made: Pipeline, tmp_path: Path, threads: Pool
) -> None:
    expected, *others = resumed(
        made.shuffle(8).batch(4), threads, lambda: form.open(tmp_path).shuffle(8).batch(4)
    )
    assert len(expected) == 6
    assert all(other == expected for other in others)


def test_shards_and_parts_make_up_the_whole(form: Format, made: Pipeline) -> None:
    shards = [made.shard(3, index).shuffle(5).batch(4) for index in range(3)]
    parts = [part.shuffle(5).batch(4) for part in made.split(0.6, seed=1)]
    for pipelines in (shards, parts):
        ids = [check_samples(form, each) for pipeline in pipelines for each in pipeline]
        assert sorted(itertools.chain(*ids)) == list(range(21))


def test_single_samples_are_those_of_batches(form: Format, made: Pipeline) -> None:
    samples = list(made)
    assert [int(as_mapping(x)["id"]) for x, _ in samples] == list(range(21))
    assert str(made.element_spec)


def test_the_checkers_find_nothing(made: Pipeline) -> None:
    check_source(made.shuffle(8).batch(4).open_source(seed=1, text=True))


def test_a_killed_worker_changes_nothing(made: Pipeline) -> None:
    chosen = made.shuffle(8).batch(4)
    (expected,) = delivered(chosen)
    with nothing_left_behind(), make_pool("processes", 2, 2) as pool:
        with Feed(chosen.open_source(seed=7, text=True), pool) as feed:
            found = []
            for number, batch in enumerate(feed.run()):
                found.append(batch_value(batch))
                del batch  # it may occupy a slot
                if number == 1:
                    os.kill(pool.pids()[0], signal.SIGKILL)
        assert found == expected


def test_one_sample(form: Format, tmp_path: Path) -> None:
    write(form, tmp_path, [1])
    assert [check_samples(form, each) for each in form.open(tmp_path).shuffle().batch(4)] == [[0]]


def test_no_samples_at_all(form: Format, tmp_path: Path) -> None:
    if form.empty:
        form.write(tmp_path / f"a{form.ending}", np.arange(0), False)
        with pytest.raises(DataError, match=r"no (rows|samples|records)"):
            form.open(tmp_path)


def test_names_of_any_characters(form: Format, tmp_path: Path) -> None:
    form.write(tmp_path / f"größe 日本 #1{form.ending}", np.arange(3), False)
    assert [check_samples(form, each) for each in form.open(tmp_path).batch(4)] == [[0, 1, 2]]


def test_missing_files_are_named(form: Format, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file|none in it"):
        form.open(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        form.open(tmp_path / f"nowhere{form.ending}")


def test_a_form_that_changes_between_files_is_refused(form: Format, tmp_path: Path) -> None:
    form.write(tmp_path / f"a{form.ending}", np.arange(4), False)
    form.write(tmp_path / f"b{form.ending}", np.arange(4, 8), True)
    with pytest.raises(DataError, match=rf"b\{form.ending}"):
        list(form.open(tmp_path).batch(4))


@pytest.mark.parametrize("how", ["replaced", "removed", "shortened"])
def test_a_file_that_changes_while_it_is_read(form: Format, tmp_path: Path, how: str) -> None:
    write(form, tmp_path, [8, 8, 8])
    path = tmp_path / f"part-2{form.ending}"
    made = form.open(tmp_path).batch(4)

    def change() -> None:
        if how == "replaced":
            form.write(tmp_path / "new", np.arange(100, 108), False)
            os.replace(tmp_path / "new", path)
        elif how == "removed":
            path.unlink()
        else:
            os.truncate(path, path.stat().st_size // 2)

    def read() -> None:
        with Feed(made.open_source(seed=1, text=True)) as feed:
            for number, batch in enumerate(feed.run()):
                check_samples(form, batch.given())
                if number == 1:
                    change()

    with pytest.raises(DataError, match="part-2"):
        read()
