"""h5py, an optional package: imported when the first file is opened, and named by types only here."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from streamfit._base.optional import require

if TYPE_CHECKING:  # for types; the others import this name from here
    import h5py

    __all__ = ["h5py", "h5py_package"]


def h5py_package() -> ModuleType:
    """Return h5py.

    Raises:
        MissingExtraError: It is not installed; the message names the extra.
    """
    return require("h5py", "hdf5")
