"""Metrics that are counted inside the step: joined steps give the counts of one by one, and of NumPy."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit import Input, Model, Sequential, layers, metrics, set_random_seed
from streamfit.callbacks import BackupAndRestore, Callback, LambdaCallback
from streamfit.kernels.decorator import JIT_ENABLED
from streamfit.metrics import (
    AUC,
    FalseNegatives,
    FalsePositives,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
)

# Without compiled kernels NumPy computes them, and warns of NaN and infinity.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SAMPLES = 203 if JIT_ENABLED else 43
RNG = np.random.default_rng(0)
X = RNG.normal(size=(SAMPLES, 3)).astype("float32")
Y = (X[:, :1] + RNG.normal(size=(SAMPLES, 1)) > 0).astype("float32")
ROWS = np.concatenate([Y, 1 - Y], axis=1)


def all_of_them() -> list[Any]:
    return [
        AUC(),
        AUC(num_thresholds=7, curve="PR", name="pr"),
        Precision(),
        Recall([0.9, 0.1, 0.5]),
        TruePositives(),
        TrueNegatives([0.3, 0.6]),
        FalsePositives(0.0),
        FalseNegatives(1.0),
    ]


class Listener(Callback):
    """Listens to every batch, so that steps are not joined."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


def compiled(units: int = 1, **how: Any) -> Sequential:
    set_random_seed(3)
    model = Sequential([layers.Dense(4, "tanh", input_shape=(3,)), layers.Dense(units, "sigmoid")])
    model.compile("adam", "binary_crossentropy", **how)
    return model


def counted(metric: Any, y: Any, p: Any, weights: Any = None) -> list[list[list[float]]]:
    """Count decisions the slow way, [target][decision][threshold]; NaN is a wrong decision."""
    y, p = np.reshape(y, p.shape), p
    spread = np.ones(p.shape) if weights is None else weights
    spread = np.broadcast_to(spread.reshape(spread.shape + (1,) * (p.ndim - spread.ndim)), p.shape)
    column = metric.class_id
    y, p, spread = (part if column is None else part[..., column] for part in (y, p, spread))
    if isinstance(metric, AUC):
        thresholds = [-1e-7, *np.linspace(0, 1, metric.num_thresholds)[1:-1], 1 + 1e-7]
    else:
        thresholds = np.atleast_1d(0.5 if metric.thresholds is None else metric.thresholds).tolist()
    found = [[[0.0] * len(thresholds) for _ in range(2)] for _ in range(2)]
    for wanted, said, weight in zip(y.ravel(), p.ravel(), spread.ravel(), strict=True):
        for i, threshold in enumerate(thresholds):
            target = int(wanted > 0.5)
            decision = int(said > p.dtype.type(threshold)) if said == said else 1 - target
            if weight != 0:
                found[target][decision][i] += float(weight)
    return found


def bits(model: Any) -> list[bytes]:
    return [metric.variables[0].tobytes() for metric in model.metrics if metric.variables]


def evaluated(model: Any, *data: Any, **how: Any) -> list[Any]:
    """Return copies of the metrics at the end of `evaluate`, which then brings them back."""
    copies: list[Any] = []
    end = LambdaCallback(on_test_end=lambda logs: copies.extend(metric.clone() for metric in model.metrics))
    model.evaluate(*data, verbose=0, callbacks=[end], **how)
    return copies


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [1, 8, 300])
def test_joined_steps_give_the_same_bits(batch_size: int, weighted: bool) -> None:
    w = np.random.default_rng(1).random(SAMPLES) if weighted else None
    found = []
    for callbacks in ([], [Listener()]):
        model = compiled(metrics=all_of_them(), weighted_metrics=[AUC(name="own"), Precision(name="share")])
        history = model.fit(
            X, Y, batch_size, epochs=2, sample_weight=w, seed=3, verbose=0, callbacks=callbacks,
            validation_data=(X[:50], Y[:50]),
        )  # fmt: skip
        results = {name: np.asarray(values).tolist() for name, values in history.history.items()}
        found.append((results, bits(model), [array.tobytes() for array in model.get_weights()]))
    assert found[0] == found[1]
    assert len(found[0][1]) == 10


