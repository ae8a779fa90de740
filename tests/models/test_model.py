"""`Model`: graphs, shared and nested layers, subclasses, frozen layers, summary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.models import data, linear, squares, two_heads

from streamfit import Input, Model, NotCompiledError, Sequential, ShapeError, layers, ops
from streamfit.optimizers import SGD


def same(left: list[Any], right: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def stack() -> Sequential:
    return Sequential([Input((3,)), layers.Dense(4, name="low"), layers.Dense(1, name="high")])


# -- graphs -------------------------------------------------------------------------------------------


def test_shared_layers_are_one_set_of_weights() -> None:
    one, other = Input((3,), name="one"), Input((3,), name="other")
    shared = layers.Dense(2)
    model = Model([one, other], layers.subtract([shared(one), shared(other)]))
    assert [w.shape for w in model.get_weights()] == [(3, 2), (2,)]
    x, z = data(5)[0], data(5, seed=1)[0]
    kernel = model.get_weights()[0]
    np.testing.assert_allclose(model.predict([x, z]), (x - z) @ kernel, rtol=1e-4, atol=1e-5)


def test_gradients_of_shared_layers_add() -> None:
    one, other = Input((3,), name="one"), Input((3,), name="other")
    shared = layers.Dense(1)
    model = Model([one, other], layers.add([shared(one), shared(other)]))
    model.compile(SGD(0.1), "mse")
    (x, y), z = data(6), data(6, seed=1)[0]
    kernel, bias = model.get_weights()
    slope = 2 * ((x + z) @ kernel + 2 * bias - y) / 6
    model.train_on_batch([x, z], y)
    np.testing.assert_allclose(model.get_weights()[0], kernel - 0.1 * (x + z).T @ slope, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.get_weights()[1], bias - 0.2 * slope.sum(0), rtol=1e-4, atol=1e-6)


def test_a_model_is_a_layer_of_another() -> None:
    inner = linear(2)
    start = Input((3,))
    outer = Model(start, layers.Dense(1)(inner(start)))
    outer.compile(SGD(0.1), "mse")
    x, y = data()
    assert len(outer.weights) == 4
    before = inner.get_weights()
    outer.fit(x, y, verbose=0)
    assert not same(before, inner.get_weights())
    kernel, bias = outer.layers[-1].get_weights()
    np.testing.assert_allclose(outer.predict(x), inner.predict(x) @ kernel + bias, rtol=1e-4, atol=1e-6)


def test_a_model_of_several_inputs_and_outputs_is_a_layer_of_another() -> None:
    inner = two_heads()
    one, other = Input((3,), name="p"), Input((3,), name="q")
    a, b = inner([one, other])
    outer = Model({"p": one, "q": other}, layers.concatenate([a, b]))
    x, z = data()[0], data(seed=1)[0]
    expected = np.concatenate(inner.predict([x, z]), axis=1)
    np.testing.assert_allclose(outer.predict({"q": z, "p": x}), expected, rtol=1e-5)


def test_models_inside_models_inside_models() -> None:
    x, _ = data()
    model: Any = linear(3)
    for _ in range(4):
        start = Input((3,))
        model = Model(start, model(start))
    assert model.predict(x).shape == (10, 3)
    assert len(model.weights) == 2


@pytest.mark.jit  # whole numbers that overflow: machine code does not warn
def test_a_model_computes_on_arrays() -> None:
    x, _ = data()
    model = Sequential([Input((3,)), layers.Dense(4, "relu"), layers.Dropout(0.5), layers.Dense(1)])
    np.testing.assert_allclose(model(x), model.predict(x), rtol=1e-5, atol=1e-6)
    drawn = model(x, training=True)
    assert not np.allclose(drawn, model.predict(x))


@pytest.mark.jit
@pytest.mark.parametrize("nested", [False, True])
def test_a_use_may_be_fixed_to_training_or_inference(nested: bool) -> None:
    def dropping() -> Any:
        drop = layers.Dropout(0.5)
        return Sequential([Sequential([drop])]) if nested else drop

    x, y = np.ones((20, 3), "float32"), np.ones((20, 3), "float32")
    start = Input((3,))
    always = Model(start, dropping()(start, training=True))
    assert set(np.unique(always.predict(x))) == {0.0, 2.0}
    never = Model(start, dropping()(start, training=False))
    never.compile("sgd", "mse")
    assert never.fit(x, y, verbose=0).history["loss"] == [0.0]
    as_it_comes = Model(start, dropping()(start))
    as_it_comes.compile("sgd", "mse")
    assert as_it_comes.fit(x, y, verbose=0).history["loss"][0] > 0
    assert (as_it_comes.predict(x) == x).all()


def test_predictions_of_several_lengths_are_not_joined() -> None:
    model = Sequential([Input((None, 3)), layers.Dense(2)])
    batches = [np.ones((4, length, 3), "float32") for length in (5, 5, 7)]
    with pytest.raises(ShapeError, match=r"batch 2 has an output of shape \(7, 2\), .* before it \(5, 2\)"):
        model.predict(iter(batches))
    pooled = Sequential([model, layers.GlobalAveragePooling1D()])
    assert pooled.predict(iter(batches)).shape == (12, 2)


def test_operations_between_layers_are_part_of_the_graph() -> None:
    start = Input((3,))
    model = Model(start, ops.sum(start * start, axis=-1))
    x, _ = data()
    np.testing.assert_allclose(model.predict(x), (x * x).sum(-1), rtol=1e-5)


def test_an_input_that_is_an_output() -> None:
    start = Input((3,))
    model = Model(start, [start, layers.Dense(1)(start)])
    x, _ = data()
    assert (model.predict(x)[0] == x).all()


def test_what_is_no_graph_is_refused() -> None:
    start, other = Input((3,), name="start"), Input((3,), name="other")
    out = layers.Dense(1)(start)
    with pytest.raises(ValueError, match="both inputs and outputs, or neither"):
        Model(inputs=start)
    with pytest.raises(ValueError, match="the outputs need the input 'start', which is not among"):
        Model(other, out)
    with pytest.raises(ValueError, match="an input is listed twice"):
        Model([start, start], out)
    with pytest.raises(ValueError, match=r"must be tensors made with Input\(...\), got 3"):
        Model(3, out)
    with pytest.raises(ValueError, match=r"inputs must have different names, got \['start', 'start'\]"):
        Model([start, Input((3,), name="start")], out)


def test_names_and_shapes() -> None:
    model = two_heads()
    assert (model.input_names, model.output_names) == (["ia", "ib"], ["a", "b"])
    assert model.input_shape == [(None, 3), (None, 3)]
    assert model.output_shape == [(None, 1), (None, 1)]
    assert linear().output_shape == (None, 1)


def test_get_layer() -> None:
    model = two_heads()
    assert model.get_layer("b") is model.layers[-1]
    assert model.get_layer(index=0) is model.layers[0]
    with pytest.raises(ValueError, match=r"no layer named 'bb'; .* Did you mean 'b'\?"):
        model.get_layer("bb")
    with pytest.raises(ValueError, match="the model has 5 layers, got index 5"):
        model.get_layer(index=5)


# -- subclasses -------------------------------------------------------------------------------------------


class Noisy(Model):
    """Adds 1 in training."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(1, kernel_initializer="zeros")

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.dense(inputs) + (1.0 if training else 0.0)


