"""Find a loss by what a user wrote."""

from __future__ import annotations

import functools
from typing import Any

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

CLASS_OF: dict[Any, type[Loss]] = {
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
"""The loss that each of our functions stands for: given as a loss, it checks targets as the class does."""


def get(identifier: Any) -> Loss | None:
    """Return the loss that `identifier` stands for.

    Args:
        identifier: A name in any of Keras' spellings (``'mse'``, ``'mean_squared_error'``,
            ``'MeanSquaredError'``), a class, an instance, a description as
            ``{'class_name': ..., 'config': ...}``, a function ``(y_true, y_pred) -> values``, also with
            settings bound by `functools.partial`, or None.

    Raises:
        UnknownNameError: The name is unknown.
        TypeError: It is nothing of that kind.

    Example:
        >>> get("mse").name
        'mean_squared_error'
    """
    if identifier is None:
        return None
    found = resolve(registry, identifier)
    if isinstance(found, Loss):
        return found
    settings: dict[str, Any] = {}
    function = found
    if isinstance(found, functools.partial) and not found.args:
        function, settings = found.func, found.keywords
    known = CLASS_OF.get(function) if getattr(function, "__hash__", None) else None
    return known(**settings) if known else FunctionLoss(found)
