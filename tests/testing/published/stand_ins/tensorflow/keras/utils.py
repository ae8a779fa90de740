"""Keras under its other name."""

from any_name import __getattr__  # noqa: F401
from keras.utils import Sequence  # noqa: F401
