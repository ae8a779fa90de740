"""The import hook: every module below ``keras`` becomes a stand-in whose names lead to streamfit.

A module that exists in the Keras package can be imported; none of its code runs. A name in it is looked for
in our stand-ins for that module, then in the public module of streamfit of the same kind: for
``keras.src.layers.core.dense`` in ``streamfit.layers``. A name that is nowhere is `Missing`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from keras_tests.missing import Missing

HOMES: dict[str, tuple[str, ...]] = {
    "legacy": ("streamfit.saving", "streamfit.models"),
    "saving": ("streamfit.saving", "streamfit.models", "streamfit.utils"),
    "models": ("streamfit.models", "streamfit.saving"),
    "utils": ("streamfit.utils", "streamfit.preprocessing", "streamfit.preprocessing.sequence"),
    "trainers": ("streamfit.utils",),
    "": ("streamfit",),
}
"""Where names of a part of Keras are looked for; by default in the module of streamfit of the same name."""


class KerasModule(ModuleType):
    """A module of Keras, as tests see it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        finder = next(found for found in sys.meta_path if isinstance(found, KerasFinder))
        value = finder.find_name(self.__name__, name)
        if not isinstance(value, Missing):
            setattr(self, name, value)
        return value


class KerasFinder(MetaPathFinder, Loader):
    """Find modules below ``keras``.

    Args:
        package: The folder of the Keras package: only its names are read, to know which modules there are.
        stand_ins: For each module, without ``keras.`` and ``src.``, the names that lead elsewhere.
    """

    def __init__(self, package: Path, stand_ins: Mapping[str, Mapping[str, Any]]) -> None:
        self.package, self.stand_ins = package, stand_ins

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for any module that Keras has."""
        if fullname.split(".")[0] != "keras":
            return None
        return ModuleSpec(fullname, self, is_package=True) if self._is_module(fullname) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make the stand-in."""
        return KerasModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing: names are found when they are asked for."""

    def _is_module(self, fullname: str) -> bool:
        place = self.package.joinpath(*fullname.split(".")[1:])
        return place.is_dir() or place.with_suffix(".py").is_file()

    def find_name(self, module: str, name: str) -> Any:
        """Return what a name in a module of Keras stands for."""
        parts = module.removeprefix("keras").removeprefix(".src").strip(".").split(".")
        for end in range(len(parts), 0, -1):
            names = self.stand_ins.get(".".join(parts[:end]), {})
            if name in names:
                return names[name]
        if self._is_module(f"{module}.{name}"):
            return importlib.import_module(f"{module}.{name}")
        for home in HOMES.get(parts[0], (f"streamfit.{parts[0]}",)):
            try:
                return getattr(importlib.import_module(home), name)
            except (ImportError, AttributeError):
                continue
        return Missing(f"{module}.{name}")


def install(package: Path, stand_ins: Mapping[str, Mapping[str, Any]]) -> None:
    """Let ``import keras`` lead to the stand-ins in this process."""
    if "keras" in sys.modules:
        raise RuntimeError("keras is imported already: its stand-ins must come first")
    sys.meta_path.insert(0, KerasFinder(package, stand_ins))
