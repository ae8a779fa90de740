"""h5py, an optional package: imported when the first file is opened."""

from __future__ import annotations

from types import ModuleType

from streamfit._base.optional import require


def h5py_package() -> ModuleType:
    """Return h5py.

    Raises:
        MissingExtraError: It is not installed; the message names the extra.
    """
    return require("h5py", "hdf5")
