"""`DataFrameIterator`: batches of an `ImageDataGenerator` over the files that a table names."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import numpy as np

from streamfit._base.checks import truth
from streamfit._base.specs import Array
from streamfit._base.telling import tell
from streamfit.preprocessing.image.file_iterator import (
    ENDINGS,
    FileIterator,
    FileOptions,
    checked_mode,
    part_of,
)
from streamfit.preprocessing.image.generated_images import BatchTransform
from streamfit.streams.frames import DataFrame

_WITHOUT_CLASSES = ("input", "multi_output", "raw", None)


class DataFrameIterator(FileIterator):
    """What `ImageDataGenerator.flow_from_dataframe` returns; for its arguments see there.

    Attributes:
        classes: The number of the class of each sample, or a list of these, by the ids of samples.
        class_indices: The number of each class.
        sample_weight: The weights, or None.
    """

    allowed_class_modes = ("binary", "categorical", "input", "multi_output", "raw", "sparse", None)

    def __init__(
        self,
        dataframe: DataFrame,
        directory: str | os.PathLike[str] | None,
        image_data_generator: BatchTransform | None,
        options: FileOptions,
        x_col: str = "filename",
        y_col: str | list[str] = "class",
        weight_col: str | None = None,
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        validate_filenames: bool = True,
    ) -> None:
        checked_mode(class_mode, self.allowed_class_modes)
        if class_mode == "multi_output" and not isinstance(y_col, list):
            raise TypeError(
                f'If class_mode="{class_mode}", y_col must be a list. Received {type(y_col).__name__}.'
            )
        names = _column(dataframe, x_col).tolist()
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"All values in column x_col={x_col} must be strings.")
        folder = "" if directory is None else os.fspath(directory)
        filenames = [str(name) for name in names]
        paths = [os.path.join(folder, name) for name in filenames]
        labels: list[object] = []
        if class_mode not in _WITHOUT_CLASSES:
            labels = _column(dataframe, y_col).tolist()
            _check_labels(labels, class_mode, y_col, classes)
        elif classes:
            warnings.warn(f'`classes` will be ignored given the class_mode="{class_mode}"', stacklevel=3)
        kept = np.arange(len(paths))
        if truth("validate_filenames", validate_filenames):
            kept = _readable(paths, x_col)
        numbers: dict[str, int] = {}
        if class_mode not in _WITHOUT_CLASSES:
            labels, numbers, kept = _numbered(labels, classes, kept)
        fraction = 0.0 if image_data_generator is None else image_data_generator.validation_split
        kept = kept[part_of(options.subset, fraction, len(kept))]
        weights = None if weight_col is None else _weights(dataframe, weight_col)[kept]
        self.directory, self.sample_weight = folder, weights
        self.class_indices, self.num_classes = numbers, len(numbers)
        targets: object
        if class_mode == "multi_output":
            targets = [np.array(_column(dataframe, name).tolist())[kept] for name in y_col]
        elif class_mode == "raw":
            targets = _column(dataframe, y_col)[kept]
        else:
            targets = [labels[row] for row in kept.tolist()] if numbers else None
        self.classes, self._targets = targets, targets
        found = "validated" if validate_filenames else "non-validated"
        belonging = f" belonging to {len(numbers)} classes" if class_mode not in _WITHOUT_CLASSES else ""
        tell(f"Found {len(kept)} {found} image filenames{belonging}.")
        super().__init__(
            image_data_generator,
            options,
            [filenames[row] for row in kept.tolist()],
            [paths[row] for row in kept.tolist()],
            class_mode,
            targets,
            len(numbers),
            weights,
        )

    @property
    def labels(self) -> object:
        """The targets before they are made arrays: numbers of classes, or values of columns."""
        return self._targets


def _check_labels(
    labels: list[object], class_mode: str | None, y_col: object, classes: Sequence[str] | None
) -> None:
    """Check a column of labels.

    Raises:
        TypeError: A value is no name of a class.
        ValueError: ``'binary'`` without two classes.
    """
    if class_mode == "categorical":
        if not all(isinstance(label, (str, list, tuple)) for label in labels):
            raise TypeError(
                f'If class_mode="{class_mode}", y_col="{y_col}" column values must be type string, list or '
                "tuple."
            )
        return
    if not all(isinstance(label, str) for label in labels):
        raise TypeError(f'If class_mode="{class_mode}", y_col="{y_col}" column values must be strings.')
    if class_mode == "binary":
        count = len(set(classes)) if classes else len(set(labels))
        if count != 2:
            raise ValueError(f'If class_mode="binary" there must be 2 classes. Found {count} classes.')


def _readable(paths: list[str], x_col: str) -> Array:
    """Return the rows whose files are there and are images by their names; warn of others."""
    good = [path.lower().endswith(ENDINGS) and os.path.isfile(path) for path in paths]
    missing = good.count(False)
    if missing:
        first = paths[good.index(False)]
        warnings.warn(
            f'Found {missing} invalid image filename(s) in x_col="{x_col}", such as {first!r}. '
            "These filename(s) will be ignored.",
            stacklevel=4,
        )
    return np.flatnonzero(np.array(good, bool))


def _numbered(
    labels: list[object], classes: Sequence[str] | None, kept: Array
) -> tuple[list[object], dict[str, int], Array]:
    """Return labels as numbers of classes, the number of each class, and the rows that have a class."""
    each = [[label] if isinstance(label, str) else list(label) for label in labels]  # type: ignore[call-overload]
    wanted = set(classes) if classes else {name for row in kept.tolist() for name in each[row]}
    numbers = {name: number for number, name in enumerate(sorted(wanted))}
    found: list[object] = []
    for names, label in zip(each, labels, strict=True):
        own = [numbers[name] for name in names if name in numbers]
        found.append((own or None) if isinstance(label, (list, tuple)) else own[0] if own else None)
    # Without `classes` a row without any class stays: it is a row of zeros.
    chosen = [row for row in kept.tolist() if found[row] is not None or not classes]
    return [[] if label is None else label for label in found], numbers, np.array(chosen, np.int64)


def _column(dataframe: DataFrame, name: object) -> Array:
    return np.asarray(dataframe[name].to_numpy())


def _weights(dataframe: DataFrame, weight_col: str) -> Array:
    weights = _column(dataframe, weight_col)
    if weights.dtype.kind not in "iuf":
        raise TypeError(f"Column weight_col={weight_col} must be numeric.")
    return weights
