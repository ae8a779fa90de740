"""Protocols of a model as single steps see it: a graph of tensors, and layers that own weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from streamfit.layers.base import Layer
from streamfit.ops import Variable
from streamfit.ops.core import Tensor
from streamfit.optimizers import Optimizer


class WeightOwner(Protocol):
    """A layer or a model, as the owner of weights."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def trainable(self) -> bool:
        """Return whether the optimizer may change the weights."""

    @property
    def weights(self) -> list[Variable]:
        """List all weights, those of the layers inside included, each once."""

    @property
    def layers_inside(self) -> list[Layer]:
        """List the layers that it holds, not itself."""


class ModelGraph(WeightOwner, Protocol):
    """A model as a graph; inputs and outputs are empty until it is built."""

    @property
    def inputs(self) -> Sequence[Tensor]:
        """Return the input tensors, with names."""

    @property
    def outputs(self) -> Sequence[Tensor]:
        """Return the output tensors."""

    @property
    def output_names(self) -> list[str]:
        """List the names of the outputs."""

    @property
    def sole_output(self) -> Sequence[str]:
        """Return a name for the output where there is one whatever is built, else nothing."""

    @property
    def layers(self) -> list[Layer]:
        """List the layers directly inside the model."""

    @property
    def trainable_weights(self) -> list[Variable]:
        """List the weights that training changes."""

    @property
    def penalties(self) -> Sequence[tuple[Callable[[Any], Any], Variable]]:
        """List (regularizer, weight)."""

    def build_for(self, x: object) -> None:
        """Build the graph for inputs like `x`, unless there is one."""


class CompiledModel(ModelGraph, Protocol):
    """A model whose state can be captured: with the optimizer and a name for each weight."""

    @property
    def optimizer(self) -> Optimizer:
        """Return the optimizer, with the steps and the state of this model."""

    def weight_paths(self) -> list[tuple[str, Variable]]:
        """List (path, weight)."""
