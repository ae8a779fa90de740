"""Fingerprints: they change with the computation of a function, in whichever file it is, and only then."""

from __future__ import annotations

import math
import sys
from types import FunctionType, ModuleType
from typing import Any

import pytest

import streamfit  # noqa: F401  all of its kernels
from streamfit.kernels import kernel
from streamfit.kernels.decorator import CompiledKernel, inlined
from streamfit.kernels.fingerprint import UnknownReferenceError, _loaded_names, fingerprint

pytestmark = pytest.mark.jit  # without the compiler there are no kernels to look into

BODY = """
LIMIT = 3
TABLE = (1, 2.5, "x")
@inlined
def inner(x):
    return x + 1
def outer(x):
    for i in range(LIMIT):
        x = inner(x) * 2
    return x + TABLE[0]
"""


def made(source: str, **known: Any) -> FunctionType:
    """Return the function `outer` of a module with this source."""
    names: dict[str, Any] = {"inlined": inlined, "kernel": kernel, "__name__": "made", **known}
    exec(compile(source, "made.py", "exec"), names)
    outer = names["outer"]
    assert isinstance(outer, FunctionType)
    return outer


def test_the_same_source_has_the_same_fingerprint() -> None:
    assert fingerprint(made(BODY)) == fingerprint(made(BODY))


def test_comments_and_places_do_not_count() -> None:
    assert fingerprint(made(BODY)) == fingerprint(made("# a comment\n\n" + BODY))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("* 2", "* 3"),
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", "LIMIT = 3.0"),
        ("2.5", "2.75"),
        ("x + 1", "x + 2"),
        ("x + 1", "x - 1"),
        ("@inlined\n", ""),
    ],
)
def test_every_change_of_meaning_counts(old: str, new: str) -> None:
    assert fingerprint(made(BODY)) != fingerprint(made(BODY.replace(old, new)))


def test_a_function_of_another_module_counts() -> None:
    def with_tool(constant: int) -> str:
        tool = ModuleType("tool")
        vars(tool)["add"] = inlined(made(f"def outer(x):\n    return x + {constant}\n"))
        return fingerprint(made("def outer(x):\n    return tool.add(x)\n", tool=tool))

    assert with_tool(1) == with_tool(1)
    assert with_tool(1) != with_tool(2)


def test_functions_that_call_each_other_have_one() -> None:
    source = "def other(x):\n    return outer(x - 1)\ndef outer(x):\n    return other(x) if x else 0\n"
    assert fingerprint(made(source)) == fingerprint(made(source))


def test_an_attribute_is_not_the_global_of_its_name() -> None:
    source = "def outer(x):\n    return math.sqrt(x)\n"
    assert fingerprint(made(source, math=math, sqrt=object())) == fingerprint(made(source, math=math))


@pytest.mark.parametrize("count", [3, 300])  # the numbers of more than 128 globals take two bytes
def test_globals_are_told_from_attributes(count: int) -> None:
    names = [f"name{at}" for at in range(count)]
    lines = [f"    x = {name}(x) + {name}.a{name} + len(x)" for name in names]
    code = made("\n".join(["def outer(x):", *lines])).__code__
    assert list(_loaded_names(code)) == [names[0], "len", *names[1:]]


def test_the_kernels_of_the_library_have_one() -> None:
    without = [
        kernel.__name__
        for name, module in list(sys.modules.items())
        if name.startswith("streamfit.")
        for kernel in vars(module).values()
        if isinstance(kernel, CompiledKernel) and kernel._fingerprint is None
    ]
    assert without == []


def test_what_nobody_can_describe_is_refused() -> None:
    with pytest.raises(UnknownReferenceError, match="object"):
        fingerprint(made("def outer(x):\n    return thing\n", thing=object()))
