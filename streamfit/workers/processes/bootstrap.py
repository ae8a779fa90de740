"""The script that the fork server's interpreter runs: makes this process see the modules its parent sees.

Imports nothing of streamfit's public API. The package itself is a lazy module here: a name in it is taken
from the module that `__init__` imports it from, and `__init__` runs when a name is first asked for that it
does not import. So a worker does not wait for compilers and layers, even where the user's module does
`from streamfit import Sequence`, while user code finds all of the package.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the folder of this file must not hide modules of Python

import ast
import contextlib
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import marshal
import os
import traceback
import types
from collections.abc import Iterator

_OWN_VARIABLES = ("STREAMFIT_NURSERY_OF",)


class _Deferred(types.ModuleType):
    """A package whose `__init__` runs when a name is first asked for that it neither has nor imports."""

    _homes: dict[str, str]
    """From which module `__init__` imports a name."""

    def __getattr__(self, name: str) -> object:
        module = f"{self.__name__}.{name}"
        if importlib.util.find_spec(module) is not None:
            # Modules of the package import one another in this way, and `__init__` imports all of them: if it
            # ran now, it would find the importing module half done.
            return importlib.import_module(module)
        if name in self._homes:
            value: object = getattr(importlib.import_module(self._homes[name]), name)
            setattr(self, name, value)
            return value
        spec = self.__spec__
        self.__class__ = types.ModuleType  # type: ignore[assignment]
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module(self)
        return getattr(self, name)


def defer(name: str) -> None:
    """Register a package without running it."""
    spec = importlib.util.find_spec(name)
    if spec is not None:
        module = _Deferred(name)
        module.__spec__ = spec
        module.__loader__ = spec.loader
        module.__file__ = spec.origin
        module.__path__ = list(spec.submodule_search_locations or [])
        module.__package__ = name
        module._homes = dict(_homes_of_names(spec))
        sys.modules[name] = module


def _homes_of_names(spec: importlib.machinery.ModuleSpec) -> Iterator[tuple[str, str]]:
    """Yield each name that the code of a package imports from another module, and that module."""
    code = spec.loader.get_source(spec.name) if isinstance(spec.loader, importlib.abc.InspectLoader) else None
    for node in ast.parse(code or "").body:
        if isinstance(node, ast.ImportFrom) and node.module not in (None, spec.name) and not node.level:
            yield from ((alias.name, str(node.module)) for alias in node.names if alias.asname is None)


def main(arguments: list[str]) -> None:
    """Set the parent's search path and run the fork server.

    Args:
        arguments: number of the control socket's descriptor, that of memory with the parent's search path,
            its own arguments, its warning options and variables of its environment, and its process id.
    """
    gc.disable()  # the imports make almost no garbage; the fork server enables it again
    descriptor, inherited, parent = map(int, arguments)
    with open(inherited, "rb") as file:
        sys.path[:], sys.argv[:], sys.warnoptions[:], variables = marshal.loads(file.read())
    os.environ.update(variables)
    for name in _OWN_VARIABLES:  # not for programs that loads start
        os.environ.pop(name, None)
    defer("streamfit")
    status = 1
    try:
        importlib.import_module("streamfit.workers.processes.fork_server").main(descriptor, parent)
        status = 0
    except SystemExit:  # a worker, forked from here, that ends as Python processes do
        raise
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(Exception):  # either may be closed
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)  # nothing here needs a clean shutdown of the interpreter, and the parent waits


if __name__ == "__main__":
    main(sys.argv[1:])
