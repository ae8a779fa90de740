"""What stands for ``keras.src.testing``: a test case that checks values, configurations and layers."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from absl.testing import parameterized

from keras_tests import layer_checks
from keras_tests.backend import convert_to_numpy, standardize_dtype
from streamfit import backend
from streamfit.layers.base import clear_names

_NAMES = re.compile(r"`(\w+)[^`]*`")
_WRONG_CALL = re.compile(r"unexpected keyword argument|positional argument|has no attribute|not callable")

other_words: list[str] = []
"""Messages of our own words, of errors of the right class, since the test that runs began."""


class TestCase(parameterized.TestCase):  # type: ignore[misc]
    """Compare what streamfit computes with what a test of Keras expects."""

    maxDiff = None

    def setUp(self) -> None:
        """Start the numbering of names and the settings again, as a new program would."""
        super().setUp()
        clear_names()
        backend.set_floatx("float32")
        backend.set_image_data_format("channels_last")

    def get_temp_dir(self) -> str:
        """Make a folder that is removed after the test."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    # -- values: the names and the arguments are those that Keras' tests call ---------------------------

    def convert_to_numpy(self, x: Any) -> Any:
        """Return an array."""
        return convert_to_numpy(x)

    def assertAllClose(
        self, actual: Any, desired: Any, atol: float = 1e-6, rtol: float = 1e-6, msg: str = "", **tpu: Any
    ) -> None:
        """Check that two arrays are equal but for rounding."""
        np.testing.assert_allclose(
            convert_to_numpy(actual), convert_to_numpy(desired), atol=atol, rtol=rtol, err_msg=msg or ""
        )

    def assertNotAllClose(
        self, a: Any, b: Any, atol: float = 1e-6, rtol: float = 1e-6, msg: str = ""
    ) -> None:
        """Check that two arrays differ."""
        if np.allclose(convert_to_numpy(a), convert_to_numpy(b), atol=atol, rtol=rtol):
            self.fail(msg or f"all values are close: {a}")

    def assertAlmostEqual(
        self, actual: Any, desired: Any, decimal: int = 3, tpu_decimal: int | None = None, msg: str = ""
    ) -> None:
        """Check that two arrays are equal up to a number of decimals."""
        np.testing.assert_almost_equal(
            convert_to_numpy(actual), convert_to_numpy(desired), decimal, err_msg=msg or ""
        )

    def assertAllEqual(self, actual: Any, desired: Any, msg: str = "") -> None:
        """Check that two arrays are equal."""
        np.testing.assert_array_equal(convert_to_numpy(actual), convert_to_numpy(desired), err_msg=msg or "")

    def assertLen(self, container: Any, expected_len: int, msg: str | None = None) -> None:
        """Check a length."""
        self.assertEqual(len(container), expected_len, msg=msg)

    def assertDType(self, x: Any, dtype: Any, msg: str | None = None) -> None:
        """Check a dtype."""
        found = np.asarray(x).dtype if isinstance(x, (int, float, list)) else x.dtype
        self.assertEqual(standardize_dtype(found), standardize_dtype(dtype), msg=msg)

    def assertSparse(self, x: Any, sparse: bool = True) -> None:
        """Check that something is not sparse: nothing here is."""
        self.assertFalse(sparse, "streamfit has no sparse tensors")

    def assertRagged(self, x: Any, ragged: bool = True) -> None:
        """Check that something is not ragged: nothing here is."""
        self.assertFalse(ragged, "streamfit has no ragged tensors")

    def assertFileExists(self, path: Any) -> None:
        """Check that there is a file."""
        self.assertTrue(Path(path).is_file(), f"there is no file {path}")

    # -- errors -------------------------------------------------------------------------------------

    def assertRaisesRegex(self, expected: Any, pattern: Any, *args: Any, **settings: Any) -> Any:
        """Check the class of an error, and that its message names what the expected one names.

        The words of Keras' messages are Keras'. Where ours has others, it must name one of the arguments that
        the expected pattern has in backquotes, and it must not be Python's own about a wrong call. How many
        tests passed so is counted.
        """
        if args:
            with self.assertRaisesRegex(expected, pattern):
                args[0](*args[1:], **settings)
            return None
        return self._raises(expected, str(getattr(pattern, "pattern", pattern)))

    @contextmanager
    def _raises(self, expected: Any, pattern: str) -> Iterator[Any]:
        with self.assertRaises(expected) as raised:
            yield raised
        message = str(raised.exception)
        if re.search(pattern, message):
            return
        wanted = set(_NAMES.findall(pattern.replace("\\", ""))) - {"None", "True", "False"}
        named = not wanted or any(name in message for name in wanted)
        if _WRONG_CALL.search(message) or not named:
            self.fail(f"the message {message!r} names nothing of what {pattern!r} names")
        other_words.append(message)

    # -- objects ------------------------------------------------------------------------------------

    def run_class_serialization_test(self, instance: Any, custom_objects: Any = None) -> Any:
        """Check that a configuration makes an equal object, directly and as JSON by way of its class."""
        saving = importlib.import_module("keras.src.saving")  # the stand-in

        cls, config = type(instance), instance.get_config()
        with saving.custom_object_scope(custom_objects or {}):
            twin = cls.from_config(config)
        self.assertEqual(_as_json(twin.get_config()), _as_json(config))
        described = json.loads(_as_json(saving.serialize_keras_object(instance)))
        with saving.custom_object_scope(custom_objects or {}):
            twin = saving.deserialize_keras_object(described)
        self.assertIs(type(twin), cls)
        self.assertEqual(_as_json(twin.get_config()), _as_json(config))
        return twin

    def run_layer_test(self, layer_cls: Any, init_kwargs: Any = None, *args: Any, **settings: Any) -> None:
        """Check a layer; see `keras_tests.layer_checks.check_layer`."""
        layer_checks.check_layer(self, layer_cls, dict(init_kwargs or {}), *args, **settings)


def _as_json(config: Any) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, (np.ndarray, np.generic)):
            return value.tolist()
        raise TypeError(f"a configuration holds {value!r}, which is no JSON")

    return json.dumps(config, sort_keys=True, default=plain)


def _never(*_: Any) -> bool:
    return False


TESTING: dict[str, Any] = {
    "TestCase": TestCase,
    "jax_uses_gpu": _never,
    "jax_uses_tpu": _never,
    "tensorflow_uses_gpu": _never,
    "tensorflow_uses_tpu": _never,
    "torch_uses_gpu": _never,
    "uses_gpu": _never,
    "uses_tpu": _never,
}
