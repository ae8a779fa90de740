"""`Transform`: the base of all transforms of images, and `chain`."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from streamfit._base.checks import is_mapping, number
from streamfit._base.errors import DataError
from streamfit._base.keys import seed_of_call
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import PixelStep, Step, WarpStep
from streamfit.augment.images import Frames, Images
from streamfit.augment.labels import LabelKind, Labels, named_kinds, warn_of_masks
from streamfit.augment.parameters import probability
from streamfit.augment.run import run

_MOST_CHANNELS = 4
"""Of one image that is given by hand: more are a batch of grey images without an axis of channels."""

LabelKinds = LabelKind | Mapping[str, LabelKind] | None


class Transform(ABC):
    """A transform of batches of images, whose random numbers depend on the keys of the samples alone.

    It is given to `map`: ``source(x, y).map(augment.flip()).batch(32)``. Then seed, pass and id of a sample
    make up its key, so the draws are the same on threads, on processes and after a resume, and differ from
    pass to pass. Called by hand it takes a `seed`.

    Images are uint8 (0 to 255) or float32 (0 to 1, unless `value_range` says otherwise), of shape (height,
    width, channels) or (height, width); those of a batch may have different sizes, in a list.

    Attributes:
        value_range: The values of black and white; None for (0, 255) of uint8 and (0, 1) of float32.
        label_kinds: What of the targets moves with the images: ``'mask'``, ``'boxes'``, ``'points'``, or a
            dictionary of these by the key of the target; None where targets stay.
        min_visible: How much of the area of a box must be left in the image for it to be kept.
        image_key: Which entry of a dictionary x holds the images; None where x is the images.
        needs_batch: Whether it mixes the samples of a batch, so that it must stand behind `batch`.
    """

    value_range: tuple[float, float] | None = None
    label_kinds: LabelKinds = None
    min_visible: float = 0.0
    image_key: str | None = None
    needs_batch: bool = False

    @abstractmethod
    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return what is done to the images of one batch.

        Args:
            draws: Where random numbers come from.
            frames: Sizes and kind of the images.
        """

    @abstractmethod
    def __repr__(self) -> str:
        """Return the transform as it is written: ``flip('horizontal')``."""

    def with_labels(self, labels: LabelKinds, min_visible: float = 0.0) -> Self:
        """Return the same transform, with which targets move: ``augment.flip().with_labels('boxes')``.

        Masks have the height and width of their image, any dtype, and an axis of channels or none: they are
        moved without interpolation, and what is outside is as in the image, but 0 where that has a constant
        value: what an image repeats at its edge, its mask repeats too.

        Boxes are float (k, 4): left, upper, right, lower edge in pixels; behind a transform they are the
        smallest upright boxes around what they have become, cut off at the edges of the image. A row of -1
        stands for no box, also where one has left the image, so that rows stay where they are, beside their
        classes in another entry of y.

        Key points are float (k, 2): x and y in pixels, where the centre of the first pixel is (0.5, 0.5);
        they may lie outside of the image, and NaN stays NaN.

        Labels of a batch are one array, or a list of arrays with a k for each image.

        Args:
            labels: ``'mask'``, ``'boxes'`` or ``'points'`` for y as it is, or a dictionary of these for a y
                that is a dictionary. ``{}`` says that nothing moves, though y has the size of the images.
            min_visible: The share of the area of a box, between 0 and 1, that must be left in the image;
                a box with less becomes -1.
        """
        named_kinds(labels)
        other = copy.copy(self)
        other.label_kinds, other.min_visible = labels, probability("min_visible", min_visible)
        return other

    def __call__(
        self, images: object, targets: object = None, *, seed: int | np.random.Generator | None = None
    ) -> object:
        """Transform a batch, or one image.

        Args:
            images: An array (n, height, width, channels), a list of images, or one image (height, width,
                channels) of up to 4 channels; grey images without the axis of channels only in lists.
            targets: What is mixed or moves with them.
            seed: A whole number; equal seeds give equal results. Or a generator, such as ``self.rng(index)``
                of a `Sequence`, which draws one; None draws a fresh one.

        Returns:
            The images, or (images, targets) where targets were given.
        """
        words = np.array([seed_of_call(seed)], np.uint64)
        one = isinstance(images, np.ndarray) and images.dtype != object and images.ndim == 3
        if one and images.shape[2] > _MOST_CHANNELS:  # type: ignore[attr-defined]
            raise DataError(
                f"an array of shape {images.shape} is one image by hand, which has at most "  # type: ignore[attr-defined]
                f"{_MOST_CHANNELS} channels; write images[..., None] for a batch of grey images, and "
                "images[None] for one image of more channels"
            )
        batch = [images] if one else images
        count = len(batch)  # type: ignore[arg-type]
        keys = SampleDraws(words).hashes("rows", count)
        if targets is None:
            x, _ = self.transformed(batch, None, keys)
            return x[0] if one else x  # type: ignore[index]
        if not one:
            return self.transformed(batch, targets, keys)
        if is_mapping(targets):
            x, y = self.transformed(batch, {key: [target] for key, target in targets.items()}, keys)
            return x[0], {key: target[0] for key, target in y.items()}  # type: ignore[index, attr-defined]
        x, y = self.transformed(batch, [targets], keys)
        return x[0], y[0]  # type: ignore[index]

    def transform_batch(self, x: object, y: object, keys: Array) -> tuple[object, object]:
        """Transform x and y of a batch; `map` calls this.

        Args:
            x: The images, or a dictionary with them.
            y: The targets; None where there are none.
            keys: The key of each sample, uint64 (n,).
        """
        if self.image_key is None:
            if is_mapping(x):
                raise DataError(
                    f"{self!r}: x is a dictionary with the keys {list(x)}; say which one holds "
                    "the images: augment.chain(..., image='name')"
                )
            return self.transformed(x, y, keys)
        entries = dict(x)  # type: ignore[call-overload]
        entries[self.image_key], y = self.transformed(entries[self.image_key], y, keys)
        return entries, y

    def transformed(self, x: object, y: object, keys: Array) -> tuple[object, object]:
        """Return images and targets behind this transform."""
        images = Images.of(x, self.value_range)
        draws = SampleDraws(keys)
        labels = Labels.of(self.label_kinds, y, images.frames, self.min_visible)
        steps = self.steps(draws, images.frames)
        if self.label_kinds is None and any(map(_moves, steps)):
            warn_of_masks(y, images.frames)
        images, labels = run(steps, images, labels)
        return images.value(), labels.value()


