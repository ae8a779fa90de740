"""`mixup` and `cutmix`: each image of a batch with another one of the batch, and the targets alike.

What an image is mixed with depends on which samples are in its batch, so both stand behind `batch`. The
partners form one random circle: sorted by a hash of their keys, each sample is mixed with the next one. So
each is a partner once, and none is its own partner unless it is the only one of its batch.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from streamfit._base.checks import is_mapping, number
from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array
from streamfit.augment.batch_mixing_kernels import blend_rows, paste_boxes
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import PixelStep, Step
from streamfit.augment.images import Frames, Images
from streamfit.augment.transform import Transform
from streamfit.kernels.arguments import native_array


class BatchMixing(Transform):
    """Base of the transforms that mix the images of a batch.

    Args:
        alpha: The parameter of the beta distribution that the share of an image is drawn from.
    """

    needs_batch = True
    written = ""
    """How the transform is written."""

    def __init__(self, alpha: float) -> None:
        self.alpha = number("alpha", alpha)
        if not 0 < self.alpha < np.inf:
            raise ValueError(f"alpha must be a finite number above 0, got {alpha!r}")

    def __repr__(self) -> str:
        return f"{self.written}({self.alpha})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the step that mixes a batch."""
        from scipy.special import betaincinv  # it takes a while to import

        if len(frames) and bool((frames.sizes != frames.sizes[0]).any()):
            raise DataError(
                f"{self!r} needs images of one size, got heights and widths "
                f"{np.unique(frames.sizes, axis=0).tolist()}; crop or resize them in front of it"
            )
        order = np.argsort(draws.hashes("partner"), kind="stable")
        partners = np.empty(len(frames), np.int64)
        partners[order] = np.roll(order, -1)
        shares = betaincinv(self.alpha, self.alpha, draws.uniform("share"))
        return [self.step(partners, shares, draws, frames)]

    @abstractmethod
    def step(self, partners: Array, shares: Array, draws: SampleDraws, frames: Frames) -> Step:
        """Return the step for drawn partners, int64 (n,), and shares of each image itself, float64 (n,)."""


class Mixup(BatchMixing):
    """Blend each image of a batch with another one, and the targets by the same shares.

    ``x = share * x + (1 - share) * x_partner``, and the same for y, where the share of each sample is drawn
    from Beta(alpha, alpha) (Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018). It stands
    behind `batch`: ``source(x, y).shuffle().batch(128).map(augment.mixup(0.2))``.

    Targets are floats, or one-hot; one-hot whole numbers become float32. Class numbers cannot be mixed, and
    neither can masks, boxes and points. A sample weight stays with its row, whatever the row was mixed with.
    A sample that is alone in its batch stays as it is. Where a bad sample is left out of a batch, the others
    are mixed among themselves.

    Args:
        alpha: Above 0. Small values leave most samples nearly as they are; at 1 all shares are equally
            likely. 0.2 is the value that the paper used for ImageNet.

    Example:
        >>> from streamfit import augment
        >>> images = np.array([[[[0.0]]], [[[1.0]]]], np.float32)
        >>> x, y = augment.mixup(1)(images, np.array([[1, 0], [0, 1]]), seed=0)
        >>> bool(np.allclose(x[:, 0, 0, 0], y[:, 1]))
        True
    """

    written = "mixup"

    def __init__(self, alpha: float = 0.2) -> None:
        super().__init__(alpha)

    def step(self, partners: Array, shares: Array, draws: SampleDraws, frames: Frames) -> Step:
        """Return a step that blends."""
        return BlendStep(partners, shares)


