"""Transforms of waveforms: loudness, noise and other sounds in the background.

Loudness is in decibels: 20 dB are a factor of 10. The ratio of signal to noise is that of their powers over
the whole clip, 10 log10(mean(signal**2) / mean(noise**2)).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.checks import number
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.augment.parameters import interval, probability
from streamfit.augment.series.series_batch import Series
from streamfit.augment.series.series_transform import SeriesTransform
from streamfit.augment.series.series_values import with_noise

Decibels = float | tuple[float, float]


class Gain(SeriesTransform):
    """Make each clip louder or softer.

    Args:
        decibels: The range that the change is drawn from; a number for that far up and down.
    """

    name = "audio.gain"

    def __init__(self, decibels: Decibels = (-12.0, 6.0)) -> None:
        self.decibels = interval("decibels", decibels)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Multiply each clip."""
        factors = (10 ** (draws.uniform("gain", *self.decibels) / 20)).astype(np.float32)
        for row, factor in enumerate(factors):
            series.one(row)[...] *= factor
        return series


class WhiteNoise(SeriesTransform):
    """Add normally distributed noise, as loud as a ratio to the signal says; none to a silent clip.

    Args:
        snr: The ratio of signal to noise in dB: a number, or a range that it is drawn from.
        p: The probability.
    """

    name = "audio.noise"

    def __init__(self, snr: Decibels = (10.0, 40.0), p: float = 1.0) -> None:
        self.snr, self.p = _ratio(snr), probability("p", p)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Add the noise."""
        scales = _levels(series) * 10 ** (-draws.uniform("snr", *self.snr) / 20)
        return with_noise(draws, series, scales * draws.chance("active", self.p))


class Background(SeriesTransform):
    """Add a part of another sound, from a random place of it on; short sounds are repeated.

    Args:
        sounds: Waveforms of the same rate, float32 (frames,) or (frames, 1): one is drawn for each clip.
        snr: The ratio of signal to background in dB: a number, or a range that it is drawn from. The level of
            a sound is that of the part that is added; a silent clip or part stays without.
        p: The probability.
    """

    name = "audio.background"

    def __init__(self, sounds: Sequence[Array], snr: Decibels = (3.0, 30.0), p: float = 0.5) -> None:
        self.sounds = [_sound(place, sound) for place, sound in enumerate(sounds)]
        if not self.sounds:
            raise ValueError("background() needs sounds: a list of waveforms, float32 (frames,)")
        self.snr, self.p = _ratio(snr), probability("p", p)

    def __repr__(self) -> str:
        return f"{self.name}({len(self.sounds)} sounds, snr={self.snr}, p={self.p})"

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Add the sounds."""
        which = draws.whole("sound", 0, len(self.sounds))
        lengths = np.array([len(sound) for sound in self.sounds])[which]
        firsts = draws.whole("first", 0, lengths)
        ratios = 10 ** (-draws.uniform("snr", *self.snr) / 20)
        levels = _levels(series)
        for row in np.flatnonzero(draws.chance("active", self.p)).tolist():
            sound, places = self.sounds[which[row]], firsts[row] + np.arange(series.steps[row])
            part = sound.take(places, mode="wrap")
            level = _level(part)
            if level > 0:
                scale = np.float32(levels[row] * ratios[row] / level)
                series.one(row).reshape(-1, series.channels)[...] += (scale * part)[:, None]
        return series


def _levels(series: Series) -> Array:
    return np.array([_level(series.one(row)) for row in range(len(series))], np.float64)


def _level(frames: Array) -> float:
    return float(np.sqrt(np.square(frames, dtype=np.float64).mean())) if frames.size else 0.0


def _ratio(snr: Decibels) -> tuple[float, float]:
    if isinstance(snr, (tuple, list)):
        return interval("snr", snr)
    found = number("snr", snr)
    return found, found


def _sound(place: int, sound: object) -> Array:
    frames = np.asarray(sound)
    flat = frames[:, 0] if frames.ndim == 2 and frames.shape[1] == 1 else frames
    if frames.dtype != np.float32 or flat.ndim != 1 or not flat.size:
        raise DataError(
            f"sounds[{place}] must be a waveform, float32 (frames,), got {frames.dtype} {frames.shape}"
        )
    return np.ascontiguousarray(flat)
