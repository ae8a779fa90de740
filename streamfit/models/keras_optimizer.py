"""The state of an optimizer in the order in which Keras 3 has it: steps, learning rate, vectors.

Vectors come in groups: all of a group for the first weight, then for the second, and so on; then the next
group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamfit._base.specs import Array
from streamfit.models.keras_layout import trained_in_order
from streamfit.models.model import Model
from streamfit.optimizers import Optimizer

_GROUPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "SGD": (("velocity",),),
    "Adam": (("m", "v"), ("top",)),
    "AdamW": (("m", "v"), ("top",)),
    "Adamax": (("m", "u"),),
    "Nadam": (("m", "v"),),
    "RMSprop": (("velocity",), ("momentum",), ("average",)),
    "Adagrad": (("accumulator",),),
    "Adadelta": (("gradients", "changes"),),
}
_PRODUCT = "product"
_KERAS_NAMES = {
    **{"m": "momentum", "v": "velocity", "top": "velocity_hat", "u": "norm", "average": "average_gradient"},
    **{"gradients": "accumulated_grad", "changes": "accumulated_delta_var"},
}


def _groups(optimizer: Optimizer) -> list[tuple[str, ...]]:
    name = type(optimizer).__name__
    if name not in _GROUPS:
        raise ValueError(
            f"Keras has no optimizer {name!r}; save the model as .streamfit, or with include_optimizer=False"
        )
    needed = set(optimizer.first_values())
    if name == "RMSprop" and getattr(optimizer, "momentum", 0.0) == 0:
        needed.discard("momentum")  # there is one where it is centered, which stays zero
    return [group for group in _GROUPS[name] if needed.issuperset(group)]


def optimizer_arrays(model: Model) -> list[tuple[str, Array]]:
    """Return (name, array) of the state of the optimizer, in Keras' order.

    Raises:
        ValueError: Keras has no such optimizer.
    """
    optimizer = model.optimizer
    groups = _groups(optimizer)
    state, iterations = model.optimizer_state()
    paths = {weight: path for path, weight in model.weight_paths()}
    first = optimizer.first_values()
    found: list[tuple[str, Array]] = [("iteration", np.array(iterations, np.int32))]
    if not optimizer.follows_schedule:
        found.append(("learning_rate", np.array(optimizer.learning_rate, np.float32)))
    for group in groups:
        for weight in trained_in_order(model, model.trainable_weights):
            for name in group:
                value = state.get(f"{name}/{paths[weight]}")
                if value is None:
                    value = np.full(weight.memory.size, first[name], weight.dtype)
                label = f"{paths[weight].replace('/', '_')}_{_KERAS_NAMES.get(name, name)}"
                found.append((label, value.reshape(weight.memory.shape)))
    if type(optimizer).__name__ == "Nadam":
        product = state.get(f"{_PRODUCT}/", np.ones(1))
        found.append(("u_product", product.astype(np.float32).reshape(())))
    return found


def restore_from_arrays(model: Model, arrays: Sequence[Array], where: str) -> None:
    """Let the optimizer of a model continue with its state in a file of Keras.

    Raises:
        ValueError: It is not that of this optimizer and these weights.
    """
    optimizer: Any = model.optimizer
    left = list(arrays)
    if not left:
        return
    iterations = _number(left.pop(0), where)
    if left and not optimizer.follows_schedule:
        rate = _number(left.pop(0), where)
        if np.float32(optimizer.learning_rate) != np.float32(rate):
            optimizer.learning_rate = float(rate)
    state: dict[str, Array] = {}
    paths = {weight: path for path, weight in model.weight_paths()}
    for group in _groups(optimizer) if left else ():
        for weight in trained_in_order(model, model.trainable_weights):
            for name in group:
                array = left.pop(0) if left else None
                if array is None or array.shape != weight.memory.shape or array.dtype != weight.dtype:
                    raise ValueError(
                        f"{where} is damaged: the optimizer's {name!r} of weight {weight.name!r} is "
                        f"{'missing' if array is None else f'of shape {array.shape}'}"
                    )
                state[f"{name}/{paths[weight]}"] = array.reshape(-1)
    if type(optimizer).__name__ == "Nadam" and left:
        state[f"{_PRODUCT}/"] = np.array([_number(left.pop(0), where)], np.float64)
    if left:
        raise ValueError(f"{where} is damaged: it has {len(left)} vectors of the optimizer too many")
    model.restore_optimizer(state, int(iterations), where)


_OLD_NAMES: dict[str, dict[str, str]] = {
    "SGD": {"momentum": "velocity", "m": "velocity"},
    "Adam": {"m": "m", "v": "v", "vhat": "top", "velocity_hat": "top"},
    "AdamW": {"m": "m", "v": "v", "vhat": "top", "velocity_hat": "top"},
    "Adamax": {"m": "m", "v": "u", "u": "u"},
    "Nadam": {"m": "m", "v": "v"},
    "RMSprop": {
        **{"rms": "velocity", "velocity": "velocity", "momentum": "momentum"},
        **{"mg": "average", "average": "average", "average_gradient": "average"},
    },
    "Adagrad": {"accumulator": "accumulator"},
    "Adadelta": {
        **{"accum_grad": "gradients", "accumulated_grad": "gradients"},
        **{"accum_var": "changes", "accumulated_delta_var": "changes"},
    },
}
"""The vectors of an optimizer in Keras 2: part of a name, as in ``dense/kernel/m:0`` or ``Adam/m/dense``."""
_OLD_STEPS, _OLD_RATES = ("iter", "iteration", "iterations"), ("learning_rate", "current_learning_rate")


def restore_from_names(model: Model, named: Sequence[tuple[str, Array]], where: str) -> None:
    """Let the optimizer of a model continue with its state in a file of Keras 2.

    Raises:
        ValueError: It is not that of this optimizer and these weights.
    """
    optimizer = model.optimizer
    known = _OLD_NAMES.get(type(optimizer).__name__, {})
    iterations, found = 0, dict[str, list[Array]]()
    for full, array in named:
        words = full.partition(":")[0].split("/")
        slot = known.get(words[-1]) or (known.get(words[1]) if len(words) > 2 else None)
        if words[-1] in _OLD_STEPS:
            iterations = int(_number(array, where))
        elif words[-1] == "momentum_cache":
            found[_PRODUCT] = [array]
        elif slot is not None:
            found.setdefault(slot, []).append(array)
        elif words[-1] not in _OLD_RATES:
            raise ValueError(
                f"{where}: the optimizer has {full!r}, which is not known of {type(optimizer).__name__}; "
                "pass compile=False to load the model without it"
            )
    arrays: list[Array] = [np.array(iterations)]
    if not optimizer.follows_schedule:
        arrays.append(np.array(optimizer.learning_rate))
    for group in _groups(optimizer) if found else ():
        parts = [found.get(name, []) for name in group]
        if len({len(part) for part in parts}) != 1:
            raise ValueError(f"{where} is damaged: the optimizer has not as much of each of {group}")
        arrays.extend(array for of_weight in zip(*parts, strict=True) for array in of_weight)
    restore_from_arrays(model, [*arrays, *found.get(_PRODUCT, [])], where)


def _number(array: Array, where: str) -> float:
    if array.shape != () or not np.isfinite(array):
        raise ValueError(f"{where} is damaged: a number of the optimizer is {array!r}")
    return float(array)
