"""`HostInputs`: the part of a model that runs where batches are loaded, in front of its program.

Its inputs are those of the model, as the user knows them; its results are the arrays that the program is fed.
It is sent to worker processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from streamfit._base.specs import Array
from streamfit._base.tree import flatten, pack
from streamfit.layers.host import HostStep, HostTrace, has_host_layers
from streamfit.ops.core import Tensor
from streamfit.program import Lowering, leaves
from streamfit.streams.batch import Part
from streamfit.training.batch_inputs import BatchInputs
from streamfit.training.model_graph import ModelGraph


class HostInputs:
    """Make what a program is fed of the x of a batch.

    Args:
        inputs: The inputs of the model.
        steps: The uses of host layers, each after those that it reads.
        feeds: The tensors that the program is fed.
    """

    def __init__(self, inputs: Sequence[Tensor], steps: Sequence[HostStep], feeds: Sequence[Tensor]) -> None:
        self._checked = BatchInputs(inputs, (), ())
        places = {tensor: place for place, tensor in enumerate(inputs)}
        self._steps = []
        for step in steps:
            read = [places[tensor] for tensor in step.inputs]
            for tensor in step.outputs:
                places[tensor] = len(places)
            self._steps.append((step.layer, step.structure, read))
        self._feeds = [places[tensor] for tensor in feeds]

    def __call__(self, x: Part) -> Part:
        """Check the inputs and compute the host layers.

        Raises:
            DataError: The data do not fit the inputs of the model, or a host layer refuses them.
        """
        arrays = self._checked.inputs(x)
        for layer, structure, read in self._steps:
            results = layer.compute_checked(*pack(structure, [arrays[place] for place in read]))
            arrays += [np.asarray(result) for result in flatten(results)]
        found: list[Array | None] = [arrays[place] for place in self._feeds]
        return found[0] if len(found) == 1 else found


class HostPart:
    """What of a model runs where batches are loaded.

    Args:
        model: The model, built.

    Attributes:
        feeds: What the program is fed: inputs of the model, and tensors that stand for outputs of host
            layers.
        inputs: Makes these of a batch; None where nothing of the model runs there.

    Raises:
        ValueError: A host layer reads what the model computes, or the model would have to compute with text.
    """

    def __init__(self, model: ModelGraph) -> None:
        self.feeds = list(model.inputs)
        self.inputs: HostInputs | None = None
        self._trace = HostTrace(model.inputs)
        if not has_host_layers(model.layers):
            return
        lowered: list[Tensor] = []
        with self.collecting():
            for training in (True, False):
                lowering = Lowering(training)
                masks = [tensor.mask for tensor in model.outputs if tensor.mask is not None]
                lowered += lowering.lower([*model.outputs, *masks])
                lowered += [*lowering.losses, *lowering.assigned.values()]
        read = leaves(lowered)
        self._trace.check(read)
        steps = self._trace.steps
        known = [*model.inputs, *(tensor for step in steps for tensor in step.outputs)]
        self.feeds = [tensor for tensor in known if tensor in set(read)]
        self.inputs = HostInputs(model.inputs, steps, self.feeds)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Have host layers return the tensors that stand for their outputs, while a graph is lowered."""
        with self._trace.collecting():
            yield
