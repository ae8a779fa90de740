"""The optimizer in a training state: its settings, its vectors, its steps, and whether they still fit.

Guarantee kept here: an optimizer with other settings, or a state that is not whole, is refused by name; the
learning rate is no setting but part of the state, as callbacks change it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streamfit._base.configs import describe
from streamfit._base.inspection import differences
from streamfit._base.specs import Array
from streamfit.optimizers import Optimizer

__all__ = ["as_plain_values", "check_settings", "check_vectors", "settings_of"]

_REMEDY = "compile the model as it was, or begin anew with another backup folder"
_NOT_SETTINGS = ("name", "learning_rate", "lr")


def settings_of(optimizer: Optimizer) -> dict[str, object]:
    """Return the settings of an optimizer, for JSON: they must not change over an interruption.

    Example:
        >>> from streamfit.optimizers import SGD
        >>> settings_of(SGD(0.1, momentum=0.9))["momentum"]
        0.9
    """
    found: dict[str, object] = {"class": type(optimizer).__name__}
    try:
        config = dict(optimizer.get_config())
    except AttributeError:  # a class of the user's that does not keep its arguments
        config = {}
    found |= {name: value for name, value in config.items() if name not in _NOT_SETTINGS}
    if optimizer.follows_schedule:
        found["schedule"] = config.get("learning_rate")
    return {name: as_plain_values(value) for name, value in found.items()}


def as_plain_values(value: object) -> object:
    """Describe a setting by plain values, or by the name of its class where there are none."""
    described = describe(value)
    return described if _is_plain(described) else type(value).__name__


def check_settings(saved: Mapping[str, object], now: Mapping[str, object]) -> None:
    """Raise unless an optimizer is set as it was.

    Raises:
        ValueError: A setting differs.
    """
    if saved["class"] != now["class"]:
        raise ValueError(
            f"the training state was saved with the optimizer {saved['class']}, the model has "
            f"{now['class']}; {_REMEDY}"
        )
    differ = differences(saved, now, "not set")
    if differ:
        raise ValueError(
            f"the training state was saved with another setting of the optimizer {now['class']}: "
            f"{'; '.join(differ)}; {_REMEDY}"
        )


def check_vectors(saved: Mapping[str, Array], wanted: Mapping[str, Array]) -> None:
    """Raise unless saved vectors are those that an optimizer has, all of them.

    Args:
        saved: Vectors by name.
        wanted: Arrays with the shape and the dtype of each.

    Raises:
        ValueError: One is missing, is too many, or has another shape or dtype.
    """
    wrong = [
        f"{name} should have {_form(wanted.get(name))} and has {_form(saved.get(name))}"
        for name in dict.fromkeys([*wanted, *saved])
        if _form(wanted.get(name)) != _form(saved.get(name))
    ]
    if wrong:
        raise ValueError(
            f"the state of the optimizer in this training state is not whole, or is that of another model: "
            f"{'; '.join(wrong)}; use another copy of the backup, or begin anew with another backup folder"
        )


def _form(array: Array | None) -> str:
    return "no place in it" if array is None else f"shape {array.shape} of {array.dtype}"


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str, np.generic))
