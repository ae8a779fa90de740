"""Transforms of waveforms against NumPy; spectrograms against SciPy, Keras 3.15 and librosa's formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.signal import stft as scipy_stft

from streamfit import augment, stream
from streamfit._base.errors import DataError, SampleError
from streamfit.augment.audio.mel_filters import mel_filters, mel_matrix
from streamfit.augment.draws import SampleDraws
from streamfit.streams import source

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # kernels as Python
audio = augment.audio
KEYS = np.arange(1, 6, dtype=np.uint64) * np.uint64(104729)
TIME = np.arange(600)
SWEEP: Any = (np.sin(TIME * TIME * 0.001) * 0.5 + 0.1 * np.cos(TIME * 0.3)).astype("float32")


def clips(count: int = 5, frames: int = 300, channels: int = 1) -> Any:
    return np.random.default_rng(1).normal(size=(count, frames, channels)).astype("float32")


ALL: list[Any] = [
    audio.gain(),
    audio.noise(),
    audio.background([SWEEP, SWEEP[:50, None]], p=0.8),
    audio.stft(32),
    audio.mel_spectrogram(8000, 32, n_mels=5),
    audio.chain(audio.gain(3), audio.mel_spectrogram(8000, 32, n_mels=9), audio.spec_augment()),
]


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_a_clip_depends_on_its_key_alone(transform: Any) -> None:
    x = clips()
    whole = transform.transform_batch(x, None, KEYS)[0]
    assert whole.dtype == np.float32
    for row in (0, 4):
        alone = transform.transform_batch([x[row, :, 0]], None, KEYS[row : row + 1])[0]
        np.testing.assert_array_equal(alone[0].reshape(whole[0].shape), whole[row])
    ragged = transform.transform_batch([x[0], x[1, :200]], None, KEYS[:2])[0]
    np.testing.assert_array_equal(ragged[0], whole[0])
    assert len(transform.transform_batch(x[:0], None, KEYS[:0])[0]) == 0


def test_gain_is_a_factor() -> None:
    x = clips(channels=2)
    made = audio.gain((-12, 6)).transform_batch(x, None, KEYS)[0]
    decibels = 20 * np.log10((made / x).mean(axis=(1, 2)))
    np.testing.assert_allclose(decibels, SampleDraws(KEYS).uniform("gain", -12, 6), atol=1e-4)
    assert decibels.min() >= -12
    assert decibels.max() <= 6


def test_noise_has_the_ratio_that_is_asked_for() -> None:
    x = np.concatenate([clips(4, 3000) * 3, np.zeros((1, 3000, 1), "float32")])
    noise = audio.noise(20).transform_batch(x, None, KEYS)[0] - x
    ratios = 10 * np.log10((x[:4] ** 2).mean(axis=(1, 2)) / (noise[:4] ** 2).mean(axis=(1, 2)))
    np.testing.assert_allclose(ratios, 20, atol=0.3)
    assert not noise[4].any()
    untouched = audio.noise(20, p=0.0).transform_batch(x, None, KEYS)[0]
    np.testing.assert_array_equal(untouched, x)


def test_background_is_a_part_of_a_sound_at_its_ratio() -> None:
    ramp = np.arange(1, 41, dtype="float32")
    x = clips(channels=2)
    added = audio.background([ramp], snr=(0, 10), p=1.0).transform_batch(x, None, KEYS)[0] - x
    np.testing.assert_allclose(added[..., 0], added[..., 1], atol=1e-5)
    draws = SampleDraws(KEYS)
    for row in range(5):
        first = int(draws.whole("first", 0, np.full(5, 40))[row])
        part = ramp[(first + np.arange(300)) % 40]
        scale = np.sqrt((x[row] ** 2).mean() / (part**2).mean()) * 10 ** (
            -draws.uniform("snr", 0, 10)[row] / 20
        )
        np.testing.assert_allclose(added[row, :, 0], scale * part, rtol=1e-3, atol=1e-5)
    silent = audio.background([ramp, np.zeros(9, "float32")], p=1.0)(np.zeros((3, 20, 1), "float32"))
    assert not np.asarray(silent).any()


@pytest.mark.parametrize(("n_fft", "hop", "length"), [(32, 8, None), (64, 20, 50), (31, 7, 30)])
def test_stft_is_that_of_scipy(n_fft: int, hop: int, length: int | None) -> None:
    made = audio.stft(n_fft, hop, length, power=2)([SWEEP])[0]  # type: ignore[index]
    padded = np.pad(SWEEP, n_fft // 2, mode="reflect")
    window = np.zeros(n_fft)
    left, count = (n_fft - (length or n_fft)) // 2, length or n_fft
    window[left : left + count] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(count) / count)
    _, _, wanted = scipy_stft(
        padded, window=window, nperseg=n_fft, noverlap=n_fft - hop, boundary=None, padded=False
    )
    np.testing.assert_allclose(made, (np.abs(wanted * window.sum()) ** 2).T, rtol=1e-3, atol=1e-4)
    assert made.shape == (1 + 600 // hop, n_fft // 2 + 1)


def test_stft_without_centring_stays_inside() -> None:
    made = audio.stft(32, 10, center=False)([SWEEP])[0]  # type: ignore[index]
    assert len(made) == 1 + (600 - 32) // 10
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(32) / 32)
    np.testing.assert_allclose(made[3], np.abs(np.fft.rfft(SWEEP[30:62] * hann)), atol=1e-5)


def test_mel_spectrograms_are_those_of_keras() -> None:
    # Computed by keras.layers.MelSpectrogram of Keras 3.15: frames 0, 7 and 18 of this sweep.
    made = audio.mel_spectrogram(8000, 64, 32, n_mels=6, fmin=20, mel="keras")([SWEEP])[0]  # type: ignore[index]
    wanted = [
        [2.1907, 3.2550, -35.7496, -56.0102, -60.4978, -60.4978],
        [9.8571, 19.5022, 11.9644, -26.2597, -45.6972, -58.0581],
        [3.1218, 2.9126, 2.8996, 19.1039, 10.9756, -13.5656],
    ]
    assert made.shape == (19, 6)
    np.testing.assert_allclose(made[[0, 7, 18]], wanted, atol=2e-3)
    options: dict[str, Any] = {"fmin": 50, "fmax": 3000, "log": False, "power": 1, "window_length": 50}
    made = audio.mel_spectrogram(8000, 64, 20, n_mels=6, mel="keras", **options)([SWEEP])[0]  # type: ignore[index]
    wanted = [
        [0.79915, 1.57917, 0.21190, 0.01597, 0.00778, 0.00329],
        [8.20561, 8.27199, 0.87226, 0.04968, 0.01428, 0.00537],
        [1.34854, 2.16945, 9.73125, 6.46616, 0.13791, 0.01496],
    ]
    np.testing.assert_allclose(made[[0, 7, 18]], wanted, atol=2e-4)


def formula(kind: str, rate: int, n_fft: int, bands: int, fmin: float, fmax: float) -> Any:
    """Return the matrix band by band, as the sources have it."""

    def mel(f: float) -> float:
        if kind == "htk":
            return 2595 * math.log10(1 + f / 700)
        return f * 3 / 200 if f < 1000 else 15 + 27 * math.log(f / 1000) / math.log(6.4)

    def hertz(m: float) -> float:
        if kind == "htk":
            return float(700 * (10 ** (m / 2595) - 1))
        return m * 200 / 3 if m < 15 else float(1000 * 6.4 ** ((m - 15) / 27))

    step = (mel(fmax) - mel(fmin)) / (bands + 1)
    edges = [hertz(mel(fmin) + k * step) for k in range(bands + 2)]
    made = np.zeros((n_fft // 2 + 1, bands))
    for band in range(bands):
        low, middle, high = edges[band : band + 3]
        for k in range(n_fft // 2 + 1):
            f = k * rate / n_fft
            height = min((f - low) / (middle - low), (high - f) / (high - middle))
            made[k, band] = max(0, height) * (2 / (high - low) if kind == "slaney" else 1)
    return made


@pytest.mark.parametrize("kind", ["htk", "slaney"])
@pytest.mark.parametrize("arguments", [(8000, 64, 6, 0.0, 4000.0), (16_000, 128, 30, 50.0, 7000.0)])
def test_mel_filters_are_the_formulas(kind: Any, arguments: Any) -> None:
    wanted = formula(kind, *arguments)
    np.testing.assert_allclose(mel_matrix(kind, *arguments), wanted, rtol=1e-9, atol=1e-12)
    filters = mel_filters(kind, *arguments)
    powers = np.random.default_rng(0).random((3, len(wanted))).astype("float32")
    rows = [
        powers[:, first : first + end - begin] @ filters.weights[begin:end]
        for first, begin, end in zip(filters.firsts, filters.begins, filters.begins[1:], strict=False)
    ]
    np.testing.assert_allclose(np.stack(rows, 1), powers @ wanted, rtol=1e-4, atol=1e-9)


def test_mel_spectrogram_is_filters_times_powers() -> None:
    powers = audio.stft(64, power=2)([SWEEP])[0]  # type: ignore[index]
    made = audio.mel_spectrogram(8000, 64, n_mels=7, log=False, mel="slaney")([SWEEP])[0]  # type: ignore[index]
    np.testing.assert_allclose(made, powers @ formula("slaney", 8000, 64, 7, 0, 4000), rtol=1e-4, atol=1e-9)
    loud = audio.mel_spectrogram(8000, 64, n_mels=7, top_db=10)([SWEEP])[0]  # type: ignore[index]
    assert loud.max() - loud.min() == pytest.approx(10, abs=1e-4)
    free = audio.mel_spectrogram(8000, 64, n_mels=7, top_db=None)([SWEEP * 0])[0]  # type: ignore[index]
    np.testing.assert_allclose(free, -100, rtol=1e-6)


def test_spec_augment_masks_bands_and_frames_by_the_mean() -> None:
    x = clips(40, 20, 16)
    made = np.asarray(audio.spec_augment(5, 6, masks=1)(x, seed=1))
    changed = made != x
    columns, rows = changed.all(axis=1), changed.all(axis=2)
    np.testing.assert_array_equal(changed, columns[:, None, :] | rows[:, :, None])
    assert columns.sum(axis=1).max() == 5
    assert rows.sum(axis=1).max() == 6


@pytest.mark.jit
def test_bits_are_the_same_on_workers() -> None:
    made = source(clips(12)).shuffle().map(ALL[-1]).batch(5)
    found = []
    for workers in (0, 2):
        with stream(made, seed=3, workers=workers) as batches:
            found.append([[batch.tobytes() for batch in batches] for _ in range(2)])
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: audio.stft(1), ValueError, "n_fft must be at least 2"),
        (lambda: audio.stft(32, window_length=40), ValueError, "window_length=40 must be at most n_fft=32"),
        (lambda: audio.stft(32, window="square"), ValueError, "square"),
        (
            lambda: audio.stft(64)([SWEEP, SWEEP[:32]]),
            SampleError,
            "needs waveforms of 33 frames or more, got 32",
        ),
        (lambda: audio.stft(64)(clips(channels=2)), DataError, "needs waveforms of one channel, got 2"),
        (lambda: audio.mel_spectrogram(8000, fmax=5000), ValueError, "at most half of sample_rate=8000"),
        (lambda: audio.mel_spectrogram(8000, mel="bark"), ValueError, "write 'htk', 'slaney' or 'keras'"),
        (lambda: audio.mel_spectrogram(16_000, 64, n_mels=40), ValueError, "band 0 .* holds none"),
        (lambda: audio.background([]), ValueError, "needs sounds"),
        (lambda: audio.background([np.zeros(3)]), DataError, r"sounds\[0\] must be a waveform"),
        (lambda: audio.noise((5, 1)), ValueError, "snr must be a pair"),
    ],
)
def test_wrong_arguments_and_waveforms(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
