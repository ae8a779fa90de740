"""Facts from the user's code without running it: names it uses, whether it hashes, constants of modules."""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import CodeType, FunctionType, MethodType, ModuleType

from streamfit._base.inspection import attributes_of, is_foreign
from streamfit.testing.object_state import Settings, fingerprint, modules_behind, shown

_HASHING = {"set", "frozenset", "hash", "keys", "union", "difference", "intersection", "symmetric_difference"}
_SET_OPERATIONS = {"BUILD_SET", "SET_ADD", "SET_UPDATE"}
_OF_ABSTRACT_CLASSES = "__abstractmethods__"  # a set that says nothing about the code
_DEEPEST = 3
_FUNCTIONS = (FunctionType, MethodType, functools.partial)
_LOOKED_UP = {"getattr", "globals", "eval", "exec", "import_module"}
_CONSTANTS = (type(None), bool, int, float, complex, str, bytes, tuple)


def names_used_in(modules: list[str]) -> set[str]:
    """List the names that the functions of modules read, to find the settings that matter."""
    found: set[str] = set()
    for code in _codes_of_modules(modules):
        found.update(code.co_names)
    return found


def may_hash(thing: object) -> bool:
    """Return whether an object, or the code behind it, has sets or calls `hash`.

    Example:
        >>> may_hash(lambda: sorted({"a", "b"})), may_hash(lambda: [1, 2])
        (True, False)
    """
    if _holds_set(thing, 0):
        return True
    modules = modules_behind(thing)
    if "__main__" in (type(thing).__module__, getattr(thing, "__module__", None)):
        modules.append("__main__")
    codes = _codes_of(thing)
    for held in (thing, *(value for _, value in attributes_of(thing))):
        codes += _codes_of(held) if isinstance(held, _FUNCTIONS) else []
        for kind in type(held).__mro__:
            codes += [] if is_foreign(kind.__module__) and kind.__module__ != "__main__" else _codes_of(kind)
    return any(map(_code_hashes, _reached(codes, modules)))


def _reached(codes: list[CodeType], modules: list[str]) -> Iterator[CodeType]:
    """Yield code, and the code of the user's modules that it may call: whatever has a name that it uses.

    A name that is put together while the program runs may be any: then all code of the modules counts.
    """
    named = _codes_by_name(modules)
    waiting, seen = list(codes), set[CodeType]()
    while waiting:
        code = waiting.pop()
        if code in seen:
            continue
        seen.add(code)
        yield code
        if not _LOOKED_UP.isdisjoint(code.co_names):
            yield from _codes_of_modules(modules)
            return
        for name in (*code.co_names, *(text for text in code.co_consts if isinstance(text, str))):
            waiting += named.get(name, ())


def _codes_by_name(modules: list[str]) -> dict[str, list[CodeType]]:
    """Return the code of functions and methods by their names, and special methods by those of their classes.

    A variable that holds functions in a list or dictionary stands for them.
    """
    found: dict[str, list[CodeType]] = {}
    for module in filter(None, map(sys.modules.get, modules)):
        for name, value in list(vars(module).items()):
            if isinstance(value, type) and value.__module__ == module.__name__:
                for method, entry in list(vars(value).items()):
                    key = name if method.startswith("__") else method
                    found.setdefault(key, []).extend(_codes_of_function(entry))
                continue
            entries = value.values() if isinstance(value, dict) else value
            for entry in list(entries) if isinstance(value, (list, tuple, dict)) else [value]:
                if isinstance(entry, (type, _FUNCTIONS)):
                    found.setdefault(name, []).extend(_codes_of(entry))
    return found


def _holds_set(value: object, depth: int) -> bool:
    if isinstance(value, (set, frozenset)):
        return True
    if depth >= _DEEPEST:
        return False
    inner = [part for name, part in attributes_of(value) if name != _OF_ABSTRACT_CLASSES]
    if isinstance(value, dict):
        inner += list(value.values())[:64]
    elif isinstance(value, (list, tuple)):
        inner += value[:64]
    return any(_holds_set(part, depth + 1) for part in inner)


def _code_hashes(code: CodeType) -> bool:
    if not _HASHING.isdisjoint(code.co_names) or any(isinstance(c, frozenset) for c in code.co_consts):
        return True
    return any(instruction.opname in _SET_OPERATIONS for instruction in dis.get_instructions(code))


def _codes_of_modules(modules: list[str]) -> Iterator[CodeType]:
    for name in modules:
        module = sys.modules.get(name)
        for value in list(vars(module).values()) if module is not None else ():
            if getattr(value, "__module__", None) == name:
                yield from _codes_of(value)


def _codes_of(value: object) -> list[CodeType]:
    """List the code of a function, its inner functions and its closure, or of the methods of a class."""
    if isinstance(value, type):
        return [code for entry in list(vars(value).values()) for code in _codes_of_function(entry)]
    return list(_codes_of_function(value))


def _codes_of_function(value: object, depth: int = 0) -> Iterator[CodeType]:
    if isinstance(value, functools.partial):
        value = value.func
    value = getattr(value, "fget", None) or getattr(value, "__func__", value)
    code = getattr(value, "__code__", None)
    if not isinstance(code, CodeType):
        return
    waiting = [code]
    while waiting:
        code = waiting.pop()
        yield code
        waiting += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    for cell in getattr(value, "__closure__", None) or () if depth < _DEEPEST else ():
        with suppress(ValueError):  # an empty cell
            inner = cell.cell_contents
            for entry in vars(inner).values() if isinstance(inner, type) else [inner]:
                yield from _codes_of_function(entry, depth + 1)


def settings_as_written(modules: list[str]) -> Settings:
    """Return the constants that modules and their classes set once, by ``module.name``."""
    found: Settings = {}
    for name in modules:
        module = sys.modules.get(name)
        for path, value in _constants(module) if module is not None else ():
            found[f"{name}.{path}"] = (fingerprint(value), shown(value))
    return found


def _constants(module: ModuleType) -> list[tuple[str, object]]:
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError, ValueError):  # no source
        return []
    assigned: dict[str, list[ast.expr]] = {}
    for path, value in _assignments(tree.body):
        assigned.setdefault(path, []).append(value)
    changing = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    found: list[tuple[str, object]] = []
    for path, values in assigned.items():
        with suppress(ValueError, TypeError, SyntaxError):  # not a constant
            value = ast.literal_eval(values[0])
            if len(values) == 1 and path not in changing and isinstance(value, _CONSTANTS):
                found.append((path, value))
    return found


def _assignments(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a module and its classes assign at the top level, with the values."""
    for statement in body:
        if isinstance(statement, ast.ClassDef) and not prefix:
            yield from _assignments(statement.body, f"{statement.name}.")
        elif isinstance(statement, ast.Assign):
            names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
            yield from ((prefix + name, statement.value) for name in names)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield prefix + statement.target.id, statement.value or ast.Name("nothing")
