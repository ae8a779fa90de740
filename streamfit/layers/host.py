"""`HostLayer`: a layer that NumPy and Python compute, where batches are loaded: in front of the program.

Text, hash tables and whatever else no kernel can compute belong there. In a graph a host layer reads inputs
of
the model, or the outputs of other host layers; its outputs are fed to the program in their place. In `fit`,
`evaluate` and `predict` the workers that load a batch compute its host layers too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from streamfit._base.errors import DataError, ShapeError
from streamfit._base.specs import Array, Spec
from streamfit._base.text import TEXT
from streamfit._base.tree import flatten, pack, transform
from streamfit.layers.base import Layer
from streamfit.ops.core import Tensor


class HostLayer(Layer):
    """Base of layers that compute with NumPy and Python on whole batches, where these are loaded.

    A subclass defines `compute` and `compute_output_spec`. It has no weights that are trained, no gradient
    goes
    through it, and training does not change what it returns. It is sent to worker processes, so it must be
    picklable. `input_dtype` says what it reads: ``'string'`` or the name of a dtype.

    A layer that draws random numbers, or does something else in training, is a `KeyedHostLayer`.

    Example:
        >>> class Length(HostLayer):
        ...     input_dtype = "string"
        ...     def compute(self, x):
        ...         return np.vectorize(len, otypes=[np.int64])(x)
        ...     def compute_output_spec(self, spec):
        ...         return spec.with_dtype("int64")
        >>> Length()(["a", "four"])
        array([1, 4])
    """

    advice: ClassVar[str] = "Call it on the arrays that `predict` returns"
    """What to do where it stands behind a layer that the model computes."""

    @property
    def row_by_row(self) -> bool:
        """Whether each row of the outputs depends on the same row of the inputs alone, and is no larger.

        Then many batches may be computed at once.
        """
        return False

    # `Any`, as in `Layer`: each subclass has inputs and outputs of its own.

    def compute(self, *inputs: Any) -> Any:
        """Return the outputs for arrays of a batch; text comes as arrays of `str` objects."""
        raise TypeError(f"{type(self).__name__} must define compute(self, inputs)")

    def compute_output_spec(self, *specs: Any) -> Any:
        """Return a `Spec` for each output, given those of the inputs; the batch axis is None."""
        raise TypeError(f"{type(self).__name__} must define compute_output_spec(self, spec)")

    def call(self, *inputs: Any) -> Any:
        """Compute on arrays; on tensors return those that stand for the outputs."""
        if not any(isinstance(leaf, Tensor) for leaf in flatten(inputs)):
            return self.compute_checked(*inputs)
        return self.traced(inputs)

    def traced(self, inputs: tuple[Any, ...], training: bool | None = None) -> Any:
        """Return the tensors that stand for the outputs.

        Args:
            inputs: Tensors.
            training: Whether this use is in training; None where that makes no difference.

        Raises:
            TypeError: There are arrays among the inputs.
        """
        for leaf in flatten(inputs):
            if not isinstance(leaf, Tensor):
                raise TypeError(
                    f"layer {self.name!r} runs where batches are loaded: its inputs must be inputs of the "
                    "model "
                    f"or outputs of such layers, got an array of shape {np.shape(leaf)} among them"
                )
        specs = self.compute_output_spec(*transform(lambda leaf: leaf.spec, inputs))
        trace = _active.trace
        if trace is None:
            return transform(Tensor, specs)
        return pack(specs, trace.outputs(self, inputs, flatten(specs), training))

    def compute_checked(self, *inputs: Any, **settings: Any) -> Any:
        """Return the outputs for arrays, checked against `compute_output_spec`.

        Args:
            inputs: The arrays.
            settings: Passed on to `compute`.

        Raises:
            DataError: They have another dtype or shape, or another number of samples.
        """
        wanted = self._specs_for(inputs)
        results = self.compute(*inputs, **settings)
        rows = np.shape(flatten(inputs)[0])[:1] if inputs else ()
        leaves = flatten(results)
        if len(leaves) != len(wanted):
            raise DataError(f"layer {self.name!r} returned {len(leaves)} arrays for {len(wanted)} specs")
        for array, spec in zip(leaves, wanted, strict=True):
            _check_output(self.name, np.asarray(array), spec, rows)
        return results

    def _specs_for(self, inputs: tuple[Any, ...]) -> list[Spec]:
        """List the specs of the outputs; those of the last kind of inputs are kept."""
        forms = [(array.ndim, array.shape[1:], array.dtype.char) for array in flatten(inputs)]
        key = (self.revision, forms)
        known: Any = self.__dict__.get("_known_specs")
        if known is None or known[0] != key:
            specs = self.compute_output_spec(*transform(open_spec, inputs))
            known = (key, flatten(specs))
            object.__setattr__(self, "_known_specs", known)
        found: list[Spec] = known[1]
        return found


def open_spec(array: Array) -> Spec:
    """Return the spec of a batch, with the batch axis open; objects are text."""
    dtype = TEXT if array.dtype.kind in "OUST" else array.dtype
    return Spec((None, *array.shape[1:]) if array.ndim else (), dtype)


def _check_output(layer: str, array: Array, spec: Spec, rows: tuple[int, ...]) -> None:
    wanted = (*rows, *spec.shape[1:]) if spec.batched and rows else spec.shape
    fits = len(wanted) == array.ndim and all(
        length in (None, found) for length, found in zip(wanted, array.shape, strict=False)
    )
    if not fits:
        raise ShapeError(f"layer {layer!r} returned an array of shape {array.shape}, where {wanted} was due")
    same = array.dtype.kind in "OUST" if spec.dtype == TEXT else array.dtype == spec.dtype
    if not same:
        raise DataError(
            f"layer {layer!r} returned an array of dtype {array.dtype}, where {spec.dtype} was due; convert "
            "it "
            "in `compute`"
        )


@dataclass(frozen=True)
class HostStep:
    """One use of a host layer.

    Attributes:
        layer: The layer.
        structure: Its inputs as it is called with them, None for each of them.
        inputs: The tensors that it reads.
        outputs: The tensors that stand for its outputs.
        training: Whether it is in training; None for a layer to which that makes no difference.
    """

    layer: HostLayer
    structure: object
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    training: bool | None = None


class HostTrace:
    """Collect the uses of host layers while a graph is lowered.

    The same layer on the same tensors is one use, however often the graph has it and is lowered.

    Args:
        inputs: The inputs of the model.

    Attributes:
        steps: The uses, each after those that it reads.
    """

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        self._known: set[Tensor] = set(inputs)
        self._found: dict[tuple[object, ...], HostStep] = {}
        self._strays: dict[Tensor, HostStep] = {}  # uses on what the model computes
        self._offers: dict[Tensor, tuple[Layer, Tensor]] = {}
        self._twins: dict[Layer, OnHost] = {}
        self.steps: list[HostStep] = []

    def outputs(
        self, layer: HostLayer, inputs: object, specs: Sequence[Spec], training: bool | None = None
    ) -> tuple[Tensor, ...]:
        """Return the tensors that stand for the outputs of a use."""
        read = tuple([self._on_host(tensor) for tensor in flatten(inputs)])
        structure = transform(lambda leaf: None, inputs)
        if not self._known.issuperset(read):  # shapes are inferred, or a layer is used where it cannot be
            made = tuple(Tensor(spec, layer.name) for spec in specs)
            self._strays.update((tensor, HostStep(layer, structure, read, made)) for tensor in made)
            return made
        key = (layer, repr(structure), training, *read)
        step = self._found.get(key)
        if step is None:
            made = tuple(Tensor(spec, layer.name) for spec in specs)
            step = self._found[key] = HostStep(layer, structure, read, made, training)
            self.steps.append(step)
            self._known.update(made)
        return step.outputs

    def offer(self, layer: Layer, x: Tensor, made: Tensor) -> None:
        """Note that a layer without weights makes a tensor; it is computed here if a host layer reads it."""
        self._offers[made] = layer, x

    def _on_host(self, tensor: Tensor) -> Tensor:
        """Return a tensor, or what stands for the same numbers computed here."""
        if tensor in self._known or tensor not in self._offers:
            return tensor
        layer, x = self._offers[tensor]
        twin = self._twins.setdefault(layer, OnHost(layer))
        return self.outputs(twin, (self._on_host(x),), [tensor.spec])[0]

    def text_of_numbers(self, tensor: Tensor) -> HostStep | None:
        """Return the use that makes this text of one tensor of numbers; None where there is no such use."""
        if tensor.dtype != TEXT:
            return None
        step = self._strays.get(tensor) or next((step for step in self.steps if tensor in step.outputs), None)
        made_of_numbers = step is not None and [each.dtype == TEXT for each in step.inputs] == [False]
        return step if made_of_numbers else None

    def check(self, leaves: Sequence[Tensor]) -> None:
        """Check what a lowered graph reads.

        Raises:
            ValueError: A host layer reads the output of another layer, or a kernel would have to read text.
        """
        for leaf in leaves:
            if leaf in self._strays:
                raise ValueError(
                    f"layer {self._strays[leaf].layer.name!r} runs where batches are loaded, before the "
                    "model, but it reads what the model computes; it can only read inputs of the model, or "
                    f"outputs of layers that run there too. {self._strays[leaf].layer.advice}"
                )
            if leaf.dtype == TEXT and leaf in self._known:
                raise ValueError(
                    f"{leaf.name or leaf!r} is text, which the model cannot compute with or return; put a "
                    "layer "
                    "behind it that turns text into numbers, such as StringLookup"
                )

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Collect inside the block, on this thread."""
        before, _active.trace = _active.trace, self
        try:
            yield
        finally:
            _active.trace = before


class OnHost(HostLayer):
    """A layer without weights that is computed where batches are loaded, in front of host layers.

    Args:
        layer: The layer.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__(name=layer.name)
        self.layer = layer

    @property
    def row_by_row(self) -> bool:
        """Whether each row depends on itself alone: such layers change each number."""
        return True

    def compute(self, x: object) -> Array:
        """Return what the layer makes of arrays."""
        return np.asarray(self.layer(x))

    def compute_output_spec(self, spec: Spec) -> Spec:
        """Return the spec of that."""
        return Spec(self.layer.compute_output_shape(spec.shape), np.dtype(self.layer.dtype))


class _Active(threading.local):
    trace: HostTrace | None = None


_active = _Active()


def offer_on_host(layer: Layer, x: object, made: object) -> None:
    """Say that a layer without weights makes `made` of `x`, so that host layers may stand behind it."""
    if _active.trace is not None and isinstance(x, Tensor) and isinstance(made, Tensor):
        _active.trace.offer(layer, x, made)


def has_host_layers(layers: Sequence[Layer]) -> bool:
    """Return whether one of these layers, or one inside them, is a host layer."""
    return any(isinstance(layer, HostLayer) or has_host_layers(layer.layers_inside) for layer in layers)
