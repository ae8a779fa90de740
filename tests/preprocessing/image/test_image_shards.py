"""`files.image_shards`: samples in tar archives, each once in any order; damage is an error."""

from __future__ import annotations

import io
import itertools
import os
import pickle
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from oracles.mutations import mutated
from oracles.pictures import encoded

from streamfit import files, stream
from streamfit._base.errors import DataError, SampleError
from streamfit.preprocessing.image.tar_index import tar_members

Members = Iterable[tuple[str, bytes]]


def write(path: Path, members: Members, kind: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=kind) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def image(number: int) -> bytes:
    return encoded(np.full((2, 3, 3), number, np.uint8), "png")


def members(numbers: Iterable[int]) -> Members:
    for number in numbers:
        yield f"{number:06}.cls", b"%d\n" % (number % 3)
        yield f"{number:06}.png", image(number)
        yield f"{number:06}.json", b'{"label": [%d, 0.5], "name": 7}' % number
        yield f"{number:06}.txt", b"picture %d" % number


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Write three archives with 11 samples."""
    for shard, numbers in enumerate((range(4), range(4, 5), range(5, 11))):
        write(tmp_path / f"shard-{shard + 8}.tar", members(numbers))
    return tmp_path


def test_samples(shards: Path) -> None:
    made = files.image_shards(shards / "shard-*.tar")
    assert repr(made.stage) == "image_shards('image_shards', 3 files, 11 images)"
    ((x, y),) = made.batch(11).elements()
    assert x[:, 1, 1, 0].tolist() == list(range(11))  # shard-8, shard-9, shard-10
    assert y.tolist() == [number % 3 for number in range(11)]
    (y,) = ([y for _, y in files.image_shards(shards, "txt").elements()],)
    assert [str(each) for each in y] == [f"picture {number}" for number in range(11)]
    ((_, y),) = files.image_shards(shards, "json", key="label").batch(11).elements()
    assert y.tolist() == [[number, 0.5] for number in range(11)]
    ((_, y),) = files.image_shards(shards, "json").batch(11).elements()
    assert y["name"].tolist() == [7] * 11
    (x,) = files.image_shards(shards, None, image_size=(2, 3), dtype="float32").batch(11).elements()
    assert (x.shape, x.dtype) == ((11, 2, 3, 3), np.float32)


def test_orders_and_places_to_resume_at(shards: Path) -> None:
    made = files.image_shards(shards, None).shuffle().batch(4)
    source = made.open_source(seed=3)
    passes = []
    for number in range(2):
        alone = [source.load(ticket)[0][:, 0, 0, 0].tolist() for ticket in source.tickets(number)]
        assert sorted(itertools.chain(*alone)) == list(range(11))
        for start in range(len(alone)):
            rest = [source.load(ticket)[0][:, 0, 0, 0].tolist() for ticket in source.tickets(number, start)]
            assert rest == alone[start:]
        passes.append(alone)
    assert passes[0] != passes[1]


def test_workers(shards: Path) -> None:
    made = files.image_shards(shards).shuffle().batch(4)
    found = []
    for how in ({"workers": 0}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}):
        with stream(made, seed=1, **how) as batches:
            found.append([(x.tolist(), y.tolist()) for x, y in batches])
    assert found[0] == found[1] == found[2]
    assert sorted(x[0][0][0] for batch, _ in found[0] for x in batch) == list(range(11))


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names(tmp_path: Path, kind: int) -> None:
    long = "folder/" * 20 + "long" * 20 if kind != tarfile.USTAR_FORMAT else "folder/" * 12 + "long"
    found = [
        (f"{long}.PNG", image(5)),
        (f"{long}.cls", b"2"),
        ("b/.hidden", b""),
    ]
    path = write(
        tmp_path / "a.tar", [found[0], found[1], ("b.c/x.cls", b"1"), ("b.c/x.jpg", image(6)), found[2]], kind
    )
    ((x, y),) = files.image_shards(path).batch(2).elements()
    assert (x[:, 0, 0, 0].tolist(), y.tolist()) == ([5, 6], [2, 1])
    sizes = [member.size for member in tar_members(str(path))]
    assert sizes == [len(image(5)), 1, 1, len(image(6)), 0]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([("a.cls", b"1")], r"'a.cls' has no images, of the endings \['.cls'\]"),
        ([("a.png", b""), ("a.jpg", b""), ("a.cls", b"")], "has 2 images"),
        ([("a.png", b"")], "has no .cls beside"),
        ([("a.png", b""), ("a.cls", b""), ("b.png", b""), ("b.cls", b""), ("a.txt", b"")], "tar --sort=name"),
        ([("a.png", b""), ("a.png", b"")], "holds 'a.png' twice"),
        ([], "there are no images in"),
    ],
)
def test_wrong_members(tmp_path: Path, given: Members, why: str) -> None:
    with pytest.raises(DataError, match=why):
        files.image_shards(write(tmp_path / "a.tar", given))


def test_bad_samples_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", [("a.png", image(1)), ("a.cls", b"one")])
    with pytest.raises(SampleError, match=r"a\.tar', image 'a\.png': its target in \.cls is b'one'"):
        list(files.image_shards(path).elements())
    path = write(tmp_path / "a.tar", [*members([0]), ("b.png", b"no"), ("b.cls", b"1")])
    with pytest.raises(SampleError, match=r"'b\.png' is no image") as caught:
        list(files.image_shards(path).batch(2).elements())
    assert caught.value.row == 1
    for data in (b"{", b'{"a": "b"}', b"[1, [2]]", b'"text"'):
        path = write(tmp_path / "b.tar", [("a.png", image(1)), ("a.json", data)])
        with pytest.raises(SampleError, match="cannot be used"):
            list(files.image_shards(path, "json").elements())
    path = write(tmp_path / "b.tar", [("a.png", image(1)), ("a.json", b'{"b": 1}')])
    with pytest.raises(SampleError, match="KeyError"):
        list(files.image_shards(path, "json", key="a").elements())


def test_archives_that_were_cut_off(shards: Path) -> None:
    data = (shards / "shard-8.tar").read_bytes()
    path = shards / "cut.tar"
    for length in [0, 100, 511, *range(512, len(data) - 1024 - 9 * 1024, 512), 700, 4000]:
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"cut\.tar"):
            files.image_shards(path)
    # The mark at the end is two blocks of zeros; tarfile fills up to 10 KiB.
    last = max(member.begin + member.size for member in tar_members(str(shards / "shard-8.tar")))
    end = -(-last // 512) * 512
    path.write_bytes(data[: end + 1023])
    with pytest.raises(DataError, match="no end mark"):
        files.image_shards(path)
    path.write_bytes(data[: end + 1024])
    assert len(list(files.image_shards(path).elements())) == 4
    path.write_bytes(data + data)
    with pytest.raises(DataError, match="tar --concatenate"):
        files.image_shards(path)


def test_other_archives(shards: Path) -> None:
    with tarfile.open(shards / "a.tar", "w:gz") as tar:
        tar.add(shards / "shard-8.tar", "x.png")
    with pytest.raises(DataError, match="compressed or damaged"):
        files.image_shards(shards / "a.tar")
    with tarfile.open(shards / "a.tar", "w") as tar:
        link = tarfile.TarInfo("x.png")
        link.type, link.linkname = tarfile.SYMTYPE, "y.png"
        tar.addfile(link)
    with pytest.raises(DataError, match="is a link or no plain file"):
        files.image_shards(shards / "a.tar")
    with pytest.raises(ValueError, match="target='label': write"):
        files.image_shards(shards, "label")
    with pytest.raises(ValueError, match="is for target='json'"):
        files.image_shards(shards, key="a")


def test_changed_archives(shards: Path) -> None:
    made = files.image_shards(shards)
    copy = pickle.loads(pickle.dumps(made.stage))
    assert len(list(made.elements())) == 11
    data = (shards / "shard-9.tar").read_bytes()
    (shards / "other.tar").write_bytes(data)
    os.replace(shards / "other.tar", shards / "shard-9.tar")
    with pytest.raises(DataError, match=r"shard-9\.tar' was replaced"):
        copy.places.read(4, 10**6)
    assert len(list(made.elements())) == 11  # the old file is still open there
    made.stage.close()
    with pytest.raises(DataError, match=r"shard-9\.tar' was replaced"):
        list(made.elements())


def test_damage(tmp_path: Path) -> None:
    data = write(tmp_path / "a.tar", members(range(3))).read_bytes().rstrip(b"\0") + bytes(2048)
    counts = set()
    for damaged in mutated(data, 100):
        (tmp_path / "a.tar").write_bytes(damaged)
        try:
            counts.add(len(list(files.image_shards(tmp_path / "a.tar").elements())))
        except DataError:
            counts.add(-1)
    assert -1 in counts
    assert counts <= {-1, 3}  # nothing is left out in silence


def test_index_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for shard in range(16):
        write(tmp_path / f"{shard}.tar", members([shard]))
    first = files.image_shards(tmp_path).stage.places
    monkeypatch.setattr("streamfit.preprocessing.image.image_shards.tar_members", None)
    second = files.image_shards(tmp_path).stage.places
    assert [second.where(each) for each in range(16)] == [first.where(each) for each in range(16)]
