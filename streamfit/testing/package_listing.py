"""What the modules of a package define that can be checked: for ``streamfit check package/``."""

from __future__ import annotations

import ast
import enum
import importlib
import importlib.util
import inspect
import os
import pkgutil
import sys
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TypedDict, cast

from streamfit.streams import Source, Stream
from streamfit.streams.leaves import is_arraylike
from streamfit.testing import check_process
from streamfit.testing.failure import brief_error

_LEFT_OUT = ("setup", "conftest", "__main__")
_FRAMEWORKS = {"datasets", "keras", "streamfit", "tensorflow", "tf_keras", "torch", "torchvision"}
_CONTAINERS = (dict, list, tuple, str, bytes, set, frozenset, enum.Enum, Mapping, BaseException, ModuleType)


class Listed(TypedDict):
    """One thing to check; or, with a note, one that needs arguments; or a module that cannot be imported."""

    target: str
    note: str
    error: str


class ModulePlaces(TypedDict):
    """Where modules are: the folder to import from, the first part of their names, and their names."""

    root: str
    modules: list[str]


def is_package(target: str) -> bool:
    """Return whether a target is a folder, a file or a module, and not an object of one.

    Example:
        >>> is_package("data/"), is_package("mine.data"), is_package("mine.data:Digits")
        (True, True, False)
    """
    return ":" not in target or Path(target).exists()


def listed(target: str) -> tuple[str, list[Listed]]:
    """List what a package defines, in a process of its own; a module that ends that process is an error.

    Returns:
        The folder from which its modules are imported, and what they define.

    Raises:
        ValueError: There is no such folder, file or module, or the list could not be made.
    """
    broken: dict[str, str] = {}
    while True:
        outcome = check_process.run(__name__, {"target": target, "broken": broken})
        if outcome.report is not None:
            if outcome.report["errors"]:
                raise ValueError(outcome.report["errors"][0])
            found = cast("tuple[str, list[Listed]]", outcome.report["data"])
            return found[0], found[1]
        module = (outcome.doing or "").removeprefix("it imported ")
        if not outcome.doing or module in broken or module == outcome.doing:
            raise ValueError(f"{target} cannot be listed: the process {outcome.ending}")
        broken[module] = f"cannot be imported: it ends the program (the process {outcome.ending})"


def serve(handle: int, request: check_process.Request) -> None:
    """List the package in the process that `listed` started."""
    result_file = check_process.begin(handle, request)
    target, broken = str(request["options"]["target"]), cast("dict[str, str]", request["options"]["broken"])
    report: check_process.Report = {"status": 0, "data": None, "errors": []}
    try:
        place = place_of(target)
        found: list[Listed] = []
        seen: set[int] = set()
        for name in place["modules"]:
            result_file.write(f"it imported {name}")
            found += [_problem(name, broken[name])] if name in broken else list(_defined_by(name, seen))
        report["data"] = (place["root"], found)
    except Exception as error:
        report["errors"] = [str(error)]
    result_file.write("it ended", report)
    sys.exit(0)


def place_of(target: str) -> ModulePlaces:
    """Return where the modules of a folder, a file or a module are; make them importable.

    Raises:
        ValueError: There is none.
    """
    path = Path(target)
    if path.is_dir() or (path.suffix == ".py" and path.is_file()):
        path = path.resolve()
        root, names = path.parent, [path.stem if path.is_file() else path.name]
        if path.is_dir() and not (path / "__init__.py").exists():  # a folder of scripts and packages
            root, names = path, []
        while names and (root / "__init__.py").exists():
            root, names = root.parent, [root.name, *names]
        _search_in(str(root))
        if names:
            return {"root": str(root), "modules": list(_modules_of(".".join(names), path))}
        modules = [n for info in _submodules(path) for n in _modules_of(info, path / info)]
        return {"root": str(root), "modules": modules}
    _search_in(os.getcwd())
    try:
        found = importlib.util.find_spec(target)
    except (ImportError, ValueError, AttributeError):
        found = None
    if found is None:
        raise ValueError(
            f"{target!r} names nothing; write package.module:object, or a folder or a module to check all "
            "that it defines"
        )
    folders = list(found.submodule_search_locations or ())
    if not folders:
        return {"root": os.getcwd(), "modules": [target]}
    modules = [name for folder in folders for name in _modules_of(target, Path(folder))]
    return {"root": os.getcwd(), "modules": list(dict.fromkeys(modules))}


