"""`maybe`, `one_of` and `some_of`: transforms for some of the images, drawn image by image.

The steps of all transforms are made, and each is restricted to the images that it was drawn for. What is
done to an image so depends on its key alone, and not on what the other images of its batch draw: a step that
no image of a batch has drawn is a step nevertheless, as it may stand between two changes of colours that are
rounded once without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamfit._base.checks import number, whole
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import Step, WarpStep
from streamfit.augment.images import Frames
from streamfit.augment.parameters import probability
from streamfit.augment.transform import Transform, check_transforms


class Maybe(Transform):
    """Do a transform with a probability, drawn for each image.

    Args:
        transform: The transform; several are one ``augment.chain(...)``.
        p: The probability.

    Example:
        >>> from streamfit import augment
        >>> images = np.arange(6, dtype=np.uint8).reshape(3, 1, 2, 1)
        >>> augment.maybe(augment.flip(p=1), p=0.5)(images, seed=1)[:, 0, :, 0].tolist()
        [[1, 0], [2, 3], [4, 5]]
    """

    def __init__(self, transform: Transform, p: float = 0.5) -> None:
        check_transforms("maybe", [transform])
        self.transform, self.p = transform, probability("p", p)
        self.needs_batch = transform.needs_batch

    def __repr__(self) -> str:
        return f"maybe({self.transform!r}, p={self.p})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the steps of the transform for some of the images."""
        return steps_for(self.transform, draws.of(0), frames, draws.chance("maybe", self.p))


class OneOf(Transform):
    """Do one of several transforms, drawn for each image.

    Args:
        *transforms: The transforms; ``augment.chain()`` leaves an image as it is.
        weights: How often each is drawn, in relation to the others; None for equally often.

    Example:
        >>> from streamfit import augment
        >>> turn = augment.one_of(augment.flip(p=1), augment.flip("vertical", p=1), weights=(3, 1))
        >>> turn
        one_of(flip('horizontal', p=1.0), flip('vertical', p=1.0), weights=(3.0, 1.0))
        >>> turn(np.zeros((2, 4, 4, 3), np.uint8), seed=0).shape
        (2, 4, 4, 3)
    """

    def __init__(self, *transforms: Transform, weights: Sequence[float] | None = None) -> None:
        check_transforms("one_of", transforms)
        if not transforms:
            raise ValueError("one_of() needs at least one transform")
        self.transforms = transforms
        self.weights = None if weights is None else _weights(weights, len(transforms))
        self.needs_batch = any(transform.needs_batch for transform in transforms)

    def __repr__(self) -> str:
        weights = "" if self.weights is None else f", weights={self.weights}"
        return f"one_of({', '.join(map(repr, self.transforms))}{weights})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the steps of all transforms, each for the images that drew it."""
        count = len(self.transforms)
        shares = np.cumsum(np.ones(count) if self.weights is None else self.weights)
        drawn = np.searchsorted(shares[:-1], draws.uniform("which") * shares[-1], side="right")
        return exclusive_steps(self.transforms, drawn, draws, frames)


class SomeOf(Transform):
    """Do n of m transforms, drawn for each image without repetition.

    Args:
        n: How many; a pair (lowest, highest) draws the number too, each equally often.
        *transforms: The transforms.
        in_order: Whether those drawn are done in the order in which they are written; else in a random order,
            drawn for each image.

    Example:
        >>> from streamfit import augment
        >>> both = augment.some_of(2, augment.flip("horizontal", p=1), augment.flip("vertical", p=1))
        >>> both(np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1), seed=0).ravel().tolist()
        [3, 2, 1, 0]
    """

    def __init__(self, n: int | tuple[int, int], /, *transforms: Transform, in_order: bool = True) -> None:
        if isinstance(n, Transform):
            raise TypeError("some_of() begins with how many: some_of(2, first, second, third)")
        check_transforms("some_of", transforms)
        pair = n if isinstance(n, (tuple, list)) else (n, n)
        if len(pair) != 2:
            raise ValueError(f"n must be a whole number or a pair (lowest, highest), got {n!r}")
        self.least, self.most = whole("n", pair[0], 0), whole("n", pair[1], 0)
        if not self.least <= self.most <= len(transforms):
            raise ValueError(
                f"n={n!r}: of {len(transforms)} transforms, between 0 and {len(transforms)} can be drawn, "
                "the lowest number first"
            )
        self.transforms, self.in_order = transforms, bool(in_order)
        self.needs_batch = any(transform.needs_batch for transform in transforms)

    def __repr__(self) -> str:
        n = self.least if self.least == self.most else (self.least, self.most)
        order = "" if self.in_order else ", in_order=False"
        return f"some_of({', '.join(map(repr, (n, *self.transforms)))}{order})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the steps of all transforms, each for the images that drew it."""
        m = len(self.transforms)
        order = np.argsort(draws.uniform("order", shape=(m,)), axis=1, kind="stable")
        count = draws.whole("count", self.least, self.most + 1)
        turn = np.argsort(order, axis=1, kind="stable")  # when each transform's turn is
        active = turn < count[:, None]
        found: list[Step] = []
        for now in range(1 if self.in_order else self.most):
            for place, transform in enumerate(self.transforms):
                which = active[:, place] if self.in_order else active[:, place] & (turn[:, place] == now)
                for step in steps_for(transform, draws.of(place), frames, which):
                    found.append(step)
                    frames = step.after(frames)
        return found


def steps_for(transform: Transform, draws: SampleDraws, frames: Frames, active: Array) -> list[Step]:
    """Return the steps of a transform for some of the images.

    Args:
        transform: The transform.
        draws: Where its random numbers come from.
        frames: Those in front of it.
        active: Which images it is for, bool (n,).
    """
    found: list[Step] = []
    for step in transform.steps(draws, frames):
        found.append(step.only(active, frames))
        frames = found[-1].after(frames)
    return found


def exclusive_steps(
    transforms: Sequence[Transform], drawn: Array, draws: SampleDraws, frames: Frames
) -> list[Step]:
    """Return the steps of transforms of which each image does one; neighbouring warps are one step.

    Args:
        transforms: The transforms.
        drawn: The place of that of each image, int64 (n,).
        draws: Where random numbers come from.
        frames: The frames in front of them.
    """
    found: list[Step] = []
    for place, transform in enumerate(transforms):
        active = drawn == place
        steps = steps_for(transform, draws.of(place), frames, active)
        if len(steps) == 1 and found:
            joined = _joined(found[-1], steps[0], active)
            if joined is not None:
                found[-1] = joined
                frames = joined.after(frames)
                continue
        for step in steps:
            found.append(step)
            frames = step.after(frames)
    return found


def _joined(one: Step, other: Step, active: Array) -> WarpStep | None:
    """Return two warps as one, of which the other one is for images that the first leaves as they are."""
    if not isinstance(one, WarpStep) or not isinstance(other, WarpStep):
        return None
    if _outside(one) != _outside(other) or one.displacement is not None or other.displacement is not None:
        return None
    return replace(other, matrices=np.where(active[:, None, None], other.matrices, one.matrices))


def _outside(step: WarpStep) -> tuple[object, ...]:
    return step.fill_mode, step.fill_value, step.interpolation


def _weights(weights: Sequence[float], count: int) -> tuple[float, ...]:
    found = tuple(number("weights", weight, 0) for weight in weights)
    if len(found) != count or not 0 < sum(found) < np.inf:
        raise ValueError(
            f"weights={weights!r}: write one number of at least 0 for each of the {count} transforms, not "
            "all 0"
        )
    return found
