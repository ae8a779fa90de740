"""What needs no package: graphs as plain values, and what the export refuses."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import Input, MissingExtraError, Model, Sequential, layers, ops
from streamfit.export.onnx_elementwise import ELEMENTWISE
from streamfit.export.onnx_model import graph_of
from streamfit.export.onnx_translators import TRANSLATORS
from streamfit.ops.binary import Binary
from streamfit.ops.core import Op
from streamfit.ops.unary import Unary

# Operations that only training and losses need, and that a graph without memory cannot hold.
UNTRANSLATED = {
    *("BatchNormalize", "BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"),
    *("Assign", "Dropout", "RandomNormal", "RandomUniform"),
}


def small() -> Model:
    return Sequential([Input((3,)), layers.Dense(2, "relu", name="top")])


def pair() -> Model:
    left, right, shared = Input((4,), name="left"), Input((4,), name="right"), layers.Dense(3, "gelu")
    return Model([left, right], layers.Dense(1, "tanh")(layers.Concatenate()([shared(left), shared(right)])))


class Moments(layers.Layer):
    """Normalizes by the moments of a batch, always."""

    def call(self, x: Any) -> Any:
        return ops.batch_normalize(x, np.ones(3, "float32"), np.zeros(3, "float32"))[0]


def classes(base: type) -> set[type]:
    return {base}.union(*map(classes, base.__subclasses__()))


def test_every_operation_has_a_translator() -> None:
    kinds = {kind for kind in classes(Op) if kind.__module__.startswith("streamfit.ops.")} - {Op}
    computed = {kind for kind in kinds if kind.forward is not Op.forward}  # the others are bases
    public = {kind for kind in computed if not kind.__name__.startswith("_")}
    assert {kind.__name__ for kind in public - TRANSLATORS.keys()} == UNTRANSLATED


def test_every_function_of_elements_is_in_a_table() -> None:
    found = {
        value.name
        for name, module in list(sys.modules.items())
        if name.startswith("streamfit.ops.")
        for value in vars(module).values()
        if isinstance(value, (Unary, Binary))
    }
    assert found >= {"relu", "add"}
    assert found <= ELEMENTWISE


def test_an_operation_without_a_translation_is_named_with_its_layer() -> None:
    x = Input((3,))
    noise = layers.Dropout(0.5, name="drop")(x, training=True)
    with pytest.raises(ValueError, match=r"layer 'drop' computes dropout, which has no translation to ONNX"):
        graph_of(Model(x, layers.Dense(2)(noise)))
    inner = Sequential([Input((3,)), Moments(name="moments")], name="inner")
    with pytest.raises(ValueError, match=r"layer 'inner/moments' computes batch_normalize, which has no"):
        graph_of(Model(x, inner(x)))
    whole = Input((4, 2), dtype="int64")
    with pytest.raises(ValueError, match=r"the model computes max_pool of int64"):
        graph_of(Model(whole, ops.max_pool(whole, 2)))


def test_a_model_that_changes_weights_is_refused() -> None:
    class Counter(layers.Layer):
        """Counts its calls."""

        def build(self, shape: Any) -> None:
            self.calls = self.add_weight(shape=(), name="calls", trainable=False)

        def call(self, x: Any) -> Any:
            self.calls.assign_add(1.0)
            return x * 2.0

    x = Input((3,))
    with pytest.raises(ValueError, match=r"assigns a value to .*calls.* when it predicts"):
        graph_of(Model(x, Counter()(x)))


def test_a_model_without_a_graph_is_refused() -> None:
    with pytest.raises(ValueError, match=r"is not built, so there is no graph to export"):
        graph_of(Sequential([layers.Dense(2)]))


def test_other_formats_and_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="export writes onnx, got format='tf_saved_model'"):
        small().export(tmp_path / "model.onnx", format="tf_saved_model")
    with pytest.raises(ValueError, match=r"ends in '.onnx', got .*; write '.*model.onnx'"):
        small().export(tmp_path / "model.pb")


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def without(name: str, package: str | None = None) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingExtraError, match=r"streamfit\[onnx\]"):
        small().export(tmp_path / "model.onnx")


def test_graphs_are_made_without_the_package() -> None:
    graph = graph_of(pair())
    assert [port.name for port in graph.inputs] == ["left", "right"]
    assert {node.operator for node in graph.nodes} >= {"MatMul", "Erf", "Tanh", "Concat"}
    made = {port.name for port in graph.inputs} | set(graph.initializers)
    for node in graph.nodes:  # each after those that it reads, no name twice
        assert made.issuperset(node.inputs)
        assert node.output not in made
        made.add(node.output)
    assert made.issuperset(port.name for port in graph.outputs)
