"""Whole models on disk: the same predictions, and the same training from there on, to the bit."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.saved import CASES, OPTIMIZERS, Subclassed, compiled, softened
from oracles.scripts import complaints, run

from streamfit import Input, Model, Sequential, layers, saving
from streamfit.callbacks import LambdaCallback, ModelCheckpoint
from streamfit.models import clone_model, load_model, model_from_json
from streamfit.models.model_content import content_of


def leaves(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else [value]


def same_numbers(left: Any, right: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(leaves(left), leaves(right), strict=True))


def same_weights(left: Model, right: Model) -> bool:
    pairs = zip(left.get_weights(), right.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", CASES)
def test_a_loaded_model_predicts_and_trains_on_with_the_same_bits(tmp_path: Path, name: str) -> None:
    model, x, y = compiled(name)
    model.fit(x, y, epochs=2, batch_size=8, verbose=0, seed=1)
    model.save(tmp_path / "m.streamfit")
    again = load_model(tmp_path / "m.streamfit")
    assert type(again) is type(model)
    assert again.name == model.name
    assert same_weights(model, again)
    assert same_numbers(model.predict(x), again.predict(x))
    assert again.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    runs = [each.fit(x, y, epochs=2, batch_size=8, verbose=0, seed=2) for each in (model, again)]
    assert runs[0].history == runs[1].history
    assert same_weights(model, again)
    assert [w.trainable for w in again.weights] == [w.trainable for w in model.weights]
    again.save(tmp_path / "n.streamfit")
    assert load_model(tmp_path / "n.streamfit").count_params() == model.count_params()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_continues_with_its_state(tmp_path: Path, optimizer: str) -> None:
    model, x, y = compiled("stack", optimizer)
    model.fit(x, y, epochs=2, batch_size=8, verbose=0, seed=1)
    model.save(tmp_path / "m.streamfit")
    again = load_model(tmp_path / "m.streamfit")
    assert again.optimizer.get_config() == model.optimizer.get_config()
    assert again.optimizer.iterations == model.optimizer.iterations == 6
    for each in (model, again):
        each.fit(x, y, epochs=1, batch_size=8, verbose=0, seed=2)
    assert same_weights(model, again)


def test_a_new_process_predicts_and_resumes_with_the_same_bits(tmp_path: Path) -> None:
    model, x, y = compiled("texts")
    model.fit(x, y, epochs=1, batch_size=8, verbose=0, seed=1)
    model.save(tmp_path / "m.streamfit")
    np.savez(tmp_path / "data.npz", x=x, y=y)
    program = """
import numpy as np
from streamfit.models import load_model
data, model = np.load("data.npz"), load_model("m.streamfit")
np.save("predicted.npy", model.predict(data["x"]))
model.fit(data["x"], data["y"], epochs=1, batch_size=8, verbose=0, seed=2, workers=2)
np.savez("after.npz", *model.get_weights())
"""
    status, _, err = run(program, "script", tmp_path)
    assert status == 0, complaints(err)
    assert np.array_equal(np.load(tmp_path / "predicted.npy"), model.predict(x))
    model.fit(x, y, epochs=1, batch_size=8, verbose=0, seed=2)
    after = np.load(tmp_path / "after.npz")
    assert all(np.array_equal(after[f"arr_{i}"], w) for i, w in enumerate(model.get_weights()))


def test_equal_models_give_equal_files(tmp_path: Path) -> None:
    model, x, y = compiled("graph")
    model.fit(x, y, epochs=1, verbose=0, seed=1)
    for name in ("a.streamfit", "b.streamfit"):
        model.save(tmp_path / name)
    first = (tmp_path / "a.streamfit").read_bytes()
    assert first == (tmp_path / "b.streamfit").read_bytes()
    load_model(tmp_path / "a.streamfit").save(tmp_path / "b.streamfit")
    assert len(first) == (tmp_path / "b.streamfit").stat().st_size


@pytest.mark.filterwarnings("ignore:Discrepancy between trainable weights")
def test_flags_of_compile_are_kept_where_they_changed_later(tmp_path: Path) -> None:
    model, x, y = compiled("stack")
    model.fit(x, y, epochs=1, verbose=0, seed=1)
    model.layers[0].trainable = False  # counts for the next `compile` only
    model.save(tmp_path / "m.streamfit")
    again = load_model(tmp_path / "m.streamfit")
    assert not again.layers[0].trainable
    for each in (model, again):
        each.fit(x, y, epochs=1, verbose=0, seed=2)
    assert same_weights(model, again)


def test_without_compile_and_without_the_optimizer(tmp_path: Path) -> None:
    model, x, y = compiled("stack")
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "m.streamfit")
    assert load_model(tmp_path / "m.streamfit", compile=False).optimizer is None
    model.save(tmp_path / "m.streamfit", include_optimizer=False)
    again = load_model(tmp_path / "m.streamfit")
    assert again.optimizer is None
    assert same_numbers(again.predict(x), model.predict(x))
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(tmp_path / "m.streamfit", overwrite=False)


def test_a_model_that_is_saved_while_it_trains_is_of_one_moment(tmp_path: Path) -> None:
    model, x, y = compiled("stack")
    steps: list[int] = []

    def save(batch: int, logs: Any) -> None:
        model.save(tmp_path / f"{batch}.streamfit")
        steps.append(model.optimizer.iterations)

    model.fit(x, y, batch_size=8, verbose=0, callbacks=[LambdaCallback(on_train_batch_end=save)])
    assert steps == [load_model(tmp_path / f"{i}.streamfit").optimizer.iterations for i in range(3)]


def test_checkpoints_are_whole_models_by_default(tmp_path: Path) -> None:
    model, x, y = compiled("graph")
    checkpoint = ModelCheckpoint(tmp_path / "at-{epoch}.streamfit", monitor="loss", save_best_only=True)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[checkpoint])
    found = sorted(os.listdir(tmp_path))
    assert found
    again = load_model(tmp_path / found[-1])
    assert same_numbers(again.predict(x), model.predict(x)) or len(found) == 1


def test_what_cannot_be_saved_fails_before_the_first_step(tmp_path: Path) -> None:
    x, y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")
    model = Sequential([Input((3,)), layers.Dense(1, activation=lambda x: x)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match="lambda, whose code is not saved"):
        model.fit(x, y, verbose=0, callbacks=[ModelCheckpoint(tmp_path / "m.streamfit")])
    assert same_numbers(dict(enumerate(before)), dict(enumerate(model.get_weights())))
    with pytest.raises(ValueError, match=r"write '.*m\.streamfit'"):
        model.save(tmp_path / "m.pkl")
    assert not list(tmp_path.iterdir())


# -- the user's own classes ---------------------------------------------------------------------


class Scaled(layers.Layer):
    """A layer with an argument and no `get_config`."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor


