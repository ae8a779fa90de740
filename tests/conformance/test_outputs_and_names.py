"""Outputs, names in logs, metrics, and compiling again: facts 21 to 26 of the Keras contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.models import Recorder, StopAt, data, linear, squares, two_heads

from streamfit import Input, Model, Sequential, layers, metrics, ops
from streamfit.losses import MeanAbsoluteError
from streamfit.optimizers import SGD, Adam


def two_data(n: int = 8) -> tuple[list[Any], list[Any]]:
    (x, ya), (z, yb) = data(n), data(n, seed=1)
    return [x, z], [ya, yb]


def errors(model: Model, x: Any, y: Any) -> dict[str, float]:
    """Compute two outputs with NumPy."""
    a, b = model.predict(x)
    found = {}
    for name, p, t in (("a", a, y[0]), ("b", b, y[1])):
        found[f"{name}_mse"] = float(((p - t) ** 2).mean())
        found[f"{name}_mae"] = float(np.abs(p - t).mean())
    return found


# -- losses, metrics, targets of several outputs ------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "kinds"),
    [
        ("mse", ("mse", "mse")),
        (["mse", "mae"], ("mse", "mae")),
        ({"b": "mae", "a": "mse"}, ("mse", "mae")),
        (["mse", None], ("mse", None)),
        ({"b": "mae"}, (None, "mae")),
    ],
)
def test_losses_of_two_outputs(loss: Any, kinds: tuple[Any, Any]) -> None:
    x, y = two_data()
    model = two_heads(loss=loss)
    known = errors(model, x, y)
    parts = {f"{o}_loss": known[f"{o}_{k}"] for o, k in zip("ab", kinds, strict=True) if k}
    expected = {"loss": sum(parts.values()), **parts}
    assert list(model.fit(x, y, verbose=0).history) == list(expected)
    assert model.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-5)
    assert model.metrics_names == list(expected)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (["mae", "mse"], ["a_mae", "a_mse", "b_mae", "b_mse"]),
        (["mae"], ["a_mae", "b_mae"]),
        ([["mae"], ["mse"]], ["a_mae", "b_mse"]),
        ([["mae", "mse"], []], ["a_mae", "a_mse"]),
        ([None, "mse"], ["b_mse"]),
        ({"b": ["mse", "mae"]}, ["b_mse", "b_mae"]),
        ({"b": "mse", "a": "mae"}, ["a_mae", "b_mse"]),
    ],
)
def test_metrics_of_two_outputs(asked: Any, names: list[str]) -> None:
    x, y = two_data()
    model = two_heads(metrics=asked)
    if asked == [None, "mse"]:
        model = two_heads(metrics=[[], ["mse"]])
    known = errors(model, x, y)
    assert model.metrics_names == ["loss", "a_loss", "b_loss", *names]
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    assert {name: found[name] for name in names} == pytest.approx({n: known[n] for n in names}, rel=1e-5)


@pytest.mark.parametrize(
    "arrange",
    [
        lambda a, b: [a, b],
        lambda a, b: (a, b),
        lambda a, b: {"a": a, "b": b},
        lambda a, b: {"b": b, "a": a},
        lambda a, b: {"b": b, "other": b, "a": a},
    ],
)
def test_targets_by_position_or_name(arrange: Any) -> None:
    x, y = two_data()
    model = two_heads()
    expected = model.evaluate(x, y, verbose=0)
    assert model.evaluate(x, arrange(*y), verbose=0) == expected


@pytest.mark.parametrize(
    "arrange",
    [
        lambda a, b: (a, b),
        lambda a, b: {"ia": a, "ib": b},
        lambda a, b: {"ib": b, "ia": a},
    ],
)
def test_inputs_by_position_or_name(arrange: Any) -> None:
    x, y = two_data()
    model = two_heads()
    expected = model.predict(x)
    found = model.predict(arrange(*x))
    assert all((f == e).all() for f, e in zip(found, expected, strict=True))
    assert model.evaluate(arrange(*x), y, verbose=0) == model.evaluate(x, y, verbose=0)


def test_a_dict_for_one_output() -> None:
    x, y = data()
    model = linear()
    assert model.evaluate(x, {"y": y}, verbose=0) == model.evaluate(x, y, verbose=0)
    assert model.evaluate({"x": x}, y, verbose=0) == model.evaluate(x, y, verbose=0)


def test_targets_only_for_outputs_with_a_loss() -> None:
    x, y = two_data()
    model = two_heads(loss=["mse", None])
    expected = errors(model, x, y)["a_mse"]
    for given in (y, y[:1], {"a": y[0]}, {"a": y[0], "b": y[1]}, [y[0], None]):
        assert model.evaluate(x, given, verbose=0) == pytest.approx([expected, expected], rel=1e-5)


def test_missing_names_are_told_with_the_expected_keys() -> None:
    x, y = two_data()
    model = two_heads()
    message = r'No data provided for "b" among the targets. Need data for each key in: \[\'a\', \'b\'\]'
    with pytest.raises(ValueError, match=message):
        model.evaluate(x, {"a": y[0]}, verbose=0)
    message = r'No data provided for "ib" among the inputs. Need data for each key in: \[\'ia\', \'ib\'\]'
    with pytest.raises(ValueError, match=message):
        model.evaluate({"ia": x[0]}, y, verbose=0)


def test_another_number_of_arrays_is_refused() -> None:
    x, y = two_data()
    model = two_heads()
    with pytest.raises(ValueError, match=r"list of target arrays is not the size the model expected"):
        model.evaluate(x, [*y, y[0]], verbose=0)
    with pytest.raises(ValueError, match=r"list of input arrays is not the size .* expected 2 \(ia, ib\)"):
        model.evaluate([*x, x[0]], y, verbose=0)
    with pytest.raises(ValueError, match=r"the model has 2 targets \(a, b\), but one array was given"):
        model.evaluate(x, y[0], verbose=0)


@pytest.mark.parametrize(
    "what", ["loss", "metrics", "weighted_metrics", "loss_weights", "sample_weight_mode"]
)
def test_unknown_outputs_are_refused_at_compile(what: str) -> None:
    value = {"loss": "mse", "loss_weights": 1.0, "sample_weight_mode": "temporal"}.get(what, ["mse"])
    message = rf"Unknown entries in {what} dictionary: \['zz'\]. Only expected following keys: \['a', 'b'\]"
    with pytest.raises(ValueError, match=message):
        two_heads(**{what: {"zz": value}})


def test_lists_of_another_length_are_refused_at_compile() -> None:
    message = (
        r"When passing a list as loss, it should have one entry per model outputs. "
        r"The model has 2 outputs, but you passed loss=\['mse'\]"
    )
    with pytest.raises(ValueError, match=message):
        two_heads(loss=["mse"])
    message = (
        r"When passing a list as loss_weights, it should have one entry per model output. "
        r"The model has 2 outputs, but you passed loss_weights=\[1.0\]"
    )
    with pytest.raises(ValueError, match=message):
        two_heads(loss_weights=[1.0])
    with pytest.raises(ValueError, match="metrics has 3 entries, but the model has 2 outputs"):
        two_heads(metrics=[["mse"], ["mse"], ["mse"]])


def test_outputs_given_as_a_dict_are_named_and_returned_by_it() -> None:
    x, y = data()
    start = Input((3,))
    model = Model(start, {"up": layers.Dense(1)(start), "down": layers.Dense(1)(start)})
    model.compile(SGD(0.0), "mse", metrics={"up": ["mae"]})
    found = model.predict(x)
    assert set(found) == {"up", "down"}
    logs = model.evaluate(x, {"up": y, "down": y}, verbose=0, return_dict=True)
    assert logs["up_loss"] == pytest.approx(((found["up"] - y) ** 2).mean(), rel=1e-5)
    assert logs["up_mae"] == pytest.approx(np.abs(found["up"] - y).mean(), rel=1e-5)


# -- metrics ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["accuracy", "acc"])
def test_accuracy_is_what_the_loss_or_the_shapes_say(word: str) -> None:
    rng = np.random.default_rng(0)
    x, classes = rng.normal(size=(40, 3)).astype("float32"), np.arange(40) % 4
    cases: list[tuple[Any, int, Any, Any, Any]] = [
        (
            "sigmoid",
            1,
            "binary_crossentropy",
            classes[:, None] > 1,
            lambda p: (p > 0.5)[:, 0] == (classes > 1),
        ),
        ("sigmoid", 1, "mse", classes > 1, lambda p: (p > 0.5)[:, 0] == (classes > 1)),
        ("softmax", 4, "sparse_categorical_crossentropy", classes, lambda p: p.argmax(1) == classes),
        ("softmax", 4, "categorical_crossentropy", np.eye(4)[classes], lambda p: p.argmax(1) == classes),
        ("sigmoid", 4, "binary_crossentropy", np.eye(4)[classes], lambda p: (p > 0.5) == np.eye(4)[classes]),
        ("softmax", 4, "mse", np.eye(4)[classes], lambda p: p.argmax(1) == classes),
    ]
    for activation, units, loss, y, matches in cases:
        model = Sequential([Input((3,)), layers.Dense(units, activation)])
        model.compile("sgd", loss, metrics=[word])
        logs = model.evaluate(x, y, batch_size=16, verbose=0, return_dict=True)
        assert list(logs) == ["loss", word]
        assert logs[word] == pytest.approx(matches(model.predict(x)).mean(), abs=1e-9), loss


def test_the_key_is_what_the_user_wrote() -> None:
    def my_metric(y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.abs(y_pred - y_true))

    asked = ["mae", "mean_absolute_error", my_metric, metrics.MeanAbsoluteError(name="own")]
    model = linear(metrics=asked)
    assert model.metrics_names == ["loss", "mae", "mean_absolute_error", "my_metric", "own"]
    x, y = data()
    values = model.evaluate(x, y, verbose=0)[1:]
    assert values == pytest.approx([np.abs(model.predict(x) - y).mean()] * 4, rel=1e-5)


def test_a_metric_twice_gets_a_number() -> None:
    model = linear(metrics=["mae", "mae"], weighted_metrics=["mae"])
    assert model.metrics_names == ["loss", "mae", "mae_1", "mae_2"]


def test_evaluate_returns_a_number_a_list_or_a_dict() -> None:
    x, y = data()
    assert isinstance(linear().evaluate(x, y, verbose=0), float)
    model = linear(metrics=["mae", "mse"])
    values = model.evaluate(x, y, verbose=0)
    named = model.evaluate(x, y, verbose=0, return_dict=True)
    assert named == dict(zip(model.metrics_names, values, strict=True))
    assert all(type(value) is float for value in values)
    assert linear().evaluate(x, y, verbose=0, return_dict=True).keys() == {"loss"}


def test_names_and_objects_of_metrics() -> None:
    own = metrics.MeanAbsoluteError(name="own")
    model = linear(metrics=["mse", own])
    assert model.metrics_names == ["loss", "mse", "own"]
    assert model.metrics == []
    x, y = data()
    model.evaluate(x, y, verbose=0)
    assert model.metrics[1] is own
    assert [type(metric).__name__ for metric in model.metrics] == ["MeanSquaredError", "MeanAbsoluteError"]


def test_a_metric_for_two_outputs_keeps_two_counts() -> None:
    x, y = two_data()
    model = two_heads(metrics=[metrics.MeanAbsoluteError(name="mae")])
    known = errors(model, x, y)
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    assert [logs["a_mae"], logs["b_mae"]] == pytest.approx([known["a_mae"], known["b_mae"]], rel=1e-5)


def test_exact_metrics_are_exact_over_the_epoch() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(50, 3)).astype("float32"), rng.integers(0, 2, 50)
    model = Sequential([Input((3,)), layers.Dense(1, "sigmoid")])
    model.compile(SGD(0.0), "binary_crossentropy", metrics=["Precision", "Recall"])
    guess = model.predict(x)[:, 0] > 0.5
    hits = (guess & (y == 1)).sum()
    expected = [hits / guess.sum(), hits / y.sum()]
    assert model.evaluate(x, y, 7, 0)[1:] == pytest.approx(expected, rel=1e-9)
    history = model.fit(x, y, 7, 2, verbose=0).history
    names = model.metrics_names[1:]
    assert [history[name] for name in names] == [pytest.approx([value] * 2, rel=1e-9) for value in expected]


class Seen(metrics.Metric):
    """Counts samples."""

    def __init__(self, name: str = "seen", kept: bool = False) -> None:
        super().__init__(name=name)
        self.kept = kept
        self.count = self.add_variable((), name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.count.assign_add(len(y_true))

    def result(self) -> float:
        return float(self.count)

    def reset_state(self) -> None:
        if not self.kept:
            super().reset_state()


def test_metrics_are_reset_at_each_epoch_unless_they_refuse() -> None:
    x, y = data(10)
    model = linear(metrics=[Seen(), Seen("kept", kept=True)])
    history = model.fit(x, y, 4, 3, verbose=0).history
    assert history["seen"] == [10.0, 10.0, 10.0]
    assert history["kept"] == [10.0, 20.0, 30.0]


def test_metrics_accumulate_over_the_batches_of_an_epoch() -> None:
    x, y = data(10)
    recorder = Recorder()
    linear(metrics=[Seen()]).fit(x, y, 4, verbose=0, callbacks=[recorder])
    assert [logs["seen"] for hook, logs in recorder.logs if hook == "train_batch_end"] == [4.0, 8.0, 10.0]


def test_single_batches_go_on_counting_when_asked_to() -> None:
    x, y = data(10)
    model = linear(metrics=["mae", Seen()])
    maes = np.abs(model.predict(x) - y)[:, 0]
    first = model.test_on_batch(x[:2], y[:2])
    second = model.test_on_batch(x[2:5], y[2:5], reset_metrics=False)
    assert first == pytest.approx([squares(model, x[:2], y[:2]).mean(), maes[:2].mean(), 2], rel=1e-5)
    assert second == pytest.approx([squares(model, x[2:5], y[2:5]).mean(), maes[:5].mean(), 5], rel=1e-5)
    assert model.test_on_batch(x, y)[2] == 10
    model.reset_metrics()
    assert model.test_on_batch(x[:3], y[:3], reset_metrics=False, return_dict=True)["seen"] == 3.0


# -- compiling again -----------------------------------------------------------------------------


def test_compiling_again_keeps_weights_and_forgets_old_metrics() -> None:
    x, y = data()
    model = linear(optimizer="adam", metrics=["mae"])
    model.fit(x, y, epochs=2, verbose=0)
    weights = model.get_weights()
    model.compile("sgd", MeanAbsoluteError())
    assert all((a == b).all() for a, b in zip(weights, model.get_weights(), strict=True))
    assert model.metrics_names == ["loss"]
    assert model.evaluate(x, y, verbose=0) == pytest.approx(np.abs(model.predict(x) - y).mean(), rel=1e-6)


def test_compiling_again_with_another_optimizer_starts_afresh() -> None:
    x, y = data()
    optimizer = Adam(0.01)
    model, fresh = linear(optimizer=optimizer), linear(optimizer=Adam(0.01))
    model.fit(x, y, epochs=3, verbose=0)
    assert optimizer.iterations == 3
    fresh.set_weights(model.get_weights())
    model.compile(Adam(0.01), "mse")
    assert model.optimizer.iterations == 0
    for one in (model, fresh):
        one.fit(x, y, epochs=2, seed=1, verbose=0)
    assert all((a == b).all() for a, b in zip(model.get_weights(), fresh.get_weights(), strict=True))


def test_compiling_again_with_the_same_optimizer_changes_nothing() -> None:
    x, y = data()
    model, other = linear(optimizer=Adam(0.01)), linear(optimizer=Adam(0.01))
    other.set_weights(model.get_weights())
    for one in (model, other):
        one.fit(x, y, epochs=3, seed=1, verbose=0)
        if one is model:
            one.compile(one.optimizer, "mse")
        assert one.optimizer.iterations == 3
        one.fit(x, y, epochs=2, seed=2, verbose=0)
    assert all((a == b).all() for a, b in zip(model.get_weights(), other.get_weights(), strict=True))


def test_an_optimizer_goes_on_counting_from_fit_to_fit() -> None:
    x, y = data()
    model = linear(optimizer="adam")
    model.fit(x, y, 4, verbose=0)
    model.fit(x, y, 4, 2, verbose=0)
    model.train_on_batch(x, y)
    model.evaluate(x, y, verbose=0)
    assert model.optimizer.iterations == 10


def test_two_models_with_one_optimizer_object_have_each_their_own_state() -> None:
    x, y = data()
    shared = Adam(0.01)
    pair = [linear(optimizer=shared), linear(optimizer=shared)]
    apart = [linear(optimizer=Adam(0.01)), linear(optimizer=Adam(0.01))]
    for one, other in zip(pair, apart, strict=True):
        other.set_weights(one.get_weights())
    for models in (pair, apart):
        for _ in range(3):
            for model in models:
                model.train_on_batch(x, y)
    for one, other in zip(pair, apart, strict=True):
        assert all((a == b).all() for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def test_regularizers_are_part_of_the_loss() -> None:
    x, y = data()
    model = Sequential([Input((3,)), layers.Dense(1, kernel_regularizer="l2")])
    model.compile(SGD(0.0), "mse")
    penalty = 0.01 * (model.get_weights()[0].astype("float64") ** 2).sum()
    expected = squares(model, x, y).mean() + penalty
    assert model.fit(x, y, 3, verbose=0).history["loss"] == [pytest.approx(expected, rel=1e-6)]
    assert model.evaluate(x, y, 3, 0) == pytest.approx(expected, rel=1e-6)
    assert model.metrics_names == ["loss"]


def test_stopping_keeps_the_results_so_far() -> None:
    x, y = data(10)
    model = linear()
    history = model.fit(x, y, 2, shuffle=False, verbose=0, callbacks=[StopAt("on_train_batch_end", 1)])
    assert history.history["loss"] == [pytest.approx(squares(model, x[:4], y[:4]).mean(), rel=1e-6)]
