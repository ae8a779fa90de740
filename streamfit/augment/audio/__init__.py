"""Transforms of waveforms, float32 (frames, channels), and spectrograms of them.

``files.audio("clips", "inferred", length=16_000).map(augment.audio.mel_spectrogram(16_000)).batch(32)``
"""

from __future__ import annotations

from streamfit.augment.audio.spectrograms import MelBands as mel_spectrogram
from streamfit.augment.audio.spectrograms import SpecAugment as spec_augment
from streamfit.augment.audio.spectrograms import Stft as stft
from streamfit.augment.audio.waveforms import Background as background
from streamfit.augment.audio.waveforms import Gain as gain
from streamfit.augment.audio.waveforms import WhiteNoise as noise
from streamfit.augment.series import chain, crop, flip, maybe, time_shift

__all__ = [
    "background",
    "chain",
    "crop",
    "flip",
    "gain",
    "maybe",
    "mel_spectrogram",
    "noise",
    "spec_augment",
    "stft",
    "time_shift",
]
