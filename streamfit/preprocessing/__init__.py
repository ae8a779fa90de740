"""Keras 2's preprocessing of text, sequences and images, and data sets of files in folders."""

from __future__ import annotations

from streamfit.preprocessing import audio, image, sequence, text
from streamfit.preprocessing.audio.audio_dataset import audio_dataset_from_directory
from streamfit.preprocessing.image_dataset import image_dataset_from_directory
from streamfit.preprocessing.text_files import text_dataset_from_directory
from streamfit.preprocessing.time_series import timeseries_dataset_from_array

__all__ = [
    "audio",
    "audio_dataset_from_directory",
    "image",
    "image_dataset_from_directory",
    "sequence",
    "text",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
]
