"""Stands in for a framework: published pipelines import it for the name of a base class."""

from any_name import __getattr__  # noqa: F401

import tensorflow.keras.utils  # noqa: F401

__version__ = "2.18.0"
