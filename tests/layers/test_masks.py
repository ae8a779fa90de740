"""Masks: where they come from, which layers pass them on, and what they do to losses and metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import streamfit as sf
from streamfit import ShapeError, layers, ops
from streamfit.layers import Layer
from streamfit.optimizers import SGD

Array = np.ndarray[Any, Any]
STEPS = np.array([4, 1, 3])
MASK = np.arange(5) < STEPS[:, None]


def sequences(seed: int = 0) -> Array:
    x = np.random.default_rng(seed).normal(size=(3, 5, 2))
    x[~MASK] = 0.0
    return x


def steps_model(*layers_behind: Layer, **options: Any) -> sf.Model:
    model = sf.Sequential(
        [sf.Input((None, 2), dtype="float64"), layers.Masking(dtype="float64"), *layers_behind]
    )
    model.compile(SGD(0.1), **{"loss": "mse", **options})
    return model


def test_masks_pass_through_layers_that_support_them() -> None:
    x = sf.Input((None, 2))
    hidden = layers.Dropout(0.5)(layers.Dense(3, "relu")(layers.Masking()(x)))
    assert hidden.mask is not None
    assert (hidden.mask.shape, hidden.mask.dtype) == ((None, None), np.dtype(bool))
    with pytest.warns(UserWarning, match="got an input with a mask"):
        assert layers.Flatten()(hidden).mask is None
    assert x.mask is None


def test_loss_and_metrics_count_real_steps_only() -> None:
    model = steps_model(layers.Dense(1, dtype="float64"), metrics=["mae"])
    x, y = sequences(), np.random.default_rng(1).normal(size=(3, 5, 1))
    y[~MASK] = np.nan
    difference = (model.predict(x) - y)[MASK]
    loss, mae = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(loss, np.mean(difference**2), rtol=1e-12)
    np.testing.assert_allclose(mae, np.mean(np.abs(difference)), rtol=1e-12)


def test_gradient_is_that_of_real_steps_only() -> None:
    model = steps_model(layers.Dense(1, use_bias=False, dtype="float64"))
    kernel = model.layers[-1].kernel
    x, y = sequences(), np.random.default_rng(1).normal(size=(3, 5, 1))
    y[~MASK] = np.inf
    before = kernel.numpy()
    wanted = before - 0.1 * 2 * x[MASK].T @ (x[MASK] @ before - y[MASK]) / MASK.sum()
    model.train_on_batch(x, y)
    np.testing.assert_allclose(kernel.numpy(), wanted, rtol=1e-10)


@pytest.mark.parametrize("temporal", [False, True])
def test_weights_and_masks_multiply(temporal: bool) -> None:
    mode = "temporal" if temporal else None
    model = steps_model(layers.Dense(1, dtype="float64"), weighted_metrics=["mae"], sample_weight_mode=mode)
    x, y = sequences(), np.random.default_rng(1).normal(size=(3, 5, 1))
    weights = np.random.default_rng(2).uniform(0.5, 2.0, (3, 5) if temporal else 3)
    each = (weights if temporal else np.repeat(weights[:, None], 5, 1))[MASK]
    difference = (model.predict(x) - y)[MASK][:, 0]
    loss, mae = model.evaluate(x, y, sample_weight=weights, verbose=0)
    np.testing.assert_allclose(loss, np.sum(each * difference**2) / MASK.sum(), rtol=1e-12)
    np.testing.assert_allclose(mae, np.sum(each * np.abs(difference)) / each.sum(), rtol=1e-12)


def test_a_batch_whose_steps_are_all_masked_has_loss_zero() -> None:
    model = steps_model(layers.Dense(1, dtype="float64"))
    before = model.get_weights()
    assert model.train_on_batch(np.zeros((2, 3, 2)), np.ones((2, 3, 1))) == 0.0
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


class MeanOfSteps(Layer):
    """Average the steps that count; its mask ends here."""

    def call(self, x: Any, mask: Any = None) -> Any:
        if mask is None:
            return ops.mean(x, 1)
        weights = ops.expand_dims(ops.cast(mask, x.dtype), -1)
        return ops.divide(ops.sum(ops.multiply(x, weights), 1), ops.sum(weights, 1))


class Nested(Layer):
    """Layers inside a layer: masks go from one to the other, on tensors and on arrays."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.masking, self.mean = layers.Masking(dtype="float64"), MeanOfSteps(dtype="float64")

    def call(self, x: Any) -> Any:
        return self.mean(self.masking(x))


