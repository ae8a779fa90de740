"""`OnnxGraph`: a graph of ONNX operators as plain values, and what translators write it with.

Operators are those of the default domain in version `OPSET`: https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streamfit._base.specs import Array, Spec
from streamfit.ops.core import Constant, DType, Tensor, Variable

OPSET, IR_VERSION = 18, 8
"""The oldest versions that have what translators use (`ReduceMean` with axes as an input), so that many
runtimes read the files."""

Attribute = int | float | str | Sequence[int]

_COMPUTED = ("float32", "float64", "int32", "int64", "uint64")


@dataclass(frozen=True)
class OnnxNode:
    """One operator of a graph.

    Attributes:
        operator: Its name, such as ``"MatMul"``.
        name: The name of the node.
        inputs: Names of values; an empty one stands for an optional input that is left out.
        output: Name of the one value that it makes.
        attributes: Its settings.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True)
class Port:
    """An input or an output of a graph.

    Attributes:
        name: Its name.
        spec: Shape and dtype; None in front is the batch.
    """

    name: str
    spec: Spec


@dataclass
class OnnxGraph:
    """A graph under construction.

    Attributes:
        name: Of the model.
        values: Of the weights, all of one moment.
        layer: The layer that nodes are being written for; names of nodes begin with it.
        nodes: The operators, each after those that it reads.
        initializers: The weights and constants by name.
        inputs: What the graph is fed.
        outputs: What it returns.
    """

    name: str
    values: Mapping[Variable, Array]
    layer: str = ""
    nodes: list[OnnxNode] = field(default_factory=list)
    initializers: dict[str, Array] = field(default_factory=dict)
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    _names: dict[Tensor, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    # -- names --------------------------------------------------------------------------------------

    def add_input(self, tensor: Tensor) -> None:
        """Let the graph be fed a tensor, under its own name."""
        self._names[tensor] = self.reserve(tensor.name or "input")
        self.inputs.append(Port(self._names[tensor], tensor.spec))

    def add_output(self, tensor: Tensor, name: str) -> None:
        """Let the graph return a tensor, under a name that was reserved."""
        self.layer = ""
        self.nodes.append(OnnxNode("Identity", name, (self.name_of(tensor),), name, {}))
        self.outputs.append(Port(name, tensor.spec))

    def bind(self, tensor: Tensor, name: str) -> None:
        """Say which value of the graph is a tensor."""
        self._names[tensor] = name

    def name_of(self, tensor: Tensor) -> str:
        """Return the name of the value that is a tensor; weights and constants are added when first read."""
        if tensor not in self._names:
            value = self.value_of(tensor)
            if value is None:
                raise ValueError(f"layer {self.layer!r} reads {tensor!r}, which is no input of the model")
            self._names[tensor] = self.constant(value, tensor.name or "constant")
        return self._names[tensor]

    def value_of(self, tensor: Tensor) -> Array | None:
        """Return the array of a weight or of a constant; None for a tensor that is computed."""
        if isinstance(tensor, Variable):
            return self.values[tensor]
        return tensor.value if isinstance(tensor, Constant) else None

    def reserve(self, name: str) -> str:
        """Return a name that nothing else has: `name`, with a number behind it if it is taken."""
        found, count = name, 0
        while found in self._taken:
            count += 1
            found = f"{name}_{count}"
        self._taken.add(found)
        return found

    def _inside(self, name: str) -> str:
        return self.reserve(f"{self.layer}/{name}" if self.layer else name)

    # -- values -------------------------------------------------------------------------------------

    def constant(self, value: npt.ArrayLike, name: str = "constant", dtype: DType | None = None) -> str:
        """Add a constant; return its name."""
        found = self._inside(name)
        self.initializers[found] = np.array(value, dtype, order="C")
        return found

    def integers(self, *numbers: int) -> str:
        """Add a vector of whole numbers; return its name."""
        return self.constant(np.array(numbers, np.int64), "numbers")

    def node(self, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """Add an operator of one output; return the name of that."""
        name = self._inside(operator)
        self.nodes.append(OnnxNode(operator, name, inputs, name, attributes))
        return name

    def cast(self, value: str, source: DType, target: DType) -> str:
        """Return the name of a value in another dtype."""
        return value if source == target else self.node("Cast", value, to=target.name)

    def computed(self, operator: str, *tensors: Tensor, to: DType, **attributes: Attribute) -> str:
        """Add an operator on tensors of one dtype; return the name of its result, which has the dtype `to`.

        Truth values and short whole numbers, on which few operators are defined, are computed as int64.
        """
        source = tensors[0].dtype
        wide = source if source.name in _COMPUTED else np.dtype(np.int64)
        names = [self.cast(self.name_of(tensor), source, wide) for tensor in tensors]
        result = self.node(operator, *names, **attributes)
        return self.cast(result, wide, to) if to == source else result

    def lengths(self, like: str, first: int, behind: int) -> str:
        """Return the name of the vector of the lengths of some neighbouring axes of a value."""
        return self.node("Shape", like, start=first, end=behind)
