"""Discretization: bounds, adapting, where it may stand in a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import DataError, Input, Model, Sequence, Sequential, layers, source

X = np.array([-1.5, 1.0, 3.4, 0.5, 0.0, 3.0, 1.3, 0.0])
OF_KERAS = {  # Keras 3.15.1, adapted to X
    2: [0.5],
    3: [0.0, 1.100000023841858],
    4: [0.0, 0.5, 1.2999999523162842],
    7: [
        *(-1.2857142686843872, 0.0, 0.2142857164144516, 0.7857142686843872),
        *(1.2142857313156128, 2.7571427822113037),
    ],
    8: [-1.5, 0.0, 0.0, 0.5, 1.0, 1.2999999523162842, 3.0],
    20: [-1.5, 0.0, 0.0, 0.5, 1.0, 1.2999999523162842, 3.0],
}


@pytest.mark.parametrize("bins", OF_KERAS)
def test_bounds_of_few_numbers_are_those_of_keras(bins: int) -> None:
    layer = layers.Discretization(num_bins=bins)
    layer.adapt(X)
    np.testing.assert_allclose(layer.bin_boundaries, OF_KERAS[bins], rtol=1e-7)


def test_bins_that_hold_equal_shares_of_any_source() -> None:
    x = np.random.default_rng(0).gamma(2.0, 3.0, (6000, 2))
    kinds = [x, (x[i : i + 300] for i in range(0, 6000, 300)), source(x, np.zeros(6000)).batch(50)]
    found = []
    for data in kinds:
        layer = layers.Discretization(num_bins=8, epsilon=0.01)
        layer.adapt(data)
        shares = np.bincount(np.asarray(layer(x)).ravel(), minlength=8) / x.size
        assert np.abs(shares - 1 / 8).max() <= 0.02
        found.append(layer.bin_boundaries)
    assert found[0] == found[1] == found[2]


class Numbers(Sequence):
    """Batches of different sizes."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        return np.random.default_rng(index).normal(size=(100 + index, 2)), np.zeros(100 + index)


@pytest.mark.jit
@pytest.mark.parametrize("make", [lambda: layers.Discretization(num_bins=5), layers.Normalization])
def test_any_number_of_workers_gives_the_same_bits(make: Any) -> None:
    found = []
    for workers, processes in ((0, False), (1, False), (3, False), (2, True)):
        layer = make()
        layer.adapt(Numbers(workers=workers, use_multiprocessing=processes))
        found.append([layer.get_config().get("bin_boundaries"), *(w.tobytes() for w in layer.get_weights())])
    assert all(each == found[0] for each in found)


def test_modes_and_values_at_the_bounds() -> None:
    x = np.array([[np.nan, np.inf, -np.inf, 0.0, 1.0]])
    found = layers.Discretization([0.0, 1.0])(x)
    assert found.tolist() == [[2, 2, 0, 1, 2]]  # as Keras
    assert found.dtype == np.int32
    for mode, wanted in (("multi_hot", [1, 1, 1]), ("count", [1, 1, 3])):
        assert layers.Discretization([0.0, 1.0], output_mode=mode)(x).tolist() == [wanted]
    one = layers.Discretization([0.0, 1.0], output_mode="one_hot")
    assert one(np.array([[0.5], [7.0]])).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert one(np.array([0.5])).tolist() == [[0, 1, 0]]
    assert layers.Discretization([0.0], output_mode="count")(np.array([0.5])).tolist() == [[0, 1]]


