"""The layer that applies a function of the user's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, Unpack

from streamfit._base.configs import Config
from streamfit._base.errors import ShapeError
from streamfit._base.specs import may_equal
from streamfit._base.tree import flatten, transform
from streamfit.layers.base import Layer, LayerOptions
from streamfit.ops.core import Value


class Lambda(Layer):
    """Apply a function that is composed of `streamfit.ops`.

    A model with such a layer can be trained, and its weights can be saved; the model itself cannot, because a
    file cannot hold a function.

    Args:
        function: From a tensor or an array (or a list of them) to the same. Where it has the arguments
            ``training`` and ``mask``, it gets them as `Layer.call` does.
        output_shape: What the result must be: the shape of one sample, or a function from the shape of the
            input to that of the output, both with the batch axis. None takes what comes.
        mask: The mask of the output: a function of the input and its mask, or a tensor or an array; None for
            none.
        arguments: Further arguments of the function by name.
        **options: As for `Layer`.

    Raises:
        TypeError: `function` cannot be called, or `arguments` is no dictionary.
        ShapeError: When called: the result has another shape than `output_shape` says.

    Example:
        >>> import numpy as np
        >>> Lambda(lambda x: x * x)(np.array([3.0]))
        array([9.])
        >>> Lambda(lambda x, by: x / by, arguments={"by": 2})(np.array([3.0]))
        array([1.5])
    """

    def __init__(
        self,
        function: Callable[..., object],
        output_shape: Sequence[Any] | Callable[[Any], Any] | None = None,
        mask: object = None,
        arguments: Mapping[str, object] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if not callable(function):
            raise TypeError(f"Lambda needs a function, got {function!r}")
        if not isinstance(arguments, (Mapping, type(None))):
            raise TypeError(f"arguments must be a dictionary from names to values, got {arguments!r}")
        self.function, self.mask = function, mask
        self.arguments = dict(arguments or {})
        self._shape = output_shape
        self._takes = _parameters(function)

    def call(self, x: Any, mask: Any = None, training: bool = False) -> Any:
        """Apply the function."""
        given = {"mask": mask, "training": training}
        wanted = {name: value for name, value in given.items() if name in self._takes}
        result = self.function(x, **{**self.arguments, **wanted})
        if self._shape is not None:
            self._check_shape(x, result)
        return result

    def _check_shape(self, x: Any, result: Any) -> None:
        shapes = transform(lambda leaf: tuple(leaf.shape), x)
        wanted = self._shape(shapes) if callable(self._shape) else (_first_length(x), *(self._shape or ()))
        for leaf in flatten(result):
            if not may_equal(tuple(leaf.shape), tuple(wanted)):
                raise ShapeError(
                    f"the function of layer {self.name!r} returned the shape {tuple(leaf.shape)}, where "
                    f"output_shape says {tuple(wanted)}"
                )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mask of the output."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def knows_masks(self) -> bool:
        """Return whether the function takes masks, or the layer has one."""
        return self.mask is not None or "mask" in self._takes

    def get_config(self) -> Config:
        """Refuse: there is no description that makes an equal layer.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            f"layer {self.name!r} is a Lambda, which cannot be described or saved: a file holds no Python "
            "function. Save the weights alone (model.save_weights), or write a Layer of your own with the "
            "function as its call, decorated with @register_keras_serializable()"
        )

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Refuse: a description holds code, or the name of a function, where the function should be.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            f"layer {config.get('name')!r} is a Lambda, whose function a file cannot hold: code in files "
            "is never run. Make the model without it, or write a Layer with the function as its call, and "
            "load the weights"
        )


def _parameters(function: Callable[..., object]) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # some functions that are written in C do not tell
        return frozenset()


def _first_length(x: object) -> int | None:
    first: Value = flatten(x)[0]
    length: int | None = first.shape[0]
    return length
