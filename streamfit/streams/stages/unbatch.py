"""`unbatch`: the samples of batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from streamfit.streams.stages.elements import Element, split
from streamfit.streams.stages.stage import Pass, Stage


class Unbatch(Stage):
    """Yield the samples of each batch, in order."""

    computes = True

    def __init__(self, stage: Stage) -> None:
        if not stage.traits.batched:
            raise ValueError("unbatch() needs batches; the elements here are single samples")
        super().__init__((stage,), replace(stage.traits, batched=False, seekable=False))

    def __repr__(self) -> str:
        return "unbatch()"

    def apply(self, p: Pass, element: Element, element_id: int) -> Iterable[Element]:
        """Return the samples of a batch."""
        return split(element)