class Cutmix(BatchMixing):
    """Paste a box of another image of the batch into each image, and mix the targets by the areas.

    The box has the shape of the image and ``1 - share`` of its area, where the share of each sample is drawn
    from Beta(alpha, alpha); its centre is drawn from the whole image, so it may be cut off at the edges. The
    targets are mixed by the pixels that were pasted (Yun et al., "CutMix", ICCV 2019). It stands behind
    `batch`: ``source(x, y).shuffle().batch(128).map(augment.cutmix())``.

    Targets are floats, or one-hot; one-hot whole numbers become float32. Masks (``labels='mask'``) get the
    box of their partner's mask. Class numbers, boxes and points cannot be mixed. For sample weights, a batch
    of one and samples that are left out see `mixup`.

    Args:
        alpha: Above 0; 1, the value of the paper, makes all areas equally likely.

    Example:
        >>> from streamfit import augment
        >>> images = np.stack([np.zeros((8, 8, 1)), np.ones((8, 8, 1))]).astype(np.float32)
        >>> x, y = augment.cutmix()(images, np.array([[1, 0], [0, 1]]), seed=0)
        >>> bool(np.allclose(x.mean(axis=(1, 2, 3)), y[:, 1]))
        True
    """

    written = "cutmix"

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha)

    def step(self, partners: Array, shares: Array, draws: SampleDraws, frames: Frames) -> Step:
        """Return a step that pastes."""
        sizes = frames.sizes
        halves = np.floor(np.floor(sizes * np.sqrt(1 - shares)[:, None]) / 2).astype(np.int64)
        centres = draws.whole("centre", 0, sizes, (2,))
        low, high = np.maximum(centres - halves, 0), np.minimum(centres + halves, sizes)
        boxes = np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)
        boxes[partners == np.arange(len(partners))] = 0
        return PasteStep(partners, 1 - (high - low).prod(axis=1) / sizes.prod(axis=1), boxes, sizes)


@dataclass(frozen=True)
class MixingStep(PixelStep):
    """What the steps of `mixup` and `cutmix` have in common.

    Args:
        partners: What each image is mixed with, int64 (n,).
        shares: The share of the image itself, float64 (n,).
    """

    writes = False

    partners: Array
    shares: Array

    def only(self, active: Array, frames: Frames) -> Self:
        """Return the step in which other images keep all of themselves; they may still be partners."""
        return replace(self, shares=np.where(active, self.shares, 1.0))

    def mix(self, targets: object, kinds: Mapping[str | None, str]) -> object:
        """Return the targets mixed as the images were.

        Raises:
            DataError: They cannot be mixed.
        """
        if targets is None:
            return None
        if is_mapping(targets):
            return {
                key: self._mixed(target, kinds.get(key), f"y[{key!r}]") for key, target in targets.items()
            }
        if isinstance(targets, tuple):
            return tuple(self._mixed(target, None, f"y[{at}]") for at, target in enumerate(targets))
        return self._mixed(targets, kinds.get(None), "y")

    @abstractmethod
    def mixed_masks(self, masks: object, name: str) -> object:
        """Return the masks of mixed images."""

    def check_target(self, target: Array, name: str) -> None:
        """Check numbers that are to be mixed by the shares."""

    def _mixed(self, target: object, kind: str | None, name: str) -> Array | object:
        if kind == "mask":
            return self.mixed_masks(target, name)
        if kind is not None:
            raise DataError(
                f"{name} holds {kind}, which cannot be mixed: an image of two has the {kind} of both; train "
                "on them without mixup and cutmix"
            )
        array = np.asarray(target)
        if array.ndim == 0 or len(array) != len(self.partners):
            raise DataError(f"{name} has shape {array.shape} for {len(self.partners)} images")
        if array.dtype.kind in "iub":
            array = _one_hot(array, name)
        elif array.dtype.kind != "f":
            raise DataError(f"{name} has dtype {array.dtype}; only float and one-hot targets can be mixed")
        self.check_target(array, name)
        rows = native_array(array).reshape(len(array), math.prod(array.shape[1:]))
        if rows.dtype != np.float32:
            rows = rows.astype(np.float64)  # float16 too
        made = np.empty_like(rows)
        blend_rows(rows, self.partners, self.weights(rows), made)
        return made.reshape(array.shape).astype(array.dtype, copy=False)

    def weights(self, rows: Array) -> Array:
        """Return the weights for `blend_rows`, in the dtype to compute in."""
        rounding = 0.5 if rows.dtype == np.uint8 else 0.0
        found = np.stack([self.shares, 1 - self.shares, np.full_like(self.shares, rounding)], axis=1)
        return found.astype(np.float32 if rows.dtype == np.float32 else np.float64)


