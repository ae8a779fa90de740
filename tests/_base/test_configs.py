"""Descriptions: objects to plain values and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit._base.configs import Configurable, arguments_of, describe, resolve
from streamfit._base.errors import UnknownNameError
from streamfit._base.names import Registry


class Scale(Configurable):
    def __init__(self, factor: Any = 1.0, *, name: str | None = None) -> None:
        self.factor, self.name = factor, name


class Shifted(Scale):
    def __init__(self, shift: int, **options: Any) -> None:
        super().__init__(**options)
        self.shift = shift


class Fixed(Shifted):
    def __init__(self) -> None:
        super().__init__(3, factor=2.0)


registry: Registry[Any] = Registry("scale")
registry.register(Scale, "scale")
registry.register(Shifted, "shifted")


def test_arguments_pass_through_to_the_base_class() -> None:
    assert arguments_of(Shifted) == ["shift", "factor", "name"]
    assert arguments_of(Fixed) == []


def test_description_makes_an_equal_object() -> None:
    first = Shifted(2, factor=Scale(np.float32(0.5)), name="a")
    config = first.get_config()
    inner = {"class_name": "Scale", "config": {"factor": 0.5, "name": None}}
    assert config == {"shift": 2, "factor": inner, "name": "a"}
    assert Shifted.from_config(config).shift == 2
    assert resolve(registry, inner).factor == 0.5
    assert repr(Shifted(2)) == "Shifted(shift=2, factor=1.0, name=None)"


def test_plain_values() -> None:
    given = {"a": (1, np.int64(2)), "b": np.array([0.5]), "c": len, "d": Scale, "e": None}
    assert describe(given) == {"a": [1, 2], "b": [0.5], "c": "len", "d": "Scale", "e": None}


def test_names_classes_instances_and_functions_are_resolved() -> None:
    made = Scale(3)
    assert resolve(registry, "Scale").factor == 1.0
    assert resolve(registry, Scale).factor == 1.0
    assert resolve(registry, len) is len
    with pytest.raises(TypeError, match="scale must be a name, an instance, a class or a function, got 3"):
        resolve(registry, 3)
    assert resolve(registry, made) is made
    with pytest.raises(UnknownNameError, match=r"Unknown scale: 'scail'\. Did you mean 'scale'\?"):
        resolve(registry, {"class_name": "scail"})
    with pytest.raises(
        ValueError, match=r"a dictionary that describes a scale looks like .* got the keys \['x'\]"
    ):
        resolve(registry, {"x": 1})
