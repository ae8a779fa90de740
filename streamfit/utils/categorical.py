"""`to_categorical`: class numbers to one-hot rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamfit._base.errors import DataError
from streamfit._base.specs import Array


def to_categorical(
    y: npt.ArrayLike, num_classes: int | None = None, dtype: npt.DTypeLike = "float32"
) -> Array:
    """Turn class numbers into one-hot rows.

    Args:
        y: Class numbers 0 .. num_classes - 1, of any shape; a float type may hold whole numbers. A last axis
            of length 1 is dropped.
        num_classes: Length of a row; None for the largest class number plus 1.
        dtype: Type of the result.

    Returns:
        Array of shape (\\*y.shape, num_classes).

    Raises:
        DataError: A class number is negative, too large or not whole; or `y` is empty and `num_classes` is
            None.

    Example:
        >>> to_categorical([0, 2, 1], num_classes=3)
        array([[1., 0., 0.],
               [0., 0., 1.],
               [0., 1., 0.]], dtype=float32)
    """
    classes = _whole(np.asarray(y))
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    if num_classes is None:
        if classes.size == 0:
            raise DataError("y is empty, so the number of classes is not known; pass num_classes")
        num_classes = int(classes.max()) + 1
    wrong = (classes < 0) | (classes >= num_classes)
    if wrong.any():
        raise DataError(
            f"class {classes[wrong].flat[0]} is not in 0..{num_classes - 1} (num_classes={num_classes}); "
            "class numbers start at 0"
        )
    rows = np.zeros((classes.size, num_classes), dtype=dtype)
    rows[np.arange(classes.size), classes.reshape(-1)] = 1
    return rows.reshape(*classes.shape, num_classes)


def _whole(classes: Array) -> Array:
    if classes.dtype.kind in "biu":
        return classes.astype(np.int64)
    if classes.dtype.kind != "f" and classes.size:
        raise DataError(f"y has dtype {classes.dtype}; class numbers must be whole numbers")
    broken = ~(np.isfinite(classes) & (classes == np.trunc(classes)))
    if broken.any():
        raise DataError(f"y holds {classes[broken].flat[0]}, which is no whole number and so no class")
    return classes.astype(np.int64)
