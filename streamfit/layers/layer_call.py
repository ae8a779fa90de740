"""`LayerCall`: one use of a layer in a graph, and what its `call` takes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Protocol

from streamfit._base.errors import ShapeError
from streamfit._base.tree import flatten, pack, transform
from streamfit.layers.mask_scope import mask_of
from streamfit.layers.weight_methods import retracing
from streamfit.ops.core import Node, Tensor, Value, tracing


class CalledLayer(Protocol):
    """A layer, as one use of it sees it."""

    @property
    def name(self) -> str:
        """Return its name."""

    def __call__(self, *inputs: object, training: bool | None = None, **settings: object) -> Any:
        """Apply the layer."""

    def invoke(
        self,
        inputs: Sequence[object],
        masks: Sequence[Value | None],
        settings: dict[str, object],
        training: bool,
    ) -> tuple[Any, list[Value | None]]:
        """Run `call`; return its result, and the mask of each leaf of it."""


class LayerCall:
    """One use of a layer in a graph: it takes the place of an operation in a `Node`.

    Attributes:
        training: Whether this use, with the layers inside it, behaves as in training; None where the program
            decides.
        masked_results: Which results have a mask, by their numbers; the masks follow the results in the
            outputs of the node, as the masks of inputs (those numbered `masked`) follow its inputs.
    """

    def __init__(
        self,
        layer: CalledLayer,
        structure: object,
        settings: dict[str, object],
        training: bool | None = None,
        masked: Sequence[int] = (),
    ) -> None:
        self.layer, self._settings = layer, settings
        self._structure = transform(lambda leaf: None, structure)  # each use brings its own leaves
        self.training, self._masked = training, list(masked)
        self._count = len(flatten(structure))
        self.masked_results: list[int] = []

    @property
    def name(self) -> str:
        """Return the name of the layer."""
        return self.layer.name

    def inputs_of(self, node: Node) -> Sequence[Tensor]:
        """Return the inputs of the node that this use is in, without their masks."""
        return node.inputs[: self._count]

    def first_of(self, node: Node) -> Sequence[Tensor]:
        """Return the inputs of the node that are the first argument of `call`."""
        return node.inputs[: len(flatten(self._structure[:1]))]

    def results_of(self, node: Node) -> Sequence[Tensor]:
        """Return the results of the node that this use is in, without their masks."""
        return node.outputs[: len(node.outputs) - len(self.masked_results)]

    def arguments_of(self, node: Node) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of the call that made a node, in order and by name; tensors among them."""
        inputs, masks = self.inputs_of(node), node.inputs[self._count :]
        options = dict(self._settings)
        if self.training is not None:
            options["training"] = self.training
        own = [tensor.mask for tensor in inputs]
        given: list[Tensor | None] = [None] * self._count
        for place, mask in zip(self._masked, masks, strict=True):
            given[place] = mask
        if any(mask is not found for mask, found in zip(given, own, strict=True)):
            options["mask"] = _first_structure(pack(self._structure, given))
        return list(pack(self._structure, inputs)), options

    def expand(self, tensors: Sequence[Value], training: bool) -> list[Value]:
        """Call the layer on other tensors, or on arrays, and list its results, then their masks."""
        with retracing():
            results, masks = self.results(tensors, training)
        found = [place for place, mask in enumerate(masks) if mask is not None]
        if found != self.masked_results:
            raise ShapeError(
                f"layer {self.layer.name!r} must give the same results a mask in training and in inference"
            )
        return [*flatten(results), *(mask for mask in masks if mask is not None)]

    def results(self, tensors: Sequence[Value], training: bool) -> tuple[Any, list[Value | None]]:
        """Call the layer on other tensors, or on arrays; return its result, and the mask of each leaf of
        it.
        """
        training = training if self.training is None else self.training
        inputs = pack(self._structure, list(tensors[: self._count]))
        masks: list[Value | None] = [None] * self._count
        for place, mask in zip(self._masked, tensors[self._count :], strict=True):
            masks[place] = mask
        if not any(isinstance(tensor, Tensor) for tensor in tensors):
            return self.layer.invoke(inputs, masks, self._settings, training)
        with tracing():
            return self.layer.invoke(inputs, masks, self._settings, training)

    def again(self, tensors: Sequence[Value], training: bool) -> list[Value]:
        """Call the layer as the user did, on values whose masks `mask_of` knows; list results, then masks."""
        fixed = training if self.training is None else self.training
        inputs = pack(self._structure, list(tensors[: self._count]))
        results = flatten(self.layer(*inputs, training=fixed, **self._settings))
        return [*results, *(mask_of(results[place]) for place in self.masked_results)]


def _first_structure(arguments: Any) -> Any:
    return arguments[0] if arguments else None


def call_arguments(cls: type) -> tuple[str, ...]:
    """Return the names of the arguments of a layer's `call`, without self."""
    cached: tuple[str, ...] | None = cls.__dict__.get("_call_arguments")
    if cached is None:
        cached = tuple(inspect.signature(cls.call).parameters)[1:]  # type: ignore[attr-defined]
        cls._call_arguments = cached  # type: ignore[attr-defined]
    return cached


def mask_arguments(
    takes: Sequence[str], inputs: Sequence[object], masks: Sequence[Value | None]
) -> dict[str, object]:
    """Return the arguments of `call` for the masks of its inputs: ``mask``, and ``x_mask`` for an argument
    x.
    """
    found: dict[str, object] = {}
    start = 0
    for number, (argument, name) in enumerate(zip(inputs, takes, strict=False)):
        stop = start + len(flatten(argument))
        wanted = "mask" if number == 0 else f"{name}_mask"
        if wanted in takes:
            found[wanted] = pack(argument, masks[start:stop])
        start = stop
    return found
