"""Optional packages: imported where they are needed; errors name the extra that installs them."""

from __future__ import annotations

import importlib
from types import ModuleType

from streamfit._base.errors import MissingExtraError


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module.

    Args:
        module: Name of the module, such as ``"matplotlib.pyplot"``.
        extra: The extra of streamfit that installs it.

    Raises:
        MissingExtraError: The module is not installed.

    Example:
        >>> require("json", "none").__name__
        'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name.split(".")[0]):
            raise
        raise MissingExtraError(
            f"this needs the package {error.name!r}, which is not installed; "
            f"install it with: pip install 'streamfit[{extra}]'"
        ) from error
