"""`HostInputs`: the part of a model that runs where batches are loaded, in front of its program.

Its inputs are those of the model, as the user knows them; its results are the arrays that the program is fed.
It is sent to worker processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from streamfit._base.keys import derive, each_key
from streamfit._base.specs import Array, Spec
from streamfit._base.text import TEXT
from streamfit._base.tree import flatten, pack
from streamfit.layers.host import HostLayer, HostStep, HostTrace, has_host_layers
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

    Attributes:
        row_by_row: Whether rows may be computed in any company; see `HostLayer`.
        keyed: Whether it needs the keys of the samples: a layer draws random numbers.
    """

    def __init__(self, inputs: Sequence[Tensor], steps: Sequence[HostStep], feeds: Sequence[Tensor]) -> None:
        self._checked = BatchInputs(inputs, (), ())
        places = {tensor: place for place, tensor in enumerate(inputs)}
        self._steps = []
        for step in steps:
            read = [places[tensor] for tensor in step.inputs]
            for tensor in step.outputs:
                places[tensor] = len(places)
            self._steps.append((step.layer, step.structure, read, step.training))
        self._feeds = [places[tensor] for tensor in feeds]
        self.row_by_row = all(step.layer.row_by_row for step in steps)
        self.keyed = any(step.training for step in steps)

    def __call__(self, x: Part, keys: Array | None = None) -> Part:
        """Check the inputs and compute the host layers.

        Args:
            x: The inputs of the model.
            keys: The key of each sample, uint64 (n,), where it is `keyed`. Each use of a layer makes keys of
                its own of them.

        Raises:
            DataError: The data do not fit the inputs of the model, or a host layer refuses them.
        """
        arrays = self._checked.inputs(x)
        for number, (layer, structure, read, training) in enumerate(self._steps):
            given = (arrays[read[0]],) if structure == (None,) else pack(structure, [arrays[i] for i in read])
            settings: dict[str, object] = {} if training is None else {"training": training}
            if training and keys is not None:
                settings["keys"] = each_key(derive(number, "layer"), keys)
            results = layer.compute_checked(*given, **settings)
            arrays += [np.asarray(result) for result in flatten(results)]
        found: list[Array | None] = [arrays[place] for place in self._feeds]
        return found[0] if len(found) == 1 else found


class HostPart:
    """What of a model runs where batches are loaded, and behind the program.

    Only text runs behind it: an output that a host layer makes of numbers, such as
    ``StringLookup(invert=True)``. The program computes these numbers, and `finished` the text.

    Args:
        model: The model, built.

    Attributes:
        feeds: What the program is fed: inputs of the model, and tensors that stand for outputs of host
            layers; for the program that trains (True), and for those that do not.
        inputs: Makes these of a batch; None where nothing of the model runs there.
        finishing: The layers that make text of outputs of the program, by the numbers of the outputs.

    Raises:
        ValueError: A host layer reads what the model computes, or the model would have to compute with text.
    """

    def __init__(self, model: ModelGraph) -> None:
        self.feeds: Mapping[bool, Sequence[Tensor]] = dict.fromkeys((True, False), model.inputs)
        self.inputs: Mapping[bool, HostInputs | None] = dict.fromkeys((True, False))
        self.finishing: dict[int, HostLayer] = {}
        self._trace = HostTrace(model.inputs)
        if not has_host_layers(model.layers):
            return
        with self.collecting():
            read = {training: self._read(model, training) for training in (True, False)}
        for found in read.values():
            self._trace.check(found)
        steps = {training: _needed(self._trace.steps, found) for training, found in read.items()}
        self.feeds = {training: _known(model, steps[training], found) for training, found in read.items()}
        self.inputs = {
            training: HostInputs(model.inputs, steps[training], feeds)
            for training, feeds in self.feeds.items()
        }

    def _read(self, model: ModelGraph, training: bool) -> list[Tensor]:
        """Return the tensors that the model, lowered, reads."""
        lowering = Lowering(training)
        masks = [tensor.mask for tensor in model.outputs if tensor.mask is not None]
        lowered = [*self.fetched(lowering.lower(model.outputs)), *lowering.lower(masks)]
        return leaves([*lowered, *lowering.losses, *lowering.assigned.values()])

    def fetched(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """Return what a program computes for lowered outputs: numbers where `finished` makes text of them."""
        found = list(outputs)
        for place, tensor in enumerate(outputs):
            step = self._trace.text_of_numbers(tensor)
            if step is not None:
                self.finishing[place], found[place] = step.layer, step.inputs[0]
        return found

    def finished(self, outputs: list[Array]) -> list[Array]:
        """Return the outputs of the model, given those of the program."""
        for place, layer in self.finishing.items():
            outputs[place] = np.asarray(layer.compute_checked(outputs[place]))
        return outputs

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Have host layers return the tensors that stand for their outputs, while a graph is lowered."""
        with self._trace.collecting():
            yield


def _needed(steps: Sequence[HostStep], read: Sequence[Tensor]) -> list[HostStep]:
    """Return the uses whose outputs are read, by the program or by such a use."""
    wanted, found = set(read), list[HostStep]()
    for step in reversed(steps):
        if wanted.intersection(step.outputs):
            wanted.update(step.inputs)
            found.insert(0, step)
    return found


def _known(model: ModelGraph, steps: Sequence[HostStep], read: Sequence[Tensor]) -> list[Tensor]:
    """Return the tensors that are read and that are inputs of the model or outputs of uses."""
    known = [*model.inputs, *(tensor for step in steps for tensor in step.outputs)]
    return [tensor for tensor in known if tensor in set(read)]


def single_batch_keys(step_state: Array, x: Part) -> Array:
    """Return a key for each sample of a batch that comes from no stream.

    Args:
        step_state: int64 [seed, finished steps].
        x: The batch.
    """
    return each_key(
        derive(int(step_state[0]), int(step_state[1]), "one batch"), np.arange(len(flatten(x)[0]))
    )


def no_rows(spec: Spec) -> Array:
    """Return an array of no samples; objects are text."""
    return np.empty(spec.at(0), TEXT if spec.dtype.kind == "O" else spec.dtype)