def _search_in(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _modules_of(name: str, path: Path) -> Iterator[str]:
    yield name
    if path.is_dir():
        for inner in _submodules(path):
            yield from _modules_of(f"{name}.{inner}", path / inner)


def _submodules(folder: Path) -> list[str]:
    names = sorted(info.name for info in pkgutil.iter_modules([str(folder)]))
    return [name for name in names if name not in _LEFT_OUT and not name.startswith("test_")]


def _problem(name: str, error: str) -> Listed:
    return {"target": name, "note": "", "error": error}


def _defined_by(name: str, seen: set[int]) -> Iterator[Listed]:
    """List what a module defines and can be checked; import it."""
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:  # the user's code runs while it is imported
        yield _problem(name, f"cannot be imported: {brief_error(error)}")
        return
    imported = _imported_names(module)
    for attribute, thing in list(vars(module).items()):
        if attribute.startswith("_") or attribute in imported or id(thing) in seen:
            continue
        if getattr(thing, "__module__", name) != name and (
            isinstance(thing, type) or inspect.isroutine(thing)
        ):
            continue
        try:
            found = _gives_batches(thing)
        except Exception:  # attributes of foreign objects may raise anything
            found = False
        if found:
            seen.add(id(thing))
            yield {"target": f"{name}:{attribute}", "note": _needed(thing), "error": ""}


def _imported_names(module: ModuleType) -> set[str]:
    """List the names that a module imports at its top."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):  # no Python source
        return set()
    names = [
        alias for node in tree.body if isinstance(node, ast.ImportFrom | ast.Import) for alias in node.names
    ]
    return {alias.asname or alias.name.partition(".")[0] for alias in names}


def _gives_batches(thing: object) -> bool:
    if isinstance(thing, type):
        return _is_data_class(thing)
    if inspect.isfunction(thing):
        return inspect.isgeneratorfunction(thing) or _returns_data(thing)
    if inspect.isroutine(thing) or inspect.isgenerator(thing) or is_arraylike(thing):
        return False
    return not isinstance(thing, Stream) and _is_data_class(type(thing))


def _is_data_class(cls: type) -> bool:
    """Return whether the objects of a class give batches or samples; containers do not."""
    if issubclass(cls, _CONTAINERS) or inspect.isabstract(cls) or getattr(cls, "_is_protocol", False):
        return False
    if issubclass(cls, (Source, Stream)) or hasattr(cls, "open_source"):
        return True
    if hasattr(cls, "__getitem__") and (hasattr(cls, "__len__") or hasattr(cls, "num_batches")):
        return True
    roots = {base.__module__.partition(".")[0] for base in cls.__mro__}
    iterates = hasattr(cls, "__iter__") and not hasattr(cls, "__next__")
    return iterates and bool(
        roots & _FRAMEWORKS or inspect.isgeneratorfunction(getattr(cls, "__iter__", None))
    )


def _returns_data(function: object) -> bool:
    """Return whether a function says that it makes data."""
    try:
        made = typing.get_type_hints(function).get("return")
    except Exception:  # names that exist only for type checkers
        return False
    return isinstance(made, type) and made.__module__ != "typing" and _is_data_class(made)


def _needed(thing: object) -> str:
    """Return a note if a class or a function has required arguments."""
    if not (isinstance(thing, type) or inspect.isroutine(thing)):
        return ""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return ""
    plain = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in plain]
    return f"needs {', '.join(needed)}: write a function without arguments" if needed else ""
