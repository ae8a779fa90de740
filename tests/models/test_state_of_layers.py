"""Layers of the user's in files: models that were only called, state beside weights, file objects."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import Input, Model, Sequential, layers, saving
from streamfit.models import load_model
from streamfit.models.layer_state import load_assets

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
ENDINGS = (".streamfit", ".keras")


class Nested(Model):
    """A subclass with layers in lists of lists."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.blocks = [[layers.Dense(3), layers.Dense(2)], (layers.Dense(2),)]
        self.last = layers.Dense(1)

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            for layer in block:
                x = layer(x)
        return self.last(x)


class WithState(layers.Dense):
    """A layer with an array and a text beside its weights."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.seen, self.note = np.zeros(2), "new"

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        super().save_own_variables(store)
        store["seen"] = self.seen

    def load_own_variables(self, store: Any) -> None:
        own = dict(store)
        self.seen = own.pop("seen")
        super().load_own_variables(own)

    def save_assets(self, folder: str) -> None:
        os.mkdir(os.path.join(folder, "deep"))
        Path(folder, "deep", "note.txt").write_text(self.note, encoding="utf-8")

    def load_assets(self, folder: str) -> None:
        self.note = Path(folder, "deep", "note.txt").read_text(encoding="utf-8")


KNOWN = {"Nested": Nested, "WithState": WithState}


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    with saving.custom_object_scope(KNOWN):
        yield


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_subclass_that_was_only_called_is_loaded(tmp_path: Path, ending: str) -> None:
    model = Nested()
    wanted = model(X)
    model.save(tmp_path / f"m{ending}")
    again = load_model(tmp_path / f"m{ending}")
    np.testing.assert_array_equal(again(X), wanted)
    np.testing.assert_array_equal(again.predict(X, verbose=0), wanted)


def with_state() -> tuple[Model, WithState]:
    layer = WithState(2, name="kept")
    model = Sequential([Input((4,)), layer, layers.Dense(1)])
    layer.seen, layer.note = np.array([3.0, 5.0]), "Grüße"
    return model, layer


@pytest.mark.parametrize("ending", ENDINGS)
def test_arrays_and_files_of_a_layer_travel(tmp_path: Path, ending: str) -> None:
    model, _ = with_state()
    model.save(tmp_path / f"m{ending}")
    again = load_model(tmp_path / f"m{ending}")
    layer = again.layers[0]
    assert isinstance(layer, WithState)
    assert (layer.seen.tolist(), layer.note) == ([3.0, 5.0], "Grüße")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


def test_state_that_no_layer_takes_is_refused(tmp_path: Path) -> None:
    model, _ = with_state()
    model.save(tmp_path / "m.streamfit")
    saved = WithState.load_own_variables
    del WithState.load_own_variables
    try:
        with pytest.raises(ValueError, match=r"'layers/with_state:.*no layer .* has a load_own_variables"):
            load_model(tmp_path / "m.streamfit")
    finally:
        WithState.load_own_variables = saved  # type: ignore[method-assign]


def test_state_that_is_no_array_of_numbers_is_refused(tmp_path: Path) -> None:
    model, layer = with_state()
    layer.seen = np.array(["text"])
    with pytest.raises(TypeError, match="'seen', which is no array of numbers"):
        model.save(tmp_path / "m.streamfit")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "a\\out", "c:out", ".", ""])
def test_assets_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    model, _ = with_state()
    with pytest.raises(ValueError, match="which is no relative path"):
        load_assets(model, {f"layers/with_state/{name}" if name else "": b""}, "m")


@pytest.mark.parametrize("ending", [*ENDINGS, ".h5"])
def test_models_are_read_from_file_objects(tmp_path: Path, ending: str) -> None:
    model = Sequential([Input((4,)), layers.Dense(2)])
    model.save(tmp_path / "some" / "folders" / f"m{ending}")
    read = load_model(io.BytesIO((tmp_path / "some" / "folders" / f"m{ending}").read_bytes()))
    np.testing.assert_array_equal(read.predict(X, verbose=0), model.predict(X, verbose=0))


def test_models_are_written_to_file_objects(tmp_path: Path) -> None:
    model = Sequential([Input((4,)), layers.Dense(2)])
    file = io.BytesIO()
    model.save(file)
    model.save(tmp_path / "m.streamfit")
    assert file.getvalue() == (tmp_path / "m.streamfit").read_bytes()
    file.seek(0)
    np.testing.assert_array_equal(load_model(file)(X), model(X))
    with pytest.raises(ValueError, match="not a whole model file"):
        load_model(io.BytesIO(b"nothing"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"save_format": "keras"}, "`save_format` is no argument any more"),
        ({"zipped": False}, "a model is always one file"),
        ({"weights_format": "npz"}, "weights_format: no such arguments"),
    ],
)
def test_arguments_of_save_that_mean_something_else(tmp_path: Path, options: Any, message: str) -> None:
    model = Sequential([Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match=message):
        model.save(tmp_path / "m.streamfit", **options)
    with pytest.raises(ValueError, match=message):
        saving.save_model(model, tmp_path / "m.streamfit", **options)
    model.save(tmp_path / "m.streamfit", zipped=True)


def test_a_missing_file_is_both_errors(tmp_path: Path) -> None:
    for kind in (FileNotFoundError, ValueError):
        with pytest.raises(kind, match="there is no file"):
            load_model(tmp_path / "m.keras")
        with pytest.raises(kind, match="there is no vocabulary file"):
            layers.StringLookup(vocabulary=str(tmp_path / "words.txt"))


def test_weights_of_some_layers_are_skipped(tmp_path: Path) -> None:
    def make() -> Model:
        return Sequential([Input((4,)), layers.Dense(3), layers.Dense(2), layers.Dense(1)])

    whole, path = make(), tmp_path / "m.weights.h5"
    whole.save_weights(path)
    other = make()
    before = other.layers[1].get_weights()
    other.load_weights(path, objects_to_skip=[other.layers[1]])
    np.testing.assert_array_equal(other.layers[0].kernel, whole.layers[0].kernel)
    np.testing.assert_array_equal(other.layers[1].kernel, before[0])
    np.testing.assert_array_equal(other.layers[2].kernel, whole.layers[2].kernel)
    whole.save_weights(path, objects_to_skip=[whole.layers[1]])
    with pytest.raises(ValueError, match="has 2 weights of its own, the file has 0"):
        other.load_weights(path)
    other.load_weights(path, objects_to_skip=[other.layers[1]])
    with pytest.raises(ValueError, match=r"objects_to_skip only supports '\.weights\.h5'"):
        whole.save_weights(tmp_path / "m.safetensors", objects_to_skip=[])
    with pytest.raises(ValueError, match=r"no arguments \['bad'\]"):
        whole.load_weights(path, bad=1)


def test_a_layer_under_another_name_takes_its_weights(tmp_path: Path) -> None:
    class Plain(Model):
        def __init__(self) -> None:
            super().__init__()
            self.deep = layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.deep(x)

    class Renamed(Model):
        def __init__(self) -> None:
            super().__init__()
            self.first = layers.Dense(2)

        @property
        def deep(self) -> layers.Dense:
            return self.first

        def call(self, x: Any) -> Any:
            return self.first(x)

    plain, renamed = Plain(), Renamed()
    wanted = plain(X)
    renamed(X)
    plain.save_weights(tmp_path / "m.weights.h5")
    renamed.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(renamed(X), wanted)


def test_the_optimizer_lists_its_variables(tmp_path: Path) -> None:
    model = Sequential([Input((4,)), layers.Dense(2)])
    model.compile("adam", "mse")
    assert [array.tolist() for array in model.optimizer.variables] == [0, pytest.approx(0.001)]
    model.fit(X, np.ones((3, 2)), verbose=0)
    shapes = [array.shape for array in model.optimizer.variables]
    assert shapes == [(), (), (4, 2), (4, 2), (2,), (2,)]
    model.save(tmp_path / "m.streamfit")
    again = load_model(tmp_path / "m.streamfit").optimizer.variables
    for left, right in zip(model.optimizer.variables, again, strict=True):
        np.testing.assert_array_equal(left, right)


def test_files_of_keras_name_a_constant_date(tmp_path: Path) -> None:
    Sequential([Input((4,)), layers.Dense(2)]).save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert b'"date_saved": "1980-01-01@00:00:00"' in archive.read("metadata.json")
