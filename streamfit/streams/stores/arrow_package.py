"""pyarrow, an optional package: imported when the first file is opened, and named by types only here."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from streamfit._base.optional import require

if TYPE_CHECKING:  # for types; the others import these names from here
    import pyarrow as pa
    import pyarrow.parquet as pq

    __all__ = ["arrow", "pa", "pq"]


def arrow(part: str = "") -> ModuleType:
    """Return pyarrow, or a part of it such as ``'parquet'``.

    Raises:
        MissingExtraError: It is not installed; the message names the extra.

    Example:
        >>> arrow("compute").__name__
        'pyarrow.compute'
    """
    return require(f"pyarrow.{part}" if part else "pyarrow", "arrow")
