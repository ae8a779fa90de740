"""Bad input: each mistake is an error that names the problem, the value, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from oracles.models import cut, data, linear, two_heads

from streamfit import DataError, Input, Sequence, Sequential, ShapeError, UnknownNameError, layers
from streamfit.losses import Loss


def classifier(loss: str, units: int = 4) -> Sequential:
    model = Sequential([Input((3,), name="x"), layers.Dense(units, "softmax", name="y")])
    model.compile("sgd", loss)
    return model


# -- shapes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_features_of_another_shape(method: str) -> None:
    x, y = data(6)
    options = {} if method.endswith("batch") else {"verbose": 0}
    source = "one batch" if method.endswith("batch") else {"fit": "training data"}.get(method, "data")
    message = (
        r"Error when checking input: expected x to have shape \(3,\) for each sample, but got array "
        rf"with shape \(2,\) \(the whole batch is \(6, 2\)\) \(source '{source}', pass 0, batch 0"
    )
    with pytest.raises(ShapeError, match=message):
        getattr(linear(), method)(x[:, :2], y, **options)


@pytest.mark.parametrize("shape", [(6,), (6, 3, 1), (6, 1, 3), (6, 4)])
def test_features_of_many_other_shapes(shape: tuple[int, ...]) -> None:
    for method in ("predict", "predict_on_batch"):
        with pytest.raises(ShapeError, match=re.escape(f"the whole batch is {shape}")):
            getattr(linear(), method)(np.zeros(shape))


@pytest.mark.parametrize("shape", [(6, 2), (6, 1, 2), (6, 3, 1)])
def test_targets_are_never_broadcast(shape: tuple[int, ...]) -> None:
    x, _ = data(6)
    with pytest.raises(ShapeError, match="compares targets and predictions element by element: output 'y'"):
        linear().fit(x, np.zeros(shape), verbose=0)


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 1, 1)])
def test_only_an_axis_of_length_1_may_differ(shape: tuple[int, ...]) -> None:
    x, y = data(6)
    model = linear()
    assert model.evaluate(x, y.reshape(shape), verbose=0) == model.evaluate(x, y, verbose=0)


def test_integer_classes_for_one_hot_targets() -> None:
    with pytest.raises(
        ShapeError, match=r"convert integer classes with streamfit.utils.to_categorical\(y, 4\)"
    ):
        classifier("categorical_crossentropy").fit(data(6)[0], np.zeros(6, int), verbose=0)


def test_one_hot_targets_for_integer_classes() -> None:
    with pytest.raises(ShapeError, match=r"they look one-hot: use the categorical version"):
        classifier("sparse_categorical_crossentropy").fit(data(4)[0], np.eye(4), verbose=0)


@pytest.mark.parametrize("label", [4, -1, 1.5, pytest.param(float("nan"), marks=pytest.mark.jit)])
@pytest.mark.parametrize("how", ["arrays", "generator", "evaluate", "single"])
def test_labels_out_of_range(label: float, how: str) -> None:
    x, _ = data(12)
    y: Any = np.arange(12) % 4
    y = y.astype(type(label) if isinstance(label, float) else int)
    y[7] = label
    model = classifier("sparse_categorical_crossentropy")
    before = model.get_weights()
    shown = "nan" if label != label else str(label)
    message = rf"label {re.escape(shown)} at position {{}} is not one of the 4 classes 0 to 3"
    place = r".* \(source '{}', pass 0, batch 1, "
    if how == "arrays":
        with pytest.raises(
            DataError, match=message.format(2) + place.format("training data") + "samples 5, 6, 7"
        ):
            model.fit(x, y, 5, shuffle=False, verbose=0)
        assert model.optimizer.iterations == 1
        return
    if how == "generator":
        with pytest.raises(
            DataError, match=message.format(2) + place.format("training data") + "sample ids 1"
        ):
            model.fit(cut(x, y, 5), verbose=0)
        return
    if how == "evaluate":
        with pytest.raises(DataError, match=message.format(2) + place.format("data")):
            model.evaluate(x, y, 5, 0)
    else:
        with pytest.raises(DataError, match=message.format(7)):
            model.train_on_batch(x, y)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_a_shape_that_changes_between_batches() -> None:
    def batches(which: str) -> Iterator[Any]:
        x, y = data(4)
        yield x, y
        yield (x[:, :2], y) if which == "x" else (x, np.zeros((4, 2)))

    with pytest.raises(DataError, match=r"source 'training data', pass 0, batch 1.* x has shape \(4, 2\)"):
        linear().fit(batches("x"), verbose=0)
    with pytest.raises(DataError, match=r"batch 1.* y has shape \(4, 2\), but its samples had shape \(1,\)"):
        linear().fit(batches("y"), verbose=0)


def test_features_that_a_layer_cannot_take() -> None:
    model = Sequential([layers.Flatten(), layers.Reshape((2, 2))])
    with pytest.raises(ShapeError, match="the number of elements must stay the same"):
        model.predict(np.zeros((4, 3)))


# -- lengths, kinds, emptiness ------------------------------------------------------------------


def test_features_and_targets_of_different_length() -> None:
    x, y = data(10)
    message = (
        "Input arrays should have the same number of samples as target arrays. "
        "Found 10 input samples and 5 target samples."
    )
    for call in (linear().fit, linear().evaluate):
        with pytest.raises(DataError, match=message):
            call(x, y[:5], verbose=0)
    with pytest.raises(DataError, match=message):
        linear().train_on_batch(x, y[:5])
    with pytest.raises(DataError, match="x has 10 and y has 5"):
        linear().fit(iter([(x, y[:5])]), verbose=0)


def test_inputs_of_different_length() -> None:
    (x, ya), (z, yb) = data(6), data(5, seed=1)
    with pytest.raises(DataError, match=r"Found 6 samples in x\[0\] and 5 samples in x\[1\]"):
        two_heads().fit([x, z], [ya, yb], verbose=0)
    with pytest.raises(DataError, match="must have the same number of samples, got ia 6, ib 5"):
        two_heads().train_on_batch([x, z], [ya, ya])


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (np.array([["a", "b", "c"]] * 6), "encode the text as numbers first"),
        (np.array([[1, None, 2]] * 6), "give every sample the same shape and a numeric dtype"),
        (np.array([["2020-01-01"] * 3] * 6, "datetime64[D]"), "turn the dates into numbers first"),
        (np.zeros((6, 3), complex), "pass the real and the imaginary part as two arrays"),
    ],
)
def test_arrays_that_hold_no_numbers(wrong: Any, advice: str) -> None:
    x, y = data(6)
    for call in (linear().fit, linear().train_on_batch):
        options = {"verbose": 0} if call.__name__ == "fit" else {}
        with pytest.raises(DataError, match=f"x has dtype .*; {advice}"):
            call(wrong, y, **options)
        with pytest.raises(DataError, match=f"y has dtype .*; {advice}"):
            call(x, wrong, **options)


def test_samples_of_different_length() -> None:
    with pytest.raises(DataError, match="cannot be made an array"):
        linear().fit([[1.0, 2.0, 3.0], [1.0]], [0.0, 1.0], verbose=0)


def test_a_single_value_is_no_batch() -> None:
    with pytest.raises(TypeError, match=r"3\.0 is not data; pass arrays, a generator"):
        linear().fit(3.0, 4.0, verbose=0)
    with pytest.raises(DataError, match="x is a single value"):
        linear().train_on_batch(3.0, 4.0)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_no_samples(method: str) -> None:
    with pytest.raises(DataError, match=r"x has shape \(0, 3\): there are no samples in it"):
        getattr(linear(), method)(np.zeros((0, 3)), np.zeros((0, 1)), verbose=0)
    with pytest.raises(DataError, match=r"source 'one batch'.*|Received an empty batch"):
        linear().train_on_batch(np.zeros((0, 3)), np.zeros((0, 1)))


def test_the_source_is_named() -> None:
    x, y = data()
    for validation, message in [((x[:0], y[:0]), "no samples in it"), ((x, y[:3]), "and 3 target samples")]:
        with pytest.raises(DataError, match=rf"{message}.* \(source 'validation data'\)"):
            linear().fit(x, y, validation_data=validation, verbose=0)


def test_predictions_for_no_samples_are_none() -> None:
    assert linear().predict(np.zeros((0, 3))).shape == (0, 1)
    found = two_heads((1, 2)).predict([np.zeros((0, 3)), np.zeros((0, 3))])
    assert [p.shape for p in found] == [(0, 1), (0, 2)]
    assert two_heads().predict({"ia": np.zeros((0, 3)), "ib": np.zeros((0, 3))})[0].dtype == np.float32


def test_an_empty_batch_in_the_middle() -> None:
    x, y = data(4)
    with pytest.raises(
        DataError, match=r"batch 1.* received an empty batch. Batches should contain at least"
    ):
        linear().fit(iter([(x, y), (x[:0], y[:0])]), verbose=0)


class Empty(Sequence):
    """Has no batches."""

    def __len__(self) -> int:
        return 0

    def __getitem__(self, index: int) -> Any:
        raise IndexError(index)


def test_a_sequence_without_batches() -> None:
    with pytest.raises(DataError, match="the Empty says it has 0 batches"):
        linear().fit(Empty(), verbose=0)


# -- what generators yield ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "item",
    [np.zeros((2, 3)), np.zeros((2, 4, 3)), 3.0, None, {"x": np.zeros((2, 3))}, (), (None, np.zeros(2))],
)
def test_a_generator_that_yields_no_tuple(item: Any) -> None:
    message = r"Output of generator should be a tuple `\(x, y, sample_weight\)` or `\(x, y\)`. Found: "
    with pytest.raises(DataError, match=message) as caught:
        linear().fit(iter([item]), verbose=0)
    assert "source 'training data', pass 0, batch 0" in str(caught.value)


def test_a_generator_without_targets() -> None:
    x, _ = data(4)
    with pytest.raises(
        DataError, match="the loss of output 'y' needs targets, but the data have none: pass y"
    ):
        linear().fit(iter([(x,)]), verbose=0)
    with pytest.raises(DataError, match="needs targets"):
        linear().train_on_batch(x)


def test_a_list_is_a_tuple() -> None:
    x, y = data(4)
    assert len(linear().fit(iter([[x, y]]), verbose=0).epoch) == 1


# -- not data -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("train.csv", "load the file and pass its arrays"),
        ({1.0, 2.0}, "a set has no order, so pass a list or an array"),
        (7, "pass arrays, a generator, a Sequence or an iterable of batches"),
        (Empty, "call it and pass what it returns"),
        (data, "call it and pass what it returns"),
    ],
)
def test_what_holds_no_data(given: Any, advice: str) -> None:
    for method in ("fit", "evaluate", "predict"):
        with pytest.raises(TypeError, match=advice):
            getattr(linear(), method)(given, verbose=0)


def test_no_data_at_all() -> None:
    for method in ("fit", "evaluate"):
        with pytest.raises(
            ValueError, match="x is missing; pass arrays, a generator, a Sequence or a Source"
        ):
            getattr(linear(), method)(verbose=0)


# -- names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("optimizer", "adm", r"Unknown optimizer: 'adm'. Did you mean 'adam'\?"),
        ("loss", "msee", r"Unknown loss function: 'msee'. Did you mean 'mse'\?"),
        ("loss", ["crosentropy"], r"Unknown loss function: 'crosentropy'"),
        ("metrics", ["acuracy"], r"Unknown metric function: 'acuracy'.* Did you mean 'accuracy'\?"),
        ("weighted_metrics", {"y": "maee"}, r"Unknown metric function: 'maee'. Did you mean 'mae'\?"),
    ],
)
def test_unknown_names_fail_at_compile(argument: str, value: Any, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        linear(**{argument: value})


@pytest.mark.parametrize(
    ("argument", "value", "error", "message"),
    [
        ("optimizer", 3, TypeError, "optimizer must be a name, an Optimizer or its class, got 3"),
        ("optimizer", None, TypeError, "optimizer must be a name, an Optimizer or its class, got None"),
        ("loss", 3, TypeError, "loss function must be a name, an instance, a class or a function, got 3"),
        (
            "metrics",
            "mae",
            TypeError,
            "Type of `metrics` argument not understood. Expected a list or dictionary",
        ),
        ("weighted_metrics", "mae", TypeError, "Type of `weighted_metrics` argument not understood"),
        ("metrics", [3], ValueError, "Unknown metric: 3. Pass a name, a function"),
        ("loss_weights", 2.0, TypeError, "Could not interpret loss_weights argument: 2.0"),
        ("loss_weights", ["a"], TypeError, "loss_weights must be numbers, got 'a'"),
        ("sample_weight_mode", "time", ValueError, "should be None or \"temporal\". Found: 'time'"),
    ],
)
def test_arguments_of_another_kind_fail_at_compile(
    argument: str, value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        linear(**{argument: value})


def test_a_failed_compile_leaves_the_old_one() -> None:
    model = linear(metrics=["mae"])
    with pytest.raises(UnknownNameError):
        model.compile("sgd", "nope")
    with pytest.raises(ValueError, match="Unknown entries in loss dictionary"):
        model.compile("sgd", {"nope": "mse"})
    assert model.metrics_names == ["loss", "mae"]
    assert len(model.evaluate(*data(), verbose=0)) == 2


def test_a_loss_that_returns_the_wrong_shape() -> None:
    class Wrong(Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            from streamfit import ops

            return ops.mean(y_pred, axis=0)

    with pytest.raises(ShapeError, match="return one value a sample"):
        linear(loss=Wrong()).train_on_batch(*data())


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_what_was_a_mistake_can_be_done_right(method: str) -> None:
    x, y = data(6)
    model = linear()
    with pytest.raises(ShapeError):
        getattr(model, method)(x[:, :2], y, verbose=0)
    getattr(model, method)(x, y, verbose=0)


def test_a_class_without_a_weight_is_found_in_its_batch() -> None:
    x, _ = data(12)
    y = np.array([0] * 9 + [1] * 3)
    model = linear(optimizer="sgd")
    with pytest.raises(DataError, match=r"classes \{1\} exist .* batch 2, samples 8, 9, 10, 11\)"):
        model.fit(x, y, 4, shuffle=False, class_weight={0: 1.0}, verbose=0)
    assert model.optimizer.iterations == 2
