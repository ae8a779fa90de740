"""Read the source of a package: modules, who imports whom, how long everything is.

Nothing is imported and nothing is written: the sources are read with `ast`. Imports inside functions
and under ``TYPE_CHECKING`` count like any other, and so do module names given as strings to
``import_module`` and ``require``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

_BY_STRING = {"import_module", "__import__", "require"}


@dataclass(frozen=True)
class Import:
    """Hold one imported module or name: what, from which module, at which line."""

    module: str
    name: str | None
    line: int

    @property
    def dotted(self) -> str:
        """Return module and name as one dotted name."""
        return f"{self.module}.{self.name}" if self.name else self.module


@dataclass(frozen=True)
class Function:
    """Hold the size of one function."""

    name: str
    line: int
    length: int  # all of it, the way a reader scrolls
    code: int  # without the docstring


@dataclass(frozen=True)
class Module:
    """Hold one source file."""

    name: str
    path: Path
    source: str = field(repr=False)

    @cached_property
    def tree(self) -> ast.Module:
        """Return the syntax tree."""
        return ast.parse(self.source, filename=str(self.path))

    @property
    def is_package(self) -> bool:
        """Return whether this is the ``__init__.py`` of a package."""
        return self.path.name == "__init__.py"

    @property
    def package(self) -> str:
        """Return the first name below the root package; an empty string for the root itself."""
        return self.name.split(".")[1] if "." in self.name else ""

    @property
    def lines(self) -> int:
        """Count the lines."""
        return self.source.count("\n")

    @cached_property
    def imports(self) -> list[Import]:
        """List everything that is imported, anywhere in the file."""
        return [found for node in ast.walk(self.tree) for found in self._imports_of(node)]

    def _imports_of(self, node: ast.AST) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, None, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = self._absolute(node.module or "", node.level)
            yield from (Import(base, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in _BY_STRING and node.args:
            given = node.args[0]
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                yield Import(given.value, None, node.lineno)

    def _absolute(self, module: str, level: int) -> str:
        if level == 0:
            return module
        parts = self.name.split(".")
        kept = parts[: len(parts) - level + (1 if self.is_package else 0)]
        return ".".join([*kept, module] if module else kept)

    @cached_property
    def functions(self) -> list[Function]:
        """List every function and method, inner ones too."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [_size(node) for node in ast.walk(self.tree) if isinstance(node, kinds)]


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _size(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    end = node.end_lineno or node.lineno
    length = end - node.lineno + 1
    text = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
    documented = (text.end_lineno or text.lineno) - text.lineno + 1 if text else 0
    return Function(node.name, node.lineno, length, length - documented)


class SourceTree:
    """Hold all modules of a package by name.

    Args:
        root: Folder of the package.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = root.name
        found = [self._read(path) for path in sorted(root.rglob("*.py"))]
        self.modules = {module.name: module for module in found}

    def _read(self, path: Path) -> Module:
        parts = [self.package, *path.relative_to(self.root).with_suffix("").parts]
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        return Module(name, path, path.read_text(encoding="utf-8"))

    @property
    def packages(self) -> list[str]:
        """List the first level of the package, without its own ``__init__`` and ``__main__``."""
        return sorted({module.package for module in self.modules.values()} - {"", "__main__"})

    def is_own(self, dotted: str) -> bool:
        """Return whether a dotted name lies inside the package."""
        return dotted == self.package or dotted.startswith(self.package + ".")

    def target(self, found: Import) -> str:
        """Return the module that an import reaches: a submodule when the imported name is one."""
        return found.dotted if found.dotted in self.modules else found.module

    def edges(self, module: Module) -> Iterator[tuple[str, Import]]:
        """Yield the modules of this package that `module` imports."""
        for found in module.imports:
            if self.is_own(found.module):
                yield self.target(found), found

    def graph(self) -> dict[str, set[str]]:
        """Return for each module the modules that it imports."""
        return {
            name: {target for target, _ in self.edges(module)} - {name}
            for name, module in self.modules.items()
        }


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return every knot of modules that import each other (strongly connected components)."""
    reached = {start: _reachable(graph, start) for start in graph}
    knots: list[list[str]] = []
    for start in sorted(graph):
        knot = sorted(other for other in reached[start] if start in reached.get(other, ()))
        if start in reached[start] and knot not in knots:
            knots.append(knot)
    return knots


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(graph.get(name, ()))
    return seen


def decorators(tree: ast.Module) -> Iterable[ast.expr]:
    """Yield every decorator of a file."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from node.decorator_list