def test_a_subclass_may_behave_otherwise_in_training() -> None:
    model = Noisy()
    model.compile(SGD(0.0), "mse")
    x, y = data()
    assert model.fit(x, y, verbose=0).history["loss"] == [pytest.approx(((1 - y) ** 2).mean(), rel=1e-6)]
    assert model.evaluate(x, y, verbose=0) == pytest.approx((y**2).mean(), rel=1e-6)
    assert not model.predict(x).any()


class Two(Model):
    """Takes a dictionary, returns a list; its layers stand in a list and a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = [layers.Dense(4, "relu"), layers.Dense(4)]
        self.heads = {"first": layers.Dense(1), "second": layers.Dense(2)}

    def call(self, inputs: Any) -> Any:
        x = layers.concatenate([inputs["b"], inputs["a"]])
        for layer in self.stack:
            x = layer(x)
        return [self.heads["first"](x), self.heads["second"](x)]


def test_a_subclass_with_several_inputs_and_outputs() -> None:
    model = Two()
    model.compile("adam", "mse")
    x, y = {"a": data()[0], "b": data()[0]}, [data()[1], data(outputs=2)[1]]
    history = model.fit(x, y, epochs=2, validation_data=(x, y), verbose=0).history
    assert len(history) == 6
    assert len(model.weights) == 8
    assert [p.shape for p in model.predict(x)] == [(10, 1), (10, 2)]


def test_a_subclass_is_called_and_compiled_before_data() -> None:
    model = Noisy()
    model.compile("sgd", "mse", metrics=["mae"])
    assert model.metrics_names == ["loss"]
    model.train_on_batch(*data())
    assert model.metrics_names == ["loss", "mae"]


def test_a_model_without_call_says_so() -> None:
    model = Model()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="is not built: pass inputs and outputs, or define call"):
        model.fit(*data(), verbose=0)


def test_dense_on_3_axes() -> None:
    model = Sequential([Input((4, 3)), layers.Dense(2)])
    model.compile(SGD(0.1), "mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4, 3)).astype("float32"), rng.normal(size=(6, 4, 2)).astype("float32")
    kernel, bias = model.get_weights()
    slope = 2 * (x @ kernel + bias - y) / y.size
    model.train_on_batch(x, y)
    expected = kernel - 0.1 * np.einsum("btf,btu->fu", x, slope)
    np.testing.assert_allclose(model.get_weights()[0], expected, rtol=1e-4, atol=1e-6)


# -- data, losses and metrics of other kinds --------------------------------------------------------


class Frame:
    """What a data frame of another library shows of itself."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape = array, array.shape

    def __len__(self) -> int:
        return len(self.array)

    def to_numpy(self) -> Any:
        return self.array


