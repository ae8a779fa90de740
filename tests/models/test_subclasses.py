"""Subclasses of `Model`: layers in `__init__`, everything else in `call`; and steps of their own, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.models import data

from streamfit import Model, Sequential, layers
from streamfit.optimizers import SGD


class Net(Model):
    """Takes a dictionary; drops in training only; its branches stand in a list."""

    def __init__(self, units: int = 4) -> None:
        super().__init__()
        self.branches = [layers.Dense(units, "relu"), layers.Dense(units)]
        self.drop = layers.Dropout(0.5)
        self.head = layers.Dense(1)

    def call(self, inputs: Any, training: bool = False) -> Any:
        parts = [branch(inputs[key]) for branch, key in zip(self.branches, ("a", "b"), strict=True)]
        return self.head(self.drop(layers.add(parts), training=training))


def samples(n: int = 12) -> tuple[Any, Any]:
    return {"a": data(n)[0], "b": data(n, seed=1)[0]}, data(n)[1]


def by_numpy(model: Net, x: Any) -> Any:
    k1, b1, k2, b2, k3, b3 = (weight.astype("float64") for weight in model.get_weights())
    return (np.maximum(x["a"] @ k1 + b1, 0) + x["b"] @ k2 + b2) @ k3 + b3


def test_fit_evaluate_predict_and_a_call() -> None:
    x, y = samples()
    model = Net()
    model.compile(SGD(0.05), "mse", metrics=["mae"])
    history = model.fit(x, y, 4, 3, validation_split=0.25, verbose=0).history
    assert set(history) == {"loss", "mae", "val_loss", "val_mae"}
    expected = by_numpy(model, x)
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)
    loss, mae = model.evaluate(x, y, verbose=0)
    assert loss == pytest.approx(((expected - y) ** 2).mean(), rel=1e-4)
    assert mae == pytest.approx(np.abs(expected - y).mean(), rel=1e-4)
    assert model.compute_output_shape({"a": (None, 3), "b": (None, 3)}) == (None, 1)


def test_weights_are_saved_and_read(tmp_path: Path) -> None:
    x, y = samples()
    model, other = Net(), Net()
    for each in (model, other):
        each.compile("sgd", "mse")
        each.train_on_batch(x, y)
    model.save_weights(tmp_path / "net.safetensors")
    other.load_weights(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(other.predict(x), model.predict(x))


def test_summary_shows_the_layers_in_the_call() -> None:
    model = Net()
    texts: list[str] = []
    model.summary(print_fn=texts.append)
    model.predict(samples()[0])
    model.summary(print_fn=texts.append)
    names = [layer.name for layer in model.layers]
    before, after = ({line.split()[0]: line.split()[2:] for line in text.splitlines()[4:]} for text in texts)
    assert [before[name] for name in names] == [["?", "?"]] * 4
    assert [after[name] for name in names] == [
        ["(None,", "4)", "16"],
        ["(None,", "4)", "16"],
        ["(None,", "4)", "0"],
        ["(None,", "1)", "5"],
    ]


def test_a_subclass_inside_another_and_frozen() -> None:
    class Outer(Model):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.last = Net(), layers.Dense(1)

        def call(self, inputs: Any, training: bool = False) -> Any:
            return self.last(self.net({"a": inputs[0], "b": inputs[1]}, training=training))

    x, y = samples()
    model = Outer()
    model.net.trainable = False
    model.compile(SGD(0.1), "mse")
    model.train_on_batch([x["a"], x["b"]], y)
    before = model.net.get_weights()
    model.fit([x["a"], x["b"]], y, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.net.get_weights(), strict=True))
    kernel, bias = model.last.get_weights()
    expected = by_numpy(model.net, x) @ kernel + bias
    np.testing.assert_allclose(model.predict([x["a"], x["b"]]), expected, rtol=1e-4, atol=1e-5)


def test_a_subclass_of_sequential() -> None:
    class Tower(Sequential):
        def __init__(self, *units: int) -> None:
            super().__init__([layers.Dense(n, "relu") for n in units])
            self.add(layers.Dense(1))

    x, y = data()
    model = Tower(4, 3)
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0)
    assert [w.shape for w in model.weights] == [(3, 4), (4,), (4, 3), (3,), (3, 1), (1,)]
    assert model.predict(x).shape == (10, 1)


STEPS = [
    (
        "train_step",
        r"only_train_step.train_step would never be called: .*add_loss\(...\) in call; .* train_on_b",
    ),
    ("test_step", r"metrics, also those of your own, go to compile\(metrics=...\); .* with test_on_batch"),
    ("predict_step", "what predict shall return is what call returns"),
    ("compute_loss", r"a loss of your own goes to compile\(loss=...\)"),
    ("compute_metrics", r"go to compile\(metrics=...\)"),
    ("make_train_function", "with train_on_batch"),
    ("make_test_function", "with test_on_batch"),
    ("make_predict_function", "another Model over the same layers"),
]


@pytest.mark.parametrize(("name", "message"), STEPS, ids=[name for name, _ in STEPS])
def test_steps_of_its_own_are_refused(name: str, message: str) -> None:
    own = type(f"only_{name}", (Net,), {name: lambda self, *arguments: None})
    model = own()
    with pytest.raises(TypeError, match=message):
        model.compile("sgd", "mse")


def test_a_graph_has_its_config_and_a_subclass_that_of_a_layer() -> None:
    start = layers.Input((3,))
    assert "output_layers" in Model(start, layers.Dense(1)(start)).get_config()
    assert set(Net().get_config()) == {"name", "dtype", "trainable"}


def test_a_model_works_that_forgets_to_call_super() -> None:
    class Forgetful(Model):
        def __init__(self) -> None:
            self.dense = layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    x, y = data(8)
    model = Forgetful()
    model.compile(SGD(0.1), "mse")
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, epochs=3, verbose=0)
    assert model.evaluate(x, y, verbose=0) < before
    assert [weight.name for weight in model.weights] == ["kernel", "bias"]
