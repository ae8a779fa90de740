"""Objects as plain values and back; the user's own objects by name; nothing else."""

from __future__ import annotations

import enum
import json
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import activations, initializers, layers, losses, metrics, optimizers, regularizers, saving
from streamfit._base import known_objects
from streamfit._base.errors import UnknownNameError
from streamfit._base.loading import loading_from, refuse_path, reserve
from streamfit._base.serialization import ObjectSharingScope

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(min_size=1).filter(lambda key: key not in ("class_name", "config")), inner)
    ),
    max_leaves=8,
)


def there_and_back(item: Any, **options: Any) -> Any:
    described = json.loads(json.dumps(saving.serialize_keras_object(item)))
    return saving.deserialize_keras_object(described, **options)


@given(PLAIN)
def test_plain_values_return_as_they_were(value: Any) -> None:
    assert there_and_back(value) == value


def test_arrays_slices_and_dtypes() -> None:
    found = there_and_back(
        [np.arange(3), np.array([[0.1]], "float32"), slice(1, None, 2), ..., np.float32(0.5)]
    )
    assert found[0].tolist() == [0, 1, 2]
    assert found[0].dtype == np.arange(3).dtype
    assert found[1].dtype == np.float32
    assert found[1][0, 0] == np.float32(0.1)
    assert found[2:] == [slice(1, None, 2), ..., 0.5]


@pytest.mark.parametrize(
    "item",
    [
        layers.Dense(3, "relu", kernel_regularizer=regularizers.L1L2(0.1, 0.2), name="d"),
        layers.Dense(3, kernel_initializer=initializers.Orthogonal(2.0, seed=3)),
        losses.Huber(0.5, name="h"),
        metrics.AUC(num_thresholds=20, curve="PR"),
        optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 20), momentum=0.5),
        initializers.RandomNormal(0.1, 0.2),
        regularizers.L2(0.3),
        optimizers.schedules.PiecewiseConstantDecay([3, 5], [1.0, 0.5, 0.1]),
    ],
    ids=lambda item: type(item).__name__,
)
def test_objects_of_the_library(item: Any) -> None:
    again = there_and_back(item)
    assert type(again) is type(item)
    assert again.get_config() == item.get_config()


@pytest.mark.parametrize("kind", ["layers", "losses", "metrics", "optimizers", "initializers", "schedules"])
def test_all_public_classes_are_known_by_the_names_of_keras(kind: str) -> None:
    for name in known_objects.names(kind):
        found = known_objects.find(name, known_objects.kind_of(f"keras.src.{kind}.somewhere"))
        assert found is not None
        if isinstance(found, type):
            assert known_objects.module_of(found) == f"streamfit.{kind}"


def test_functions_by_name() -> None:
    assert there_and_back(activations.relu) is activations.relu
    assert there_and_back(losses.mean_squared_error) is losses.mean_squared_error
    of_keras = {
        "module": "builtins",
        "class_name": "function",
        "config": "relu",
        "registered_name": "function",
    }
    assert saving.deserialize_keras_object(of_keras) is activations.relu
    assert layers.Dense(1, activation=of_keras).activation is activations.relu  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a lambda has no name"):
        saving.serialize_keras_object(lambda x: x)


def mine(x: Any) -> Any:
    return x


class Held:
    """An object of the user's."""

    def __init__(self, size: int) -> None:
        self.size = size

    def get_config(self) -> dict[str, object]:
        return {"size": self.size}


def test_objects_of_the_user_are_found_where_they_are_passed_and_nowhere_else() -> None:
    described = saving.serialize_keras_object([mine, Held(3)])
    with pytest.raises(UnknownNameError, match=r"custom_objects=\{'mine': mine\}"):
        saving.deserialize_keras_object(described)
    known = {"mine": mine, "Held": Held}
    function, held = saving.deserialize_keras_object(described, custom_objects=known)
    assert function is mine
    assert held.size == 3
    with saving.custom_object_scope(known):
        assert saving.deserialize_keras_object(described)[1].size == 3
        assert activations.get("mine") is mine
        missing: list[object] = []
        other = threading.Thread(target=lambda: missing.append(saving.get_registered_object("mine")))
        other.start()
        other.join()
        assert missing == [None]  # a scope is for one thread
    assert saving.get_registered_object("mine") is None


def test_registered_objects() -> None:
    @saving.register_keras_serializable("pack", "Other")
    class Thing(Held):
        pass

    @saving.register_keras_serializable("pack")
    def twice(x: Any) -> Any:
        return 2 * x

    assert saving.get_registered_name(Thing) == "pack>Other"
    assert saving.get_registered_object("pack>Other") is Thing
    assert there_and_back(Thing(4)).size == 4
    assert there_and_back(twice) is twice
    assert layers.Dense(1, twice).get_config()["activation"] == "pack>twice"
    assert saving.get_custom_objects()["pack>twice"] is twice

    @saving.register_keras_serializable("pack", "Other")
    class Again(Held):
        pass

    assert saving.get_registered_object("pack>Other") is Again
    with pytest.raises(ValueError, match=r"does not have a get_config"):
        saving.register_keras_serializable()(type("Bare", (), {}))


