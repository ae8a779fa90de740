"""`WeightMethods`: the weights of a layer, of which kind they are, and their values."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import TypedDict, Unpack, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from streamfit import constraints, initializers, regularizers
from streamfit._base import uses
from streamfit._base.loading import is_loading, reserve
from streamfit._base.specs import Array, Spec
from streamfit.ops.core import Value, Variable

Penalty = Callable[[Value], Value]
"""From a weight to a number that is added to the loss."""


class WeightOptions(TypedDict, total=False):
    """Arguments of `add_weight`; see there."""

    shape: Sequence[int | None]
    initializer: object
    dtype: DTypeLike | None
    trainable: bool
    autocast: bool
    regularizer: object
    constraint: object
    aggregation: str | None
    name: str | None


_NAME_FIRST = ("name", "shape", "initializer", "regularizer", "trainable", "dtype")
_SHAPE_FIRST = ("shape", "initializer", "dtype")


class _Trial(threading.local):
    active = False


_trial = _Trial()


@contextmanager
def without_draws() -> Iterator[None]:
    """Make new weights zero inside the block, on this thread: for layers that only show their shapes."""
    before, _trial.active = _trial.active, True
    try:
        yield
    finally:
        _trial.active = before


class _Retracing(threading.local):
    active = False


_retracing = _Retracing()


@contextmanager
def retracing() -> Iterator[None]:
    """Mark that a `call` runs again inside the block, on this thread: nothing may be made in it any more."""
    before, _retracing.active = _retracing.active, True
    try:
        yield
    finally:
        _retracing.active = before


def is_retracing() -> bool:
    """Return whether a `call` runs again on this thread."""
    return _retracing.active


class WeightMethods:
    """Hold weights and layers with weights.

    Attributes:
        dtype: Dtype of new weights.
    """

    dtype: str
    built: bool
    _made_in_retrace: bool
    _weights: list[Variable]  # those that were trainable when they were made come first in `weights`
    _fixed_weights: list[Variable]
    _layers: list[WeightMethods]
    _penalties: list[tuple[Penalty, Variable]]
    _trainable: bool

    @property
    def name(self) -> str:
        """Return the layer's name."""
        raise TypeError(f"{type(self).__name__} must define name")

    def add_weight(self, *args: object, **options: Unpack[WeightOptions]) -> Variable:
        """Create a weight.

        Without names the arguments are ``(shape, initializer, dtype)``, as in Keras 3, or ``(name, shape,
        initializer, regularizer, trainable, dtype)``.

        Args:
            *args: See above.
            shape: Its shape, without a batch axis; ``()``, a single number, by default.
            initializer: A name or an initializer; by default ``'glorot_uniform'`` for floats and
                ``'zeros'`` for other dtypes.
            dtype: By default the layer's.
            trainable: Whether the optimizer may change it.
            regularizer: A name or a function from the weight to a scalar penalty, or None.
            constraint: A name or a function from the weight to its new values, applied after each update by
                the optimizer, or None; see `streamfit.constraints`.
            name: Its name within the layer.
            autocast, aggregation: Accepted for Keras 3's sake; they have no effect here.

        Raises:
            ValueError: A length is None or negative; or it is called in a `call` that runs again, where the
                weight would be another one each time.
            TypeError: Other arguments than these; or the constraint cannot be traced.

        Example:
            >>> from streamfit.layers import Layer
            >>> Layer().add_weight((2,), "ones", name="factor", constraint="non_neg")
            <Variable shape=(2,) dtype=float32, name='factor'>
        """
        given = _by_name(args, options)
        name = given.get("name") or self._free_name()
        if _retracing.active and (self.built or self._made_in_retrace):
            raise ValueError(self._not_in_call(name))
        lengths = self._known_shape(name, given.get("shape"))
        dtype = np.dtype(given.get("dtype") or self.dtype)
        initializer = given.get("initializer") or ("glorot_uniform" if dtype.kind == "f" else "zeros")
        constraint = constraints.get(given.get("constraint"))
        if constraint is not None:
            constraints.traced(constraint, Spec(lengths, dtype), name)  # what cannot work fails here
        reserve(math.prod(lengths) * dtype.itemsize, f"weight {name!r} of layer {self.name!r}")
        unknown = _trial.active or is_loading()  # in a model that is loaded the value comes from the file
        value = np.zeros(lengths, dtype) if unknown else initializers.get(initializer)(lengths, dtype)
        weight = Variable(value, name, given.get("trainable", True), constraint)
        self._own(weight)
        penalty = regularizers.get(given.get("regularizer"))
        if penalty is not None:
            self._penalties.append((penalty, weight))
        return weight

    def _not_in_call(self, name: str) -> str:
        made = "was made" if self._made_in_retrace else f"makes weight {name!r}"
        return (
            f"layer {self.name!r} {made} inside a `call`, which runs each time that a model is traced: "
            "its weights would be others each time. Make layers in __init__, and weights in __init__ or build"
        )

    def _known_shape(self, name: str, shape: Sequence[int | None] | None) -> tuple[int, ...]:
        if isinstance(shape, (int, np.integer)):
            raise TypeError(f"the shape of weight {name!r} is a tuple: write ({shape},) for {shape}")
        lengths = tuple(shape or ())
        if any(length is None or length < 0 for length in lengths):
            raise ValueError(f"weight {name!r} of layer {self.name!r} needs a known shape, got {lengths}")
        return tuple(int(length) for length in lengths if length is not None)

    def _free_name(self) -> str:
        taken = {weight.name for weight in self._own_weights()}
        names = ("variable", *(f"variable_{number}" for number in range(1, len(taken) + 1)))
        return next(name for name in names if name not in taken)

    def _own(self, weight: Variable) -> None:
        if not any(weight is known for known in self._own_weights()):
            (self._weights if weight.trainable else self._fixed_weights).append(weight)

    def _own_weights(self) -> list[Variable]:
        return [*self._weights, *self._fixed_weights]

    # -- lists ----------------------------------------------------------------------------------

    @property
    def own_weights(self) -> list[Variable]:
        """List the layer's own weights, without those of layers inside: those made trainable first."""
        return self._own_weights()

    @property
    def trainable(self) -> bool:
        """Return whether the optimizer may change the weights.

        Setting it sets it for all layers inside too; afterwards one of them can be given another value, which
        counts, as in Keras 3.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        object.__setattr__(self, "_trainable", bool(value))
        for layer in self._layers:
            layer.trainable = value

    @property
    def weights(self) -> list[Variable]:
        """List all weights, each once: the layer's own (those made trainable first), then those inside it."""
        return _once(self._own_weights() + [w for layer in self._layers for w in layer.weights])

    @property
    def trainable_weights(self) -> list[Variable]:
        """List the weights that training changes; none if the layer itself is not `trainable`."""
        return _once(self._unfrozen()) if self._trainable else []

    def _unfrozen(self) -> list[Variable]:
        """List the weights that no flag of their own layer or of their own holds still."""
        own = [weight for weight in self._own_weights() if weight.trainable and self._trainable]
        return own + [weight for layer in self._layers for weight in layer._unfrozen()]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """List the weights that training leaves alone."""
        trained = set(self.trainable_weights)
        return [weight for weight in self.weights if weight not in trained]

    @property
    def variables(self) -> list[Variable]:
        """List all weights: a layer has no other state that lasts from step to step."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Variable]:
        """List the weights that training changes."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """List the weights that training leaves alone."""
        return self.non_trainable_weights

    @property
    def penalties(self) -> list[tuple[Penalty, Variable]]:
        """List (regularizer, weight) of this layer and the layers inside."""
        pairs = list(self._penalties) + [pair for layer in self._layers for pair in layer.penalties]
        return list({(id(f), id(w)): (f, w) for f, w in pairs}.values())

    # -- values ---------------------------------------------------------------------------------

    def get_weights(self) -> list[Array]:
        """Return copies of all weights, in the order of `weights`, all of the same moment."""
        own = self.weights
        return uses.read("get_weights", self.name, frozenset(own), lambda: [w.value.copy() for w in own])

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Overwrite all weights.

        Raises:
            ValueError: Another number of arrays, or an array of another shape.
            ModelInUseError: Another thread trains them.
        """
        own = self.weights
        if len(own) != len(weights):
            raise ValueError(f"layer {self.name!r} has {len(own)} weights, got {len(weights)} arrays")
        for weight, value in zip(own, weights, strict=True):
            if np.shape(value) != weight.memory.shape:
                raise ValueError(
                    f"weight {weight.name!r} of layer {self.name!r} has shape {weight.memory.shape}, "
                    f"got an array of shape {np.shape(value)}"
                )
        arrays = [np.asarray(value) for value in weights]
        self.put_weights("set_weights", own, arrays)

    def put_weights(self, what: str, weights: Sequence[Variable], arrays: Sequence[Array]) -> None:
        """Overwrite weights, all at the same moment; `what` is the name of the call, for messages."""

        def put() -> None:
            for weight, array in zip(weights, arrays, strict=True):
                weight.put(array)

        uses.write(what, self.name, frozenset(weights), put)

    def save_own_variables(self, store: MutableMapping[str, Array]) -> None:
        """Put the layer's own weights, and other arrays that it is made of, into a file of Keras.

        Args:
            store: Takes an array for each name. By default these are ``"0"``, ``"1"``, ...
        """
        for place, weight in enumerate(self._own_weights()):
            store[str(place)] = weight.value.copy()

    def load_own_variables(self, store: Mapping[str, Array]) -> None:
        """Take over what `save_own_variables` put into a file of Keras.

        Raises:
            ValueError: The arrays are others than those of this layer.
        """
        own = self._own_weights()
        if sorted(store) != sorted(str(place) for place in range(len(own))):
            raise ValueError(
                f"layer {self.name!r} has {len(own)} weights of its own, the file has {len(store)} for it: "
                f"{sorted(store)[:5]}"
            )
        arrays = [fitting(weight, store[str(place)], self.name) for place, weight in enumerate(own)]
        self.put_weights("load_own_variables", own, arrays)

    def count_params(self) -> int:
        """Count the numbers in all weights."""
        return sum(weight.memory.size for weight in self.weights)


