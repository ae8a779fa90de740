"""What `run_layer_test` means: a layer is built, called on tensors and on arrays, trained, and made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import streamfit
from keras_tests.backend import standardize_dtype
from streamfit._base.specs import Spec
from streamfit._base.text import dtype_of
from streamfit._base.tree import flatten, transform
from streamfit.ops import Tensor

RNG_SEED = 0


def is_shape(value: Any) -> bool:
    """Return whether something is one shape, rather than a structure of shapes."""
    return isinstance(value, (list, tuple)) and all(n is None or isinstance(n, int) for n in value)


def over_shapes(function: Callable[[tuple[Any, ...], Any], Any], shapes: Any, dtypes: Any) -> Any:
    """Apply ``function(shape, dtype)`` to each shape of a structure, which must not be walked into shapes."""
    if is_shape(shapes):
        return function(tuple(shapes), dtypes)
    if isinstance(shapes, dict):
        return {
            key: over_shapes(function, shape, dtypes[key] if isinstance(dtypes, dict) else dtypes)
            for key, shape in shapes.items()
        }
    own = dtypes if isinstance(dtypes, (list, tuple)) else [dtypes] * len(shapes)
    return type(shapes)(over_shapes(function, shape, dtype) for shape, dtype in zip(shapes, own, strict=True))


def check_layer(
    case: Any,
    layer_cls: Any,
    init: dict[str, Any],
    input_shape: Any = None,
    input_dtype: Any = None,
    input_sparse: bool = False,
    input_ragged: bool = False,
    input_data: Any = None,
    call_kwargs: Any = None,
    expected_output_shape: Any = None,
    expected_output_dtype: Any = None,
    expected_output_sparse: bool = False,
    expected_output_ragged: bool = False,
    expected_output: Any = None,
    expected_num_trainable_weights: int | None = None,
    expected_num_non_trainable_weights: int | None = None,
    expected_num_non_trainable_variables: int | None = None,
    expected_num_seed_generators: int | None = None,
    expected_num_losses: int | None = None,
    supports_masking: bool | None = None,
    expected_mask_shape: Any = None,
    custom_objects: Any = None,
    run_training_check: bool = True,
    run_mixed_precision_check: bool = True,
    assert_built_after_instantiation: bool = False,
    **tpu: Any,
) -> None:
    """Check one layer against what a test expects of it.

    What is not checked, since streamfit does not have it: seed generators (random numbers are keyed here),
    mixed precision, and whether a layer without weights is built before it is called.

    Args:
        case: The test case, for its assertions.
        layer_cls: The class.
        init: Its arguments.
        input_shape, input_dtype: Shapes and dtypes of arrays to call it on, or a structure of them.
        input_data: Arrays to call it on, in their place.
        call_kwargs: Further arguments of the call.
        The others: What is expected; None where nothing is.
    """
    made_sparse = input_data is None and (input_sparse or input_ragged)
    if made_sparse or expected_output_sparse or expected_output_ragged:
        case.fail("streamfit has no sparse and no ragged tensors")
    call = call_kwargs or {}

    def counts_hold(layer: Any) -> None:
        case.assertTrue(layer.built)
        if expected_num_trainable_weights is not None:
            case.assertLen(layer.trainable_weights, expected_num_trainable_weights)
        if expected_num_non_trainable_weights is not None:
            case.assertLen(layer.non_trainable_weights, expected_num_non_trainable_weights)
        if expected_num_non_trainable_variables is not None:
            seeds = expected_num_seed_generators or 0
            case.assertLen(layer.non_trainable_weights, expected_num_non_trainable_variables - seeds)

    def output_holds(output: Any) -> None:
        if expected_output_shape is not None:
            shapes = flatten(over_shapes(lambda shape, _: _Shape(shape), expected_output_shape, None))
            for wanted, leaf in zip(shapes, flatten(output), strict=True):
                case.assertTrue(wanted.fits(leaf.shape), f"the output has {leaf.shape}, not {wanted.shape}")
        if expected_output_dtype is not None:
            for dtype, leaf in zip(flatten(expected_output_dtype), flatten(output), strict=True):
                case.assertEqual(dtype, standardize_dtype(leaf.dtype))

    layer = layer_cls(**init)
    if supports_masking is not None:
        case.assertEqual(layer.supports_masking, supports_masking, "supports_masking")
    if input_shape is None and input_data is None:
        case.run_class_serialization_test(layer, custom_objects)
        return

    data = input_data
    if data is None:
        data = over_shapes(_array, input_shape, input_dtype or "float32")
    shape = transform(np.shape, data) if input_shape is None else input_shape

    layer = layer_cls(**init)
    layer.build(**shape) if isinstance(shape, dict) else layer.build(shape)
    counts_hold(layer)

    layer = layer_cls(**init)
    tensors = transform(lambda leaf: Tensor(_spec(np.asarray(leaf))), data)
    output = layer(**tensors, **call) if isinstance(tensors, dict) else layer(tensors, **call)
    counts_hold(layer)
    output_holds(output)
    if expected_mask_shape is not None:
        case.assertTrue(_Shape(expected_mask_shape).fits(layer.compute_mask(tensors).shape))

    layer = layer_cls(**init)
    output = layer(**data, **call) if isinstance(data, dict) else layer(data, **call)
    counts_hold(layer)
    output_holds(output)
    if expected_output is not None:
        for wanted, leaf in zip(flatten(expected_output), flatten(output), strict=True):
            case.assertAllClose(leaf, wanted, msg="the output has other values")
    if expected_num_losses is not None:
        case.assertLen(layer.losses, expected_num_losses)
    if run_training_check:
        train(layer, data, output)
    case.run_class_serialization_test(layer_cls(**init), custom_objects)


def train(layer: Any, data: Any, output: Any) -> None:
    """Train a model that is only this layer for one step."""

    class Alone(streamfit.Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = layer

        def call(self, x: Any, training: bool = False) -> Any:
            return self.inner(x, training=training)

    def batches() -> Any:
        while True:
            yield data, output

    model = Alone()
    model.build_for(data)  # a generator shows no shapes to layers that run where its batches are loaded
    model.compile("sgd", _sum_of_predictions)
    model.fit(batches(), steps_per_epoch=1, verbose=0)


def _sum_of_predictions(y_true: Any, y_pred: Any) -> Any:
    return streamfit.ops.sum(y_pred, axis=-1) if len(y_pred.shape) > 1 else y_pred


class _Shape:
    """A shape that is expected; the symbolic batch is None here, whatever Keras' is."""

    def __init__(self, shape: Any) -> None:
        self.shape = tuple(shape)

    def fits(self, found: Any) -> bool:
        return len(found) == len(self.shape) and all(
            wanted is None or have is None or wanted == have
            for wanted, have in zip(self.shape, found, strict=True)
        )


def _spec(array: Any) -> Spec:
    return Spec((None, *array.shape[1:]) if array.ndim else (), dtype_of(array.dtype))


def _array(shape: tuple[Any, ...], dtype: Any) -> Any:
    if dtype_of(dtype).kind not in "fiu":
        raise ValueError(f"input_dtype must be of numbers, got {dtype!r}")
    return (3 * np.random.default_rng(RNG_SEED).random(shape)).astype(dtype)