def test_steps_really_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    model = compiled(metrics=all_of_them())
    model.fit(X, Y, 2, verbose=0)
    runner, sizes = model.runner(), list[int]()
    train, test = runner.train, runner.test
    monkeypatch.setattr(runner, "train", lambda batch: (sizes.append(batch.steps), train(batch)))
    monkeypatch.setattr(runner, "test", lambda batch: (sizes.append(batch.steps), test(batch)))
    model.fit(X, Y, 2, verbose=0, shuffle=False)
    model.evaluate(X, Y, 2, verbose=0)
    assert sum(sizes) == 2 * -(-SAMPLES // 2)
    assert max(sizes) > 10


@settings(max_examples=25)
@given(
    dtype=st.sampled_from(["float32", "float64"]),
    shape=st.sampled_from([(1,), (3,), (2, 3), (2, 1)]),
    weights=st.sampled_from([None, "whole", "steps"]),
    column=st.sampled_from([None, 0, -1]),
    seed=st.integers(0, 999),
)
def test_counts_are_those_of_slow_counting_and_of_numpy(
    dtype: str, shape: tuple[int, ...], weights: str | None, column: int | None, seed: int
) -> None:
    """Predictions often lie exactly on a threshold; some are NaN; what weighs 0 is out of range."""
    rng = np.random.default_rng(seed)
    n = 17
    p = rng.choice([0.0, 0.1, 0.25, 0.5, 0.9, 1.0, np.nan], size=(n, *shape)).astype(dtype)
    y = rng.integers(0, 2, (n, *shape))
    w = None
    if weights is not None:
        w = rng.integers(0, 4, (n, *shape[:1]) if weights == "steps" and len(shape) > 1 else n) / 4.0
        p[w == 0] = rng.choice([-5.0, 7.0, np.nan])
    items: list[Any] = [
        *(Precision([0.5, 0.25, 0.9, 0.1], class_id=column), Recall(class_id=column)),
        *([AUC(), TruePositives([0.25, 1.0, 0.0])] if column is None else []),
    ]
    inputs = Input(shape, dtype=dtype)
    model = Model(inputs, layers.Reshape(shape)(inputs))
    temporal = {"sample_weight_mode": "temporal"} if w is not None and w.ndim > 1 else {}
    model.compile("sgd", "mse", weighted_metrics=items, **temporal)
    for metric in evaluated(model, p, y, 4, sample_weight=w):
        np.testing.assert_array_equal(metric.counts, counted(metric, y, p, w))
        again = pickle.loads(pickle.dumps(metric))
        again.reset_state()
        again.update_state(y, p, w)
        np.testing.assert_array_equal(again.counts, metric.counts)
        assert again.variables[0].tobytes() == metric.variables[0].tobytes()


def test_weights_of_any_size_give_the_bits_of_updates_by_hand() -> None:
    w = np.random.default_rng(2).random(SAMPLES) * 10.0 ** RNG.integers(-9, 9, SAMPLES)
    model = compiled(weighted_metrics=[AUC()])
    (found,) = evaluated(model, X, Y, 8, sample_weight=w)
    own = AUC()
    p = model.predict(X, verbose=0)
    own.update_state(Y, p, w)
    assert own.variables[0].tobytes() == found.variables[0].tobytes()


def test_unweighted_metrics_see_no_weights_and_weighted_ones_do() -> None:
    w = np.arange(SAMPLES) % 3 / 2.0
    model = compiled(metrics=[TruePositives()], weighted_metrics=[TruePositives(name="weighed")])
    plain, weighed = evaluated(model, X, Y, 8, sample_weight=w)
    p = model.predict(X, verbose=0)
    assert plain.result() == counted(plain, Y, p)[1][1][0]
    assert weighed.result() == counted(weighed, Y, p, w)[1][1][0]


def test_logits() -> None:
    """Logits are converted as the last layer of a model converts them."""
    found = []
    for activation, metric in (("sigmoid", AUC()), (None, AUC(from_logits=True))):
        set_random_seed(3)
        model = Sequential([layers.Dense(1, activation, input_shape=(3,))])
        model.compile("sgd", "mse", metrics=[metric])
        found.append(evaluated(model, X * 9, Y, 8)[0].counts.tolist())
        by_hand = AUC(from_logits=metric.from_logits)
        by_hand.update_state(Y, model.predict(X * 9, verbose=0))
        assert by_hand.counts.tolist() == found[-1]
    assert found[0] == found[1]


@pytest.mark.parametrize("mode", ["fit", "evaluate"])
@pytest.mark.parametrize("callbacks", [[], [Listener()]])
def test_predictions_out_of_range_stop_the_step_at_its_batch(mode: str, callbacks: list[Any]) -> None:
    model = Sequential([layers.Dense(1, input_shape=(1,), use_bias=False)])
    model.compile("sgd", "mse", metrics=[Recall(), AUC()])
    model.set_weights([np.ones((1, 1))])
    x = np.full((20, 1), 0.5)
    model.fit(x[:4], x[:4], 2, verbose=0, callbacks=callbacks)  # so that steps can be joined
    x[11], x[10] = 3.0, np.nan
    steps = model.optimizer.iterations
    run = getattr(model, mode)
    how = {"shuffle": False} if mode == "fit" else {}
    with pytest.raises(
        ValueError, match=r"'recall' .* from 3 to 3; end the model with a sig.*batch 5, samples 10, 11"
    ):
        run(x, x * 0 + 0.5, 2, verbose=0, callbacks=callbacks, **how)
    assert model.optimizer.iterations == steps + (5 if mode == "fit" else 0)
    assert np.isfinite(model.get_weights()[0]).all()
    x[10:12] = 0.5
    model.evaluate(x, x, 2, verbose=0)  # and nothing of it is left


def test_targets_that_do_not_fit_are_refused_before_anything_is_trained() -> None:
    model = Sequential([layers.Dense(2, "softmax", input_shape=(3,))])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[AUC()])
    before = model.get_weights()
    with pytest.raises(
        ValueError, match=r"(?s)of the predictions \(batch, 2\), got \(batch,\); .*one-hot targets"
    ):
        model.fit(X, Y[:, 0], verbose=0)
    assert [w.tobytes() for w in model.get_weights()] == [w.tobytes() for w in before]
    model.compile("sgd", "categorical_crossentropy", metrics=[Precision(class_id=2)])
    with pytest.raises(ValueError, match=r"class_id=2, and the predictions have shape \(batch, 2\)"):
        model.fit(X, ROWS, verbose=0)


