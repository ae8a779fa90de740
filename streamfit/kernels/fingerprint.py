"""Fingerprints: what a function computes, in 32 hexadecimal digits.

Machine code on disk is valid only for the function that it was made from. The fingerprint covers the compiled
Python code and all that it refers to: constants, the kernels that it calls, in any file, and all that these
refer to. Comments and line numbers do not count. It is computed from the loaded code, not from a file, so it
is right even if a file was edited after its import.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Iterator
from opcode import opmap
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

import numpy as np

_EXTENDED_ARG, _LOAD_GLOBAL = opmap["EXTENDED_ARG"], opmap["LOAD_GLOBAL"]
_PLAIN = (int, float, complex, str, bytes, type(None), type(...), np.generic)


class UnknownReferenceError(Exception):
    """A function refers to an object that a fingerprint cannot describe."""


def fingerprint(function: FunctionType) -> str:
    """Return the fingerprint of a function.

    Raises:
        UnknownReferenceError: It refers to an object that a fingerprint cannot describe.

    Example:
        >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 1)
        True
        >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 2)
        False
    """
    digest = hashlib.blake2b(digest_size=16)
    for word in _function(function, set()):
        digest.update(word.encode(errors="surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()


def _function(function: FunctionType, seen: set[int]) -> Iterator[str]:
    if id(function) in seen:
        yield f"again {function.__qualname__}"
        return
    seen.add(id(function))
    yield f"function {function.__module__}.{function.__qualname__}"
    yield from _value(function.__defaults__ or (), seen)
    yield from _code(function.__code__, function, seen)


def _code(code: CodeType, function: FunctionType, seen: set[int]) -> Iterator[str]:
    yield f"code {code.co_argcount} {code.co_varnames} {code.co_names} {code.co_freevars}"
    yield code.co_code.hex()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code(constant, function, seen)
        else:
            yield from _value(constant, seen)
    for cell in function.__closure__ or () if code is function.__code__ else ():
        yield from _value(cell.cell_contents, seen)
    yield from _globals(code, function.__globals__, seen)


def _globals(code: CodeType, known: dict[str, object], seen: set[int]) -> Iterator[str]:
    loaded = _loaded_names(code)
    modules = [value for name in loaded if isinstance(value := known.get(name), ModuleType)]
    for name in code.co_names:
        if name in loaded and name in known and not isinstance(known[name], ModuleType):
            yield f"global {name}"
            yield from _value(known[name], seen)
        for module in modules:  # not worth finding out which name is an attribute of which module
            if name in vars(module):
                yield f"attribute {module.__name__}.{name}"
                yield from _attribute(vars(module)[name], seen)


def _loaded_names(code: CodeType) -> dict[str, None]:
    """Return the names of the globals that code refers to, in order.

    `co_names` holds the names of attributes as well: ``np.sqrt`` must not stand for a `sqrt` of the module.
    """
    names: dict[str, None] = {}
    argument = 0
    for operation, byte in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        argument = argument << 8 | byte
        if operation == _EXTENDED_ARG:
            continue
        if operation == _LOAD_GLOBAL:
            names[code.co_names[argument >> 1]] = None  # the last bit says whether it is called
        argument = 0
    return names


def _attribute(value: object, seen: set[int]) -> Iterator[str]:
    """Describe an attribute of a module: by content in our own modules, else by type and name."""
    if isinstance(getattr(value, "py_func", None), FunctionType):
        yield from _value(value, seen)
    elif isinstance(value, _PLAIN):
        yield repr(value)
    else:
        yield f"{type(value).__qualname__} {getattr(value, '__qualname__', '')}"


def _is_builtin(value: object) -> bool:
    """Return whether a value has a name in `builtins`; by identity: in a shell ``_`` may be an array."""
    return any(value is item for item in vars(builtins).values())


def _value(value: object, seen: set[int]) -> Iterator[str]:
    compiled = getattr(value, "py_func", None)
    if isinstance(value, _PLAIN):
        yield f"{type(value).__name__} {value!r}"
    elif isinstance(value, (tuple, frozenset)):
        yield f"{type(value).__name__} of {len(value)}"
        for part in value if isinstance(value, tuple) else sorted(value, key=repr):
            yield from _value(part, seen)
    elif isinstance(value, np.ndarray):
        yield f"array {value.dtype.str} {value.shape} {hashlib.blake2b(value.tobytes()).hexdigest()}"
    elif isinstance(compiled, FunctionType):
        yield repr(getattr(value, "options", None))
        yield from _function(compiled, seen)
    elif isinstance(value, FunctionType):
        yield from _function(value, seen)
    elif isinstance(value, (type, BuiltinFunctionType, np.ufunc, np.dtype)) or _is_builtin(value):
        yield f"{type(value).__name__} {getattr(value, '__qualname__', repr(value))}"
    elif isinstance(value, ModuleType):
        yield f"module {value.__name__}"
    else:
        raise UnknownReferenceError(f"{type(value).__qualname__} {value!r}")