class WiderDense(layers.Dense):
    """A layer of ours with other arguments."""

    def __init__(self, width: int, *, bias: bool = False) -> None:
        super().__init__(2 * width, use_bias=bias)


def test_arguments_of_classes_without_a_config_are_not_lost(tmp_path: Path) -> None:
    model = Sequential([Input((3,)), Scaled(2.5), WiderDense(2, bias=True)])
    model.save(tmp_path / "m.streamfit")
    known = {"Scaled": Scaled, "WiderDense": WiderDense}
    with pytest.raises(ValueError, match=r"Unknown layer: 'Scaled'.*custom_objects=\{'Scaled': Scaled\}"):
        load_model(tmp_path / "m.streamfit")
    again = load_model(tmp_path / "m.streamfit", custom_objects=known)
    assert again.layers[0].factor == 2.5
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    x = np.ones((2, 3), "float32")
    assert same_numbers(again.predict(x), model.predict(x))
    with saving.custom_object_scope(known):
        assert same_numbers(load_model(tmp_path / "m.streamfit").predict(x), model.predict(x))


class Forgetful(layers.Layer):
    """A layer whose config lacks an argument."""

    def __init__(self, factor: float, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor

    def get_config(self) -> dict[str, Any]:
        return super().get_config()


def test_a_config_that_lacks_an_argument_is_refused_when_saving(tmp_path: Path) -> None:
    model = Sequential([Input((3,)), Forgetful(2.0)])
    with pytest.raises(TypeError, match=r"get_config of Forgetful lacks 'factor'.*'factor': self.factor"):
        model.save(tmp_path / "m.streamfit")


def test_links_and_modes_of_files_stay(tmp_path: Path) -> None:
    model, target, link = compiled("stack")[0], tmp_path / "target.streamfit", tmp_path / "m.streamfit"
    model.save(target)
    target.chmod(0o600)
    link.symlink_to(target)
    model.layers[0].set_weights([2 * w for w in model.layers[0].get_weights()])
    model.save(link)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o600
    assert same_weights(load_model(target), model)


def test_names_that_match_nothing_are_refused(tmp_path: Path) -> None:
    Sequential([Input((3,)), layers.Dense(2, name="a")]).save_weights(tmp_path / "w.safetensors")
    other = Sequential([Input((3,)), layers.Dense(2, name="b")])
    with pytest.raises(ValueError, match=r"by_name=True loads nothing.*\['b'\]"):
        other.load_weights(tmp_path / "w.safetensors", by_name=True)


def test_an_argument_that_has_no_description_is_refused() -> None:
    model = Sequential([Scaled(object())])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Scaled has no get_config of its own.*factor.*Define get_config"):
        model.get_config()


def test_a_subclass_of_stack_or_graph_with_arguments_is_made_with_them() -> None:
    class Tower(Sequential):
        def __init__(self, depth: int = 1) -> None:
            super().__init__([Input((3,)), *(layers.Dense(2) for _ in range(depth))])

    class Net(Model):
        def __init__(self, units: int) -> None:
            x = Input((3,))
            super().__init__(x, layers.Dense(units)(x))

    for cls, value, count in ((Tower, 3, 6), (Net, 4, 2)):
        model = cls(value)
        again = saving.deserialize_keras_object(
            saving.serialize_keras_object(model), custom_objects={cls.__name__: cls}
        )
        assert type(again) is cls
        assert len(again.weights) == len(model.weights) == count
        assert again.count_params() == model.count_params()


# -- descriptions -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_a_description_is_json_and_makes_the_same_form(name: str) -> None:
    make, x, _ = CASES[name]
    model = make()
    model.predict(x)
    again = model_from_json(model.to_json())
    again.predict(x)
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]
    again.set_weights(model.get_weights())
    assert same_numbers(again.predict(x), model.predict(x))
    assert model_from_json(again.to_json()).to_json() == again.to_json()


