"""`RowLookup`: the base of operations that read rows of a table by number."""

from __future__ import annotations

from collections.abc import Sequence

from streamfit._base.specs import Array
from streamfit.kernels import Call
from streamfit.ops.operation import Op


class RowLookup(Op):
    """An operation on (table, numbers) that reads the rows of the table that the numbers name, and no others.

    Each row of the result, a *bag*, is made of the rows of the table that some of the numbers name: of one,
    or of several that are added. Numbers out of range name none. The gradient of a row of the table is the
    sum of the gradients of the bags that it is in, as often as it is in them.
    """

    @property
    def reads_rows(self) -> bool:
        """Return whether it reads rows, and not slices along another axis."""
        return True

    def bags(self, numbers: Array) -> Array:
        """Return the numbers as (bags, numbers of a bag), in the same memory."""
        return numbers.reshape(-1, 1)

    def bag_gradient(self, scratch: Sequence[Array], gy: Array) -> tuple[Array, list[Call]]:
        """Return the gradient of the sum that each bag is, (bags, width), and the calls that make it.

        Args:
            scratch: What `forward` has left.
            gy: The gradient of the result.
        """
        return gy.reshape(-1, gy.shape[-1]), []
