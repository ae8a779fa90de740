"""Spectrograms of waveforms, and the masks of SpecAugment.

A spectrogram is float32 (frames, frequencies): a series whose steps are frames, so the transforms of
`streamfit.augment.series` apply to it.
"""

from __future__ import annotations

import functools

import numpy as np

from streamfit._base.checks import number, truth, whole, whole_or_none
from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array
from streamfit.augment.audio.mel_filters import MEL_KINDS, MelFilters, MelKind, mel_filters
from streamfit.augment.audio.mel_kernels import sum_bands
from streamfit.augment.draws import SampleDraws
from streamfit.augment.series.series_batch import Series
from streamfit.augment.series.series_transform import SeriesChain, SeriesTransform
from streamfit.augment.series.series_values import ChannelMask, TimeMask

_LEAST_POWER = 1e-10


class Stft(SeriesTransform):
    """Replace waveforms by the magnitudes of their short-time Fourier transform, raised to a power.

    Args:
        n_fft: Frames of the waveform in a Fourier transform.
        hop: How many frames further the next one begins; None for a quarter of `n_fft`.
        window_length: The length of the window, which is in the middle of `n_fft` frames; None for `n_fft`.
        window: Its name, as for `scipy.signal.get_window`; it is periodic.
        center: Whether frame t of the result has its middle at frame ``t * hop`` of the waveform, which is
            reflected at its ends. Else the first one begins at frame 0, and none reaches behind the end.
        power: 1 for magnitudes, 2 for powers.

    Returns:
        float32 (frames, n_fft // 2 + 1), with ``1 + samples // hop`` frames where `center` is True. Waveforms
        are (samples,) or (samples, 1).
    """

    name = "audio.stft"

    def __init__(
        self,
        n_fft: int = 512,
        hop: int | None = None,
        window_length: int | None = None,
        window: str = "hann",
        center: bool = True,
        power: float = 1.0,
    ) -> None:
        self.n_fft = whole("n_fft", n_fft, 2)
        self.hop = whole_or_none("hop", hop, 1) or max(1, self.n_fft // 4)
        self.window_length = whole_or_none("window_length", window_length, 1) or self.n_fft
        if self.window_length > self.n_fft:
            raise ValueError(f"window_length={window_length} must be at most n_fft={n_fft}")
        self.window, self.center, self.power = window, truth("center", center), number("power", power, 0)
        padded_window(window, self.window_length, self.n_fft)  # refuses an unknown name

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Transform each waveform."""
        spectra = [stft_powers(self, one, row) for row, one in enumerate(_waves(self, series))]
        return _gathered(series, spectra, self.n_fft // 2 + 1)


class MelBands(SeriesTransform):
    """Replace waveforms by mel spectrograms.

    Args:
        sample_rate: Frames of the waveforms in a second.
        n_fft: Frames in a Fourier transform.
        hop: How many frames further the next one begins; None for a quarter of `n_fft`.
        n_mels: How many bands.
        fmin: The lowest frequency, in Hz.
        fmax: The highest one; None for half of `sample_rate`.
        log: Whether the powers are written in decibels: ``10 log10(max(power, 1e-10))``.
        top_db: How far below the loudest one of a clip a value may be, in decibels; lower ones are raised to
            that. None for no limit.
        mel: Scale and form of the bands; see `MelKind`.
        window_length: The length of the window, as for `stft`; None for `n_fft`.
        power: The power of the magnitudes that are summed up.

    Raises:
        ValueError: An argument is out of range, or a band has no frequency in it.

    Returns:
        float32 (frames, n_mels), with ``1 + samples // hop`` frames.

    Example:
        >>> from streamfit import augment
        >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000).astype("float32")
        >>> mels = augment.audio.mel_spectrogram(8000, n_fft=256, n_mels=20)([tone])
        >>> mels.shape, int(mels[0, 60].argmax())
        ((1, 126, 20), 9)
    """

    name = "audio.mel_spectrogram"

    def __init__(
        self,
        sample_rate: int,
        n_fft: int = 1024,
        hop: int | None = None,
        n_mels: int = 80,
        fmin: float = 0.0,
        fmax: float | None = None,
        log: bool = True,
        top_db: float | None = 80.0,
        mel: MelKind = "htk",
        window_length: int | None = None,
        power: float = 2.0,
    ) -> None:
        self.sample_rate, self.n_mels = whole("sample_rate", sample_rate, 2), whole("n_mels", n_mels, 1)
        self.stft = Stft(n_fft, hop, window_length, power=power)
        self.fmin = number("fmin", fmin, 0)
        self.fmax = self.sample_rate / 2 if fmax is None else number("fmax", fmax, 0)
        if not self.fmin < self.fmax <= self.sample_rate / 2:
            raise ValueError(
                f"fmin={fmin} and fmax={fmax} must be in order and at most half of sample_rate={sample_rate}"
            )
        if mel not in MEL_KINDS:
            raise ValueError(f"mel={mel!r}: write 'htk', 'slaney' or 'keras'")
        self.log, self.mel = truth("log", log), mel
        self.top_db = None if top_db is None else number("top_db", top_db, 0)
        _check_bands(self._filters(), self.sample_rate, self.stft.n_fft)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Transform each waveform."""
        powers = [stft_powers(self.stft, one, row) for row, one in enumerate(_waves(self, series))]
        spectra = [self._bands(each) for each in powers]
        return _gathered(series, spectra, self.n_mels)

    def _bands(self, powers: Array) -> Array:
        found = self._filters()
        bands = np.empty((len(powers), self.n_mels), np.float32)
        sum_bands(powers, found.weights, found.firsts, found.begins, bands)
        return decibels(bands, self.top_db) if self.log else bands

    def _filters(self) -> MelFilters:
        return mel_filters(self.mel, self.sample_rate, self.stft.n_fft, self.n_mels, self.fmin, self.fmax)


