"""`ClassLabels`: the classes of samples as small numbers, from labels that come in chunks."""

from __future__ import annotations

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.leaves import brief
from streamfit.streams.stages.balance import Label

MOST_CLASSES = 1 << 16


class ClassLabels:
    """Number the classes of samples in the order of their labels; 4 bytes for each sample while reading.

    Args:
        count: How many samples there are.

    Example:
        >>> labels = ClassLabels(3)
        >>> labels.add(np.array(["no", "yes"]))
        >>> labels.add(np.array(["no"]))
        >>> labels.finished()
        (array([0, 1, 0], dtype=uint8), ['no', 'yes'])
    """

    def __init__(self, count: int) -> None:
        self._numbers, self._filled = np.empty(count, np.int32), 0
        self._index: dict[Label, int] = {}

    def add(self, labels: Array) -> None:
        """Take the labels of the next samples, shape (m,) or (m, 1).

        Raises:
            DataError: They are no labels.
        """
        labels = _checked(labels)
        found, places = np.unique(labels, return_inverse=True)
        index = self._index
        numbers = [index.setdefault(label, len(index)) for label in found.tolist()]
        if len(index) > MOST_CLASSES:
            raise DataError(
                f"there are more than {MOST_CLASSES:,} different labels, as of {brief(labels)}; balance() is "
                "for classes: write by= a function that returns the class of a sample"
            )
        if len({isinstance(label, str) for label in index}) > 1:
            raise DataError("some labels are numbers and some are text; make them one or the other")
        end = self._filled + len(labels)
        self._numbers[self._filled : end] = np.array(numbers, np.int32)[places.reshape(-1)]
        self._filled = end

    def finished(self) -> tuple[Array, list[Label]]:
        """Return the number of the class of each sample, uint8 or int32 (n,), and the label of each class."""
        classes = sorted(self._index, key=lambda label: str(label) if isinstance(label, str) else label)
        kind = np.uint8 if len(classes) <= 1 << 8 else np.int32
        order = np.empty(len(classes), kind)
        order[[self._index[label] for label in classes]] = np.arange(len(classes))
        return order[self._numbers[: self._filled]], classes


def _checked(labels: Array) -> Array:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"labels have shape {labels.shape}, and each sample needs one; for one-hot targets write "
            "by=lambda x, y: y.argmax(), or labels=y.argmax(axis=1)"
        )
    if labels.dtype == object:
        text = {isinstance(label, str) for label in labels.tolist()}
        if len(text) > 1:
            raise DataError("some labels are numbers and some are text; make them one or the other")
        labels = np.array(labels.tolist())
    if labels.dtype.kind not in "biufU":
        raise DataError(
            f"labels must be numbers or text, got {brief(labels)}; write by= a function that returns them"
        )
    if labels.dtype.kind == "f" and bool(np.isnan(labels).any()):
        at = int(np.flatnonzero(np.isnan(labels))[0])
        raise DataError(f"labels[{at}] of {brief(labels)} is NaN; give each sample a class, or leave it out")
    return labels