def _moves(step: Step) -> bool:
    """Return whether a step moves what is in an image."""
    return isinstance(step, WarpStep) or (isinstance(step, PixelStep) and step.geometry is not None)


class Chain(Transform):
    """Transforms one after the other.

    Neighbouring geometric transforms become one warp with one interpolation; neighbouring transforms of
    colours one pass, rounded once.

    Args:
        *transforms: The transforms.
        labels: Which targets move; see `Transform.with_labels`.
        image: Which entry of a dictionary x holds the images.
        value_range: The values of black and white.
        min_visible: How much of a box must be left in the image; see `Transform.with_labels`.
    """

    def __init__(
        self,
        *transforms: Transform,
        labels: LabelKinds = None,
        image: str | None = None,
        value_range: tuple[float, float] | None = None,
        min_visible: float = 0.0,
    ) -> None:
        check_transforms("chain", transforms)
        self.transforms = transforms
        self.needs_batch = any(transform.needs_batch for transform in transforms)
        named_kinds(labels)
        self.label_kinds, self.image_key = labels, image
        self.value_range = None if value_range is None else _black_and_white(value_range)
        self.min_visible = probability("min_visible", min_visible)

    def __repr__(self) -> str:
        parts = [*map(repr, self.transforms)]
        given = {"labels": self.label_kinds, "image": self.image_key, "value_range": self.value_range}
        parts += [f"{name}={value!r}" for name, value in given.items() if value is not None]
        if self.min_visible:
            parts.append(f"min_visible={self.min_visible}")
        return f"chain({', '.join(parts)})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the steps of all transforms."""
        return steps_of(self.transforms, draws, frames)


def steps_of(transforms: Sequence[Transform], draws: SampleDraws, frames: Frames) -> list[Step]:
    """Return the steps of transforms one after the other, each with draws of its own."""
    found: list[Step] = []
    for place, transform in enumerate(transforms):
        for step in transform.steps(draws.of(place), frames):
            found.append(step)
            frames = step.after(frames)
    return found


def check_transforms(caller: str, transforms: Sequence[object]) -> None:
    """Check what a transform is made of.

    Raises:
        TypeError: One of them is no transform.
    """
    for transform in transforms:
        if not isinstance(transform, Transform):
            if isinstance(transform, type) and issubclass(transform, Transform):
                advice = "call it, as in augment.flip()"
            elif isinstance(transform, (list, tuple)):
                advice = f"write its parts as arguments: {caller}(*transforms)"
            else:
                advice = (
                    "a function of your own, or of another library, is a stage: .map(augment.function(f)); a "
                    "layer is one too: .map(layer)"
                )
            raise TypeError(
                f"{caller}() takes transforms such as augment.flip(), got {transform!r} "
                f"({type(transform).__name__}); {advice}"
            )


def _black_and_white(value: tuple[float, float]) -> tuple[float, float]:
    if isinstance(value, (tuple, list)) and len(value) == 2:
        black, white = (number("value_range", each) for each in value)
        if -math.inf < black < white < math.inf:
            return black, white
    raise ValueError(f"value_range must be (black, white), the lower number first, got {value!r}")
