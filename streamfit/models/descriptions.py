"""Objects made of the descriptions in files, with clear errors for descriptions that are damaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from streamfit._base.errors import ArgumentError
from streamfit._base.serialization import ObjectSharingScope, deserialize_keras_object
from streamfit.models.model import Model

T = TypeVar("T")


def described_object(config: Any, where: str) -> Model:
    """Return the model that a description of a file makes.

    Raises:
        ValueError: The description is damaged, or is that of something else.
    """
    with ObjectSharingScope():
        model = with_known_names(lambda: deserialize_keras_object(config), where)
    if not isinstance(model, Model):
        raise ValueError(f"{where} describes no model, but a {type(model).__name__}")
    return model


def with_known_names(make: Callable[[], T], where: str) -> T:
    """Return what a function makes of a description, with a clear error for one that is damaged."""
    try:
        return make()
    except TypeError as error:
        if isinstance(error, ValueError):  # one of ours, which says it in full
            raise
        raise ArgumentError(
            f"the description in {where} makes no object, see the error above: it is damaged, or a class of "
            "yours gets arguments that it does not take. Objects among its arguments come as descriptions: "
            "let its from_config(config) make them with saving.deserialize_keras_object"
        ) from error
    except (KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"the description in {where} is damaged: {type(error).__name__}: {error}") from error
