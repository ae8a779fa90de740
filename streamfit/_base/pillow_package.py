"""Pillow, an optional package: imported when the first image is opened, and named by types only here."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from streamfit._base.optional import require

if TYPE_CHECKING:  # for types; the others import this name from here
    from PIL.Image import Image as PillowImage

    __all__ = ["PillowImage", "pillow"]


def pillow(part: str = "Image") -> ModuleType:
    """Return a module of Pillow.

    Raises:
        MissingExtraError: It is not installed; the message names the extra.
    """
    return require(f"PIL.{part}", "image")