def test_a_mask_leaves_positions_out() -> None:
    model = Sequential([Input((4, 1)), layers.Masking(9.0), layers.Dense(1, "sigmoid")])
    items: list[Any] = [
        TruePositives(0.0),
        FalsePositives(0.0),
        Recall(),
        metrics.MeanSquaredError(name="mse"),
    ]
    model.compile("sgd", "binary_crossentropy", metrics=items)
    x = RNG.normal(size=(10, 4, 1)).astype("float32")
    gone = RNG.random((10, 4)) < 0.4
    x[gone] = 9.0
    y = RNG.integers(0, 2, (10, 4, 1))
    found = model.evaluate(x, y, 3, verbose=0)
    assert found[1:3] == [float((y[~gone] == 1).sum()), float((y[~gone] == 0).sum())]
    p = model.predict(x, verbose=0)
    assert found[4] == pytest.approx(float(((p - y)[~gone] ** 2).mean()), rel=1e-5)


def test_an_object_of_several_outputs_models_and_hands() -> None:
    shared = TruePositives(0.0)
    inputs = Input((3,))
    outputs = [layers.Dense(1, "sigmoid", name=name)(inputs) for name in "ab"]
    model = Model(inputs, outputs)
    model.compile("sgd", "mse", metrics=[shared])
    other = compiled(metrics=[shared])
    found = model.evaluate(X, [Y, 1 - Y], 8, verbose=0, return_dict=True)
    assert found["a_true_positives"] == Y.sum()
    assert found["b_true_positives"] == (1 - Y).sum()
    assert other.evaluate(X, Y, 8, verbose=0, return_dict=True)["true_positives"] == Y.sum()
    other.fit(X, Y, 8, verbose=0)
    shared.update_state([1, 1], [0.5, 0.5])
    assert shared.result() == Y.sum() + 2
    assert other.evaluate(X, Y, 8, verbose=0)[1] == Y.sum()
    assert shared.result() == Y.sum() + 2


