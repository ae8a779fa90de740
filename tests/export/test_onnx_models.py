"""Models in ONNX files: every layer, composed models, names, bytes, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layers.cases import CASES, Case
from oracles.onnx_runtimes import RUNTIMES, Session, best_runtime, check

import streamfit as sf
from streamfit import Input, Model, Sequential, layers, ops
from streamfit.export import onnx_file

pytest.importorskip("onnx")

Array = np.ndarray[Any, Any]
NO_KERNEL_OF_DOUBLES = ("Conv", "Average")  # in ONNX Runtime, on processors


def randomized(model: Model, seed: int = 0) -> Model:
    """Give the weights values that no initializer gives, variances above 0 among them."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.1, 0.9, w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


def session(model: Model, folder: Path, runtime: str) -> Session:
    model.export(folder / "model.onnx")
    return Session((folder / "model.onnx").read_bytes(), runtime)


def compare(model: Model, batches: list[list[Array]], folder: Path, runtime: str) -> Session:
    """Check that a runtime computes what `predict` does."""
    run = session(model, folder, runtime)
    for arrays in batches:
        results = model.predict(arrays if len(arrays) > 1 else arrays[0], verbose=0)
        check(run, arrays, results if isinstance(results, list) else [results])
    return run


# -- layers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_layer(case: Case, tmp_path: Path) -> None:
    for dtype in ("float32", "float64"):
        runtime = best_runtime(dtype, case.name.startswith(NO_KERNEL_OF_DOUBLES))
        batches = [case.inputs(n, n, dtype) for n in (1, 3, 8)]
        starts = [Input(x.shape[1:], dtype=x.dtype) for x in batches[0]]
        model = randomized(Model(starts, case.call(case.make(dtype=dtype), starts)))
        compare(model, batches, tmp_path, runtime)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_layer_on_lengths_that_the_data_decide(case: Case, tmp_path: Path) -> None:
    batches = [case.inputs(n, n, "float32") for n in (1, 3)]
    for axis in range(max(len(shape) for shape in case.samples)):
        free = [(*shape[:axis], None, *shape[axis + 1 :]) for shape in case.samples]
        starts = [Input(shape, dtype=x.dtype) for shape, x in zip(free, batches[0], strict=True)]
        try:
            end = case.call(case.make(dtype="float32"), starts)
        except ValueError:
            continue  # the layer needs the length; its own tests look at that
        compare(randomized(Model(starts, end)), batches, tmp_path, best_runtime("float32", False))


# -- models -----------------------------------------------------------------------------------------


def several_of_each() -> Model:
    """Two inputs, a shared layer, a nested model, two outputs."""
    left, right = Input((4,), name="left"), Input((4,), name="right")
    inner = Sequential([Input((4,)), layers.Dense(5, "gelu"), layers.BatchNormalization()], name="inner")
    shared = layers.Dense(3, "tanh", name="shared")
    joined = layers.Concatenate()([shared(inner(left)), shared(inner(right)), shared(layers.Dense(5)(left))])
    again = layers.Dropout(0.5, name="which")(layers.Dense(3, "softmax")(joined))
    return Model([left, right], [again, layers.Dense(1, name="score")(joined)])


def picture_network() -> Model:
    return Sequential(
        [
            Input((None, None, 3)),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2, padding="same"),
            layers.Conv2D(6, 3, padding="same", use_bias=False),
            layers.Activation("silu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, "softmax"),
        ]
    )


def masked_mean() -> Model:
    words = Input((None,), dtype="int64", name="words")
    table = layers.Embedding(9, 4, mask_zero=True)
    return Model(words, layers.Dense(2)(layers.GlobalAveragePooling1D()(table(words))))


@sf.saving.register_keras_serializable("tests.export")
class Attention(layers.Layer):
    """A layer of a user, composed of operations."""

    def build(self, shape: Any) -> None:
        self.scores = self.add_weight(shape=(shape[-1], 1), name="scores")

    def call(self, x: Any, mask: Any = None) -> Any:
        scores = ops.matmul(x, self.scores)
        if mask is not None:
            scores = ops.where(ops.expand_dims(mask, -1), scores, -1e9)
        return (
            ops.sum(ops.softmax(scores, axis=1) * x, axis=1)
            / ops.sqrt(ops.sum(x * x, axis=(1, 2)) + 1)[:, None]
        )


def attending() -> Model:
    x = Input((None, 3), name="x")
    return Model(x, layers.Dense(1, "sigmoid")(Attention()(layers.Masking()(x))))


