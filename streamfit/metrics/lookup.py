"""Find the metric that a user named or described; choose the metric for 'accuracy' and 'crossentropy'."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Protocol

from streamfit import losses
from streamfit._base.configs import resolve
from streamfit._base.errors import UnknownNameError
from streamfit._base.names import Registry, describe_callable, snake_case
from streamfit._base.specs import Shape
from streamfit.metrics import confusion, matches, operating_points, regression
from streamfit.metrics.metric import FunctionMetric, Mean, Metric, Sum
from streamfit.ops.core import Value

ACCURACY = ("accuracy", "acc")
CROSSENTROPY = ("crossentropy", "ce")

_registry: Registry[type[Metric]] = Registry("metric function")
_CLASSES: dict[type[Metric], tuple[str, ...]] = {
    matches.Accuracy: (),
    matches.BinaryAccuracy: (),
    matches.CategoricalAccuracy: (),
    matches.SparseCategoricalAccuracy: (),
    matches.TopKCategoricalAccuracy: ("top_k_categorical_accuracy",),
    matches.SparseTopKCategoricalAccuracy: ("sparse_top_k_categorical_accuracy",),
    regression.MeanSquaredError: ("mse",),
    regression.MeanAbsoluteError: ("mae",),
    regression.MeanAbsolutePercentageError: ("mape",),
    regression.MeanSquaredLogarithmicError: ("msle",),
    regression.RootMeanSquaredError: ("rmse",),
    regression.LogCoshError: ("log_cosh", "logcosh"),
    regression.CosineSimilarity: ("cosine_proximity", "cosine"),
    regression.BinaryCrossentropy: ("bce",),
    regression.CategoricalCrossentropy: (),
    regression.SparseCategoricalCrossentropy: (),
    regression.KLDivergence: ("kld", "kullback_leibler_divergence"),
    regression.Poisson: (),
    regression.Hinge: (),
    regression.SquaredHinge: (),
    regression.CategoricalHinge: (),
    confusion.TruePositives: (),
    confusion.TrueNegatives: (),
    confusion.FalsePositives: (),
    confusion.FalseNegatives: (),
    confusion.Precision: (),
    confusion.Recall: (),
    confusion.AUC: (),
    operating_points.SensitivityAtSpecificity: (),
    operating_points.SpecificityAtSensitivity: (),
    operating_points.PrecisionAtRecall: (),
    operating_points.RecallAtPrecision: (),
    Mean: (),
    Sum: (),
}
for _cls, _aliases in _CLASSES.items():
    _registry.register(_cls, snake_case(_cls.__name__), *_aliases)

_CLASS_OF: dict[Callable[..., Value], type[Metric]] = {
    matches.accuracy: matches.Accuracy,
    matches.binary_accuracy: matches.BinaryAccuracy,
    matches.categorical_accuracy: matches.CategoricalAccuracy,
    matches.sparse_categorical_accuracy: matches.SparseCategoricalAccuracy,
    matches.top_k_categorical_accuracy: matches.TopKCategoricalAccuracy,
    matches.sparse_top_k_categorical_accuracy: matches.SparseTopKCategoricalAccuracy,
}


def get(identifier: object) -> Metric | None:
    """Return the metric that `identifier` describes.

    Args:
        identifier: A name in any of Keras' spellings, a class, an instance, a loss, a description as
            ``{'class_name': ..., 'config': ...}``, a function ``(y_true, y_pred) -> values``, or None.

    Returns:
        A metric. A metric found by a string has that string as its name.

    Raises:
        UnknownNameError: The name is unknown.
        TypeError: `identifier` is none of these.

    Example:
        >>> get("mae").name
        'mae'
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        return _by_name(identifier)
    found = resolve(_registry, identifier)
    if isinstance(found, Metric):
        return found
    if isinstance(found, losses.Loss):
        return FunctionMetric(found.values, name=found.name)
    known = _CLASS_OF.get(found) if getattr(found, "__hash__", None) else None
    return known(name=describe_callable(found)) if known else FunctionMetric(found)


def _by_name(name: str) -> Metric:
    try:
        return _registry.find(name)(name=name)
    except UnknownNameError as unknown:
        try:
            loss = losses.get(name)
        except UnknownNameError:
            raise unknown from None
        assert loss is not None
        return FunctionMetric(loss.values, name=name)


def check_name(name: str) -> None:
    """Check that `name` names a metric.

    Raises:
        UnknownNameError: It does not.

    Example:
        >>> check_name("accuracy")
    """
    if name.lower() not in ACCURACY + CROSSENTROPY:
        get(name)


def label(identifier: object) -> str:
    """Return the name that a metric has in the logs.

    Example:
        >>> label("acc"), label(matches.binary_accuracy), label(matches.BinaryAccuracy)
        ('acc', 'binary_accuracy', 'binary_accuracy')
    """
    if isinstance(identifier, str):
        return identifier
    if inspect.isclass(identifier):
        identifier = identifier()
    return str(getattr(identifier, "name", None) or describe_callable(identifier))


class HasShape(Protocol):
    """Targets or predictions, or their specs."""

    @property
    def shape(self) -> Shape:
        """Return the length of each axis, batch axis first."""


