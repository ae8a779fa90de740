"""`MelSpectrogram` against Keras 3.15, and what it refuses; the rest is in the tests of all host layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import Sequential, ShapeError, layers
from streamfit._base.errors import SampleError
from streamfit.models import load_model

TIME = np.arange(600)
SWEEP: Any = (np.sin(TIME * TIME * 0.001) * 0.5 + 0.1 * np.cos(TIME * 0.3)).astype("float32")


def test_values_are_those_of_keras() -> None:
    # Computed by keras.layers.MelSpectrogram of Keras 3.15: frames 0, 7 and 18.
    layer = layers.MelSpectrogram(64, 32, sampling_rate=8000, num_mel_bins=6)
    wanted = [
        [2.1907, 3.2550, -35.7496, -56.0102, -60.4978, -60.4978],
        [9.8571, 19.5022, 11.9644, -26.2597, -45.6972, -58.0581],
        [3.1218, 2.9126, 2.8996, 19.1039, 10.9756, -13.5656],
    ]
    np.testing.assert_allclose(layer(SWEEP[None])[0].T[[0, 7, 18]], wanted, atol=2e-3)
    loud = layers.MelSpectrogram(64, 32, sampling_rate=8000, num_mel_bins=6, ref_power=100.0)
    np.testing.assert_allclose(loud(SWEEP[None]), layer(SWEEP[None]) - 20, atol=1e-4)


def test_a_clip_does_not_depend_on_its_company() -> None:
    layer = layers.MelSpectrogram(64, 32, sampling_rate=8000, num_mel_bins=6, top_db=20)
    pair = layer(np.stack([SWEEP, SWEEP * 1000]))
    np.testing.assert_array_equal(pair[0], layer(SWEEP[None])[0])


def test_one_waveform_and_numbers_of_other_dtypes() -> None:
    layer = layers.MelSpectrogram(64, 32, sampling_rate=8000, num_mel_bins=6)
    wanted = layer(SWEEP[None])[0]
    np.testing.assert_array_equal(layer(SWEEP), wanted)
    np.testing.assert_array_equal(layer(SWEEP.astype("float64")), wanted)
    whole = np.arange(100, dtype="int16") % 7
    np.testing.assert_array_equal(layer(whole), layer(whole.astype("float32")))


def test_saved_in_a_model(tmp_path: Path) -> None:
    model = Sequential(
        [
            layers.Input((200,)),
            layers.MelSpectrogram(64, 32, window="hamming", sampling_rate=8000, num_mel_bins=6),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    x = np.stack([SWEEP[:200], SWEEP[200:400]])
    model.save(tmp_path / "model.streamfit")
    np.testing.assert_array_equal(load_model(tmp_path / "model.streamfit").predict(x), model.predict(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence_length": 100, "fft_length": 64}, "fft_length=64 must be .* equal to sequence_length=100"),
        ({"max_freq": 9000}, "at most half of sampling_rate=16000"),
        ({"num_mel_bins": 0}, "num_mel_bins"),
        ({"dtype": "int32"}, "dtype of MelSpectrogram"),
    ],
)
def test_wrong_arguments(options: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        layers.MelSpectrogram(**options)


def test_wrong_inputs() -> None:
    layer = layers.MelSpectrogram(64, 32, sampling_rate=8000, num_mel_bins=6)
    with pytest.raises(ShapeError, match=r"shape \(batch, samples\), got \(None, 300, 1\)"):
        layer(SWEEP.reshape(2, 300, 1))
    with pytest.raises(SampleError, match="waveforms of 33 frames or more, got 32"):
        layer(SWEEP[None, :32])