def test_data_frames() -> None:
    x, y = data()
    model = linear()
    expected = squares(model, x, y)
    history = model.fit(Frame(x), Frame(y), validation_split=0.5, verbose=0).history
    assert history["val_loss"] == [pytest.approx(expected[5:].mean(), rel=1e-6)]
    assert model.test_on_batch(Frame(x), Frame(y)) == pytest.approx(expected.mean(), rel=1e-6)
    assert (model.predict(Frame(x)) == model.predict(x)).all()


def test_a_model_whose_loss_is_its_penalties_needs_no_targets() -> None:
    model = Sequential([Input((3,)), layers.Dense(1, kernel_regularizer="l2")])
    model.compile(SGD(0.0))
    penalty = 0.01 * (model.get_weights()[0].astype("float64") ** 2).sum()
    assert model.fit(data()[0], verbose=0).history["loss"] == [pytest.approx(penalty, rel=1e-6)]


def test_metrics_of_an_output_without_a_loss() -> None:
    (x, ya), (z, yb) = data(8), data(8, seed=1)
    model = two_heads(loss=["mse", None], metrics={"b": ["mae"]})
    logs = model.evaluate([x, z], [ya, yb], verbose=0, return_dict=True)
    assert list(logs) == ["loss", "a_loss", "b_mae"]
    assert logs["b_mae"] == pytest.approx(np.abs(model.predict([x, z])[1] - yb).mean(), rel=1e-5)


# -- weights and text ----------------------------------------------------------------------------


def test_weights_are_copies_in_order() -> None:
    model = stack()
    weights = model.get_weights()
    assert [w.shape for w in weights] == [(3, 4), (4,), (4, 1), (1,)]
    weights[0][:] = 7
    assert not (model.get_weights()[0] == 7).any()
    model.set_weights([w * 2 for w in weights])
    assert (model.get_weights()[0] == 14).all()


