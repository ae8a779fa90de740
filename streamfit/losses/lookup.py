"""Find the loss that a user named or described."""

from __future__ import annotations

import functools
from collections.abc import Callable

from streamfit._base.configs import resolve
from streamfit.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    kl_divergence,
    poisson,
    sparse_categorical_crossentropy,
)
from streamfit.losses.loss import FunctionLoss, Loss, registry
from streamfit.losses.margins import (
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from streamfit.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from streamfit.ops.core import Value

CLASS_OF: dict[Callable[..., Value], Callable[..., Loss]] = {
    mean_squared_error: MeanSquaredError,
    mean_absolute_error: MeanAbsoluteError,
    mean_absolute_percentage_error: MeanAbsolutePercentageError,
    mean_squared_logarithmic_error: MeanSquaredLogarithmicError,
    huber: Huber,
    log_cosh: LogCosh,
    cosine_similarity: CosineSimilarity,
    binary_crossentropy: BinaryCrossentropy,
    categorical_crossentropy: CategoricalCrossentropy,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
    kl_divergence: KLDivergence,
    poisson: Poisson,
    hinge: Hinge,
    squared_hinge: SquaredHinge,
    categorical_hinge: CategoricalHinge,
}
"""The class of each of our loss functions: a function given as a loss checks targets as its class does."""


def get(identifier: object) -> Loss | None:
    """Return the loss that `identifier` describes.

    Args:
        identifier: A name in any of Keras' spellings (``'mse'``, ``'mean_squared_error'``,
            ``'MeanSquaredError'``), a class, an instance, a description as
            ``{'class_name': ..., 'config': ...}``, a function ``(y_true, y_pred) -> values``, also with
            settings bound by `functools.partial`, or None.

    Raises:
        UnknownNameError: The name is unknown.
        TypeError: `identifier` is none of these.

    Example:
        >>> get("mse").name
        'mean_squared_error'
    """
    if identifier is None:
        return None
    found = resolve(registry, identifier)
    if isinstance(found, Loss):
        return found
    settings: dict[str, object] = {}
    function = found
    if isinstance(found, functools.partial) and not found.args:
        function, settings = found.func, found.keywords
    known = CLASS_OF.get(function) if getattr(function, "__hash__", None) else None
    return known(**settings) if known else FunctionLoss(found)
