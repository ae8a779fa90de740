"""The layer that makes mel spectrograms of waveforms, where batches are loaded."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from streamfit._base.checks import number, truth
from streamfit._base.configs import Config
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.augment.audio.mel_filters import mel_filters
from streamfit.augment.audio.mel_kernels import sum_bands
from streamfit.augment.audio.spectrograms import Stft, decibels, stft_powers
from streamfit.layers.base import LayerOptions
from streamfit.layers.checks import length, one_of
from streamfit.layers.host import HostLayer


class MelSpectrogram(HostLayer):
    """Turn waveforms (batch, samples) into mel spectrograms (batch, num_mel_bins, frames).

    Called on an array (samples,), one waveform, it returns one spectrogram.

    The bands are those of Keras: HTK's mel scale, triangles that are straight over mel. Frame t has its
    middle at sample ``t * sequence_stride``; the waveform is reflected at its ends. As a stage of a
    source, with frames first and with masks, it is ``augment.audio.mel_spectrogram``.

    The layer runs where batches are loaded, also in worker processes; it has no gradient.

    Args:
        fft_length: Samples in a Fourier transform.
        sequence_stride: How many samples further the next one begins.
        sequence_length: The length of the window; None for `fft_length`.
        window: Its name, as for `scipy.signal.get_window`; it is periodic.
        sampling_rate: Samples in a second.
        num_mel_bins: Number of bands.
        min_freq: The lowest frequency, in Hz.
        max_freq: The highest one; None for half of `sampling_rate`.
        power_to_db: Whether the powers are written in decibels.
        top_db: How far below the largest value **of its own spectrogram** a value may be, in decibels. (Keras
            takes the largest one of the batch, so that a clip depends on its company.)
        mag_exp: The power of the magnitudes that are summed up.
        min_power: Smaller powers are raised to that before decibels are computed.
        ref_power: The power that is 0 dB.
        **options: As for `Layer`; `dtype` is that of the output.

    Raises:
        ValueError: An argument is out of range.
        ShapeError: When called: the input is not (batch, samples).
        SampleError: When called: a waveform has no more than ``fft_length // 2`` samples.

    Example:
        >>> MelSpectrogram(fft_length=256, sequence_stride=64, sampling_rate=8000, num_mel_bins=20)(
        ...     np.zeros((2, 1000), "float32")
        ... ).shape
        (2, 20, 16)
    """

    input_dtype = "float32"
    fixed = HostLayer.fixed | {
        *("fft_length", "sequence_stride", "sequence_length", "window", "sampling_rate", "num_mel_bins"),
        *("min_freq", "max_freq", "power_to_db", "top_db", "mag_exp", "min_power", "ref_power"),
    }

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: str = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        one_of("dtype of MelSpectrogram", self.dtype, ("float32", "float64"))
        self.fft_length = length("fft_length", fft_length)
        self.sequence_stride = length("sequence_stride", sequence_stride)
        self.sequence_length = length("sequence_length", sequence_length or fft_length)
        if self.sequence_length > self.fft_length:
            raise ValueError(
                f"fft_length={fft_length} must be greater than or equal to sequence_length={sequence_length}"
            )
        self.window, self.mag_exp = window, number("mag_exp", mag_exp, 0)
        self.sampling_rate = length("sampling_rate", sampling_rate)
        self.num_mel_bins = length("num_mel_bins", num_mel_bins)
        self.min_freq = number("min_freq", min_freq, 0)
        self.max_freq = number("max_freq", self.sampling_rate // 2 if max_freq is None else max_freq, 0)
        if not self.min_freq < self.max_freq <= self.sampling_rate / 2:
            raise ValueError(
                f"min_freq={min_freq} and max_freq={max_freq} must be in order and at most half of "
                f"sampling_rate={sampling_rate}"
            )
        self.power_to_db, self.top_db = truth("power_to_db", power_to_db), number("top_db", top_db, 0)
        self.min_power, self.ref_power = number("min_power", min_power, 0), number("ref_power", ref_power, 0)
        self._stft()  # refuses a window that there is not

    def call(self, *inputs: object) -> object:
        """Compute on arrays; on tensors return those that stand for the outputs."""
        one = len(inputs) == 1 and isinstance(inputs[0], np.ndarray) and inputs[0].ndim == 1
        return super().call(np.asarray(inputs[0])[None])[0] if one else super().call(*inputs)

    def compute(self, x: Array) -> Array:
        """Compute the spectrogram of each waveform."""
        form, frames = self._stft(), self._shape(x.shape)[2]
        assert frames is not None
        made = np.empty((len(x), self.num_mel_bins, frames), self.dtype)
        for row, wave in enumerate(x):
            made[row] = self._bands(stft_powers(form, np.ascontiguousarray(wave, np.float32), row)).T
        return made

    def compute_output_spec(self, spec: Spec) -> Spec:
        """Return the spec of the output."""
        return Spec(self._shape(spec.shape), np.dtype(self.dtype))

    def _stft(self) -> Stft:
        return Stft(
            self.fft_length, self.sequence_stride, self.sequence_length, self.window, power=self.mag_exp
        )

    def _bands(self, powers: Array) -> Array:
        found = mel_filters(
            "keras", self.sampling_rate, self.fft_length, self.num_mel_bins, self.min_freq, self.max_freq
        )
        bands = np.empty((len(powers), self.num_mel_bins), np.float32)
        sum_bands(powers, found.weights, found.firsts, found.begins, bands)
        if not self.power_to_db:
            return bands
        return decibels(bands, self.top_db, self.min_power, self.ref_power)

    def _shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if len(shape) != 2:
            raise ShapeError(
                f"layer {self.name!r} needs waveforms of shape (batch, samples), got {tuple(shape)}"
            )
        count, samples = shape
        if samples is None:
            return count, self.num_mel_bins, None
        reach = samples + self.fft_length // 2 * 2 - self.fft_length
        return count, self.num_mel_bins, 1 + reach // self.sequence_stride

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "fft_length": self.fft_length,
            "sequence_stride": self.sequence_stride,
            "sequence_length": self.sequence_length,
            "window": self.window,
            "sampling_rate": self.sampling_rate,
            "num_mel_bins": self.num_mel_bins,
            "min_freq": self.min_freq,
            "max_freq": self.max_freq,
            "power_to_db": self.power_to_db,
            "top_db": self.top_db,
            "mag_exp": self.mag_exp,
            "min_power": self.min_power,
            "ref_power": self.ref_power,
        }