class SpecAugment(SeriesChain):
    """Mask runs of neighbouring frequencies and of neighbouring frames of spectrograms (Park et al., 2019).

    Args:
        frequency: The largest number of frequencies in a run, drawn from 0 on; a float below 1 is a fraction.
            The paper has 27 of 80.
        time: The largest number of frames in a run, likewise; the paper has 100.
        masks: How many runs of each; the paper has 2.
        value: What they are set to: ``'mean'`` of the clip, or a number.
    """

    name = "audio.spec_augment"

    def __init__(
        self, frequency: float = 0.2, time: float = 0.2, masks: int = 2, value: float | str = "mean"
    ) -> None:
        super().__init__(ChannelMask(frequency, masks, value), TimeMask(time, masks, value))


@functools.lru_cache(maxsize=32)
def padded_window(window: str, length: int, n_fft: int) -> Array:
    """Return a periodic window with zeros at both sides, float32 (n_fft,)."""
    from scipy.signal import get_window  # it takes a while to import

    made = np.zeros(n_fft, np.float32)
    left = (n_fft - length) // 2
    made[left : left + length] = get_window(window, length)
    made.flags.writeable = False
    return made


def stft_powers(form: Stft, wave: Array, row: int) -> Array:
    """Return the powers of one waveform, float32 (frames, n_fft // 2 + 1).

    Raises:
        SampleError: It is too short.
    """
    from scipy.fft import rfft  # it takes a while to import

    half = form.n_fft // 2
    least = half + 1 if form.center else form.n_fft
    if len(wave) < least:
        raise SampleError(f"{form!r} needs waveforms of {least} frames or more, got {len(wave)}", row)
    padded = np.pad(wave, half, mode="reflect") if form.center else wave
    frames = np.lib.stride_tricks.sliding_window_view(padded, form.n_fft)[:: form.hop]
    spectrum = rfft(frames * padded_window(form.window, form.window_length, form.n_fft), axis=1)
    squares = np.square(spectrum.real) + np.square(spectrum.imag)
    powers: Array = squares if form.power == 2 else squares ** np.float32(form.power / 2)
    return powers


def decibels(
    powers: Array, top_db: float | None, least: float = _LEAST_POWER, reference: float = 1.0
) -> Array:
    """Return powers in decibels, none further below the largest one than `top_db`.

    Args:
        powers: float32, of any shape.
        top_db: The limit; None for none.
        least: Smaller powers are raised to that.
        reference: The power that is 0 dB.

    Example:
        >>> decibels(np.array([1.0, 0.1, 0.0], np.float32), 80.0).tolist()
        [0.0, -10.0, -80.0]
    """
    made: Array = 10 * np.log10(np.maximum(powers, np.float32(least)))
    made -= np.float32(10 * np.log10(max(reference, least)))
    return made if top_db is None or not made.size else np.maximum(made, made.max() - np.float32(top_db))


def _check_bands(filters: MelFilters, rate: int, n_fft: int) -> None:
    empty = np.flatnonzero(np.diff(filters.begins) == 0)
    if len(empty):
        raise ValueError(
            f"band {empty[0]} of {len(filters.firsts)} is narrower than the distance of the frequencies, "
            f"{rate / n_fft:g} Hz, and holds none of them; write a larger n_fft, or fewer n_mels"
        )


def _waves(transform: SeriesTransform, series: Series) -> list[Array]:
    if series.channels != 1:
        raise DataError(
            f"{transform!r} needs waveforms of one channel, got {series.channels}; average them, for example "
            "files.audio(..., mono=True)"
        )
    return [series.one(row).reshape(-1) for row in range(len(series))]


def _gathered(series: Series, spectra: list[Array], channels: int) -> Series:
    steps = np.array([len(each) for each in spectra], np.int64)
    made = Series.empty(steps, channels, single=series.single)
    for row, each in enumerate(spectra):
        made.one(row)[...] = each
    return made