def test_a_graph_that_cannot_be_described_says_why() -> None:
    x = Input((3,), name="x")
    dense = layers.Dense(3, name="same")
    low = dense(x)
    with pytest.raises(ValueError, match=r"two layers or inputs of model .* are called 'same'"):
        Model(x, layers.Dense(3, name="same")(low)).get_config()
    with pytest.raises(TypeError, match=r"uses the weight 'bias' outside of a layer"):
        Model(x, low * dense.bias).get_config()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(layers=3), "has a list of layers"),
        (lambda c: c.update(output_layers=["nowhere", 0, 0]), "has no layer 'nowhere'"),
        (lambda c: c.update(output_layers=["last", 5, 0]), "there is none"),
        (lambda c: c.update(output_layers=["last", 0, 7]), "there is none"),
        (lambda c: c["layers"][1].update(inbound_nodes=[{"args": [1.0], "kwargs": {}}]), "on no tensor"),
        (lambda c: c["layers"][1].update(class_name="InputLayr"), "Unknown layer"),
        (lambda c: c["layers"].append(c["layers"][0]), "two entries called"),
    ],
)
def test_damaged_descriptions_of_graphs_are_refused(change: Any, message: str) -> None:
    x = Input((3,), name="x")
    config = json.loads(json.dumps(Model(x, layers.Dense(1, name="last")(x)).get_config()))
    change(config)
    with pytest.raises(ValueError, match=message):
        Model.from_config(config)


# -- clones -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in CASES if name != "stack without an input"])
def test_a_clone_has_the_same_layers_and_weights_of_its_own(name: str) -> None:
    make, x, _ = CASES[name]
    model = make()
    predicted = model.predict(x)
    clone = clone_model(model)
    clone.predict(x)
    assert not set(clone.weights) & set(model.weights)
    clone.set_weights(model.get_weights())
    assert same_numbers(clone.predict(x), predicted)


def test_clones_with_functions_and_tensors_of_the_user() -> None:
    make, _, _ = CASES["graph"]
    model = make()
    seen: list[str] = []

    def other(layer: layers.Layer) -> layers.Layer:
        seen.append(layer.name)
        return layer if layer.name == "shared" else type(layer).from_config(layer.get_config())

    clone = clone_model(model, clone_function=other)
    assert clone.get_layer("shared") is model.get_layer("shared")
    assert "inner" in seen
    start = Input((5,), name="start")
    assert clone_model(model, input_tensors=start).inputs[0] is start
    called: list[str] = []

    def call(layer: layers.Layer, *args: Any, **options: Any) -> Any:
        called.append(layer.name)
        return layer(*args, **options)

    clone_model(model, call_function=call)
    assert called.count("shared") == 2
    nested: list[str] = []
    clone_model(model, clone_function=lambda layer: nested.append(layer.name) or other(layer), recursive=True)
    assert "inner" not in nested
    with pytest.raises(ValueError, match="call of its own"):
        clone_model(Subclassed(2), clone_function=other)
    with pytest.raises(TypeError, match="clone_model takes a model"):
        clone_model(layers.Dense(1))  # type: ignore[arg-type]


def test_registered_functions_are_found_by_their_names() -> None:
    layer = layers.Dense(1, softened)
    assert layer.get_config()["activation"] == "tests>softened"
    assert layers.Dense.from_config(layer.get_config()).activation is softened
    assert content_of(Sequential([Input((2,)), layer])).description["compile"] is None
