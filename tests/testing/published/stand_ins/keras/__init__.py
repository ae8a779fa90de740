"""Stands in for a framework: published pipelines import it for the name of a base class."""

import keras.utils  # noqa: F401
from any_name import __getattr__  # noqa: F401

__version__ = "3.9.0"
