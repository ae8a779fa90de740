"""`Layer`: weights, and a `call` that composes operations.

A layer called on arrays computes now. A layer called on tensors adds one node to the graph. The program later
expands the node by calling `call` again, once for training and once for inference, so a layer may behave
differently in the two. Layers inside layers, shared layers and models used as layers need no special code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self, TypedDict

import numpy as np
from numpy.typing import DTypeLike

from streamfit._base import uses
from streamfit._base.checks import integer
from streamfit._base.config import floatx
from streamfit._base.configs import Config, describe
from streamfit._base.names import UniqueNames, snake_case
from streamfit._base.telling import warn
from streamfit._base.tree import flatten, pack
from streamfit.layers import added_losses, auto_config
from streamfit.layers.building import build_for, building, wrap_build
from streamfit.layers.checks import Checked, output_regularizer
from streamfit.layers.layer_call import LayerCall, call_arguments, mask_arguments
from streamfit.layers.mask_scope import check_mask, mask_of, mask_scope, set_mask
from streamfit.layers.operands import layer_inputs, layer_operands
from streamfit.layers.tensor_methods import TensorMethods
from streamfit.layers.weight_methods import Penalty, WeightMethods, is_retracing
from streamfit.ops.core import (
    Constant,
    Node,
    Tensor,
    Value,
    Variable,
    as_operand,
    is_reading,
    is_symbolic,
    is_tracing,
    reading,
    recording,
)

layer_names = UniqueNames()


def clear_names() -> None:
    """Start the numbering of automatic layer names again."""
    layer_names.clear()


class _Changes:
    count = 0


changes = _Changes()
"""How often any layer in use had a setting changed; users of programs compare it to notice a change."""
_NO_SETTINGS = {"built", "is_named", "trainable", "stream"}


class LayerOptions(TypedDict, total=False):
    """Arguments that every layer takes; see `Layer`."""

    name: str | None
    dtype: DTypeLike | None
    trainable: bool
    input_shape: Sequence[int | None] | None
    activity_regularizer: object


class Layer(WeightMethods, TensorMethods):
    """Base of all layers.

    A subclass creates its weights in `build` (or in `__init__`) with `add_weight`, and composes
    `streamfit.ops` in `call`. Its gradient comes from the graph.

    An attribute that `call` reads may be changed at any time: models that use the layer trace `call` again
    before their next step. Attributes that count when the layer is built, such as the number of units, cannot
    be changed afterwards.

    Args:
        name: A name; by default the class name in snake case, numbered.
        dtype: ``'float32'`` or ``'float64'``; by default `streamfit.config.floatx()`.
        trainable: Whether the optimizer may change the weights.
        input_shape: Shape of one sample, for the first layer of a `Sequential` model.
        activity_regularizer: Penalty on the outputs, divided by the number of samples and added to the loss,
            in training and in `evaluate`; a name or a function as for weights, or None.

    Example:
        >>> import numpy as np
        >>> from streamfit import ops
        >>> class Scale(Layer):
        ...     def build(self, input_shape):
        ...         self.factor = self.add_weight("factor", input_shape[-1:], "ones")
        ...     def call(self, x):
        ...         return x * self.factor
        >>> Scale()(np.array([[1.0, 2.0]], "float32"))
        array([[1., 2.]], dtype=float32)
    """

    fixed: ClassVar[frozenset[str]] = frozenset({"dtype", "sample_shape"})
    """Attributes that count when the layer is built and cannot be set afterwards."""
    input_dtype: str | None = None
    """The dtype that the layer reads: ``'int64'`` for exact numbers, ``'string'`` for text; None for any."""
    accepts_text: bool = False
    """Whether text is read as text, whatever `input_dtype` says of numbers."""
    alike_inputs: bool = True
    """Whether `input_dtype` is that of all arguments of `call`; else it is that of the first one alone."""
    supports_masking: bool = False
    """Whether the mask of the input is that of the output; else it ends here."""
    _layers: list[Layer]  # type: ignore[assignment]
    activity_regularizer = Checked(output_regularizer)
    _activity_regularizer: Penalty | None
    _added_losses: list[Value]
    _arguments: auto_config.Arguments | Config | None
    _name: str | None
    _revision: int
    built: bool
    sample_shape: tuple[int | None, ...] | None
    is_named: bool = True  # by the user; an automatic name depends on the layers that were made before

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        wrap_build(cls)

    # Set up here, not in __init__, so that a subclass may assign layers before it calls super().
    def __new__(cls, *args: object, **kwargs: object) -> Self:
        layer = super().__new__(cls)
        set_ = object.__setattr__
        set_(layer, "_weights", [])
        set_(layer, "_fixed_weights", [])
        set_(layer, "_layers", [])
        set_(layer, "_penalties", [])
        set_(layer, "_uses", [])
        set_(layer, "_activity_regularizer", None)
        set_(layer, "_added_losses", [])
        set_(layer, "built", False)
        set_(layer, "_made_in_retrace", is_retracing())
        set_(layer, "_revision", 0)
        set_(layer, "_trainable", True)
        set_(layer, "_arguments", (args, kwargs) if auto_config.remembers_arguments(cls) else None)
        set_(layer, "_name", None)
        set_(layer, "dtype", floatx())
        set_(layer, "sample_shape", None)
        return layer

    def __init__(
        self,
        *,
        name: str | None = None,
        dtype: DTypeLike | None = None,
        trainable: bool = True,
        input_shape: Sequence[int | None] | None = None,
        activity_regularizer: object = None,
    ) -> None:
        self._name = name
        if activity_regularizer is not None:
            self.activity_regularizer = activity_regularizer
        if not trainable:
            self.trainable = False
        if dtype is not None:
            self.dtype = np.dtype(dtype).name
        if input_shape is not None:
            units = integer(input_shape)
            self.sample_shape = tuple(input_shape) if units is None else (units,)

    def __getstate__(self) -> dict[str, object]:
        # A copy of a layer is in no graph; a model that is copied tells its layers where they are.
        state = {name: value for name, value in self.__dict__.items() if name != "_uses"}
        return auto_config.with_described_arguments(type(self), state)

    @property
    def name(self) -> str:
        """Return the layer's name."""
        if self._name is None:
            self._name, self.is_named = layer_names.new(snake_case(type(self).__name__)), False
        return self._name

    def __setattr__(self, key: str, value: object) -> None:
        for item in flatten(value) if isinstance(value, (list, tuple, dict)) else (value,):
            if isinstance(item, Variable):
                self._own(item)
            elif isinstance(item, Layer):
                self._hold(item)
        if isinstance(self.__dict__.get(key), Variable):
            self._check_weight(key, value)
        if self.built and not key.startswith("_"):
            self._note_setting(key, value)
        object.__setattr__(self, key, value)

    def _check_weight(self, key: str, value: object) -> None:
        """Refuse numbers in the place of a weight: the layer would lose the weight, and steps the numbers."""
        if isinstance(value, (Tensor, np.ndarray, np.generic, float, int)) and not isinstance(
            value, Variable
        ):
            raise AttributeError(
                f"{key} of layer {self.name!r} is a weight and cannot be set to {value!r}; change its "
                f"value with ops.assign(self.{key}, ...) in call, or with layer.{key}.assign(...)"
            )

    def _hold(self, layer: Layer) -> None:
        """Make a layer one of those inside this one; what goes into a frozen layer is frozen."""
        if not any(layer is known for known in self._layers):
            self._layers.append(layer)
            if not self._trainable:
                layer.trainable = False

    def _note_setting(self, key: str, value: object) -> None:
        """Note that a setting of a layer in use is being changed, or refuse it."""
        if key in self.fixed:
            raise AttributeError(
                f"{key} of layer {self.name!r} cannot be set to {value!r}: it counted when the layer was "
                f"built; make a new {type(self).__name__} with it"
            )
        if key not in _NO_SETTINGS:
            object.__setattr__(self, "_revision", self._revision + 1)
            changes.count += 1

    @property
    def revision(self) -> int:
        """Return a number that changes whenever a setting of this layer or of one inside it is changed."""
        return self._revision + sum(layer.revision for layer in self._layers)

    # -- to be defined by subclasses (`Any`, because each has its own shapes, arguments and results) -----

    @building
    def build(self, input_shape: Any) -> None:
        """Create the weights; called once, with the shape of the first input (batch axis None).

        The first call of the layer does so, or the user before it.

        Raises:
            ValueError: The layer has its weights already.
        """

    def call(self, *inputs: Any, **settings: Any) -> Any:
        """Compose the operations.

        May take ``training``, and ``mask``: the mask of the first argument in its structure, None where all
        positions count. The mask of another argument ``x`` comes as ``x_mask``.
        """
        raise TypeError(f"{type(self).__name__} must define call(self, inputs)")

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mask of the output: 0 where a position does not count; None where all count.

        Args:
            inputs: The first argument of `call`.
            mask: Its mask, in the same structure.
        """
        return mask if self.supports_masking and not isinstance(mask, (list, tuple, dict)) else None

    @property
    def layers_inside(self) -> list[Layer]:
        """List the layers that this layer holds, not itself."""
        return list(self._layers)

    # -- losses ---------------------------------------------------------------------------------

    def add_loss(self, loss: object) -> None:
        """Add a scalar to the loss; called in `call`, it counts in training and in `evaluate`.

        Args:
            loss: A tensor, or in a call on arrays an array, without axes.

        Raises:
            TypeError: It is neither.
            ShapeError: It has axes.
            ValueError: It is called outside `call`.

        Example:
            >>> import numpy as np
            >>> from streamfit import ops
            >>> class Sparse(Layer):
            ...     def call(self, x):
            ...         self.add_loss(0.1 * ops.mean(ops.abs(x)))
            ...         return x
            >>> layer = Sparse()
            >>> layer(np.array([[1.0, -3.0]])).tolist(), [round(float(loss), 3) for loss in layer.losses]
            ([[1.0, -3.0]], [0.2])
        """
        added_losses.add(self.name, loss)

    @property
    def losses(self) -> list[Value]:
        """List what the last call of this layer on arrays added, then the penalties of its weights.

        The penalties are of the weights that training changes, as they are now.
        """
        trained = set(self.trainable_weights)
        return [*self._added_losses, *(f(weight) for f, weight in self.penalties if weight in trained)]

    # -- calling --------------------------------------------------------------------------------

    def __call__(
        self, *inputs: object, training: bool | None = None, mask: object = None, **settings: object
    ) -> Any:
        """Apply the layer to tensors (adds a node) or to arrays (computes now).

        Args:
            inputs: Tensors or arrays, or lists or dictionaries of them.
            training: Whether to behave as in training. By default arrays are computed as in inference, and
                in a graph the program decides.
            mask: Which positions of the first argument count, in its structure; by default what the layers
                before this one say.
            settings: Passed on to `call`.
        """
        inputs = layer_inputs(self, inputs)
        masks = [mask_of(leaf) for leaf in flatten(inputs)]
        if mask is not None:
            given = [None if leaf is None else as_operand(leaf) for leaf in flatten(mask)]
            masks[: len(given)] = given
        leaves = layer_operands(self, inputs)
        arguments = pack(inputs, leaves)
        self.ensure_built(arguments[0] if inputs else None)
        if any(is_symbolic(leaf) for leaf in (*leaves, *masks)):
            return self._record(arguments, masks, settings, training)
        with added_losses.collected(self):
            result, found = self._compute(arguments, masks, settings, bool(training))
        for leaf, own in zip(flatten(result), found, strict=True):
            set_mask(leaf, own)
        return result

    def invoke(
        self,
        inputs: Sequence[object],
        masks: Sequence[Value | None],
        settings: dict[str, object],
        training: bool,
    ) -> tuple[Any, list[Value | None]]:
        """Run `call`, with ``training`` and masks where it has such arguments.

        Returns:
            Its result, and the mask of each leaf of it.
        """
        takes, leaves = call_arguments(type(self)), flatten(inputs)
        if "training" in takes:
            settings = {"training": training, **settings}
        if any(mask is not None for mask in masks):
            settings = {**mask_arguments(takes, inputs, masks), **settings}
        with mask_scope(leaves, masks):
            result = self.call(*inputs, **settings)
            results = flatten(result)
            if self._activity_regularizer is not None:
                for output in results:
                    self.add_loss(added_losses.penalty_on_output(self._activity_regularizer, output))
            passed = {id(leaf) for leaf in leaves}
            found = [None if id(leaf) in passed else mask_of(leaf) for leaf in results]
        if inputs and all(mask is None for mask in found):
            structured = pack(inputs[0], masks[: len(flatten(inputs[0]))])
            computed = flatten(self.compute_mask(inputs[0], structured))
            found = [*computed, *[None] * len(results)][: len(results)]
        for leaf, mask in zip(results, found, strict=True):
            check_mask(self.name, mask, leaf)
        return result, found

    def _compute(
        self,
        inputs: Sequence[object],
        masks: Sequence[Value | None],
        settings: dict[str, object],
        training: bool,
    ) -> tuple[Any, list[Value | None]]:
        """Run `call` on arrays, with all weights of the same moment."""
        weights = () if is_reading() else self.weights
        if not weights:
            return self.invoke(inputs, masks, settings, training)
        use = uses.Use("call", self.name, frozenset(weights))
        with use.lock:
            try:
                writers = [other for other in use.begin() if other.writes]
                if not writers:
                    with reading({}):  # layers inside this one need no other use
                        return self.invoke(inputs, masks, settings, training)
                values = uses.between_steps(writers, lambda: {w: w.value.copy() for w in weights})
            finally:
                use.end()
        with reading(values):
            return self.invoke(inputs, masks, settings, training)

    def _record(
        self,
        inputs: Sequence[object],
        masks: Sequence[Value | None],
        settings: dict[str, object],
        training: bool | None,
    ) -> object:
        masked = [place for place, mask in enumerate(masks) if mask is not None]
        use = LayerCall(self, inputs, settings, None if training is None else bool(training), masked)
        leaves = [*flatten(inputs), *(masks[place] for place in masked)]
        stand_ins = [Tensor(leaf.spec, leaf.name) if is_symbolic(leaf) else leaf for leaf in leaves]
        with recording(None):  # `call` is only asked for its shapes
            results, found = use.results(stand_ins, training=False)
        use.masked_results = [place for place, mask in enumerate(found) if mask is not None]
        if masked and not use.masked_results:
            self._warn_of_lost_mask()
        tensors = [*flatten(results), *(mask for mask in found if mask is not None)]
        leaves = [leaf if isinstance(leaf, Tensor) else Constant(leaf) for leaf in leaves]
        node = Node(use, leaves, [tensor.spec for tensor in tensors])
        if not is_tracing():  # the user's own call, not one of a program or of a layer around this one
            self.note_use(node)
        outputs = node.outputs
        count = len(found)
        for place, mask in zip(use.masked_results, outputs[count:], strict=True):
            outputs[place].mask = mask
        return pack(results, list(outputs[:count]))

    def knows_masks(self) -> bool:
        """Return whether the layer, or one inside it, does something with masks, if only to end them."""
        own, takes = type(self).compute_mask is not Layer.compute_mask, call_arguments(type(self))
        return own or self.supports_masking or "mask" in takes or bool(self._layers)

    def _warn_of_lost_mask(self) -> None:
        """Warn where a mask ends at a layer that does not know about masks."""
        if not self.knows_masks():
            warn(
                f"layer {self.name!r} ({type(self).__name__}) got an input with a mask, which it does not "
                "know what to do with: the layers after it count all positions. Give it supports_masking = "
                "True or an argument mask in call, if masked positions shall not count"
            )

    def ensure_built(self, inputs: object) -> None:
        """Create the weights for inputs of these shapes, unless they exist."""
        if not self.built:
            build_for(self, inputs)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer.

        A class with arguments of its own adds them. One that defines no `get_config` has the arguments that
        the layer was made with.

        Raises:
            TypeError: Such an argument cannot be described by plain values.
        """
        config: Config = {"name": self.name, "dtype": self.dtype, "trainable": self.trainable}
        if self._activity_regularizer is not None:
            config["activity_regularizer"] = describe(self._activity_regularizer)
        if self._arguments is not None:
            config.update(auto_config.described(type(self), self._arguments))
        return config

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make a layer from the result of `get_config`; that of Keras' layer of the same name is one too."""
        return auto_config.made(cls, config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name!r}>"
