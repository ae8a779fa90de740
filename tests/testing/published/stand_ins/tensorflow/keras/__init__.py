"""Keras under its other name."""

from any_name import __getattr__  # noqa: F401

import tensorflow.keras.utils  # noqa: F401
