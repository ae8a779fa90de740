"""The weights of layers: `add_weight`, their lists and orders, flags."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import Input, Sequential, layers, ops, regularizers
from streamfit._base.errors import ShapeError, UnknownNameError
from streamfit.ops import tracing


class Holder(layers.Layer):
    """One that a test gives its weights."""

    def call(self, x: Any) -> Any:
        return x


def test_arguments_as_in_keras_3() -> None:
    layer = Holder()
    plain = layer.add_weight((2, 3))
    named = layer.add_weight(shape=(2,), initializer="ones", dtype="float64", trainable=False, name="n")
    placed = layer.add_weight((2,), "ones", "float64", name="p", autocast=True, aggregation="mean")
    number = layer.add_weight(initializer="ones")
    assert (plain.shape, plain.dtype, plain.name, plain.trainable) == ((2, 3), np.float32, "variable", True)
    assert len(set(plain.value.ravel().tolist())) == 6  # glorot_uniform
    for weight in (named, placed):
        assert (weight.dtype, weight.value.tolist()) == (np.float64, [1.0, 1.0])
    assert (number.shape, number.name, float(number.value)) == ((), "variable_1", 1.0)
    assert layer.weights == [plain, placed, number, named]


def test_arguments_with_the_name_first() -> None:
    layer = Holder()
    weight = layer.add_weight("w", (2,), "ones", "l2", False, "float64")
    assert (weight.name, weight.trainable, weight.dtype) == ("w", False, np.float64)
    assert [(repr(penalty), w) for penalty, w in layer.penalties] == [("L2(l2=0.01)", weight)]


def test_whole_numbers_begin_at_zero() -> None:
    assert Holder().add_weight((2,), dtype="int64", trainable=False).value.tolist() == [0, 0]


def test_regularizer_and_constraint_belong_to_the_weight() -> None:
    layer = Holder()
    weight = layer.add_weight((2, 2), name="w", regularizer=regularizers.L1(0.5), constraint="non_neg")
    assert [(type(penalty).__name__, w) for penalty, w in layer.penalties] == [("L1", weight)]
    assert repr(weight.constraint) == "NonNeg()"


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (
            ((2, None),),
            {"name": "w"},
            ValueError,
            r"weight 'w' of layer 'h' needs a known shape, got \(2, None\)",
        ),
        ((2,), {"name": "w"}, TypeError, r"the shape of weight 'w' is a tuple: write \(2,\) for 2"),
        (((2,), "ones"), {"initializer": "zeros"}, TypeError, "add_weight got initializer twice: 'ones'"),
        (("w", (2,)), {"name": "v"}, TypeError, "add_weight got name twice: 'w'"),
        (((2,), "ones", None, True), {}, TypeError, "takes shape, initializer, dtype without names, got 4"),
        (
            ((2,),),
            {"regulariser": "l2"},
            TypeError,
            "add_weight has no argument 'regulariser'; it takes",
        ),
        (((2,),), {"constraint": "norm"}, UnknownNameError, "Unknown constraint: 'norm'"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        Holder(name="h").add_weight(*arguments, **options)


class Block(layers.Layer):
    """Weights of both kinds in mixed order, and a layer inside."""

    def build(self, input_shape: Any) -> None:
        self.mean = self.add_weight((1,), trainable=False, name="mean")
        self.scale = self.add_weight((1,), name="scale")
        self.inner = layers.Dense(1)
        self.inner(Input((1,)))
        self.shift = self.add_weight((1,), name="shift")

    def call(self, x: Any) -> Any:
        return self.inner(x * self.scale + self.shift - self.mean)


def names(weights: Any) -> list[str]:
    return [weight.name for weight in weights]


def test_lists_of_weights_are_in_the_order_of_keras() -> None:
    block = Block()
    block(np.ones((2, 1), "float32"))
    assert names(block.weights) == ["scale", "shift", "mean", "kernel", "bias"]
    assert names(block.variables) == names(block.weights)
    assert names(block.trainable_weights) == ["scale", "shift", "kernel", "bias"]
    assert block.trainable_variables == block.trainable_weights
    assert names(block.non_trainable_weights) == ["mean"]
    assert block.non_trainable_variables == block.non_trainable_weights
    block.scale.trainable = False  # flags that change later move nothing
    assert names(block.weights) == ["scale", "shift", "mean", "kernel", "bias"]
    assert names(block.trainable_weights) == ["shift", "kernel", "bias"]
    assert names(block.non_trainable_weights) == ["scale", "mean"]
    block.trainable = False
    assert block.trainable_weights == []
    assert block.non_trainable_weights == block.weights


def nested() -> tuple[Sequential, Sequential]:
    inner = Sequential([Input((3,)), layers.Dense(2, name="a"), layers.Dense(2, name="b")])
    return inner, Sequential([Input((3,)), inner, layers.Dense(1, name="c")])


def test_a_layer_unfrozen_inside_a_frozen_model_is_trained() -> None:
    inner, outer = nested()
    inner.trainable = False
    inner.layers[1].trainable = True
    assert outer.trainable_weights == inner.layers[1].weights + outer.layers[1].weights
    assert inner.trainable_weights == []
    outer.compile("sgd", "mse")
    before = [layer.get_weights() for layer in inner.layers]
    outer.fit(np.ones((4, 3), "float32"), np.ones((4, 1), "float32"), verbose=0)
    after = [layer.get_weights() for layer in inner.layers]
    assert all(np.array_equal(a, b) for a, b in zip(before[0], after[0], strict=True))
    assert not np.array_equal(before[1][1], after[1][1])


def test_a_frozen_layer_freezes_what_is_put_into_it() -> None:
    dense = layers.Dense(2)
    stack = Sequential([Input((3,)), dense], trainable=False)
    assert not dense.trainable
    outer = Sequential([Input((3,)), stack, layers.Dense(1)])
    assert outer.trainable_weights == outer.layers[1].weights

    class Around(layers.Layer):
        def __init__(self) -> None:
            self.first = layers.Dense(2)
            super().__init__(trainable=False)
            self.second = layers.Dense(2)

        def call(self, x: Any) -> Any:
            return ops.add(self.first(x), self.second(x))

    around = Around()
    around(np.ones((1, 2), "float32"))
    assert around.trainable_weights == []
    assert Sequential([Input((2,)), around]).trainable_weights == []


def test_a_layer_made_frozen_is_not_trained() -> None:
    frozen = layers.Dense(2, trainable=False)
    model = Sequential([Input((3,)), frozen, layers.Dense(1)])
    assert model.trainable_weights == model.layers[1].weights


class Counter(layers.Layer):
    """Counts calls in training, and the samples of all calls, in the two ways of Keras."""

    def build(self, input_shape: Any) -> None:
        self.calls = self.add_weight((), "zeros", trainable=False, name="calls")
        self.samples = self.add_weight((), "zeros", trainable=False, name="samples")
        self.samples.assign(np.float32(100.0))

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.calls.assign_add(1.0)
        self.samples.assign_sub(ops.sum(ops.ones_like(x)))
        return x


def test_weights_assigned_in_a_call_change_in_each_step_and_not_when_it_is_traced() -> None:
    counter = Counter()
    model = Sequential([Input((1,)), counter, layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((10, 1), "float32")
    assert counter.samples.numpy() == 100.0
    model.fit(x, x, 4, 2, verbose=0)
    assert (counter.calls.numpy(), counter.samples.numpy()) == (6.0, 80.0)
    model.predict(x)
    assert (counter.calls.numpy(), counter.samples.numpy()) == (6.0, 70.0)
    counter(x, training=True)
    assert (counter.calls.numpy(), counter.samples.numpy()) == (7.0, 60.0)


def test_a_layer_inside_a_traced_layer_assigns_in_build() -> None:
    class Around(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Counter()

        def call(self, x: Any) -> Any:
            return self.inner(x)

    around = Around()
    around(Input((1,)))
    assert around.inner.samples.numpy() == 100.0


@pytest.mark.parametrize("how", ["assign", "assign_add", "assign_sub"])
def test_nothing_is_broadcast_in_a_traced_call(how: str) -> None:
    class Wrong(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.state = self.add_weight((3,), "zeros", trainable=False, name="state")

        def call(self, x: Any) -> Any:
            getattr(self.state, how)(1.0)
            return x

    with pytest.raises(ValueError, match=r"weight 'state' has shape \(3,\), got a value of shape \(\)"):
        Wrong()(Input((1,)))


@pytest.mark.parametrize("make", [lambda w, x: ops.maximum(w, ops.max(x)), lambda w, x: 2.0])
def test_numbers_in_the_place_of_a_weight_are_refused(make: Any) -> None:
    class Largest(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.largest = self.add_weight("largest", (), "zeros", trainable=False)

        def call(self, x: Any) -> Any:
            self.largest = make(self.largest, x)
            return x

    for x in (Input((3,)), np.ones((2, 3), "float32")):
        layer = Largest()
        with pytest.raises(AttributeError, match=r"largest of layer 'largest.*' is a weight .* ops\.assign"):
            layer(x)
        assert layer.weights == [layer.largest]
    layer.largest = other = layer.add_weight("other", ())
    assert layer.largest is other


def test_an_assigned_value_of_another_shape_names_the_variable() -> None:
    layer = Holder()
    weight = layer.add_weight("counts", (2,))
    for value in (np.ones(3), 1.0):
        with pytest.raises(ValueError, match=r"'?counts'? .*\(2,\)"):
            ops.assign(weight, value)
    with tracing(), pytest.raises(ShapeError, match=r"variable 'counts' of shape \(2,\) .* \(3,\)"):
        ops.assign(weight, np.ones(3))


class WeightInCall(layers.Layer):
    def call(self, x: Any) -> Any:
        return x * self.add_weight((1,), "ones")


class LayerInCall(layers.Layer):
    def call(self, x: Any) -> Any:
        return layers.Dense(4)(x)


class HeldLayerInCall(layers.Layer):
    def call(self, x: Any) -> Any:
        self.inner = layers.Dense(4)
        return self.inner(x)


@pytest.mark.parametrize(
    ("cls", "made"),
    [
        (WeightInCall, "'weight_in_call.*' makes weight 'variable_1'"),
        (LayerInCall, "'dense.*' was made"),
        (HeldLayerInCall, "'dense.*' was made"),
    ],
)
def test_weights_that_each_trace_would_make_anew_are_refused(cls: type[layers.Layer], made: str) -> None:
    model = Sequential([Input((2,)), cls(), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((4, 2), "float32")
    for use in (lambda: model.fit(x, np.ones(4), verbose=0), lambda: model.predict(x, verbose=0)):
        with pytest.raises(ValueError, match=f"layer {made} inside a `call`.* Make layers in __init__"):
            use()


def test_what_the_first_call_alone_makes_stays() -> None:
    class Lazy(layers.Layer):
        inner = factor = None

        def call(self, x: Any, training: bool = False) -> Any:
            if self.inner is None:
                self.inner, self.factor = layers.Dense(2), self.add_weight((2,), "ones", name="factor")
            return self.inner(layers.Dropout(0.5)(x)) * self.factor

    class OnlyInTraining(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = layers.Dense(2)

        def call(self, x: Any, training: bool = False) -> Any:
            return self.inner(x) if training else x

    model = Sequential([Input((2,)), Lazy(), OnlyInTraining(), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((4, 2), "float32")
    model.fit(x, np.ones(4), verbose=0)
    before = model.predict(x, verbose=0)
    assert len(model.weights) == 7
    assert np.array_equal(model.predict(x, verbose=0), before)
