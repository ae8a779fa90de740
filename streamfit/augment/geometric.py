"""`Geometric`: the base of transforms that move the pixels of images by a matrix each."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TypedDict, Unpack

from streamfit._base.specs import Array
from streamfit.augment.borders import fill_of
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import INTERPOLATIONS, FillMode, Interpolation, Step, WarpStep
from streamfit.augment.images import Frames
from streamfit.augment.parameters import probability
from streamfit.augment.transform import Transform


class WarpOptions(TypedDict, total=False):
    """Options of all transforms that move the pixels of images.

    Attributes:
        fill_mode: What is outside the image: ``'constant'``, the default, ``'nearest'``, ``'reflect'``,
            ``'mirror'`` or ``'wrap'``; see `FillMode`.
        fill_value: The value outside for ``'constant'``, in the unit of the pixels; 0 by default.
        interpolation: ``'bilinear'``, the default, or ``'nearest'``.
        p: The probability that an image is transformed; 1 by default.
    """

    fill_mode: FillMode
    fill_value: float
    interpolation: Interpolation
    p: float


class Geometric(Transform):
    """Move the pixels of each image by a matrix.

    Args:
        **options: See `WarpOptions`.
    """

    def __init__(self, **options: Unpack[WarpOptions]) -> None:
        unknown = sorted(set(options) - set(WarpOptions.__annotations__))
        if unknown:
            known = ", ".join(WarpOptions.__annotations__)
            raise TypeError(f"{self.written_name}() takes no {', '.join(unknown)}; it takes {known}")
        self.fill = fill_of(options.get("fill_mode", "constant"), options.get("fill_value", 0.0))
        self.interpolation: Interpolation = options.get("interpolation", "bilinear")
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"interpolation={self.interpolation!r}: write one of {', '.join(map(repr, INTERPOLATIONS))}"
            )
        self.p = probability("p", options.get("p", 1.0))
        self.options = options

    @abstractmethod
    def arguments(self) -> list[str]:
        """Return the arguments as they are written, without the options."""

    def __repr__(self) -> str:
        given = [f"{name}={value!r}" for name, value in self.options.items()]
        return f"{self.written_name}({', '.join(self.arguments() + given)})"

    @property
    def written_name(self) -> str:
        """The name that it is called by."""
        return type(self).__name__.lower()

    @abstractmethod
    def step(self, draws: SampleDraws, frames: Frames) -> WarpStep:
        """Return the warp for all images; what is outside, and for how many of them, is added to it."""

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the warp, for as many images as `p` says."""
        mode, value = self.fill
        step = replace(
            self.step(draws, frames), fill_mode=mode, fill_value=value, interpolation=self.interpolation
        )
        return [step if self.p == 1 else step.only(draws.chance("p", self.p), frames)]


def drawn(draws: SampleDraws, purpose: str, between: tuple[float, float]) -> Array:
    """Return a number from a range for each sample, float64 (n,)."""
    return draws.uniform(purpose, *between)
