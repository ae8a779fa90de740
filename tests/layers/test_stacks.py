"""Layers inside small networks, by the table: gradients in training, batches of any size, free axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from layers.stacks import STACKS, Array, Stack

import streamfit as sf
from streamfit import Sequential, layers
from streamfit.optimizers import SGD

each = pytest.mark.parametrize("stack", STACKS, ids=str)
TAKE_MASKS_IN = {"Masking-steps", "Embedding-mask-steps"}  # a value for each step, some masked


def compiled(stack: Stack, length: int | None = None, rate: float = 1.0) -> Sequential:
    model = stack.model(length)
    model.compile(SGD(rate), "mse")
    return model


def real(x: Array) -> Array:
    """Return which steps of sequences count."""
    return (x != 0).any(-1) if x.ndim == 3 else x != 0


def loss(stack: Stack, model: Sequential, x: Array, y: Array) -> float:
    """Return the loss in training, from the outputs of the layers called on arrays."""
    each = np.mean((np.asarray(model(x, training=True)) - y) ** 2, axis=-1)
    return float(each[real(x)].mean() if stack.name in TAKE_MASKS_IN else each.mean())


@pytest.mark.jit
@each
def test_a_step_follows_the_slope_of_the_loss_in_training(stack: Stack) -> None:
    """The step of SGD with rate 1, through the whole program, against central differences in float64."""
    model, (x, y) = compiled(stack), stack.data(4)
    trained = list(model.trainable_weights)
    before = [weight.numpy() for weight in trained]
    kept = model.get_weights()
    reported = model.train_on_batch(x, y)
    steps = [first - weight.numpy() for first, weight in zip(before, trained, strict=True)]
    model.set_weights(kept)
    assert reported == pytest.approx(loss(stack, model, x, y), rel=1e-10)
    for weight, first, step in zip(trained, before, steps, strict=True):
        slopes = np.zeros(first.size)
        for place in range(first.size):
            found = []
            for sign in (1, -1):
                moved = first.copy()
                moved.flat[place] += sign * 1e-5
                weight.assign(moved)
                found.append(loss(stack, model, x, y))
            slopes[place] = (found[0] - found[1]) / 2e-5
        weight.assign(first)
        np.testing.assert_allclose(step.ravel(), slopes, rtol=1e-5, atol=1e-8, err_msg=weight.name)
    assert any(np.abs(step).max() > 1e-3 for step in steps)


@each
def test_fit_takes_the_steps_of_its_batches_with_a_ragged_one_at_the_end(stack: Stack) -> None:
    """Nine samples in batches of four: the last step is that of one sample."""
    x, y = stack.data(9)
    whole, single = compiled(stack, rate=0.1), compiled(stack, rate=0.1)
    whole.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    for start in (0, 4, 8):
        single.train_on_batch(x[start : start + 4], y[start : start + 4])
    for ours, theirs in zip(whole.get_weights(), single.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert np.isfinite(ours).all()


@each
def test_predictions_are_those_of_single_samples(stack: Stack) -> None:
    model, (x, _) = compiled(stack), stack.data(7)
    whole = model.predict(x, batch_size=7, verbose=0)
    np.testing.assert_allclose(np.asarray(model(x)), whole, rtol=1e-12, atol=1e-14)
    for size in (1, 3):
        np.testing.assert_allclose(
            model.predict(x, batch_size=size, verbose=0), whole, rtol=1e-12, atol=1e-14
        )


@pytest.mark.parametrize("stack", [stack for stack in STACKS if None in stack.input[0]], ids=str)
def test_free_axes_compute_what_fixed_ones_do(stack: Stack) -> None:
    model = compiled(stack, rate=0.1)
    for length in (5, 3, 8, 5):
        x, y = stack.data(4, length, seed=length)
        fixed = compiled(stack, length, rate=0.1)
        fixed.set_weights(model.get_weights())
        np.testing.assert_array_equal(model.predict(x, verbose=0), fixed.predict(x, verbose=0))
        assert model.train_on_batch(x, y) == fixed.train_on_batch(x, y)
        for free, known in zip(model.get_weights(), fixed.get_weights(), strict=True):
            np.testing.assert_array_equal(free, known)


@each
def test_descriptions_make_equal_networks(stack: Stack) -> None:
    model, (x, y) = stack.model(), stack.data(4)
    config = model.get_config()
    again = Sequential.from_config(config)
    assert again.get_config() == config
    again.set_weights(model.get_weights())
    for each in (model, again):
        each.compile(SGD(0.1), "mse")
        each.fit(x, y, batch_size=3, shuffle=False, verbose=0)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("stack", [s for s in STACKS if "ask" in s.name or s.name == "StringLookup"], ids=str)
def test_more_padding_changes_nothing(stack: Stack) -> None:
    """Padding that is masked has no part in losses, gradients, moments and averages."""
    (x, y), blank = stack.data(6), "" if stack.input[1] == "string" else 0
    longer = np.concatenate([x, np.full_like(x[:, :3], blank)], axis=1)
    targets = np.concatenate([y, np.full_like(y[:, :3], 1e6)], axis=1) if y.ndim == 3 else y
    short, long = compiled(stack, rate=0.1), compiled(stack, rate=0.1)
    assert short.train_on_batch(x, y) == pytest.approx(long.train_on_batch(longer, targets), rel=1e-10)
    for few, many in zip(short.get_weights(), long.get_weights(), strict=True):
        np.testing.assert_allclose(few, many, rtol=1e-10, atol=1e-13)


def test_every_layer_of_this_table_has_a_network() -> None:
    inside = {type(layer).__name__ for stack in STACKS for layer in stack.model().layers}
    assert inside >= {
        *("BatchNormalization", "Embedding", "Masking", "GlobalAveragePooling1D"),
        *("Conv2D", "MaxPooling2D", "StringLookup"),
    }


def masked_input() -> Any:
    return layers.Masking()(sf.Input((None, 4)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Conv2D(2, 2),
        lambda: layers.MaxPooling2D(),
        lambda: layers.GlobalAveragePooling2D(),
        lambda: layers.MaxPooling1D(),
        lambda: layers.GlobalMaxPooling1D(),
        lambda: layers.Flatten(),
    ],
)
def test_a_mask_that_a_layer_cannot_use_ends_with_a_warning(make: Any) -> None:
    layer = make()
    x = masked_input() if "1D" in type(layer).__name__ else layers.Masking()(sf.Input((4, 4, 2)))
    with pytest.warns(UserWarning, match=f"layer '{layer.name}' .*got an input with a mask"):
        assert layer(x).mask is None


def test_masks_are_passed_on_and_used_up() -> None:
    words = layers.Embedding(5, 3, mask_zero=True)(sf.Input((None,), dtype="int64"))
    for tensor in (masked_input(), words):
        normalized = layers.BatchNormalization()(tensor)
        assert normalized.mask is not None
        assert normalized.mask.shape == (None, None)
        assert layers.GlobalAveragePooling1D()(normalized).mask is None
    assert layers.Embedding(5, 3)(sf.Input((None,), dtype="int64")).mask is None


WRONG: list[tuple[Any, str]] = [
    (
        lambda: _twice(layers.BatchNormalization(name="top"), (2, 3), (2, 4)),
        r"layer 'top' was built for 3 channels along axis -1, got shape \(2, 4\)",
    ),
    (
        lambda: layers.GlobalAveragePooling1D(name="top")(np.ones((2, 3), "float32")),
        r"layer 'top' needs inputs of shape \(batch, length, channels\), got \(2, 3\)",
    ),
    (
        lambda: layers.Conv2D(2, 3, name="top")(np.ones((2, 8, 8), "float32")),
        r"layer 'top' needs inputs of shape \(batch, height, width, channels\)",
    ),
    (
        lambda: layers.MaxPooling2D(4, name="top")(sf.Input((3, 8, 1))),
        r"layer 'top' would leave nothing .* axes \(3, 8\): a window of 4 does not fit into a height of 3",
    ),
]


def _twice(layer: layers.Layer, *shapes: tuple[int, ...]) -> None:
    for shape in shapes:
        layer(np.ones(shape, "float32"))


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_errors_name_the_layer_and_its_shapes(call: Any, message: str) -> None:
    with pytest.raises(sf.ShapeError, match=message):
        call()


def test_a_layer_that_masks_wants_steps_with_features() -> None:
    with pytest.raises(
        sf.ShapeError, match=r"layer 'top' needs inputs with an axis of features .* \(None,\)"
    ):
        layers.Masking(name="top")(sf.Input(()))
