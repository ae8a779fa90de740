"""Keras under its other name."""

import tensorflow.keras.utils
from any_name import __getattr__  # noqa: F401