def test_evaluating_in_the_middle_of_an_epoch_changes_no_count() -> None:
    def look(batch: int, logs: Any) -> None:
        seen.append((dict(logs), beside.evaluate(X[:9], Y[:9], 3, verbose=0)))
        beside.test_on_batch(X[:5], Y[:5])

    results = []
    for callbacks in ([], [LambdaCallback(on_train_batch_end=look, every=3)]):
        seen: list[Any] = []
        model = beside = compiled(metrics=[AUC(), Recall()])
        results.append(model.fit(X, Y, 8, epochs=2, seed=1, verbose=0, callbacks=callbacks).history)
    assert results[0] == results[1]
    assert len(seen) > 2


class PowerCut(Callback):
    """Ends a run in an exception."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 4:
            raise LookupError("power cut")


@pytest.mark.parametrize("save_freq", [2, 5, "epoch"])
def test_a_run_that_is_resumed_continues_to_count(tmp_path: Any, save_freq: Any) -> None:
    def run(*callbacks: Any) -> Any:
        model = compiled(metrics=[*all_of_them(), "mse"], weighted_metrics=[AUC(name="weighed")])
        history = model.fit(X, Y, 8, epochs=2, seed=1, verbose=0, callbacks=list(callbacks))
        return {name: np.asarray(values).tolist() for name, values in history.history.items()}, bits(model)

    with pytest.raises(LookupError, match="power cut"):
        run(BackupAndRestore(tmp_path, save_freq), PowerCut())
    assert run(BackupAndRestore(tmp_path, save_freq)) == run()


class Halves(Precision):
    """A subclass with an update of its own, in Python."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.seen = getattr(self, "seen", 0) + len(y_pred)
        super().update_state(y_true[::2], y_pred[::2])


class Renamed(Recall):
    """A subclass that only reads the counts in another way."""

    def result(self) -> float:
        return float(self.counts[1, 1, 0])


def test_a_subclass_with_an_update_of_its_own_is_called_after_each_batch() -> None:
    own, renamed = Halves(), Renamed()
    assert (own.traced, renamed.traced, Precision().traced) == (False, True, True)
    model = compiled(metrics=[own, renamed])
    own, renamed = evaluated(model, X, Y, 8)
    assert own.seen == SAMPLES
    assert model.runner().steps_per_execution("test") == 1
    p = model.predict(X, verbose=0)
    assert renamed.result() == counted(renamed, Y, p)[1][1][0]


class OddMean(metrics.MeanMetric):
    """A mean with an update of its own."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.total[:2] += [float(np.sum(y_pred)), len(y_pred)]


def test_so_is_a_mean_with_an_update_of_its_own() -> None:
    odd = OddMean()
    model = compiled(metrics=[odd])
    found = model.evaluate(X, Y, 8, verbose=0)[1]
    assert found == pytest.approx(float(model.predict(X, verbose=0).mean()), rel=1e-5)
    assert not odd.traced
    by_hand = Precision()
    by_hand.update_state = lambda *arguments, **options: None  # type: ignore[method-assign]
    assert not by_hand.traced
    assert not metrics.Metric().traced
    assert metrics.MeanSquaredError().traced