@dataclass(frozen=True)
class BlendStep(MixingStep):
    """The step of `mixup`; for its arguments see `MixingStep`."""

    def apply(self, images: Images) -> Images:
        """Return blended images."""
        made = images.like(images.frames)
        shape = len(images), len(images.pixels) // max(1, len(images))
        rows, results = images.pixels.reshape(shape), made.pixels.reshape(shape)
        blend_rows(rows, self.partners, self.weights(rows), results)
        return made

    def mixed_masks(self, masks: object, name: str) -> object:
        """Refuse: a pixel of two images has two classes."""
        raise DataError(
            f"{name} is a mask, and mixup cannot mix masks: a pixel of two images has two classes; use "
            "augment.cutmix(), or one-hot masks without labels='mask'"
        )


@dataclass(frozen=True)
class PasteStep(MixingStep):
    """The step of `cutmix`.

    Args:
        boxes: First and last row and column of each box, the last ones exclusive: top, bottom, left, right;
            int64 (n, 4).
        sizes: Height and width of each image, int64 (n, 2).
    """

    boxes: Array
    sizes: Array

    def only(self, active: Array, frames: Frames) -> Self:
        """Return the step that pastes nothing into other images."""
        return replace(super().only(active, frames), boxes=np.where(active[:, None], self.boxes, 0))

    def apply(self, images: Images) -> Images:
        """Return images with the boxes of others."""
        made = images.like(images.frames)
        if len(images):
            height, width = (int(length) for length in images.sizes[0])
            shape = (len(images), height, width * images.channels)
            before, behind = images.pixels.reshape(shape), made.pixels.reshape(shape)
            paste_boxes(before, self.partners, self.boxes, images.channels, behind)
        return made

    def mixed_masks(self, masks: object, name: str) -> object:
        """Return masks with the boxes of others."""
        array = np.ascontiguousarray(masks)
        rows = native_array(array.reshape(*array.shape[:2], -1).view(np.uint8))  # one kernel for all dtypes
        made = np.empty_like(rows)
        paste_boxes(rows, self.partners, self.boxes, rows.shape[2] // array.shape[2], made)
        return made.view(array.dtype).reshape(array.shape)

    def check_target(self, target: Array, name: str) -> None:
        """Refuse what looks like a mask: mixed by its area it would no longer fit the image."""
        if target.ndim >= 3 and len(target) and target.shape[1:3] == tuple(self.sizes[0].tolist()):
            raise DataError(
                f"{name} has shape {target.shape}, a number for each pixel; write labels='mask' (in a "
                "dictionary: labels={'name': 'mask'}), so that cutmix pastes it as it pastes the image"
            )


def _one_hot(target: Array, name: str) -> Array:
    """Return one-hot whole numbers as float32."""
    if target.ndim != 2 or target.shape[1] < 2:
        raise DataError(
            f"{name} holds whole numbers ({target.dtype}, shape {target.shape}), and class numbers cannot be "
            "mixed. Make them one-hot: label_mode='categorical' for folders, utils.to_categorical(y, "
            "num_classes) for arrays; numbers between 0 and 1 for two classes: y.astype('float32')"
        )
    wrong = ((target != 0) & (target != 1)).any(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise SampleError(
            f"{name} holds {target[row].tolist()}, which is not one-hot; whole numbers other than 0 and 1 "
            f"are not mixed. Where they are quantities, write {name}.astype('float32')",
            row,
        )
    return target.astype(np.float32)
