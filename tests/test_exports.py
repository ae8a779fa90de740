"""Public names: what a package or module lists is what it has, and each name says what it is.

A package's ``__init__.py`` only imports and lists; a module defines what it lists. Every listed class or
function has a docstring of its own, and so has every public method.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from source_tree import Module, SourceTree

TREE = SourceTree(Path(__file__).resolve().parent.parent / "streamfit")
MODULES = [module for module in TREE.modules.values() if module.package != "__main__"]
PACKAGES = [module for module in MODULES if module.is_package]
FACADE_EXTRAS = {"__version__"}
SPECIAL = {"__all__", "__version__"}
METHODS = (FunctionType, property, cached_property, staticmethod, classmethod)


def listed(tree: ast.Module) -> list[str] | None:
    """Return the names in ``__all__``, or None where there is none.

    A package may also take over another one whole: ``from x import *`` and ``from x import __all__``.
    """
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            names: list[str] = ast.literal_eval(node.value)
            return names
        if isinstance(node, ast.ImportFrom) and "__all__" in {alias.name for alias in node.names}:
            return list(importlib.import_module(node.module or "").__all__)
    return None


def imported(tree: ast.Module) -> set[str]:
    """Return the public names that a file binds by importing, and their aliases (``abs = absolute``)."""
    names = set()
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)) and getattr(node, "module", "") != "__future__":
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
            if "*" in names:
                names = names - {"*"} | set(importlib.import_module(getattr(node, "module", "")).__all__)
        elif is_alias(node):
            names |= defined(ast.Module([node], []))
    return {name for name in names if not name.startswith("_")}


def is_alias(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)


def defined(tree: ast.Module) -> set[str]:
    """Return the names that a file binds at its top level in any other way."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {
                inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)
            }
    return names


def is_import_or_list(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign) and not is_alias(node):
        return {ast.unparse(target) for target in node.targets} <= SPECIAL
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.Assign))


def package_faults(module: Module) -> Iterator[str]:
    """Yield what is wrong with the ``__init__.py`` of a package."""
    names = listed(module.tree)
    if not ast.get_docstring(module.tree):
        yield "has no docstring"
    if logic := [ast.unparse(node) for node in module.tree.body[1:] if not is_import_or_list(node)]:
        yield f"does more than import and list: {logic[0][:60]}"
    bound = imported(module.tree) | (defined(module.tree) & FACADE_EXTRAS)
    if names is None:
        if bound:
            yield "imports names and has no __all__"
        return
    if sorted(names) != sorted(set(names)):
        yield "lists a name twice"
    if unlisted := bound - set(names) - FACADE_EXTRAS:
        yield f"imports and does not list {sorted(unlisted)}"
    if unbound := set(names) - bound:
        yield f"lists and does not import {sorted(unbound)}"


def module_faults(module: Module) -> Iterator[str]:
    """Yield what is wrong with the names of a module that is no package."""
    names = listed(module.tree)
    if not ast.get_docstring(module.tree):
        yield "has no docstring"
    if names is not None and (unbound := set(names) - defined(module.tree)):
        yield f"lists and does not define {sorted(unbound)}"


def undocumented(name: str, thing: Any) -> Iterator[str]:
    """Yield the listed name and its public methods that say nothing about themselves."""
    if inspect.isclass(thing):
        methods = {member: value for member, value in vars(thing).items() if isinstance(value, METHODS)}
        silent = [member for member in methods if not has_text(inspect.getdoc(getattr(thing, member)))]
        yield from (f"{name}.{member}" for member in silent if not member.startswith("_"))
    elif not isinstance(thing, FunctionType) and not hasattr(thing, "py_func"):
        return
    if not has_text(thing.__doc__) or is_generated(thing):
        yield name


def has_text(doc: str | None) -> bool:
    return bool(doc and doc.strip())


def is_generated(thing: Any) -> bool:
    """Return whether a docstring is the signature that `dataclass` writes when there is none."""
    return inspect.isclass(thing) and (thing.__doc__ or "").startswith(f"{thing.__name__}(")


def public_names(module: Module) -> list[str]:
    names = listed(module.tree)
    return names if names is not None else sorted(n for n in defined(module.tree) if not n.startswith("_"))


def load(module: Module) -> ModuleType:
    return importlib.import_module(module.name)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_names_are_what_is_there(module: Module) -> None:
    faults = package_faults(module) if module.is_package else module_faults(module)
    assert not [f"{module.name} {fault}" for fault in faults]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_every_public_name_can_be_had_and_is_documented(module: Module) -> None:
    loaded = load(module)
    found = {name: getattr(loaded, name) for name in public_names(module)}
    silent = [text for name, thing in found.items() for text in undocumented(name, thing)]
    assert not silent, f"{module.name}: no docstring for {', '.join(silent)}"


@pytest.mark.parametrize("module", PACKAGES, ids=lambda module: module.name)
def test_star_import_gives_the_list(module: Module) -> None:
    names = listed(module.tree)
    if names is not None:
        assert set(names) <= set(dir(load(module)))


def test_library_is_typed() -> None:
    assert (TREE.root / "py.typed").exists()


# --- and the checks see what they should


def parsed(source: str, *, package: bool = True) -> Module:
    name = "streamfit.ops" if package else "streamfit.ops.relu"
    return Module(name, Path("__init__.py" if package else "relu.py"), source)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("from a import b\n__all__ = ['b']\n", "has no docstring"),
        ("'''Doc.'''\nfrom a import b\n", "imports names and has no __all__"),
        ("'''Doc.'''\nfrom a import b, c\n__all__ = ['b']\n", "imports and does not list ['c']"),
        ("'''Doc.'''\nfrom a import b\n__all__ = ['b', 'c']\n", "lists and does not import ['c']"),
        ("'''Doc.'''\nfrom a import b\n__all__ = ['b', 'b']\n", "lists a name twice"),
        ("'''Doc.'''\ndef f(): ...\n", "does more than import and list: def f():"),
        ("'''Doc.'''\nx = compute()\n", "does more than import and list: x = compute()"),
    ],
)
def test_fault_of_a_package_is_found(source: str, fault: str) -> None:
    assert any(found.startswith(fault) for found in package_faults(parsed(source)))


def test_whole_take_over_and_aliases_are_fine() -> None:
    assert not list(package_faults(parsed("'''Doc.'''\nfrom json import *\nfrom json import __all__\n")))
    assert not list(package_faults(parsed("'''Doc.'''\nfrom a import b\nc = b\n__all__ = ['b', 'c']\n")))


def test_fault_of_a_module_is_found() -> None:
    source = "'''Doc.'''\n__all__ = ['relu', 'gone']\ndef relu(): ...\n"
    assert list(module_faults(parsed(source, package=False))) == ["lists and does not define ['gone']"]


def test_silent_names_are_found() -> None:
    class Silent:
        def method(self) -> None: ...

        @property
        def value(self) -> int:
            return 1

        def _hidden(self) -> None: ...

    assert list(undocumented("Silent", Silent)) == ["Silent.method", "Silent.value", "Silent"]
    assert not list(undocumented("CONSTANT", 3))
