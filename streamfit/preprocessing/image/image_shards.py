"""`image_shards`: images with their targets in tar archives, as WebDataset writes them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence

import numpy as np

from streamfit._base.checks import integer, is_mapping
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.preprocessing.image.decoding import ENDINGS, MAX_PIXELS, ColorMode, check_bytes
from streamfit.preprocessing.image.encoded_images import EncodedImages, ImagePlaces
from streamfit.preprocessing.image.image_form import Fit, ImageForm, ImageSize
from streamfit.preprocessing.image.tar_index import TarMember, tar_members
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stages.elements import Element
from streamfit.streams.stores.file_index import FileIndex
from streamfit.streams.stores.open_files import OpenFiles
from streamfit.streams.stores.paths import FileMark, Paths, absolute, find_files

_HEADER = 512


def image_shards(
    paths: Paths,
    target: str | None = "cls",
    *,
    key: str | None = None,
    color_mode: ColorMode = "rgb",
    image_size: ImageSize | None = None,
    fit: Fit = "stretch",
    interpolation: str = "bilinear",
    antialias: bool = True,
    dtype: str = "uint8",
    data_format: str | None = None,
    max_pixels: int = MAX_PIXELS,
    reduce: bool = False,
    name: str = "image_shards",
) -> Pipeline:
    """Make a pipeline of the images in tar archives that are not compressed. Needs the extra ``image``.

    The members of a sample have one path up to the first dot of its last part, such as ``000001.jpg`` and
    ``000001.cls``, and follow each other. When the pipeline is made the headers of all members are read, once
    for each archive where there are many; then any image is read by itself, so `shuffle` is a full
    permutation.

    Args:
        paths: An archive, a glob, a folder with files that end in .tar, or several of them.
        target: What the member with the target ends in: ``'cls'`` for a whole number as text, ``'txt'`` for a
            text, ``'json'`` for numbers or a dictionary of them; None for images alone.
        key: Which entry of a dictionary in JSON is the target; None for all of it.

    The other arguments are those of `images`.

    Raises:
        FileNotFoundError: There is no such archive.
        ValueError: An argument is none of these.
        DataError: An archive was cut off, is compressed or damaged, or a sample has no image, two, or no
            target.

    Loading raises a `DataError` where an archive was changed in the meantime.

    Example:
        >>> import io, pathlib, tarfile, tempfile
        >>> holder = tempfile.TemporaryDirectory()
        >>> shard = pathlib.Path(holder.name, "shard-0.tar")
        >>> with tarfile.open(shard, "w") as tar:
        ...     for member, data in (("1.png", b"P6 1 1 255 " + bytes([9, 8, 7])), ("1.cls", b"4")):
        ...         info = tarfile.TarInfo(member)
        ...         info.size = len(data)
        ...         tar.addfile(info, io.BytesIO(data))
        >>> next(iter(image_shards(shard).batch(1)))
        (array([[[[9, 8, 7]]]], dtype=uint8), array([4]))
        >>> holder.cleanup()
    """
    form = ImageForm.of(
        color_mode, image_size, fit, interpolation, antialias, dtype, data_format, max_pixels, reduce
    )
    if target not in ("cls", "txt", "json", None):
        raise ValueError(f"target={target!r}: write 'cls', 'txt', 'json' or None")
    if key is not None and target != "json":
        raise ValueError(f"key={key!r} is for target='json'")
    files = find_files(paths, (".tar",), "image_shards()")
    places = ShardMembers(absolute(files), target, key, name)
    return Pipeline(EncodedImages(places, None, form, target is not None), name)


class ShardMembers(ImagePlaces):
    """The places of images and targets in archives; for the arguments see `image_shards`."""

    def __init__(self, files: Sequence[str], target: str | None, key: str | None, name: str) -> None:
        self.files, self.name = list(files), name
        self._target, self._key = target, key
        self._marks = [FileMark.of(path) for path in self.files]
        index = FileIndex(self.files, self._marks, f"image_shards {target}")
        found = index.load()
        if found is None:
            found = {"members": self._scanned()}
            index.save(found)
        self._members: Array = found["members"]
        self._open: OpenFiles[_Archive] = OpenFiles(_Archive, per_thread=False)
        if not len(self._members):
            raise DataError(f"image_shards(): there are no images in {', '.join(map(repr, self.files[:3]))}")

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        files = f"{len(self.files):,} file{'s' * (len(self.files) > 1)}"
        return f"image_shards({self.name!r}, {files}, {len(self):,} images)"

    def read(self, name: int, max_pixels: int) -> bytes:
        """Read an image."""
        check_bytes(int(self._members[name, 2]), self.where(name), max_pixels)
        return self._bytes(name, 1)

    def where(self, name: int) -> str:
        """Return the archive and the name of the image."""
        shard, begin = int(self._members[name, 0]), int(self._members[name, 1])
        head = os.pread(self._file(shard).descriptor, 100, begin - _HEADER)
        member = head.partition(b"\0")[0].decode("utf-8", "replace")
        return f"{self.files[shard]!r}, image {member!r}"

    def target(self, name: int) -> Element:
        """Read a target."""
        data = self._bytes(name, 3)
        try:
            if self._target == "cls":
                return np.int64(int(data))
            if self._target == "txt":
                return np.array(data.decode(), object)
            found = json.loads(data)
            if self._key is not None:
                found = found[self._key]
            return _numbers(found)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(
                f"{self.where(name)}: its target in .{self._target} is {data[:40]!r}, which cannot be used: "
                f"{type(error).__name__}: {error}"
            ) from None

    def identity(self) -> dict[str, object]:
        """Return names of archives, and the number of images."""
        return {"files": [os.path.basename(path) for path in self.files[:1000]], "images": len(self)}

    def close(self) -> None:
        """Close the archives."""
        self._open.clear()

    def _bytes(self, name: int, column: int) -> bytes:
        shard, begin, size = (int(self._members[name, place]) for place in (0, column, column + 1))
        data = os.pread(self._file(shard).descriptor, size, begin)
        if len(data) != size:
            self._marks[shard].check(self.files[shard])
            raise DataError(f"{self.files[shard]!r} could not be read at byte {begin:,}")
        return data

    def _file(self, shard: int) -> _Archive:
        file = self._open.get(self.files[shard])
        if FileMark.of_stat(os.fstat(file.descriptor)) != self._marks[shard]:
            self._marks[shard].check(self.files[shard])
            self._open.clear()  # the path leads to the right file again, and another one is open
            file = self._open.get(self.files[shard])
        return file

    def _scanned(self) -> Array:
        """Return archive, begin and size of each image, and begin and size of its target, int64 (n, 5)."""
        rows: list[tuple[int, int, int, int, int]] = []
        for shard, path in enumerate(self.files):
            for members in _samples(path):
                found = [members.get(ending) for ending in (*ENDINGS, f".{self._target}")]
                pictures = [member for member in found[:-1] if member is not None]
                first = next(iter(members.values())).name
                if len(pictures) != 1:
                    raise DataError(
                        f"{path!r}: the sample of {first!r} has {len(pictures) or 'no'} images, of the "
                        f"endings {sorted(members)}; a sample needs one, which ends in {', '.join(ENDINGS)}"
                    )
                mark = found[-1]
                if mark is None and self._target is not None:
                    raise DataError(
                        f"{path!r}: the sample of {first!r} has no .{self._target} beside "
                        f"{sorted(members)}; name the member with the target: target='json', say, or None"
                    )
                place = (mark.begin, mark.size) if mark is not None else (0, 0)
                rows.append((shard, pictures[0].begin, pictures[0].size, *place))
        return np.array(rows, np.int64).reshape(-1, 5)


def _samples(path: str) -> Iterator[dict[str, TarMember]]:
    """Yield the members of each sample of an archive, by their endings."""
    seen: set[str] = set()
    last = ""
    members: dict[str, TarMember] = {}
    for member in tar_members(path):
        folder, _, file = member.name.rpartition("/")
        if file.startswith("."):
            continue
        stem, dot, ending = file.partition(".")
        sample, ending = f"{folder}/{stem}", f"{dot}{ending}".lower()
        if sample != last:
            if members:
                yield members
            if sample in seen:
                raise DataError(
                    f"{path!r}: the members of {member.name!r} do not follow each other; write the archive "
                    "sorted by name: tar --sort=name"
                )
            seen.add(sample)
            last, members = sample, {}
        if ending in members:
            raise DataError(f"{path!r} holds {member.name!r} twice; write it again")
        members[ending] = member
    if members:
        yield members


def _numbers(found: object) -> Element:
    if is_mapping(found):
        return {str(key): _numbers(entry) for key, entry in found.items()}
    whole = integer(found)
    made = np.array(found) if whole is None else np.array(whole)
    if made.dtype.kind not in "biuf":
        raise ValueError("it holds no numbers; name those of a dictionary: key=...")
    return made


class _Archive:
    """An open file without a position, which is closed when nobody refers to it."""

    def __init__(self, path: str, other: _Archive | None) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)
