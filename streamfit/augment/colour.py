"""Changes of colours: neighbouring `ColourStep`s in one pass over the pixels."""

from __future__ import annotations

from collections.abc import Sequence

from streamfit.augment.image_steps import ColourStep
from streamfit.augment.images import Images


def recolour(images: Images, steps: Sequence[ColourStep], owned: bool) -> Images:
    """Return images behind changes of colours.

    Args:
        images: The images.
        steps: The changes, in their order.
        owned: Whether the pixels may be written to.
    """
    raise NotImplementedError
