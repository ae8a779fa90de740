"""Public names as Keras users know them, such as `Sequence`, `to_categorical` and `pad_sequences`."""

from __future__ import annotations

from streamfit._base.config import set_random_seed
from streamfit._base.word_vectors import WordVectors, read_word_vectors
from streamfit.layers.adaptation import adapt_layers
from streamfit.preprocessing import (
    audio_dataset_from_directory,
    image_dataset_from_directory,
    text_dataset_from_directory,
    timeseries_dataset_from_array,
)
from streamfit.preprocessing.image import array_to_img, img_to_array, load_img, save_img
from streamfit.preprocessing.sequence import pad_sequences
from streamfit.streams.sequence import Sequence
from streamfit.streams.sequence import Sequence as PyDataset
from streamfit.utils.categorical import to_categorical
from streamfit.utils.model_plots import model_to_dot, plot_model

__all__ = [
    "PyDataset",
    "Sequence",
    "WordVectors",
    "adapt_layers",
    "array_to_img",
    "audio_dataset_from_directory",
    "image_dataset_from_directory",
    "img_to_array",
    "load_img",
    "model_to_dot",
    "pad_sequences",
    "plot_model",
    "read_word_vectors",
    "save_img",
    "set_random_seed",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
    "to_categorical",
]
