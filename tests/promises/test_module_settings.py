"""Settings of the user's own modules hold in worker processes, or a warning names them."""

from __future__ import annotations

import importlib
import math
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from oracles.leaks import nothing_left_behind

import streamfit
from streamfit import Sequential, layers
from streamfit.callbacks import LambdaCallback

pytestmark = pytest.mark.timeout(60)

SETTINGS = """
import argparse, enum, functools, threading, types
import numpy as np

class Mode(enum.Enum):
    FAST, SLOW = 1, 2

class Options:
    size = 2
    names = ["a"]
    def __init__(self):
        self.depth = 1

class Guard:
    pass

SCALE = 1.0
MODE = Mode.FAST
SIZES = {"x": 1}
ORDER = [1, 2]
MEAN = np.zeros(3)
BIG = np.zeros(100_000)
OPTIONS = Options()
NAMES = types.SimpleNamespace(a=1)
SHIFT = functools.partial(pow, 2)
ARGUMENTS = None
LOCK = None
GUARD = threading.Lock()
_hidden = 3
_opened = False
_handle = None

def set_hidden(value):
    global _hidden
    _hidden = value

def transform(x):
    return x
"""
DATA = """
import numpy as np
import streamfit
import my_settings
from my_settings import NAMES, ORDER, SCALE, SIZES, Options

class Reporter(streamfit.Sequence):
    def __init__(self, *expressions):
        self.expressions = expressions

    def __len__(self):
        return len(self.expressions)

    def __getitem__(self, index):
        return np.array([[float(eval(self.expressions[index]))]])

class Lazy(streamfit.Sequence):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        import my_late
        return np.array([[float(my_late.LATE)]])

class Scaled(streamfit.Sequence):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return np.full((4, 1), my_settings.SCALE, "float32"), np.zeros((4, 1), "float32")
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """Return a module of settings and one with data sets, both of the user's."""
    names = {"my_settings": SETTINGS, "my_data": DATA, "my_late": "LATE = 1\n"}
    for name, text in names.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    found = [importlib.import_module(name) for name in names]
    with nothing_left_behind():
        yield found[0], found[1]
    for name in names:
        del sys.modules[name]


def read(data: Any, **options: Any) -> list[float]:
    with streamfit.stream(data, workers=2, use_multiprocessing=True, **options) as batches:
        return [float(batch[0, 0]) for batch in batches]


def warnings_of(data: Any, **options: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        read(data, **options)
    return [str(warning.message) for warning in heard]


def test_values_of_every_simple_kind_hold(modules: tuple[Any, Any]) -> None:
    settings, data = modules
    settings.SCALE = 2.5
    settings.MODE = settings.Mode.SLOW
    settings.SIZES["y"] = 7  # in place: visible to modules that imported it by name, too
    settings.ORDER.append(5)
    settings.MEAN[1] = 4
    settings.OPTIONS.depth = 9
    settings.NAMES.a = 13
    settings.SHIFT = settings.functools.partial(pow, 3)
    settings.NEW = (1, {"a": 6})
    settings.set_hidden(8)
    expressions = {
        "my_settings.SCALE": 2.5,
        "SCALE": 1.0,  # copied by name before it was set: here as there
        "my_settings.MODE is my_settings.Mode.SLOW": 1,
        "SIZES['y']": 7,
        "ORDER[-1]": 5,
        "my_settings.MEAN[1]": 4,
        "my_settings.OPTIONS.depth": 9,
        "NAMES.a": 13,
        "my_settings.SHIFT(2)": 9,
        "my_settings.NEW[1]['a']": 6,
        "my_settings._hidden": 8,
    }
    assert read(data.Reporter(*expressions)) == list(expressions.values())


def test_attributes_of_classes_hold(modules: tuple[Any, Any]) -> None:
    settings, data = modules
    settings.Options.size = 64
    settings.Options.names.append("b")
    settings.Options.extra = 3.0
    assert read(data.Reporter("Options.size", "len(Options.names)", "Options.extra")) == [64, 2, 3]


def test_result_of_a_command_line_and_functions_by_name_hold(modules: tuple[Any, Any]) -> None:
    settings, data = modules
    settings.ARGUMENTS = settings.argparse.Namespace(crop=48)
    settings.transform = math.sqrt
    assert read(data.Reporter("my_settings.ARGUMENTS.crop", "my_settings.transform(16)")) == [48, 4]


def test_module_that_is_imported_by_a_load_has_its_settings(modules: tuple[Any, Any]) -> None:
    sys.modules["my_late"].LATE = 11  # type: ignore[attr-defined]
    assert read(modules[1].Lazy()) == [11]


def test_a_change_between_two_epochs_holds_in_the_next(modules: tuple[Any, Any]) -> None:
    settings, data = modules
    losses = {}
    for placement in ({"workers": 0}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}):
        settings.SCALE = 1.0
        model = Sequential([layers.Dense(1, input_shape=(1,), kernel_initializer="ones")])
        model.compile(streamfit.optimizers.SGD(0.0), "mse")

        def harder(epoch: int, logs: Any) -> None:
            settings.SCALE = 3.0 + epoch

        history = model.fit(
            data.Scaled(), epochs=3, verbose=0, callbacks=[LambdaCallback(on_epoch_end=harder)], **placement
        )
        losses[str(placement)] = history.history["loss"]
    assert list(losses.values()) == [[1.0, 9.0, 16.0]] * 3


