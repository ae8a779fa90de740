"""For each module of Keras, the names that lead elsewhere than to streamfit's module of the same name."""

from __future__ import annotations

import io
import os.path
import types
import wave
from collections.abc import Callable
from typing import Any

import numpy as np

import streamfit
from keras_tests.backend import BACKEND, OPS, RANDOM, TREE, convert_to_tensor
from keras_tests.missing import Missing
from keras_tests.named_product import TEST_UTILS
from keras_tests.saving import SAVING
from keras_tests.test_case import TESTING
from streamfit._base.specs import Spec
from streamfit._base.text import dtype_of
from streamfit.ops import Tensor


def Input(shape: Any = None, *, batch_shape: Any = None, dtype: Any = None, **options: Any) -> Tensor:
    """Make an input; where a test names the batch, a tensor of that whole shape.

    A model takes batches of any size, so the batch of `streamfit.Input` is None. Tests of layers alone name
    it to see which shape a layer makes of it, and a tensor without a batch axis can be asked that.
    """
    if batch_shape is not None and all(batch_shape):
        return Tensor(Spec(tuple(batch_shape), dtype_of(dtype or streamfit.floatx())))
    if batch_shape is not None:
        options["batch_shape"] = batch_shape
    return streamfit.Input(shape, dtype=dtype, **options)


def index_lookup(*, vocabulary_dtype: str, **options: Any) -> Any:
    """Make the lookup of tokens of a dtype: Keras' base class of both takes it as an argument."""
    if vocabulary_dtype == "string":
        return streamfit.layers.StringLookup(**options)
    return streamfit.layers.IntegerLookup(vocabulary_dtype=vocabulary_dtype, **options)


def flatten_layers(layer: Any, recursive: bool = True, include_self: bool = True) -> list[Any]:
    """List a layer and those inside it; Keras' tests call this private method of its layers."""
    inside = layer.layers if isinstance(layer, streamfit.Model) else layer.layers_inside
    found = [layer] if include_self else []
    for each in inside:
        found += flatten_layers(each) if recursive else [each]
    return found


def skip_if_backend(backend: str, reason: str) -> Callable[[Any], Any]:
    """Return a decorator that skips nothing: streamfit is none of Keras' backends."""
    return lambda test: test


class TensorFlow(Missing):
    """TensorFlow, of which tests of files with sound use one function: to write them."""

    audio = types.SimpleNamespace(encode_wav=lambda sound, rate: _Bytes(wav_file(sound, rate)))


class _Bytes(bytes):
    def numpy(self) -> bytes:
        """Return what the tensor holds."""
        return self


def wav_file(sound: Any, rate: int) -> bytes:
    """Return the bytes of a file of 16 bits: of sound (frames, channels) from -1 to 1."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(np.shape(sound)[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return made.getvalue()


STAND_INS: dict[str, dict[str, Any]] = {
    "": {"version": streamfit.__version__, "__version__": streamfit.__version__},
    "backend": BACKEND,
    "layers": {"IndexLookup": index_lookup, "Input": Input},
    "models": {"Functional": streamfit.Model},
    "ops": OPS,
    "ops.numpy": {"all": np.all, "any": np.any},
    "random": vars(RANDOM),
    "testing": TESTING,
    "testing.test_utils": TEST_UTILS,
    "tree": TREE,
    "utils.backend_utils": {"convert_tf_tensor": convert_to_tensor, "in_tf_graph": lambda: False},
    "utils.file_utils": {"join": os.path.join},
    "utils.module_utils": {"tensorflow": TensorFlow("keras.src.utils.module_utils.tensorflow")},
    **SAVING,
}
"""Keyed by the module, without ``keras.`` and ``src.``; a name holds for the modules below, too."""
