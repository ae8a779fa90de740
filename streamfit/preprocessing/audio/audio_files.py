"""`AudioFiles`: samples that are waveforms in files, whole or parts of a length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamfit._base.errors import SampleError
from streamfit._base.keys import uniforms
from streamfit._base.specs import Array, Spec
from streamfit.preprocessing.audio.sound_package import OpenSound, as_mono, opened
from streamfit.preprocessing.audio.sound_rates import Rates
from streamfit.streams.stages import Pass, Stage
from streamfit.streams.stages.elements import Element
from streamfit.streams.traits import SourceTraits
from streamfit.workers import empty

At = Literal["random", "start", "center"]


@dataclass(frozen=True)
class WaveForm:
    """What becomes of the audio of a file.

    Args:
        rate: Frames in a second.
        resample: Whether files of another rate are resampled; else they are an error.
        channels: Numbers in a frame; with `mono` 1.
        mono: Whether the channels are averaged; else a file with another number of them is an error.
        length: How many frames of each file; None for all.
        at: Where they begin.
        padding: What a shorter file is filled up with; None for an error.
    """

    rate: int
    resample: bool
    channels: int
    mono: bool
    length: int | None = None
    at: At = "random"
    padding: float | None = None

    def read(self, sound: OpenSound, place: float) -> Array:
        """Return a waveform, float32 (frames, channels).

        Args:
            sound: The file.
            place: Where a part at random begins, in [0, 1) of where it may.

        Raises:
            SampleError: The file has another rate or other channels, or is too short.
        """
        form = sound.form
        if form.channels != self.channels and not self.mono:
            raise SampleError(
                f"{sound.path!r} has {form.channels} channels, and the first file {self.channels}; convert "
                "it, or average them: files.audio(..., mono=True)"
            )
        if form.rate != self.rate:
            return self._resampled(sound, place)
        count = form.frames if self.length is None else min(self.length, form.frames)
        self._check_length(sound, form.frames)
        start = self._start(form.frames - count, 1, place)
        return self._channels(sound.read(start, count))

    def _resampled(self, sound: OpenSound, place: float) -> Array:
        form = sound.form
        if not self.resample:
            raise SampleError(
                f"{sound.path!r} has {form.rate:,} frames a second, where {self.rate:,} are wanted; write "
                f"sample_rate={self.rate} to resample it"
            )
        rates, total = Rates(form.rate, self.rate), form.frames
        whole = rates.frames(total)
        self._check_length(sound, whole)
        wanted = whole if self.length is None else min(self.length, whole)
        count = min(rates.needed(wanted), total)
        start = self._start(total - count, rates.grid, place)
        first, more = rates.around(start, count, total)
        return rates.change(self._channels(sound.read(first, more)), start - first, wanted)

    def _check_length(self, sound: OpenSound, frames: int) -> None:
        if self.length is not None and frames < self.length and self.padding is None:
            raise SampleError(
                f"{sound.path!r} has {frames:,} frames, fewer than length={self.length:,}; write padding=0 "
                "to fill it up"
            )

    def _start(self, spare: int, grid: int, place: float) -> int:
        if self.at == "random":
            return int(place * (spare // grid + 1)) * grid
        return spare // 2 // grid * grid if self.at == "center" else 0

    def _channels(self, frames: Array) -> Array:
        return as_mono(frames) if self.mono else frames


class AudioFiles(Stage):
    """Samples that are waveforms, with targets where there are any.

    Args:
        paths: The files.
        targets: The target of each, of shape (n, ...); None for waveforms alone.
        form: What becomes of the audio.
    """

    def __init__(self, paths: list[str], targets: Array | None, form: WaveForm) -> None:
        super().__init__((), SourceTraits(in_workers=True, batched=False))
        self.paths, self.targets, self.form = paths, targets, form

    def __repr__(self) -> str:
        length = "" if self.form.length is None else f", length={self.form.length}, at={self.form.at!r}"
        return f"audio({len(self.paths):,} files, sample_rate={self.form.rate}{length})"

    def specs(self) -> Element:
        """Return the specs of a sample; None where whole files are read, which differ in length."""
        if self.form.length is None:
            return None
        wave = Spec((self.form.length, self.form.channels), np.dtype(np.float32))
        return wave if self.targets is None else (wave, Spec(self.targets.shape[1:], self.targets.dtype))

    def size(self, p: Pass) -> int:
        """Return the number of files."""
        return len(self.paths)

    def space(self, p: Pass) -> int:
        """Return the number of files."""
        return len(self.paths)

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of files: their positions."""
        return positions

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Read files."""
        waves = [self._wave(int(name), row, place) for row, name, place in self._drawn(p, ids)]
        return list(waves) if self.targets is None else list(zip(waves, self.targets[ids], strict=True))

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Read files to one array."""
        form = self.form
        if form.length is None:
            return super().stacked(p, ids)
        waves = empty((len(ids), form.length, form.channels), np.dtype(np.float32))
        for row, name, place in self._drawn(p, ids):
            waves[row] = self._wave(name, row, place)
        return waves if self.targets is None else (waves, self.targets[ids])

    def _drawn(self, p: Pass, ids: Array) -> list[tuple[int, int, float]]:
        places = uniforms(p.key("audio", self.salt), ids)
        return list(zip(range(len(ids)), ids.tolist(), places.tolist(), strict=True))

    def _wave(self, name: int, row: int, place: float) -> Array:
        form = self.form
        try:
            with opened(self.paths[name]) as sound:
                wave = form.read(sound, place)
        except SampleError as error:
            error.row = row
            raise
        except OSError as error:
            raise SampleError(f"{self.paths[name]!r} cannot be read: {error.strerror}", row) from None
        if form.length is None or len(wave) == form.length:
            return wave
        filled = np.full((form.length, wave.shape[1]), form.padding or 0.0, np.float32)
        filled[: len(wave)] = wave
        return filled
