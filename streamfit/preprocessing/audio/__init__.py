"""Audio files: reading parts of them, resampling, and data sets of folders."""

from __future__ import annotations
