"""Draw every transform of images on one page: ``docs/images/augmentations.jpg``.

Run it after a transform was added or changed, and look at the page:

    .venv/bin/python tools/contact_sheet.py [path]

`tests/augment/test_contact_sheet.py` sees to it that no transform is missing.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

from streamfit import augment
from streamfit._base.plotting import SOFT, TEXT, Picture, empty_axes

PATH = Path(__file__).resolve().parents[1] / "docs" / "images" / "augmentations.jpg"
COLUMNS, VARIANTS, SIZE, INCH = 3, 4, 160, 0.98

TRANSFORMS = [
    "flip('both')",
    "rot90()",
    "crop(120)",
    "center_crop(120)",
    "pad(20, fill_mode='reflect')",
    "random_resized_crop(160, scale=(0.2, 1))",
    "resize((80, 160))",
    "rotate(30)",
    "translate(0.2, 0.2, fill_mode='reflect')",
    "zoom((0.6, 1.6))",
    "shear(25)",
    "affine(20, (0.1, 0.1), (0.8, 1.2), 10)",
    "perspective(0.4)",
    "elastic(80, 10)",
    "brightness(0.5)",
    "contrast(0.6)",
    "saturation(0.9)",
    "hue(0.2)",
    "color_jitter(0.4, 0.4, 0.4, 0.1)",
    "gamma((0.5, 2))",
    "posterize(3, p=1)",
    "solarize(128, p=1)",
    "equalize(p=1)",
    "auto_contrast(p=1)",
    "grayscale(p=1)",
    "invert(p=1)",
    "channel_shift(0.25)",
    "noise(0.1)",
    "salt_and_pepper(0.1)",
    "blur((0.5, 3))",
    "sharpen((0, 4))",
    "cutout(60)",
    "erase(1)",
    "mixup(1.0)",
    "cutmix(1.0)",
    "rand_augment()",
    "trivial_augment()",
]


def photos() -> np.ndarray:
    """Return parts of the photos that come with scikit-learn, uint8."""
    from sklearn.datasets import load_sample_image

    places = [("china", 60, 180), ("flower", 100, 190), ("china", 190, 20), ("china", 160, 330)]
    found = [(load_sample_image(f"{name}.jpg"), top, left) for name, top, left in places]
    return np.stack([photo[top : top + SIZE, left : left + SIZE] for photo, top, left in found])


def transform_of(text: str) -> augment.Transform:
    """Return the transform of a line of `TRANSFORMS`."""
    made = eval(f"augment.{text}", {"augment": augment})
    assert isinstance(made, augment.Transform)
    return made


def draw(path: Path, names: list[str]) -> None:
    """Draw each transform of four images in a row of its own."""
    images = photos()
    targets = np.eye(VARIANTS, dtype=np.float32)
    rows = math.ceil((len(names) + 1) / COLUMNS)
    picture = Picture.empty(COLUMNS * (VARIANTS * INCH + 0.25), rows * (INCH + 0.3))
    blocks = picture.figure.subfigures(rows, COLUMNS, squeeze=False).T.reshape(-1)
    for block, text in zip(blocks, ["", *names], strict=False):
        made = images
        if text:
            made, _ = transform_of(text)(images, targets, seed=7)  # type: ignore[misc]
        title = f"augment.{text}" if text else "the images"
        block.suptitle(title, fontsize=8, color=TEXT if text else SOFT, x=0.02, ha="left", family="monospace")
        for axes, image in zip(block.subplots(1, VARIANTS), made, strict=True):
            empty_axes(axes)
            axes.imshow(np.clip(image, 0, 255))
            axes.set(xlim=(-0.5, SIZE - 0.5), ylim=(SIZE - 0.5, -0.5))
    picture.save(path, dpi=110)


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else PATH, TRANSFORMS)
