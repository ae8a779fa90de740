"""`TensorMethods`: the tensors of a layer in the graph of a model, and the shapes that it makes of others."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from streamfit._base.checks import integer
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Shape, Spec
from streamfit._base.text import dtype_of
from streamfit._base.tree import transform
from streamfit.layers.weight_methods import without_draws
from streamfit.ops.core import Constant, Node, Tensor, tracing

T = TypeVar("T")


class TensorMethods:
    """Remember where a user called a layer on tensors.

    Attributes:
        dtype: Dtype of the tensors that shapes are tried with, where the layer does not say what it reads.
        input_dtype: The dtype that it reads, or None.
        built: Whether the weights exist.
    """

    dtype: str
    input_dtype: str | None
    built: bool
    _uses: list[Node]

    @property
    def name(self) -> str:
        """Return the layer's name."""
        raise TypeError(f"{type(self).__name__} must define name")

    def __call__(self, *inputs: object) -> Any:
        """Apply the layer."""
        raise TypeError(f"{type(self).__name__} must define __call__")

    @property
    def input(self) -> Any:
        """Return the tensor that the layer was called on first, or the list of them; as Keras 3 does.

        Raises:
            AttributeError: The layer was called on no tensor.
        """
        node = self._use("input")
        return _one_or_list([t for t in node.op.inputs_of(node) if not isinstance(t, Constant)])

    @property
    def output(self) -> Any:
        """Return the tensor that the layer's first call made, or the list of them: an output for another
        model.

        Raises:
            AttributeError: The layer was called on no tensor.

        Example:
            >>> from streamfit import Input, Model
            >>> from streamfit.layers import Dense
            >>> x = Input((3,))
            >>> low = Dense(2, name="low")
            >>> whole = Model(x, Dense(1)(low(x)))
            >>> Model(whole.input, whole.get_layer("low").output).output_shape
            (None, 2)
        """
        node = self._use("output")
        return _one_or_list(node.op.results_of(node))

    @property
    def output_shape(self) -> Shape | list[Shape]:
        """Return the shape of `output`, or the list of them; the batch axis is None.

        Raises:
            AttributeError: The layer was called on no tensor.
        """
        node = self._use("output_shape")
        return _one_or_list([tensor.shape for tensor in node.op.results_of(node)])

    def _use(self, what: str) -> Node:
        if not self._uses:
            raise AttributeError(
                f"layer {self.name!r} has no {what} yet: it was not called on a tensor, such as Input(...) "
                "returns, or its model is not built"
            )
        return self._uses[0]

    def note_use(self, node: Node) -> None:
        """Remember a call on tensors, unless it is known."""
        if not any(node is known for known in self._uses):
            self._uses.append(node)

    def forget_use(self, node: Node | None) -> None:
        """Forget a call on tensors."""
        self._uses[:] = [known for known in self._uses if known is not node]

    def _trial_dtype(self, which: int | str) -> np.dtype[np.generic]:
        """Return the dtype of the tensor that the shape of an input is tried with.

        Args:
            which: Number or name of the input.
        """
        return dtype_of(self.input_dtype or self.dtype)

    @property
    def compute_dtype(self) -> str:
        """Return the dtype that the layer computes in, under Keras' name for it."""
        return self.dtype

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape that the layer makes of another, without making weights.

        Args:
            input_shape: A shape with its batch axis, a length or None; or, for a layer that takes a list or a
                dictionary of tensors, a list or a dictionary of shapes.

        Returns:
            The shape of the output; or a list or a dictionary of shapes.

        Raises:
            ShapeError: The layer cannot take such shapes; or the batch axes differ.

        Example:
            >>> from streamfit.layers import Concatenate, Dense
            >>> Dense(2).compute_output_shape((None, 3))
            (None, 2)
            >>> Concatenate().compute_output_shape([(5, 2), (5, 3)])
            (5, 5)
        """
        batches: set[int | None] = set()
        tensors = _tensors_of(input_shape, self._trial_dtype, batches)
        if len(batches) > 1:
            raise ShapeError(f"the shapes {input_shape} have different batch axes: {batches}")
        layer = self if self.built else copy.deepcopy(self)  # a trial must not build the layer
        with tracing(), without_draws():
            results = layer(tensors)
        (batch,) = batches
        return transform(lambda tensor: _with_batch(tensor.shape, batch), results)

    def compute_output_spec(self, *inputs: Any) -> Any:
        """Return tensors of the shapes and dtypes that the layer makes of tensors, without making weights.

        Example:
            >>> from streamfit import Input
            >>> from streamfit.layers import Dense
            >>> Dense(2).compute_output_spec(Input((3,), name="x"))
            <Tensor shape=(None, 2) dtype=float32>
        """
        layer = self if self.built else copy.deepcopy(self)
        with tracing(), without_draws():
            return layer(*inputs)


def _one_or_list(items: Sequence[T]) -> T | list[T]:
    return items[0] if len(items) == 1 else list(items)


def _with_batch(shape: Shape, batch: int | None) -> Shape:
    return (batch, *shape[1:]) if shape and shape[0] is None else shape


def _tensors_of(
    shapes: object,
    dtype: Callable[[int | str], np.dtype[np.generic]],
    batches: set[int | None],
    which: int | str = 0,
) -> object:
    """Return a tensor for each shape in a structure of shapes, and note the batch axes."""
    if isinstance(shapes, Mapping):
        return {key: _tensors_of(shape, dtype, batches, key) for key, shape in shapes.items()}
    if not isinstance(shapes, (list, tuple)):
        raise TypeError(
            f"input_shape is a shape such as (None, 3), or a list or dict of them, got {shapes!r}"
        )
    if shapes and isinstance(shapes[0], (list, tuple)):
        return [_tensors_of(shape, dtype, batches, number) for number, shape in enumerate(shapes)]
    lengths = tuple(None if length is None else integer(length) for length in shapes)
    wrong = [
        given for given, length in zip(shapes, lengths, strict=True) if length is None and given is not None
    ]
    if wrong or not lengths:
        raise TypeError(f"a shape begins with the batch axis and holds lengths and None, got {tuple(shapes)}")
    batches.add(lengths[0])
    return Tensor(Spec((None, *lengths[1:]), dtype(which)))
