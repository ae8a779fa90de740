"""`Steps`: runs programs on arrays, one step or several joined ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.specs import Array
from streamfit.program import Binding, Program
from streamfit.program.binding import Size
from streamfit.training.programs import Programs


class Steps:
    """Run the steps of one model.

    Args:
        programs: Gives the program for each kind of data.

    Attributes:
        ran: The binding that ran last.
        done: How many of the joined steps the last `run` has done.
    """

    def __init__(self, programs: Programs) -> None:
        self._program = programs.get
        self._unit_weights = np.ones(0)
        self.ran: Binding | None = None
        self.done = 1

    def run(
        self,
        mode: str,
        inputs: Sequence[Array],
        targets: Sequence[Array | None],
        weights: Sequence[Array | None],
        steps: int = 1,
        checked: bool = False,
        asked: Array | None = None,
    ) -> Binding:
        """Run one step, or several on joined batches, and return the binding.

        Its `fetches` are [total, losses..., outputs...] of the last step; for prediction the outputs alone.

        With `checked`, a training step stops before anything is changed when its loss or gradient is not
        finite. Where `asked` (int64 (1,)) is not 0 after one of several steps, the others are left.

        Raises:
            KernelStoppedError: A class label that does not exist (see `label_error`); or a loss or gradient
                that is not finite, with `checked`.
        """
        rows = len(inputs[0]) // steps
        program = self._program(mode, targets, weights, checked)
        arrays, size = self._fed(program, inputs, targets, weights, rows)
        binding = self.ran = program.bind(size)
        binding.settle()
        if steps == 1:
            for reader, array in zip(binding.feeds, arrays, strict=True):
                reader.feed(array)
            binding.run()
        else:
            self.done = binding.run_steps(arrays, steps, asked)
        return binding

    def _fed(
        self,
        program: Program,
        inputs: Sequence[Array],
        targets: Sequence[Array | None],
        weights: Sequence[Array | None],
        rows: int,
    ) -> tuple[list[Array], Size]:
        """Return what a program is fed, and for which size of a batch it is bound."""
        arrays = [*inputs, *(y for y in targets if y is not None)]
        arrays += [self._ones(rows) if w is None else w for w in weights]
        return arrays, _shapes(arrays, rows) if program.free else rows

    def _ones(self, size: int) -> Array:
        if size > len(self._unit_weights):
            self._unit_weights = np.ones(size)
        return self._unit_weights[:size]


def _shapes(arrays: Sequence[Array], size: int) -> tuple[tuple[int, ...], ...]:
    """Return the shape of one step of each of these arrays, which may hold several joined ones."""
    return tuple((size, *array.shape[1:]) for array in arrays)
