"""`StateTensor`: a leaf of a graph whose array outlives a step, such as the running sums of a metric."""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.ops.core import Constant


class StateTensor(Constant):
    """A leaf whose array is read and written at every run, and which the program does not own.

    Args:
        value: The array itself; it is not copied.
    """

    def __init__(self, value: Array) -> None:
        super().__init__(value)
        self.value = value
