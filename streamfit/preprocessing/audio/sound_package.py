"""soundfile, an optional package that reads WAV, FLAC, OGG and MP3 by libsndfile: the only file that uses it.

Guarantee kept here: what is read is what the file says that it holds; a file that is cut off, is no audio or
claims more than could be, is a `SampleError` with its path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from streamfit._base.errors import SampleError
from streamfit._base.optional import require
from streamfit._base.specs import Array

ENDINGS = (".wav", ".flac", ".ogg", ".mp3")

_MOST_BYTES = 1 << 31  # of float32 that one file may claim to hold
_CUT = re.compile(r"data\s*:\s*(\d+) \(should be (\d+)\)")  # in libsndfile's notes on a WAV file
_STREAMED = 0x7FFFF000  # sizes of data from here on, or 0, mean that a writer did not know it


class SoundFile(Protocol):
    """An open file of soundfile, as far as it is used."""

    samplerate: int
    channels: int
    frames: int
    extra_info: str

    def seek(self, frames: int) -> int:
        """Move to a frame."""
        ...

    def read(self, frames: int, dtype: str, always_2d: bool) -> Array:
        """Read frames from there on."""
        ...


@dataclass(frozen=True)
class SoundForm:
    """What a file holds.

    Args:
        rate: Frames in a second.
        channels: Numbers in a frame.
        frames: How many there are.
    """

    rate: int
    channels: int
    frames: int


class OpenSound:
    """An audio file that is open; see `opened`."""

    def __init__(self, path: str, file: SoundFile) -> None:
        self.path, self._file = path, file
        self.form = SoundForm(int(file.samplerate), int(file.channels), int(file.frames))

    def read(self, start: int, count: int) -> Array:
        """Return frames: float32 (count, channels), whole numbers of PCM divided by their largest one plus 1.

        Raises:
            SampleError: They are not there.
        """
        if count * self.form.channels * 4 > _MOST_BYTES:
            raise SampleError(
                f"{self.path!r} says that it holds {count:,} frames, which take more than 2 GiB; read parts "
                "of it, length=..."
            )
        if start:
            self._file.seek(start)
        found = self._file.read(count, dtype="float32", always_2d=True)
        if len(found) < count:
            raise SampleError(
                f"{self.path!r} is cut off: it says that it holds {self.form.frames:,} frames and ends after "
                f"{start + len(found):,}"
            )
        return found


@contextmanager
def opened(path: str) -> Iterator[OpenSound]:
    """Open an audio file.

    Raises:
        SampleError: It is no audio, is damaged, or holds none.
        OSError: It is not there, or must not be read.
        MissingExtraError: soundfile is not installed.
    """
    package = require("soundfile", "audio")
    try:
        with open(path, "rb"), package.SoundFile(path) as file:
            _check(path, file)
            yield OpenSound(path, cast(SoundFile, file))
    except package.LibsndfileError as error:
        raise SampleError(f"{path!r} is no audio that can be read: {error.error_string}") from None


def sound_form(path: str) -> SoundForm:
    """Return what an audio file holds."""
    with opened(path) as sound:
        return sound.form


def _check(path: str, file: SoundFile) -> None:
    cut = _CUT.search(file.extra_info)
    if cut is not None and 0 < int(cut[2]) < int(cut[1]) < _STREAMED:
        raise SampleError(
            f"{path!r} is cut off: it says that it holds {int(cut[1]):,} bytes of audio and has "
            f"{int(cut[2]):,}"
        )
    if not file.frames:
        raise SampleError(f"{path!r} holds no audio: it has 0 frames")


def as_mono(frames: Array) -> Array:
    """Return the mean of the channels, float32 (frames, 1).

    Example:
        >>> as_mono(np.array([[0.0, 1.0], [0.5, 0.5]], np.float32)).tolist()
        [[0.5], [0.5]]
    """
    if frames.shape[1] == 1:
        return frames
    mean: Array = frames.mean(axis=1, keepdims=True, dtype=np.float32)
    return mean