def test_layers_take_masks_as_arguments() -> None:
    x = sequences()
    wanted = np.array([part[:count].mean(0) for part, count in zip(x, STEPS, strict=True)])
    np.testing.assert_allclose(MeanOfSteps(dtype="float64")(x, mask=MASK), wanted, rtol=1e-12)
    np.testing.assert_allclose(Nested(dtype="float64")(x), wanted, rtol=1e-12)
    model = steps_model(MeanOfSteps(dtype="float64"))
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-12)
    np.testing.assert_allclose(model(x), wanted, rtol=1e-12)
    nested = sf.Sequential([sf.Input((None, 2), dtype="float64"), Nested(dtype="float64")])
    np.testing.assert_allclose(nested.predict(x), wanted, rtol=1e-12)


def test_a_model_used_as_a_layer_passes_masks_on() -> None:
    inner_input = sf.Input((None, 2), dtype="float64")
    inner = sf.Model(inner_input, layers.Dense(2, use_bias=False, dtype="float64")(inner_input))
    x = sf.Input((None, 2), dtype="float64")
    mean = MeanOfSteps(dtype="float64")(inner(layers.Masking(dtype="float64")(x)))
    data = sequences()
    kernel = inner.get_weights()[0]
    wanted = np.array([(part[:count] @ kernel).mean(0) for part, count in zip(data, STEPS, strict=True)])
    np.testing.assert_allclose(sf.Model(x, mean).predict(data), wanted, rtol=1e-12)
    masked_inside = sf.Sequential([sf.Input((None, 2), dtype="float64"), layers.Masking(dtype="float64")])
    y = MeanOfSteps(dtype="float64")(masked_inside(x))
    wanted = np.array([part[:count].mean(0) for part, count in zip(data, STEPS, strict=True)])
    np.testing.assert_allclose(sf.Model(x, y).predict(data), wanted, rtol=1e-12)


def test_merged_masks_are_those_of_keras() -> None:
    a, b, plain = (sf.Input((None, 2)) for _ in range(3))
    left, right = layers.Masking()(a), layers.Masking(1.0)(b)
    both = layers.Add()([left, right])
    assert both.mask is not None
    assert layers.Add()([left, plain]).mask is None
    joined = layers.Concatenate(1)([left, plain])
    model = sf.Model([a, b, plain], [ops.cast(both.mask, "float32"), ops.cast(joined.mask, "float32")])
    x = np.array([[[0, 0], [0, 0], [1, 2]]], "float32")
    y = np.array([[[1, 1], [2, 2], [1, 1]]], "float32")
    either, steps = model.predict([x, y, x])
    assert either.tolist() == [[0, 1, 1]]
    assert steps.tolist() == [[0, 0, 1, 1, 1, 1]]


def test_an_output_without_a_value_for_each_masked_step_is_refused() -> None:
    class FirstFeature(Layer):
        supports_masking = True

        def call(self, x: Any) -> Any:
            return x[..., 0]

    model = steps_model(FirstFeature())
    with pytest.raises(ShapeError, match="there must be a value for each position of the mask"):
        model.train_on_batch(sequences(), sequences()[..., 0])


class Marked(Layer):
    """One whose mask a test gives."""

    def __init__(self, mask: Any) -> None:
        super().__init__(dtype="float64")
        self.make_mask = mask

    def call(self, x: Any) -> Any:
        return x

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.make_mask(inputs)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: ops.mean(x) > 0,
        lambda x: ops.max(x, axis=1) > 0,
        lambda x: ops.expand_dims(ops.max(x, axis=-1), -1) > 0,
        lambda x: ops.expand_dims(x, -1) > 0,
    ],
)
def test_a_mask_has_the_first_axes_of_its_output(make: Any) -> None:
    message = r"layer 'marked.*' gives its output of shape \((None|3), 5, 2\) a mask of shape \(.*first axes"
    for x in (sf.Input((5, 2), dtype="float64"), sequences()):
        with pytest.raises(ShapeError, match=message):
            Marked(make)(x)


def test_a_mask_is_made_by_operations() -> None:
    for mask in (np.ones((3, 5), bool), True):
        with pytest.raises(TypeError, match=r"'marked.*' must be made of the inputs by operations"):
            Marked(lambda x, mask=mask: mask)(sf.Input((5, 2), dtype="float64"))


def test_a_layer_that_masks_by_values_adds_to_the_mask_that_comes() -> None:
    class MaskQuiet(Layer):
        def call(self, x: Any) -> Any:
            return x

        def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
            loud = ops.sum(ops.square(inputs), axis=-1) >= 1.0
            return loud if mask is None else ops.logical_and(mask, loud)

    model = steps_model(MaskQuiet(dtype="float64"), MeanOfSteps(dtype="float64"))
    x = sequences() * 2
    loud = MASK & ((x**2).sum(-1) >= 1.0)
    assert loud.any(1).all()
    assert (loud != MASK).any()
    wanted = [part[own].mean(0) for part, own in zip(x, loud, strict=True)]
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-12)
