"""ONNX files: graphs as the messages of the `onnx` package, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from streamfit._base.optional import require
from streamfit._base.telling import tell
from streamfit.export.onnx_graph import IR_VERSION, OPSET, Attribute, OnnxGraph, Port
from streamfit.export.onnx_model import graph_of
from streamfit.storage.files import stem, write_whole
from streamfit.training.model_graph import ModelGraph

FORMATS = ("onnx",)
_ENDING = ".onnx"
_LARGEST = 2**31 - 2**20
"""Bytes of weights: a message of protocol buffers ends at 2 GiB, and the graph takes some of them."""


def export_onnx(model: ModelGraph, filepath: str | os.PathLike[str], verbose: bool = False) -> None:
    """Write the inference of a model as an ONNX file; see `Model.export`."""
    path = _checked_path(filepath)
    message = onnx_model(model)
    write_whole(path, [message.SerializeToString(deterministic=True)])
    if verbose:
        ports = ", ".join(each.name for each in message.graph.input)
        results = ", ".join(each.name for each in message.graph.output)
        tell(f"exported model {model.name!r} to {path}: inputs {ports}; outputs {results}")


def onnx_model(model: ModelGraph) -> Any:
    """Return the inference of a model as an `onnx.ModelProto`.

    Args:
        model: The model, built.

    Raises:
        MissingExtraError: The package `onnx` is not installed.
        ValueError: The model cannot be written in ONNX, or its weights take more than 2 GB.
    """
    onnx = require("onnx", "onnx")
    graph = graph_of(model)
    size = sum(array.nbytes for array in graph.initializers.values())
    if size > _LARGEST:
        raise ValueError(
            f"model {model.name!r} has {size / 1e9:.1f} GB of weights, but an ONNX file holds at most 2 GB; "
            "export parts of it: Model(model.input, tensor) and Model(tensor, model.output)"
        )
    return onnx.helper.make_model(
        _graph_message(onnx, graph),
        ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        producer_name="streamfit",
    )


def _graph_message(onnx: ModuleType, graph: OnnxGraph) -> Any:
    helper = onnx.helper

    def attribute(name: str, value: Attribute) -> Any:
        if name == "to":
            value = helper.np_dtype_to_tensor_dtype(np.dtype(str(value)))
        return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value

    nodes = [
        helper.make_node(
            node.operator,
            node.inputs,
            [node.output],
            node.name,
            **{name: attribute(name, value) for name, value in node.attributes.items()},
        )
        for node in graph.nodes
    ]
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in graph.initializers.items()]
    inputs, outputs = (
        [_port_message(onnx, port) for port in ports] for ports in (graph.inputs, graph.outputs)
    )
    return helper.make_graph(nodes, graph.name, inputs, outputs, tensors)


def _port_message(onnx: ModuleType, port: Port) -> Any:
    """Return an input or an output; axes without a fixed length have names, the first one ``batch``."""
    names = ("batch" if axis == 0 else f"{port.name}_axis_{axis}" for axis in range(port.spec.rank))
    shape = [name if n is None else n for n, name in zip(port.spec.shape, names, strict=True)]
    dtype = onnx.helper.np_dtype_to_tensor_dtype(port.spec.dtype)
    return onnx.helper.make_tensor_value_info(port.name, dtype, shape)


def _checked_path(filepath: str | os.PathLike[str]) -> Path:
    path = Path(os.fspath(filepath))
    if path.suffix != _ENDING:
        raise ValueError(
            f"an ONNX file ends in {_ENDING!r}, got {str(path)!r}; write "
            f"{str(path.with_name(stem(path.name) + _ENDING))!r}"
        )
    return path