class Pair(Model):
    """A subclass with a `call`."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.drop, self.top = layers.Dense(8, "elu"), layers.Dropout(0.2), layers.Dense(1)

    def call(self, inputs: Any, training: bool = False) -> Any:
        left, right = self.shared(inputs["left"]), self.shared(inputs["right"])
        return self.top(self.drop(left * right, training=training))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_several_inputs_and_outputs_shared_layers_and_nested_models(tmp_path: Path, runtime: str) -> None:
    rng = np.random.default_rng(0)
    batches = [[rng.normal(size=(n, 4)).astype("float32") for _ in range(2)] for n in (1, 5)]
    run = compare(randomized(several_of_each()), batches, tmp_path, runtime)
    assert run.inputs == ["left", "right"]
    assert run.outputs[1] == "score"
    kernels = [each.name for each in run.model.graph.initializer if each.name.startswith("shared")]
    assert kernels == ["shared/kernel", "shared/bias"]  # once, although it is used three times
    assert any(node.name.startswith("inner/dense") for node in run.model.graph.node)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_network_for_pictures_of_any_size(tmp_path: Path, runtime: str) -> None:
    rng = np.random.default_rng(0)
    batches = [[rng.normal(size=(2, *size, 3)).astype("float32")] for size in ((9, 8), (14, 21))]
    run = compare(randomized(picture_network()), batches, tmp_path, runtime)
    shape = run.model.graph.input[0].type.tensor_type.shape.dim
    assert [each.dim_param or each.dim_value for each in shape] == [
        "batch",
        f"{run.inputs[0]}_axis_1",
        f"{run.inputs[0]}_axis_2",
        3,
    ]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_masked_steps_do_not_count(tmp_path: Path, runtime: str) -> None:
    rng = np.random.default_rng(0)
    words = [[rng.integers(0, 3, (n, steps))] for n, steps in ((1, 6), (4, 5))]
    compare(randomized(masked_mean()), words, tmp_path, runtime)
    x = rng.normal(size=(3, 5, 3)).astype("float32")
    x[0, 2:] = 0
    compare(randomized(attending()), [[x]], tmp_path, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_numbers_without_a_row_are_refused_by_the_runtime(tmp_path: Path, runtime: str) -> None:
    whole = session(masked_mean(), tmp_path, runtime)
    floats = Sequential([Input((2,)), layers.Embedding(9, 4)])
    for run, wrong in [
        *((whole, np.array([[1, number]])) for number in (-1, 9, -(2**40))),
        *(
            (session(floats, tmp_path, runtime), np.array([[1, number]], "float32"))
            for number in (-1, 9, 2.5, np.nan, 1e30)
        ),
    ]:
        with pytest.raises(Exception, match=r"(?i)out of (data )?bounds"):
            run([wrong])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_subclass_after_training(tmp_path: Path, runtime: str) -> None:
    rng = np.random.default_rng(0)
    x = {"left": rng.normal(size=(16, 3)).astype("float32"), "right": np.ones((16, 3), "float32")}
    pair = Pair()
    pair.compile("adam", "mse")
    pair.fit(x, np.ones((16, 1)), verbose=0)
    run = session(pair, tmp_path, runtime)
    assert run.inputs == ["left", "right"]
    check(run, [x["left"], x["right"]], [pair.predict(x, verbose=0)])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_layers_that_run_where_batches_are_loaded_are_left_out(tmp_path: Path, runtime: str) -> None:
    text, number = Input((2,), dtype="string", name="text"), Input((1,), name="number")
    lookup = layers.StringLookup(vocabulary=["good", "bad"], name="lookup")
    means = layers.GlobalAveragePooling1D()(layers.Embedding(3, 4)(lookup(text)))
    model = randomized(Model([text, number], layers.Dense(1)(layers.Concatenate()([means, number]))))
    run = session(model, tmp_path, runtime)
    assert sorted(run.inputs) == ["lookup", "number"]
    texts, numbers = np.array([["good", "film"], ["bad", "good"]]), np.ones((2, 1), "float32")
    fed = {"lookup": lookup(texts), "number": numbers}
    check(run, [fed[name] for name in run.inputs], [model.predict([texts, numbers], verbose=0)])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_inputs_that_are_outputs_and_names_that_meet(tmp_path: Path, runtime: str) -> None:
    x = Input((2,), name="x")
    twice = layers.Rescaling(2.0, name="x")(x)
    model = Model(x, [x, twice, twice])
    run = compare(model, [[np.ones((3, 2), "float32")]], tmp_path, runtime)
    assert len({*run.inputs, *run.outputs}) == 4


# -- files ------------------------------------------------------------------------------------------


def test_equal_bytes_and_nothing_but_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = several_of_each()
    for name in ("first.onnx", "second.onnx"):
        model.export(tmp_path / name, format="onnx", verbose=name == "second.onnx")
    first, second = (tmp_path / name for name in ("first.onnx", "second.onnx"))
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.onnx", "second.onnx"]
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("second.onnx: inputs left, right; outputs which, score")
    model.set_weights([weight + 1 for weight in model.get_weights()])
    model.export(first)
    assert first.read_bytes() != second.read_bytes()


def test_a_model_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    masked_mean().export(path)
    before = path.read_bytes()
    x = Input((3,))
    with pytest.raises(ValueError, match="noise"):
        Model(x, layers.GaussianNoise(0.5, name="noise")(x, training=True)).export(path)
    assert path.read_bytes() == before


def test_weights_that_no_file_can_hold_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(onnx_file, "_LARGEST", 100)
    with pytest.raises(ValueError, match=r"holds at most 2 GB; export parts of it"):
        masked_mean().export(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