def test_in_front_of_an_embedding_and_behind_a_layer() -> None:
    first = layers.Discretization([0.0, 1.0])
    model = Sequential([Input((2,)), first, layers.Embedding(3, 4), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(20, 2))
    assert np.isfinite(model.fit(x, np.zeros((20, 1)), verbose=0).history["loss"][0])
    start = Input((2,))
    late = Model(start, layers.Discretization([1.0], output_mode="count")(layers.Rescaling(2.0)(start)))
    assert late.predict(np.array([[0.4, 0.6]])).tolist() == [[1, 1]]


def test_adapting_again_takes_effect_in_a_compiled_model() -> None:
    layer = layers.Discretization(num_bins=2)
    layer.adapt(np.array([0.0, 2.0]))
    model = Sequential([Input((1,)), layer])
    assert model.predict(np.array([[5.0]]), verbose=0).tolist() == [[1]]
    layer.adapt(np.array([10.0, 20.0]))
    assert model.predict(np.array([[5.0]]), verbose=0).tolist() == [[0]]


def test_description_of_an_adapted_layer() -> None:
    layer = layers.Discretization(num_bins=3)
    layer.adapt(X)
    again = layers.Discretization.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again(X[:, None]).tolist() == layer(X[:, None]).tolist()
    again.adapt(X * 2)
    assert again.bin_boundaries != layer.bin_boundaries


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "takes either bin_boundaries, or num_bins"),
        ({"bin_boundaries": [0.0], "num_bins": 2}, "takes either bin_boundaries, or num_bins"),
        ({"bin_boundaries": [1.0, 0.0]}, "must be a list of ascending numbers"),
        ({"bin_boundaries": [[1.0]]}, "must be a list of ascending numbers"),
        ({"num_bins": -1}, "num_bins must be a whole number of at least 1"),
        ({"num_bins": 2, "epsilon": 0}, "epsilon must be a number"),
        ({"num_bins": 2, "output_mode": "tf_idf"}, "output_mode must be one of"),
        ({"num_bins": 2, "output_mode": "count", "sparse": True}, "leave sparse=True out"),
    ],
)
def test_arguments_that_cannot_work(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        layers.Discretization(**settings)


def test_errors_of_adapting() -> None:
    with pytest.raises(ValueError, match=r"has no bin_boundaries yet: call adapt\(data\) first"):
        layers.Discretization(num_bins=2)(X)
    with pytest.raises(ValueError, match="was made with bin_boundaries, so there is nothing to adapt"):
        layers.Discretization([0.0]).adapt(X)
    with pytest.raises(DataError, match="the data of layer 'bins': row 1 holds nan"):
        layers.Discretization(num_bins=2, name="bins").adapt(np.array([[1.0], [np.nan]]))
    with pytest.raises(ValueError, match="there are no data to adapt to"):
        layers.Discretization(num_bins=2).finalize_state()


@pytest.mark.parametrize("mode", ["multi_hot", "count"])
def test_further_axes_keep_their_places(mode: str) -> None:
    x = np.random.default_rng(0).uniform(-1, 3, (2, 3, 4))
    layer = layers.Discretization([0.0, 1.0], output_mode=mode)
    wanted = np.zeros((2, 4, 3))
    for sample, step, place in np.ndindex(2, 3, 4):
        wanted[sample, place, int(np.digitize(x[sample, step, place], [0.0, 1.0]))] += 1
    if mode == "multi_hot":
        wanted = wanted > 0
    np.testing.assert_array_equal(layer(x), wanted)
    start = Input((3, 4))
    np.testing.assert_array_equal(Model(start, layer(start)).predict(x, verbose=0), wanted)
    assert layer.compute_output_shape((None, 3, 4)) == layer(start).shape == (None, 4, 3)


def test_shapes_are_known_before_adapt() -> None:
    layer = layers.Discretization(num_bins=5, output_mode="one_hot")
    assert layer.compute_output_shape((None, 3)) == (None, 3, 5)
    assert layer.compute_output_shape((None, 3, 1)) == (None, 3, 5)
    assert layer.compute_output_shape(()) == (5,)
    assert layers.Discretization(num_bins=5, output_mode="count").compute_output_shape((None, 3)) == (None, 5)
    assert layers.Discretization(num_bins=5).compute_output_shape((None, 3)) == (None, 3)
    for kind in (RuntimeError, ValueError):
        with pytest.raises(kind, match="has no bin_boundaries yet"):
            layer(np.zeros((1, 2)))
    spec = layers.Discretization([0.0], output_mode="one_hot").compute_output_spec(Input((3,)))
    assert (spec.shape, spec.dtype) == ((None, 3, 2), np.float32)
