"""Transforms of time series, float32 (steps, channels): ``source(x, y).map(augment.series.jitter(0.1))``."""

from __future__ import annotations

from streamfit.augment.series.series_times import Permutation as permutation
from streamfit.augment.series.series_times import SeriesCrop as crop
from streamfit.augment.series.series_times import TimeShift as time_shift
from streamfit.augment.series.series_times import TimeWarp as time_warp
from streamfit.augment.series.series_times import WindowSlice as window_slice
from streamfit.augment.series.series_transform import SeriesChain as chain
from streamfit.augment.series.series_transform import SeriesMaybe as maybe
from streamfit.augment.series.series_transform import SeriesTransform
from streamfit.augment.series.series_values import ChannelDropout as channel_dropout
from streamfit.augment.series.series_values import ChannelMask as channel_mask
from streamfit.augment.series.series_values import Jitter as jitter
from streamfit.augment.series.series_values import MagnitudeWarp as magnitude_warp
from streamfit.augment.series.series_values import Scaling as scaling
from streamfit.augment.series.series_values import SeriesFlip as flip
from streamfit.augment.series.series_values import TimeMask as time_mask

__all__ = [
    "SeriesTransform",
    "chain",
    "channel_dropout",
    "channel_mask",
    "crop",
    "flip",
    "jitter",
    "magnitude_warp",
    "maybe",
    "permutation",
    "scaling",
    "time_mask",
    "time_shift",
    "time_warp",
    "window_slice",
]
