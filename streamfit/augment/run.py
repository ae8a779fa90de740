"""`run`: do the steps of a transform, as few passes over the pixels as they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from streamfit.augment.colour import recolour
from streamfit.augment.image_steps import ColourStep, PixelStep, Step, WarpStep
from streamfit.augment.images import Images
from streamfit.augment.labels import Labels
from streamfit.augment.warp import plan_warp


def run(steps: Sequence[Step], images: Images, labels: Labels) -> tuple[Images, Labels]:
    """Do steps.

    Args:
        steps: In their order.
        images: The user's images, which are not written to.
        labels: The targets.
    """
    owned = False
    for group in grouped(steps):
        first = group[0]
        if isinstance(first, WarpStep):
            warps = [step for step in group if isinstance(step, WarpStep)]
            warp = plan_warp(warps, images.frames)
            images, labels = warp.images(images), labels.warped(warp)
        elif isinstance(first, ColourStep):
            images = recolour(images, [step for step in group if isinstance(step, ColourStep)], owned)
        else:
            assert isinstance(first, PixelStep)
            if first.geometry is not None:
                labels = labels.warped(plan_warp([first.geometry], images.frames))
            if first.writes and not owned:
                images = replace(images, pixels=images.pixels.copy())
            images = first.apply(images)
            targets = first.mix(labels.targets, labels.kinds)
            if targets is not labels.targets:
                labels = replace(labels, targets=targets)
        owned = True
    return images, labels


def grouped(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Yield steps that are done together: warps of one interpolation, or changes of colours."""
    group: list[Step] = []
    for step in steps:
        if group and not _together(group[-1], step):
            yield group
            group = []
        group.append(step)
    if group:
        yield group


def _together(one: Step, other: Step) -> bool:
    if isinstance(one, WarpStep) and isinstance(other, WarpStep):
        # Displacements are those of points of a result, so the warp that one is in ends with it.
        return one.interpolation == other.interpolation and one.displacement is None
    return isinstance(one, ColourStep) and isinstance(other, ColourStep)