def fitting(weight: Variable, array: Array, layer: str) -> Array:
    """Return an array of a file as one for a weight.

    Raises:
        ValueError: Its shape is another one, or it holds numbers that the weight cannot hold; floats of
            another length are rounded to those of the weight.
    """
    if array.shape != weight.memory.shape:
        raise ValueError(
            f"weight {weight.name!r} of layer {layer!r} has shape {weight.memory.shape}, the file has "
            f"{array.shape}"
        )
    floats = array.dtype.kind == weight.dtype.kind == "f"
    if not floats and not np.can_cast(array.dtype, weight.dtype, "safe"):
        raise ValueError(
            f"weight {weight.name!r} of layer {layer!r} has dtype {weight.dtype}, the file has {array.dtype}"
        )
    return array.astype(weight.dtype)


def _by_name(args: Sequence[object], options: WeightOptions) -> WeightOptions:
    """Return all arguments of `add_weight` by name.

    Raises:
        TypeError: An argument that does not exist, or one that is given twice.
    """
    names = _NAME_FIRST if args and isinstance(args[0], str) else _SHAPE_FIRST
    unknown = [key for key in options if key not in WeightOptions.__annotations__]
    if unknown:
        known = ", ".join(WeightOptions.__annotations__)
        raise TypeError(f"add_weight has no argument {unknown[0]!r}; it takes {known}")
    if len(args) > len(names):
        raise TypeError(f"add_weight takes {', '.join(names)} without names, got {len(args)} such arguments")
    given = dict(zip(names, args, strict=False))
    doubled = [key for key in given if key in options]
    if doubled:
        raise TypeError(f"add_weight got {doubled[0]} twice: {given[doubled[0]]!r}, and by name")
    return cast(WeightOptions, {**given, **options})


def _once(weights: Iterable[Variable]) -> list[Variable]:
    return list(dict.fromkeys(weights))
