"""Sequences of ids: padding, pairs of neighbouring words, and windows of time series, as in Keras 2."""

from __future__ import annotations

from streamfit.preprocessing.sequence.padded_sequences import pad_sequences
from streamfit.preprocessing.sequence.time_windows import TimeseriesGenerator, timeseries_generator_from_json
from streamfit.preprocessing.sequence.word_pairs import make_sampling_table, skipgrams

__all__ = [
    "TimeseriesGenerator",
    "make_sampling_table",
    "pad_sequences",
    "skipgrams",
    "timeseries_generator_from_json",
]
