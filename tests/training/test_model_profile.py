"""`Model.profile`: the parts of a step add up to the step, and the model stays as it was."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest

import streamfit as sf
from streamfit import layers
from streamfit.streams.profiling.stage_times import StageTimes
from streamfit.training.model_profile import LayerTimes, ModelProfile

REST = 0.25
"""The share of a whole step that the parts may differ from it, in a process that others disturb."""


def network() -> sf.Model:
    model = sf.Sequential(
        [
            sf.Input((12, 12, 3)),
            layers.Conv2D(8, 3, activation="relu", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(name="flat"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(4, activation="softmax", name="out"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def data(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    return draw.random((count, 12, 12, 3), np.float32), draw.integers(0, 4, count)


def state(model: sf.Model) -> list[np.ndarray]:
    optimizer = [vector.copy() for vector in model.optimizer.state.values()]
    return [*model.get_weights(), *optimizer, np.array(model.optimizer.iterations), *metrics(model)]


def metrics(model: sf.Model) -> list[np.ndarray]:
    return [value.copy() for value in model.runner().results.states().values()]


def same(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
    return len(before) == len(after) and all(
        a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True)
    )


@pytest.mark.parametrize("training", [True, False])
def test_model_seeds_and_results_stay_as_they_were(training: bool) -> None:
    x, y = data()
    model, twin = network(), network()
    for each in (model, twin):
        sf.utils.set_random_seed(5)
        each.set_weights([np.full_like(weight, 0.01) for weight in each.get_weights()])
        each.fit(x, y, batch_size=16, epochs=1, verbose=0)
        each.train_on_batch(x[:16], y[:16])
    before, history = state(model), model.history
    sf.utils.set_random_seed(6)
    model.profile(x, y, batch_size=16, batches=3, training=training)
    assert same(before, state(model))
    assert model.history is history
    model.fit(x, y, batch_size=16, epochs=1, verbose=0)  # and it goes on with the same seeds
    sf.utils.set_random_seed(6)
    twin.fit(x, y, batch_size=16, epochs=1, verbose=0)
    assert same(state(twin), state(model))


def test_a_model_without_shapes_is_not_built() -> None:
    model = sf.Sequential([layers.Dense(3), layers.Dense(1)])
    model.compile("sgd", "mse")
    found = model.profile(np.ones((8, 5)), np.ones((8, 1)), batch_size=4)
    assert len(found.layers) == 2
    assert not model.built
    assert model.weights == []


def test_rows_are_the_layers_in_their_order_and_add_up_to_the_step() -> None:
    x, y = data(128)
    found = network().profile(x, y, batch_size=64, batches=4)
    names = [row.name for row in found.rows]
    assert names[:5] == ["conv", "norm", "flat", "drop", "out"]
    assert set(names[5:]) >= {"loss and metrics", "optimizer"}
    assert [row.layer for row in found.layers] == [
        "Conv2D",
        "BatchNormalization",
        "Flatten",
        "Dropout",
        "Dense",
    ]
    assert found.alone == pytest.approx(sum(row.seconds for row in found.rows) + found.rest)
    assert abs(found.rest) < REST * found.alone + 1e-4
    conv, norm, flat = found.rows[:3]
    assert conv.forward > 0
    assert conv.backward > 0
    assert norm.backward > 0
    assert flat.seconds == 0  # another shape of the same memory


def test_operations_of_products_are_counted_by_hand() -> None:
    x, y = data(32)
    found = network().profile(x, y, batch_size=32, batches=1)
    flops = {row.name: row.flops for row in found.rows if row.flops}
    conv = 2 * 32 * 10 * 10 * 8 * (3 * 3 * 3)  # its input needs no gradient
    dense = 2 * 32 * 800 * 4
    assert flops == {"conv": 2 * conv, "out": 3 * dense}
    assert found.rows[0].rate == pytest.approx(2 * conv / found.rows[0].seconds)
    forward = network().profile(x, y, batch_size=32, batches=1, training=False)
    assert {row.name: row.flops for row in forward.rows if row.flops} == {"conv": conv, "out": dense}
    assert all(row.backward == 0 for row in forward.rows)
    assert "optimizer" not in {row.name for row in forward.rows}


def test_uses_of_a_shared_layer_are_one_row_and_nested_models_are_named() -> None:
    inside = sf.Sequential([sf.Input((6,)), layers.Dense(6, name="deep")], name="encoder")
    shared = layers.Dense(5, name="shared")
    a, b = sf.Input((6,), name="a"), sf.Input((6,), name="b")
    out = layers.Add(name="sum")([shared(inside(a)), shared(b)])
    model = sf.Model([a, b], [layers.Dense(1, name="one")(out), layers.Dense(1, name="two")(out)])
    model.compile("sgd", "mse")
    ones = np.ones((8, 6), np.float32)
    found = model.profile([ones, ones], [ones[:, :1]] * 2, batch_size=8)
    assert [row.name for row in found.layers] == ["encoder/deep", "shared", "sum", "one", "two"]
    assert found.layers[1].flops == 2 * (2 * 8 * 6 * 5) + 2 * (2 * 8 * 6 * 5) + 2 * 8 * 6 * 5


def test_waiting_for_data_is_the_verdict_where_loading_is_slow() -> None:
    def slow(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        time.sleep(0.02)
        return x, y

    model = sf.Sequential([sf.Input((4,)), layers.Dense(1, name="only")])
    model.compile("sgd", "mse")
    source = sf.source(np.ones((32, 4)), np.ones((32, 1))).batch(4).map(slow)
    found = model.profile(source, workers=0, batches=5)
    assert found.batches == 5
    assert found.waiting_share > 0.8
    assert found.verdict.startswith("waiting for data takes ")
    assert "map(slow) limits" in found.verdict
    assert "the slowest layer is only" in found.verdict
    assert "more workers help up to" in model.profile(source, workers=1, batches=5).verdict


def test_generators_are_read_no_further_than_asked_for() -> None:
    def endless():
        for number in range(100):
            read.append(number)
            yield np.ones((4, 3)), np.ones((4, 1))

    read: list[int] = []
    model = sf.Sequential([sf.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    assert model.profile(endless(), batches=3, workers=0).batches == 3
    assert len(read) <= 4


def test_text_is_a_table_of_100_columns_and_values_are_plain() -> None:
    x, y = data(16)
    found = network().profile(x, y, batch_size=8, class_weight={0: 2.0, 1: 1.0, 2: 1.0, 3: 1.0})
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].split() == ["layer", "forward", "ms", "backward", "ms", "share", "GFLOP/s", "of", "rate"]
    assert lines[1].startswith("conv (Conv2D)")
    assert " ".join(lines).endswith(found.verdict)
    again = json.loads(json.dumps(found.to_dict()))
    assert again["rows"][0]["name"] == "conv"
    assert again["rest"] == found.rest


def profile_with(model: sf.Model, **times: float) -> ModelProfile:
    x, y = data(8)
    found = model.profile(x, y, batch_size=8, batches=1)
    row = LayerTimes("conv", "Conv2D", "layer", 0.001, 0.002, 3_000_000_000)
    values = {name: getattr(found, name) for name in ("data", "batches", "batch_size", "training")}
    numbers = {"alone": 0.004, "step": 0.004, "waiting": 0.0, "around": 0.0, "machine_rate": 1.25e12}
    return ModelProfile(rows=(row,), threads=1, **values, **{**numbers, **times})


def test_the_sentence_says_where_a_layer_is_near_the_rate_of_the_machine() -> None:
    found = profile_with(network())
    assert found.verdict == (
        "waiting for data takes 0 % of a step, so the model limits; the slowest layer is conv (75 % of a "
        "step's work, 80 % of the machine's rate for matrix products, so it is near its limit)."
    )
    assert "near its limit" not in profile_with(network(), machine_rate=1e13).verdict


def test_parts_that_do_not_add_up_are_said_to_be_rough() -> None:
    found = profile_with(network(), alone=0.003 / 1.1)
    assert found.adds_up
    assert "rough" not in str(found)
    rough = profile_with(network(), alone=0.001)
    assert not rough.adds_up
    assert "rough" in str(rough)
    assert "(100 % of a step's work" in rough.verdict


@pytest.mark.parametrize(
    ("where", "workers", "busy", "processor", "advice"),
    [
        ("2 processes", 2, 0.12, 0.12, "more workers help up to 3; "),
        ("2 processes", 2, 4.0, 4.0, "more workers help up to 4, as many as processors; "),
        ("4 processes", 4, 4.0, 4.0, ""),
        ("2 threads", 2, 4.0, 0.1, "more workers help up to 100; "),  # they wait, for a disk for instance
        ("2 threads", 2, 4.0, 4.0, ""),  # they wait for Python's lock
        ("this thread", 1, 4.0, 4.0, ""),
    ],
)
def test_advice_on_workers(
    monkeypatch: pytest.MonkeyPatch, where: str, workers: int, busy: float, processor: float, advice: str
) -> None:
    monkeypatch.setattr("streamfit.training.model_profile.usable_processors", lambda: 4)
    found = profile_with(network(), waiting=0.012)
    row = StageTimes("map(f)", "stage", where, workers, busy, 0.0, 0.0, 0, processor)
    data = replace(found.data, rows=[row], elements=10, verdict="map(f) limits.")
    found = replace(found, data=data)
    assert found.verdict.startswith(
        f"waiting for data takes 75 % of a step: {advice}map(f) limits; the slowest layer is conv "
    )


def test_wrong_arguments_and_no_data_are_refused() -> None:
    x, y = data(8)
    with pytest.raises(sf.NotCompiledError):
        sf.Sequential([sf.Input((3,)), layers.Dense(1)]).profile(x, y)
    with pytest.raises(ValueError, match="batches"):
        network().profile(x, y, batches=0)
    with pytest.raises(sf.DataError, match="at least one batch"):
        network().profile(iter(()), workers=0)
