"""For each module of Keras, the names that lead elsewhere than to streamfit's module of the same name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import streamfit
from keras_tests.backend import BACKEND, OPS, TREE
from keras_tests.named_product import TEST_UTILS
from keras_tests.test_case import TESTING
from streamfit.layers.index_lookup import IndexLookup

STAND_INS: dict[str, dict[str, Any]] = {
    "": {"version": streamfit.__version__, "__version__": streamfit.__version__},
    "backend": BACKEND,
    "layers": {"IndexLookup": IndexLookup},
    "ops": OPS,
    "testing": TESTING,
    "testing.test_utils": TEST_UTILS,
    "tree": TREE,
}
"""Keyed by the module, without ``keras.`` and ``src.``; a name holds for the modules below, too."""


def skip_if_backend(backend: str, reason: str) -> Callable[[Any], Any]:
    """Return a decorator that skips nothing: streamfit is none of Keras' backends."""
    return lambda test: test


def prepare() -> None:
    """Import what the first test would else import: it counts as part of the start."""
    importlib.import_module("tensorflow")