def test_worker_that_takes_the_place_of_another_has_them(modules: tuple[Any, Any], tmp_path: Path) -> None:
    settings, data = modules
    settings.SCALE = 6.0
    flag = str(tmp_path / "died")
    dies = f"__import__('os').path.exists({flag!r}) or (open({flag!r}, 'w'), __import__('os')._exit(1))"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert read(data.Reporter(dies, *["my_settings.SCALE"] * 5)) == [1.0, *[6.0] * 5]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOCK", threading.Lock()),
        ("transform", lambda x: -x),
        ("BIG", np.ones(100_000)),
        ("ADDED", (item for item in "ab")),
        ("Options.hook", lambda self: 0),
    ],
)
def test_what_cannot_be_passed_on_is_named_once(modules: tuple[Any, Any], name: str, value: Any) -> None:
    settings, data = modules
    owner, _, attribute = name.rpartition(".")
    setattr(getattr(settings, owner) if owner else settings, attribute, value)
    (text,) = warnings_of(data.Reporter("1", "2", "3"))
    assert f"my_settings.{name}" in text
    assert "worker_init" in text


def test_it_is_an_error_where_warnings_are(modules: tuple[Any, Any]) -> None:
    settings, data = modules
    settings.LOCK = threading.Lock()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match=r"my_settings\.LOCK"):
            read(data.Reporter("1", "2"))


def test_nothing_is_said_of_what_is_as_imported(modules: tuple[Any, Any]) -> None:
    assert warnings_of(modules[1].Reporter("1", "2")) == []


def test_what_was_opened_here_is_opened_there(modules: tuple[Any, Any]) -> None:
    settings, data = modules
    settings._opened, settings._handle = True, open("/dev/null")  # noqa: SIM115
    try:
        assert read(data.Reporter("my_settings._opened", "my_settings._handle is None")) == [0, 1]
        assert warnings_of(data.Reporter("1")) == []
    finally:
        settings._handle.close()


def test_the_float_type_of_the_library_holds(modules: tuple[Any, Any]) -> None:
    streamfit.set_floatx("float64")
    try:
        assert read(modules[1].Reporter("streamfit.floatx() == 'float64'")) == [1]
    finally:
        streamfit.set_floatx("float32")


def test_variables_of_the_environment_hold(modules: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_CROP", "1")
    monkeypatch.setenv("MY_LARGE", "x" * 200_000)
    value = "float(__import__('os').environ.get('MY_CROP', -1))"
    large = "len(__import__('os').environ['MY_LARGE'])"
    data = modules[1].Reporter(value, large)
    with streamfit.stream(data, workers=1, use_multiprocessing=True) as batches:
        found = [[float(batch[0, 0]) for batch in batches]]
        monkeypatch.setenv("MY_CROP", "2")
        found.append([float(batch[0, 0]) for batch in batches])
        monkeypatch.delenv("MY_CROP")
        found.append([float(batch[0, 0]) for batch in batches])
    assert found == [[1, 200_000], [2, 200_000], [-1, 200_000]]


def test_modules_of_others_are_left_alone(modules: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = ModuleType("stranger")
    stranger.__file__ = "/somewhere/site-packages/stranger.py"
    stranger.THING = object()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stranger", stranger)
    assert warnings_of(modules[1].Reporter("1")) == []
