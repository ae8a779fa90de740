"""Mel filters: which frequencies make up each band of a mel spectrogram.

Sources: HTK's scale, ``mel = 2595 log10(1 + f / 700)``, Young et al., "The HTK Book", section 5.4; Slaney's,
linear up to 1 kHz and logarithmic above, with bands of one area, "Auditory Toolbox", Interval Research TR
1998-010.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from streamfit._base.specs import Array

MelKind = Literal["htk", "slaney", "keras"]
"""``'htk'``: HTK's scale, triangles that are straight over frequency, of height 1, as torchaudio has them;
``'slaney'``: Slaney's scale and areas, as librosa has them; ``'keras'``: HTK's scale, triangles that are
straight over mel, without the frequency 0, as Keras and TensorFlow have them."""
MEL_KINDS: tuple[MelKind, ...] = get_args(MelKind)

_LINEAR, _BREAK, _BREAK_MEL, _LOG_STEP = 200.0 / 3, 1000.0, 15.0, np.log(6.4) / 27.0


def to_mel(hertz: Array, slaney: bool) -> Array:
    """Return frequencies on the mel scale.

    Example:
        >>> to_mel(np.array([700.0, 1000.0]), False).round(2).tolist()
        [781.17, 999.99]
    """
    if not slaney:
        return np.asarray(2595.0 * np.log10(1.0 + hertz / 700.0))
    high = _BREAK_MEL + np.log(np.maximum(hertz, _BREAK) / _BREAK) / _LOG_STEP
    return np.where(hertz < _BREAK, hertz / _LINEAR, high)


def to_hertz(mel: Array, slaney: bool) -> Array:
    """Return frequencies from the mel scale.

    Example:
        >>> to_hertz(to_mel(np.array([250.0, 4000.0]), True), True).round(6).tolist()
        [250.0, 4000.0]
    """
    if not slaney:
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    high = _BREAK * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR, high)


@dataclass(frozen=True)
class MelFilters:
    """The weights of frequencies in bands, those that are not 0 one band behind the other.

    Args:
        weights: float32, flat.
        firsts: The first frequency in each band, int64 (bands,).
        begins: Where each band begins in `weights`, and the end of all, int64 (bands + 1,).
    """

    weights: Array
    firsts: Array
    begins: Array


def mel_matrix(kind: MelKind, rate: int, n_fft: int, bands: int, fmin: float, fmax: float) -> Array:
    """Return the weight of each frequency in each band, float64 (n_fft // 2 + 1, bands)."""
    slaney = kind == "slaney"
    hertz = np.linspace(0, rate / 2, n_fft // 2 + 1)
    limits = to_mel(np.array([fmin, fmax]), slaney)
    edges = np.linspace(limits[0], limits[1], bands + 2)
    if kind == "keras":
        places = to_mel(hertz, slaney)
    else:
        places, edges = hertz, to_hertz(edges, slaney)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (places[:, None] - low) / (middle - low)
    falling = (high - places[:, None]) / (high - middle)
    matrix: Array = np.maximum(0, np.minimum(rising, falling))
    if slaney:
        matrix *= 2.0 / (high - low)
    if kind == "keras":
        matrix[0] = 0
    return matrix


@functools.lru_cache(maxsize=16)
def mel_filters(kind: MelKind, rate: int, n_fft: int, bands: int, fmin: float, fmax: float) -> MelFilters:
    """Return the same as `MelFilters`."""
    matrix = mel_matrix(kind, rate, n_fft, bands, fmin, fmax).astype(np.float32)
    inside = matrix > 0
    firsts = inside.argmax(axis=0)
    ends = np.where(inside.any(axis=0), len(matrix) - inside[::-1].argmax(axis=0), firsts)
    rows = [matrix[first:end, band] for band, (first, end) in enumerate(zip(firsts, ends, strict=True))]
    begins = np.concatenate([np.zeros(1, np.int64), np.cumsum(ends - firsts)])
    return MelFilters(np.concatenate(rows), firsts.astype(np.int64), begins.astype(np.int64))