def test_one_object_described_twice_is_one_object_again() -> None:
    shared = Held(1)
    with ObjectSharingScope():
        described = json.loads(json.dumps(saving.serialize_keras_object([shared, shared, Held(1)])))
    with ObjectSharingScope():
        found = saving.deserialize_keras_object(described, custom_objects={"Held": Held})
    assert found[0] is found[1]
    assert found[2] is not found[0]
    assert found[0] is not shared


@pytest.mark.parametrize(
    ("module", "name", "config"),
    [
        ("os", "system", {"command": "true"}),
        ("builtins", "eval", {}),
        ("builtins", "function", "eval"),
        ("subprocess", "Popen", {"args": ["true"]}),
        ("streamfit._base.uses", "Use", {}),
        ("streamfit.layers", "get", {}),
        ("tests.somewhere", "Held", {"size": 1}),
        ("keras.layers", "__import__", {"name": "os"}),
        ("numpy", "ndarray", {"shape": [10]}),
        ("antigravity", "Anything", {}),
    ],
)
def test_nothing_that_is_not_known_is_found_or_imported(module: str, name: str, config: Any) -> None:
    before = set(sys.modules)
    described = {"module": module, "class_name": name, "config": config, "registered_name": name}
    with pytest.raises(UnknownNameError):
        saving.deserialize_keras_object(described)
    assert not {found for found in set(sys.modules) - before if found.startswith(module)}


def test_wrong_descriptions() -> None:
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises(ValueError, match="nested deeper"):
        saving.deserialize_keras_object(deep)
    with pytest.raises(TypeError, match="Expected 'config' to be a dict"):
        saving.deserialize_keras_object({"class_name": "Dense", "config": [1]})
    with pytest.raises(TypeError, match="non-null str"):
        saving.deserialize_keras_object({"class_name": "function", "config": ["no"]})
    with pytest.raises(ValueError, match="arrays of numbers or text"):
        saving.deserialize_keras_object({"class_name": "__numpy__", "config": {"value": [], "dtype": "O"}})
    with pytest.raises(TypeError, match="cannot be described in plain values"):
        saving.serialize_keras_object(object())
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}
    assert layers.Dense.from_config({"units": 1, "dtype": policy}).dtype == "float32"
    with pytest.raises(ValueError, match="mixed_float16"):
        saving.deserialize_keras_object({**policy, "config": {"name": "mixed_float16"}})
    with pytest.raises(ValueError, match=r"Dense has no argument 'quantization_config'"):
        layers.Dense.from_config({"units": 1, "quantization_config": "int8"})
    assert layers.Dense.from_config({"units": 1, "quantization_config": None}).units == 1


def test_what_a_file_may_ask_for(tmp_path: Path) -> None:
    reserve(10**15, "anything")  # without a file
    refuse_path(tmp_path, "a vocabulary")
    with loading_from("m", 1000):
        reserve(1000, "a weight")
        with pytest.raises(ValueError, match=r"m describes weight 'kernel' of layer .* more than the whole"):
            layers.Dense(10**9).build((None, 1000))
        with pytest.raises(ValueError, match="opens no other file"):
            refuse_path(tmp_path, "a vocabulary")
    assert layers.Dense(2).units == 2


class Colour(enum.Enum):
    """Named values."""

    RED = "red"


def test_a_member_of_an_enum_is_its_value() -> None:
    assert saving.serialize_keras_object({"colour": [Colour.RED]}) == {"colour": ["red"]}


@pytest.mark.parametrize("name", ["builtins.eval", "subprocess.Popen", "pack>Dense"])
def test_a_registered_class_is_not_taken_for_its_namesake_here(name: str) -> None:
    described = {
        "class_name": "Dense",
        "module": "keras.layers",
        "registered_name": name,
        "config": {"units": 1},
    }
    with pytest.raises(ValueError, match=f"registered under the name '{name}', which is not known here"):
        saving.deserialize_keras_object(described)
    function = {"class_name": "function", "module": "builtins", "registered_name": name, "config": "relu"}
    with pytest.raises(ValueError, match=f"registered under the name '{name}', which is not known here"):
        saving.deserialize_keras_object(function)
    for known in (None, "", "Dense"):
        made = saving.deserialize_keras_object({**described, "registered_name": known})
        assert type(made) is layers.Dense


def test_layers_as_activations_stay_layers() -> None:
    layer = layers.Dense(2, activation=layers.LeakyReLU(0.15, name="leaky"))
    again = there_and_back(layer)
    assert isinstance(again.activation, layers.LeakyReLU)
    assert (again.activation.name, again.activation.negative_slope) == ("leaky", 0.15)
    x = np.array([[1.0, -2.0]])
    again(x)
    layer(x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x), layer(x))
    assert isinstance(there_and_back(layers.Activation(layers.ReLU(1.0))).activation, layers.ReLU)


class Scaling:
    """A function with an argument."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, x: Any) -> Any:
        return x * self.factor

    def get_config(self) -> dict[str, object]:
        return {"factor": self.factor}


def test_an_object_as_activation_keeps_its_arguments() -> None:
    layer = layers.Dense(1, activation=Scaling(3.0))
    with saving.custom_object_scope({"Scaling": Scaling}):
        again = layers.Dense.from_config(json.loads(json.dumps(layer.get_config())))
    assert isinstance(again.activation, Scaling)
    assert again.activation.factor == 3.0