def make(identifier: object, loss: losses.Loss | None, target: HasShape, output: HasShape) -> Metric:
    """Return the metric for an output, with a class chosen for 'accuracy' and 'crossentropy'.

    For a loss that reads logits or margins, 'accuracy' has a threshold of 0, and 'crossentropy' reads
    logits too.

    Args:
        identifier: As for `get`, or ``'accuracy'``, ``'acc'``, ``'crossentropy'``, ``'ce'``.
        loss: The loss of the output, or None.
        target: The targets, or anything else with their ``shape``, batch axis first.
        output: The predictions, likewise.

    Example:
        >>> import numpy as np
        >>> type(make("accuracy", None, np.zeros((8, 3)), np.zeros((8, 3)))).__name__
        'CategoricalAccuracy'
    """
    name = identifier if isinstance(identifier, str) else ""
    logits = bool(getattr(loss, "from_logits", False))
    if name.lower() in ACCURACY:
        accuracy = resolve_accuracy(loss, target.shape, output.shape)
        if logits and accuracy is matches.BinaryAccuracy:
            return matches.BinaryAccuracy(name=name, threshold=0.0)
        return accuracy(name=name)
    if name.lower() in CROSSENTROPY:
        crossentropy = resolve_crossentropy(loss, target.shape, output.shape)
        return crossentropy(name=name, from_logits=logits)
    found = get(identifier)
    if found is None:
        raise TypeError("a metric must be a name, a function, a class or an instance, got None")
    return found


def direction(identifier: object) -> str | dict[str, str | None] | None:
    """Return which way a metric is better: ``"up"``, ``"down"``, None if unknown, or these by key.

    Args:
        identifier: As for `make`. An object may have it in an attribute `direction` (or, as in Keras 3,
            `_direction`): ``"up"`` or ``"max"``, ``"down"`` or ``"min"``.

    Example:
        >>> direction("acc"), direction("mae"), direction(confusion.AUC()), direction(Mean())
        ('up', 'down', 'up', None)
    """
    word = identifier.lower() if isinstance(identifier, str) else ""
    if word in ACCURACY + CROSSENTROPY:
        return "up" if word in ACCURACY else "down"
    found = identifier if isinstance(identifier, Metric) else get(identifier)
    given = getattr(found, "direction", None) or getattr(found, "_direction", None)
    if isinstance(given, Mapping):
        return {str(key): _DIRECTIONS.get(value) for key, value in given.items()}
    return _DIRECTIONS.get(given)


_DIRECTIONS: dict[object, str] = {"up": "up", "max": "up", "down": "down", "min": "down"}


_Crossentropy = (
    regression.BinaryCrossentropy
    | regression.SparseCategoricalCrossentropy
    | regression.CategoricalCrossentropy
)
_CROSSENTROPIES: dict[str, type[_Crossentropy]] = {
    "binary": regression.BinaryCrossentropy,
    "sparse": regression.SparseCategoricalCrossentropy,
    "categorical": regression.CategoricalCrossentropy,
}
_MARGINS = (losses.Hinge, losses.SquaredHinge)


def reads_probabilities(loss: losses.Loss | None) -> bool:
    """Return whether a loss reads probabilities, with a threshold of 0.5; logits and margins have one of 0.

    Example:
        >>> reads_probabilities(losses.Hinge()), reads_probabilities(losses.BinaryCrossentropy())
        (False, True)
    """
    return not (isinstance(loss, _MARGINS) or getattr(loss, "from_logits", False))


def resolve_accuracy(loss: losses.Loss | None, target: Shape, output: Shape) -> type[Metric]:
    """Return the accuracy that 'accuracy' means for an output.

    The loss decides where it fixes the kind of targets (Keras 2), else the shapes do (Keras 3).

    Args:
        loss: The loss of the output, or None.
        target: Shape of the targets, batch axis first.
        output: Shape of the predictions, batch axis first.

    Example:
        >>> resolve_accuracy(None, (None, 1), (None, 10)).__name__
        'SparseCategoricalAccuracy'
    """
    if isinstance(loss, _MARGINS) and (len(output) < 2 or output[-1] == 1):
        return matches.MarginAccuracy
    return {
        "binary": matches.BinaryAccuracy,
        "sparse": matches.SparseCategoricalAccuracy,
        "categorical": matches.CategoricalAccuracy,
    }[_kind(loss, target, output)]


def resolve_crossentropy(loss: losses.Loss | None, target: Shape, output: Shape) -> type[_Crossentropy]:
    """Return the cross-entropy that 'crossentropy' means for an output; see `resolve_accuracy`.

    Example:
        >>> resolve_crossentropy(None, (None, 1), (None, 1)).__name__
        'BinaryCrossentropy'
    """
    return _CROSSENTROPIES[_kind(loss, target, output)]


def _kind(loss: losses.Loss | None, target: Shape, output: Shape) -> str:
    if len(output) < 2 or output[-1] == 1 or isinstance(loss, losses.BinaryCrossentropy):
        return "binary"
    if isinstance(loss, losses.SparseCategoricalCrossentropy):
        return "sparse"
    if isinstance(loss, losses.CategoricalCrossentropy):
        return "categorical"
    return "sparse" if len(target) < len(output) or target[-1] == 1 else "categorical"
