"""Images as other libraries have them: Pillow's, and torch's tensors with the channels first."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Literal, Protocol, cast, get_args

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.pillow_package import pillow
from streamfit._base.specs import Array

Form = Literal["array", "pil", "tensor"]
FORMS: tuple[Form, ...] = get_args(Form)


def given_as(form: Form, image: Array) -> object:
    """Return an image, (height, width[, channels]), in the form that a function takes.

    Raises:
        DataError: It cannot have that form.
    """
    if form == "array":
        return image
    if image.ndim not in (2, 3):
        raise DataError(
            f"form={form!r} needs an image (height, width, channels) or (height, width), got {image.shape}"
        )
    if form == "pil":
        if image.dtype != np.uint8 or image.shape[2:] not in ((), (1,), (3,), (4,)):
            raise DataError(
                "form='pil' needs images of dtype uint8 with 1, 3 or 4 channels, got "
                f"{image.dtype} {image.shape}; write form='array' where the function takes arrays"
            )
        return pillow().fromarray(image[..., 0] if image.shape[2:] == (1,) else image)
    torch = sys.modules.get("torch")
    if torch is None:
        raise DataError(
            "form='tensor' needs torch, and nothing has imported it; import it beside the function"
        )
    first = image[None] if image.ndim == 2 else np.ascontiguousarray(np.moveaxis(image, -1, 0))
    convert: Callable[[Array], object] = torch.from_numpy
    return convert(first)


def as_array(made: object, like: Array) -> Array | None:
    """Return what a function made of an image as an array, channels last; None where it is no image.

    Args:
        made: An array, an image of Pillow, or a tensor with the channels first.
        like: The image that the function was given, whose axis of channels is kept.
    """
    if isinstance(made, np.ndarray):
        return np.array(made)  # memory of its own: the function may use its own again
    if hasattr(made, "detach") and hasattr(made, "numpy"):
        found = np.array(cast("_Tensor", made).detach().cpu().numpy())
        if found.ndim == 3:
            return found[0] if like.ndim == 2 and len(found) == 1 else np.moveaxis(found, 0, -1)
        return found
    if not (hasattr(made, "getbands") and hasattr(made, "__array_interface__")):
        return None
    found = np.array(made)
    return found[..., None] if found.ndim == 2 and like.ndim == 3 else found


class _Tensor(Protocol):
    """The methods of a tensor of torch that are used here."""

    def detach(self) -> _Tensor: ...

    def cpu(self) -> _Tensor: ...

    def numpy(self) -> Array: ...
