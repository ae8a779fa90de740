"""`filter`: only the elements that a function accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.keys import generator
from streamfit.streams.leaves import brief
from streamfit.streams.stages.elements import Element, takes_rng
from streamfit.streams.stages.stage import Pass, Stage


class Filter(Stage):
    """Keep the elements for which the function returns True.

    Args:
        stage: Whose elements to filter.
        function: Called as that of `map`, also with ``rng`` if it has such a parameter; it returns one truth
            value.
    """

    computes = True

    def __init__(self, stage: Stage, function: Callable[..., object]) -> None:
        super().__init__((stage,), replace(stage.traits, seekable=False))
        if not callable(function):
            raise TypeError(f"filter needs a function, got {function!r}")
        self.function, self._draws = function, takes_rng(function)

    def __repr__(self) -> str:
        return f"filter({getattr(self.function, '__name__', type(self.function).__name__)})"

    def apply(self, p: Pass, element: Element, element_id: int) -> Iterable[Element]:
        """Return the element, or nothing."""
        options = {"rng": generator(p.key("filter", self.salt, element_id))} if self._draws else {}
        arguments = element if type(element) is tuple else (element,)
        try:
            answer = self.function(*arguments, **options)
        except StopIteration as error:
            raise RuntimeError(
                f"{self!r} raised StopIteration for element {element_id}, which would end the pass; "
                "return False, or raise another exception. To end a pass, use .take()"
            ) from error
        except Exception as error:
            error.add_note(f"in {self!r} of {'batch' if self.traits.batched else 'sample'} {element_id}")
            raise
        if not isinstance(answer, (bool, np.bool_)) and np.asarray(answer).ndim:
            raise DataError(
                f"{self!r} returned {brief(answer)}; it must return one truth value for each element. "
                "To filter the samples of batches, write .unbatch().filter(function).batch(32)"
            )
        return (element,) if answer else ()