def test_weights_that_do_not_fit_are_refused_and_nothing_is_changed() -> None:
    model = stack()
    before = model.get_weights()
    with pytest.raises(ValueError, match="has 4 weights, got 3 arrays"):
        model.set_weights(before[:3])
    with pytest.raises(
        ValueError, match=r"'kernel' of layer .* has shape \(4, 1\), got an array of shape \(1,\)"
    ):
        model.set_weights([before[0] + 1, before[1], before[3], before[3]])
    assert same(before, model.get_weights())


def test_setting_weights_counts_for_all_that_follows() -> None:
    x, y = data()
    model = linear(optimizer="sgd")
    model.fit(x, y, verbose=0)
    model.predict(x)
    model.set_weights([np.ones((3, 1)), np.zeros(1)])
    np.testing.assert_allclose(model.predict(x)[:, 0], x.sum(1), rtol=1e-5, atol=1e-6)
    assert model.test_on_batch(x, y) == pytest.approx(((x.sum(1) - y[:, 0]) ** 2).mean(), rel=1e-5)


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_an_uncompiled_model_says_so(method: str) -> None:
    message = r"You must compile a model before training/testing. Use `model.compile\(optimizer, loss\)`."
    for error in (RuntimeError, ValueError, NotCompiledError):
        with pytest.raises(error, match=message):
            getattr(stack(), method)(*data())
    assert stack().predict(data()[0]).shape == (10, 1)


def test_a_model_without_a_loss_says_so() -> None:
    model = stack()
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"the model has no loss: pass loss=... to compile"):
        model.fit(*data(), verbose=0)


def test_optimizer_loss_and_metrics_before_compile() -> None:
    model = stack()
    assert (model.optimizer, model.loss, model.metrics, model.history) == (None, None, [], None)


def test_summary_names_layers_shapes_and_sizes() -> None:
    model = Sequential([Input((3,), name="x"), layers.Dense(4, name="low"), layers.Dense(1, name="high")])
    model.layers[0].trainable = False
    texts: list[str] = []
    model.summary(print_fn=texts.append)
    lines = [line.split() for line in texts[0].splitlines()]
    assert ["x", "(Input)", "(None,", "3)", "0"] in lines
    assert ["low", "(Dense)", "(None,", "4)", "16"] in lines
    assert ["high", "(Dense)", "(None,", "1)", "5"] in lines
    assert "Total params: 21 (84 B)" in texts[0]
    assert "Trainable params: 5 (20 B)" in texts[0]
    assert "Non-trainable params: 16 (64 B)" in texts[0]


def test_summary_of_a_model_that_is_not_built(capsys: pytest.CaptureFixture[str]) -> None:
    model = Sequential([layers.Dense(2, name="only")])
    model.summary(line_length=50)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["only", "(Dense)", "?", "?"] for line in lines)
    assert max(map(len, lines)) == 50


def test_how_often_layers_are_traced_does_not_grow_with_use() -> None:
    traced: list[bool] = []

    class Counting(layers.Layer):
        def call(self, x: Any, training: bool = False) -> Any:
            traced.append(training)
            return x * 2.0

    model = Sequential([Input((3,)), Counting(), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = data()
    model.fit(x, y, 4, verbose=0)
    seen = len(traced)
    model.fit(x, y, 4, 3, verbose=0)
    assert len(traced) == seen


def test_a_functional_model_lists_its_inputs_as_layers_in_front() -> None:
    a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
    dense = layers.Dense(2, name="d")
    model = Model([a, b], dense(a) + dense(b))
    assert [layer.name for layer in model.layers] == ["a", "b", "d"]
    assert [type(layer) for layer in model.layers[:2]] == [layers.InputLayer] * 2
    assert model.layers[0] is model.get_layer("a")
    assert model.layers[0].input is model.layers[0].output is a
    assert model.layers[0].output_shape == (None, 3)
    assert model.layers_inside == [dense]
    assert Sequential([layers.Input((3,)), dense]).layers == [dense]
    assert len(model.weights) == 2
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert "\n".join(lines).count("a (Input") == 1


def test_compiled_says_whether_compile_was_called() -> None:
    model = Sequential([layers.Dense(1)])
    assert not model.compiled
    model.compile("sgd", "mse")
    assert model.compiled
