"""Files of Keras: read as Keras wrote them, written in its layout, and continued from."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import Input, Model, Sequential, layers, losses, ops, optimizers
from streamfit._base.errors import MissingExtraError, UnknownNameError
from streamfit.callbacks import ModelCheckpoint
from streamfit.models import load_model
from streamfit.models.keras_layout import keras_name, layer_paths, layers_in_order

h5py = pytest.importorskip("h5py")
WRITTEN = Path(__file__).resolve().parent.parent / "storage" / "data"  # by Keras 3.15.1
X = np.linspace(-1, 1, 12).reshape(4, 3).astype("float32")
Y = np.linspace(0, 1, 4).reshape(4, 1).astype("float32")


def train(model: Any, x: Any = X, y: Any = Y) -> None:
    model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)


def column(model: Any, x: Any = X) -> Any:
    return np.asarray(model.predict(x)).reshape(-1)


# -- what Keras wrote ---------------------------------------------------------------------------


def test_a_stack_of_keras_predicts_and_continues() -> None:
    model = load_model(WRITTEN / "stack.keras")
    np.testing.assert_allclose(column(model), [-0.1283914, 0.1073909, 0.5341203, 0.856188], atol=2e-6)
    assert model.optimizer.iterations == 2
    train(model)
    np.testing.assert_allclose(column(model), [0.3268911, 0.4127012, 0.5491215, 0.6973805], atol=2e-5)


def test_a_graph_of_keras_in_an_h5_file_predicts_and_continues() -> None:
    model, x = load_model(WRITTEN / "graph.h5"), [X, X[::-1].copy()]
    np.testing.assert_allclose(column(model, x), [0.1313445, -0.0500636, 0.2997972, 1.4279059], atol=2e-6)
    assert isinstance(model.get_compile_config()["loss"], dict)  # type: ignore[index]
    train(model, x)
    np.testing.assert_allclose(column(model, x), [0.2740759, -0.0284904, -0.0160543, 0.5746281], atol=2e-5)


def test_a_lookup_of_keras_has_its_vocabulary_and_functions_of_ops_their_settings() -> None:
    model = load_model(WRITTEN / "words.keras")
    found = column(model, np.array([["red", "blue"], ["green", "black"]]))
    np.testing.assert_allclose(found, [0.0393635, 0.067853], atol=2e-6)
    assert model.layers[1].get_vocabulary() == ["[UNK]", "red", "green", "blue"]  # type: ignore[attr-defined]


def test_weights_alone_are_read_from_files_of_models() -> None:
    model = Sequential([Input((3,)), layers.Dense(2, "tanh"), layers.BatchNormalization(), layers.Dense(1)])
    model.load_weights(WRITTEN / "stack.keras")
    np.testing.assert_allclose(column(model), [-0.1283914, 0.1073909, 0.5341203, 0.856188], atol=2e-6)
    other = Sequential([Input((3,)), layers.Dense(2, name="shared"), layers.Dense(1)])
    other.load_weights(WRITTEN / "graph.h5", by_name=True)
    whole = load_model(WRITTEN / "graph.h5")
    assert all(
        (a == b).all()
        for a, b in zip(other.layers[0].get_weights(), whole.get_layer("shared").get_weights(), strict=True)
    )


# -- there and back -----------------------------------------------------------------------------


def graph() -> Model:
    a, b = Input((3,), name="a"), Input((3,), name="b")
    shared, inner = layers.Dense(2, name="shared"), Input((4,), name="inner")
    nested = Model(
        inner, layers.Dense(2, name="deep")(layers.BatchNormalization(name="norm")(inner)), name="nested"
    )
    stack = Sequential([layers.Dense(2, "relu", name="first")], name="stack")
    x = layers.Concatenate(name="both")([shared(a), shared(b)])
    x = ops.relu(nested(x) * 2.0 + stack(x))
    return Model([a, b], layers.Dense(1, name="end")(ops.softmax(x, axis=-1)[:, :1]), name="graph")


def numbers() -> Model:
    return Sequential([Input((3,)), layers.Dense(2, "tanh"), layers.BatchNormalization(), layers.Dense(1)])


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), momentum=0.9),
    "amsgrad": lambda: optimizers.Adam(0.1, amsgrad=True),
    "nadam": lambda: optimizers.Nadam(0.1),
    "centered": lambda: optimizers.RMSprop(0.01, centered=True),
    "adadelta": lambda: optimizers.Adadelta(0.5),
}


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_model_is_the_same_again_and_continues_with_the_same_bits(
    tmp_path: Path, ending: str, optimizer: str
) -> None:
    model = graph() if optimizer in ("amsgrad", "momentum") else numbers()
    x = [X, X[::-1].copy()] if len(model.inputs) == 2 else X
    model.compile(OPTIMIZERS[optimizer](), losses.Huber(delta=0.5), metrics=["mae"])
    train(model, x)
    model.save(tmp_path / f"m.{ending}")
    again = load_model(tmp_path / f"m.{ending}")
    assert (column(again, x) == column(model, x)).all()
    train(model, x)
    train(again, x)
    assert (column(again, x) == column(model, x)).all()
    assert again.metrics_names == model.metrics_names


def test_equal_models_give_equal_files(tmp_path: Path) -> None:
    model = numbers()
    for name in ("a.keras", "b.keras", "a.h5", "b.h5"):
        model.save(tmp_path / name)
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_weights_are_there_and_back(tmp_path: Path) -> None:
    saved, loaded = graph(), graph()
    saved.save_weights(tmp_path / "w.weights.h5")
    loaded.load_weights(tmp_path / "w.weights.h5")
    assert all((a == b).all() for a, b in zip(saved.get_weights(), loaded.get_weights(), strict=True))
    with h5py.File(tmp_path / "w.weights.h5") as file:
        assert file["layers/sequential/layers/dense/vars/0"].shape == (4, 2)
        assert file["layers/functional/layers/batch_normalization/vars"].attrs["name"] == "norm"


class Twice(Model):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units
        self.zeta = layers.Dense(units)
        self.blocks = [layers.Dense(2), [layers.Dense(2)]]
        self._hidden = layers.Dense(1)

    def call(self, x: Any) -> Any:
        for layer in (self.zeta, self.blocks[0], self.blocks[1][0], self._hidden):  # type: ignore[index]
            x = layer(x)  # type: ignore[operator]
        return x


def called() -> Model:
    model = Twice(4)
    model(X)
    return model


@pytest.mark.parametrize("make", [graph, numbers, called])
def test_weights_are_written_as_keras_2_writes_them(tmp_path: Path, make: Callable[[], Model]) -> None:
    saved, loaded = make(), make()
    saved.save_weights(tmp_path / "first_try.h5")
    loaded.load_weights(tmp_path / "first_try.h5")
    assert all((a == b).all() for a, b in zip(saved.get_weights(), loaded.get_weights(), strict=True))
    with h5py.File(tmp_path / "first_try.h5") as file:
        names = [name.decode() for name in file.attrs["layer_names"]]
        assert names == [layer.name for layer in layers_in_order(saved)]
        assert "model_config" not in file.attrs
    with pytest.raises(ValueError, match="holds no model"):
        load_model(tmp_path / "first_try.h5")


def test_a_subclass_is_made_with_the_class_that_is_passed(tmp_path: Path) -> None:
    model = Twice(4)
    model.compile("adam", "mse")
    train(model)
    paths = [path for path, _ in layer_paths(model)]
    assert paths == ["", "blocks/dense", "blocks/container/dense", "layers/dense", "layers/dense_3"]
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", custom_objects={"Twice": Twice})
    assert (column(again) == column(model)).all()
    with pytest.raises(UnknownNameError, match="custom_objects"):
        load_model(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"save it as .keras or .streamfit"):
        model.save(tmp_path / "m.h5")


def test_layers_are_in_the_order_of_keras() -> None:
    a, b = Input((3,), name="a"), Input((3,), name="b")
    short = layers.Dense(2, name="short")(b)
    long = layers.Dense(2, name="long2")(layers.Dense(2, name="long1")(a))
    model = Model([a, b], [layers.Dense(1, name="end")(short), layers.Add(name="sum")([long, short])])
    # The order of keras.Model(...).layers, without its input layers.
    assert [layer.name for layer in layers_in_order(model)] == ["long1", "short", "long2", "end", "sum"]
    assert keras_name("RMSprop") == "rm_sprop"


def test_a_layer_may_put_arrays_of_its_own_into_the_file(tmp_path: Path) -> None:
    class Counted(layers.Dense):
        counted = 0

        def save_own_variables(self, store: Any) -> None:
            super().save_own_variables(store)
            store["counted"] = np.array(self.counted)

        def load_own_variables(self, store: Any) -> None:
            self.counted = int(store.pop("counted"))
            super().load_own_variables(store)

    model = Sequential([Input((3,)), Counted(2)])
    model.layers[0].counted = 7  # type: ignore[attr-defined]
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", custom_objects={"Counted": Counted})
    assert again.layers[0].counted == 7  # type: ignore[attr-defined]
    assert (column(again) == column(model)).all()


def test_factors_of_words_are_in_the_file(tmp_path: Path) -> None:
    lookup = layers.StringLookup(output_mode="tf_idf")
    lookup.adapt(np.array([["red", "blue"], ["red", "green"]]))
    x = np.array([["red", "blue"], ["black", "red"]])
    model = Sequential([Input((2,), dtype="string"), lookup])
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-6)


# -- files of Keras 2 ---------------------------------------------------------------------------


def legacy(path: Path, names: list[str]) -> tuple[Any, Any]:
    """Write a file as tf.keras 2 did; return kernel and bias."""
    kernel, bias = np.arange(6, dtype="float32").reshape(3, 2), np.array([1, 2], "float32")
    dense = {"name": "dense", "trainable": True, "dtype": "float32", "units": 2, "activation": "linear"}
    stack = {"class_name": "Dense", "config": {**dense, "batch_input_shape": [None, 3]}}
    optimizer = {"name": "Adam", "learning_rate": 0.5, "decay": 0.0, "beta_1": 0.9, "amsgrad": False}
    accuracy = {"name": "acc", "dtype": "float32", "fn": "mean_absolute_error"}
    training = {
        "loss": {"class_name": "MeanSquaredError", "config": {"reduction": "auto", "name": "mse"}},
        "metrics": [[{"class_name": "MeanMetricWrapper", "config": accuracy}]],
        "weighted_metrics": None,
        "loss_weights": None,
        "optimizer_config": {"class_name": "Adam", "config": optimizer},
    }
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.9.0"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": [stack]})
        file.attrs["training_config"] = json.dumps(training)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"dense"]
        inner = group.create_group("dense")
        inner.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        inner["dense/kernel:0"], inner["dense/bias:0"] = kernel, bias
        state = file.create_group("optimizer_weights")
        state.attrs["weight_names"] = [name.encode() for name in names]
        for name, array in zip(names, [np.array(7), kernel, bias, kernel + 1, bias + 1], strict=True):
            state[name] = array.astype("int64" if array.shape == () else "float32")
    return kernel, bias


@pytest.mark.parametrize(
    "names",
    [
        ["Adam/iter:0", *(f"Adam/dense/{weight}/{kind}:0" for kind in "mv" for weight in ("kernel", "bias"))],
        ["iteration:0", *(f"Adam/{kind}/dense/{weight}:0" for kind in "mv" for weight in ("kernel", "bias"))],
    ],
    ids=["before 2.11", "from 2.11"],
)
def test_files_of_keras_2(tmp_path: Path, names: list[str]) -> None:
    kernel, bias = legacy(tmp_path / "m.h5", names)
    model = load_model(tmp_path / "m.h5")
    np.testing.assert_array_equal(model.predict(X), X @ kernel + bias)
    assert model.optimizer.iterations == 7
    assert model.optimizer.learning_rate == 0.5
    state, _ = model.optimizer_state()
    np.testing.assert_array_equal(state["v/0000/kernel"], kernel.reshape(-1) + 1)
    np.testing.assert_array_equal(state["m/0001/bias"], bias)
    names[1] = "Adam/dense/kernel/unknown:0"
    legacy(tmp_path / "m.h5", names)
    with pytest.raises(ValueError, match="compile=False"):
        load_model(tmp_path / "m.h5")
    assert load_model(tmp_path / "m.h5", compile=False).optimizer is None


# -- by name, and what does not fit -------------------------------------------------------------


def named(units: int, first: str = "one") -> Sequential:
    return Sequential([Input((3,)), layers.Dense(2, name=first), layers.Dense(units, name="two")])


@pytest.mark.parametrize("name", ["w.safetensors", "w.streamfit", "w.h5"])
def test_by_name_only_layers_of_the_same_name_are_read(tmp_path: Path, name: str) -> None:
    saved, other = named(1), named(1, "another")
    (saved.save_weights if name.endswith("safetensors") else saved.save)(tmp_path / name)
    before = other.get_weights()
    other.load_weights(tmp_path / name, by_name=True)
    after = other.get_weights()
    assert all((a == b).all() for a, b in zip(before[:2], after[:2], strict=True))
    assert all((a == b).all() for a, b in zip(saved.get_weights()[2:], after[2:], strict=True))
    with pytest.raises(ValueError, match=r"shape"):
        named(2).load_weights(tmp_path / name, by_name=True)


@pytest.mark.parametrize("name", ["w.safetensors", "w.streamfit", "w.keras", "w.h5", "w.weights.h5"])
def test_what_does_not_fit_is_left_with_a_warning_or_refused(tmp_path: Path, name: str) -> None:
    saved, other = named(1), named(2)
    (saved.save if name in ("w.streamfit", "w.keras", "w.h5") else saved.save_weights)(tmp_path / name)
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"shape"):
        other.load_weights(tmp_path / name)
    assert all((a == b).all() for a, b in zip(before, other.get_weights(), strict=True))
    with pytest.warns(UserWarning, match="left as it is") as warnings:
        other.load_weights(tmp_path / name, skip_mismatch=True)
    assert len(warnings) == 2
    after = other.get_weights()
    assert all((a == b).all() for a, b in zip(saved.get_weights()[:2], after[:2], strict=True))
    assert all((a == b).all() for a, b in zip(before[2:], after[2:], strict=True))


def test_the_layout_of_keras_3_has_no_names_to_go_by(tmp_path: Path) -> None:
    named(1).save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(ValueError, match="no names of layers"):
        named(1).load_weights(tmp_path / "w.weights.h5", by_name=True)


def test_weights_of_other_dtypes_and_models_are_refused(tmp_path: Path) -> None:
    numbers().save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(ValueError, match="which belongs to no layer"):
        Sequential([Input((3,)), layers.Dense(2)]).load_weights(tmp_path / "w.weights.h5")
    path = tmp_path / "v.weights.h5"
    other = Sequential([Input((3,), dtype="float64"), layers.Dense(2, dtype="float64")])
    other.save_weights(path)
    model = Sequential([Input((3,)), layers.Dense(2)])
    model.load_weights(path)  # as Keras does: the dtype is that of the model
    assert all(
        (a == b.astype("f")).all() for a, b in zip(model.get_weights(), other.get_weights(), strict=True)
    )
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/1"]
        file["layers/dense/vars/1"] = np.zeros(2, "int64")
    with pytest.raises(ValueError, match="has dtype float32, the file has int64"):
        model.load_weights(path)


def test_a_subclass_that_was_only_called_is_built_again(tmp_path: Path) -> None:
    model = Twice(4)
    expected = model(X)
    for name in ("m.keras", "m.streamfit"):
        model.save(tmp_path / name)
        again = load_model(tmp_path / name, custom_objects={"Twice": Twice})
        np.testing.assert_array_equal(again(X), expected)


# -- what cannot be written ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_what_keras_does_not_have_is_refused_before_training(tmp_path: Path, name: str) -> None:
    model = Sequential([Input((3,)), layers.Dense(1)])
    model.compile(optimizers.LazyAdam(), "mse")
    for call in (model.save, lambda path: model.fit(X, Y, callbacks=[ModelCheckpoint(path)], verbose=0)):
        with pytest.raises(ValueError, match="Keras has no LazyAdam"):
            call(tmp_path / name)
    model.save(tmp_path / name, include_optimizer=False)
    model.compile(optimizers.SGD(0.1, decay=0.1), "mse")
    with pytest.raises(ValueError, match="InverseTimeDecay"):
        model.save(tmp_path / name)
    x = Input((3,))
    with pytest.raises(ValueError, match=r"ops\.checked_indices"):
        Model(x, ops.checked_indices(x, 3)).save(tmp_path / "x.keras")


@pytest.mark.parametrize(
    ("name", "weights"), [("m.keras", False), ("m.h5", False), ("w.weights.h5", True), ("w.h5", True)]
)
def test_without_h5py_the_error_names_the_extra_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, weights: bool
) -> None:
    model = numbers()
    model.compile("sgd", "mse")
    monkeypatch.setitem(sys.modules, "h5py", None)
    before = model.get_weights()
    with pytest.raises(MissingExtraError, match=r"streamfit\[hdf5\]"):
        model.fit(X, Y, callbacks=[ModelCheckpoint(tmp_path / name, save_weights_only=weights)], verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    with pytest.raises(MissingExtraError, match="h5py"):
        load_model(WRITTEN / "stack.keras")


@pytest.mark.parametrize(("name", "weights"), [("m.weights.h5", False), ("w.keras", True)])
def test_an_ending_of_the_other_kind_is_refused_before_training(
    tmp_path: Path, name: str, weights: bool
) -> None:
    model = numbers()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"weights"):
        model.fit(X, Y, callbacks=[ModelCheckpoint(tmp_path / name, save_weights_only=weights)], verbose=0)
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "w.weights.h5"])
def test_a_file_that_is_missing_or_is_none_is_named(tmp_path: Path, name: str) -> None:
    read = numbers().load_weights if name.startswith("w") else load_model
    with pytest.raises(FileNotFoundError, match=name):
        read(tmp_path / name)
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match="no regular file"):  # to open one would mean to wait for a writer
        read(tmp_path / name)


def test_a_changed_weight_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    numbers().save(path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("model.weights.h5").header_offset
    data[start + 5000] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="not a whole model file of Keras"):
        load_model(path)


def test_tuples_of_tensors_are_lists_in_files_for_keras(tmp_path: Path) -> None:
    start = Input((4,), name="start")
    model = Model(start, layers.Multiply()((start, layers.Dense(4, name="low")(start))))
    x = np.ones((2, 4), "float32")
    for ending in (".keras", ".h5"):
        model.save(tmp_path / f"m{ending}")
        np.testing.assert_array_equal(load_model(tmp_path / f"m{ending}").predict(x), model.predict(x))
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert b"__tuple__" not in archive.read("config.json")
