"""The table of layers for images: how to make each, and a slow twin of its formula for one image.

A twin gets an image (height, width, channels) as float64, and the random numbers of its row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamfit import layers

Array = np.ndarray[Any, Any]
Twin = Callable[[Array, Mapping[str, Any]], Array]


@dataclass(frozen=True)
class ImageCase:
    """One layer with its settings.

    Attributes:
        make: Makes the layer.
        twin: Its formula; None where a test of its own has it.
        label: Tells cases of one layer apart.
        inference: Whether it changes images in inference, too.
        mixes: Whether an image depends on others of the batch.
    """

    make: Callable[..., layers.ImageLayer]
    twin: Twin | None = None
    label: str = ""
    inference: bool = False
    mixes: bool = False

    @property
    def name(self) -> str:
        return type(self.make()).__name__

    def __str__(self) -> str:
        return f"{self.name}{self.label}"


def options(make: Callable[..., Any], **named: Any) -> Callable[..., Any]:
    return lambda **more: make(**{**named, **more})


def value_at(image: Array, x: float, y: float, mode: str, fill: float, nearest: bool) -> Array:
    """Return the colour at a point in pixels, where the centre of the first pixel is (0, 0)."""
    height, width, channels = image.shape

    def pixel(row: int, column: int) -> Array:
        place = []
        for index, length in ((row, height), (column, width)):
            if not 0 <= index < length:
                if mode == "constant":
                    return np.full(channels, fill)
                if mode == "nearest":
                    index = min(max(index, 0), length - 1)
                elif mode == "wrap":
                    index %= length
                else:
                    index %= 2 * length
                    index = index if index < length else 2 * length - 1 - index
            place.append(index)
        return image[place[0], place[1]]

    if nearest:
        return pixel(int(np.floor(y + 0.5)), int(np.floor(x + 0.5)))
    left, top = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - left, y - top
    upper = pixel(top, left) * (1 - fx) + pixel(top, left + 1) * fx
    return upper * (1 - fy) + (pixel(top + 1, left) * (1 - fx) + pixel(top + 1, left + 1) * fx) * fy


def warp(place: Callable[..., tuple[float, float]], mode: str, fill: float, nearest: bool) -> Twin:
    """Take each pixel from where `place` says: of its x and y, width and height, and the random numbers."""

    def twin(image: Array, drawn: Mapping[str, Any]) -> Array:
        made = np.empty_like(image)
        for row, column in np.ndindex(*image.shape[:2]):
            x, y = place(float(column), float(row), image.shape[1], image.shape[0], drawn)
            made[row, column] = value_at(image, x, y, mode, fill, nearest)
        return made

    return twin


def turned(x: float, y: float, width: int, height: int, drawn: Mapping[str, Any]) -> tuple[float, float]:
    angle = np.radians(drawn["angle"])
    cx, cy = (width - 1) / 2, (height - 1) / 2
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * (x - cx) - sin * (y - cy) + cx, sin * (x - cx) + cos * (y - cy) + cy


def moved(x: float, y: float, width: int, height: int, drawn: Mapping[str, Any]) -> tuple[float, float]:
    return x - drawn["translations"][0], y - drawn["translations"][1]


def zoomed(x: float, y: float, width: int, height: int, drawn: Mapping[str, Any]) -> tuple[float, float]:
    cx, cy = (width - 1) / 2, (height - 1) / 2
    across, down = drawn["width_zoom"].item(), drawn["height_zoom"].item()
    return (x - cx) * across + cx, (y - cy) * down + cy


def sheared(x: float, y: float, width: int, height: int, drawn: Mapping[str, Any]) -> tuple[float, float]:
    a, b = drawn["shear_factor"]
    return x + a * y, y + b * x


def flip(image: Array, drawn: Mapping[str, Any]) -> Array:
    return image[:, ::-1] if drawn["flips"].item() else image


def brightness(image: Array, drawn: Mapping[str, Any]) -> Array:
    return np.clip(image + drawn["rgb_delta"].item(), 0, 255)


def contrast(image: Array, drawn: Mapping[str, Any]) -> Array:
    mean = image.mean(axis=(0, 1))
    return np.clip((image - mean) * drawn["contrast_factor"].item() + mean, 0, 255)


def in_hsv(change: Callable[[float, float, float], tuple[float, float, float]]) -> Callable[[Array], Array]:
    import colorsys

    def each(image: Array) -> Array:
        pixels = [
            colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*p))) for p in (image / 255).reshape(-1, 3)
        ]
        return np.array(pixels).reshape(image.shape) * 255

    return each


def hue(image: Array, drawn: Mapping[str, Any]) -> Array:
    return in_hsv(lambda h, s, v: ((h + drawn["factor"]) % 1, s, v))(image)


def saturation(image: Array, drawn: Mapping[str, Any]) -> Array:
    return in_hsv(lambda h, s, v: (h, min(s * drawn["factor"], 1.0), v))(image)


def _grey(image: Array) -> Array:
    return (0.2989 * image[..., 0] + 0.587 * image[..., 1] + 0.114 * image[..., 2])[..., None]


def grey(image: Array, drawn: Mapping[str, Any]) -> Array:
    return np.broadcast_to(_grey(image), image.shape) if drawn["should_apply"].item() else image


def degenerate(image: Array, drawn: Mapping[str, Any]) -> Array:
    return np.clip(image + drawn["factor"] * (_grey(image) - image), 0, 255)


def posterize(image: Array, drawn: Mapping[str, Any]) -> Array:
    shift = int(drawn["shift_factor"])
    return ((image.astype(np.uint8) >> shift) << shift).astype(float)


def invert(image: Array, drawn: Mapping[str, Any]) -> Array:
    return 255 - image if drawn["apply_inversion"] else image


def stretch(image: Array, drawn: Mapping[str, Any]) -> Array:
    low, high = image.min(axis=(0, 1)), image.max(axis=(0, 1))
    return (image - low) / (high - low) * 255


def equalize(image: Array, drawn: Mapping[str, Any]) -> Array:
    made = np.empty_like(image)
    for channel in range(image.shape[2]):
        levels = image[..., channel].astype(np.uint8).reshape(-1)
        below = np.array([np.count_nonzero(levels <= level) for level in levels])
        least = np.count_nonzero(levels == levels.min())
        made[..., channel] = np.round((below - least) / (levels.size - least) * 255).reshape(image.shape[:2])
    return made


def equalize_tiles(image: Array, drawn: Mapping[str, Any]) -> Array:
    """Equalise 3 x 2 tiles with a limit of 2.5 times the average."""
    sizes = (-(-image.shape[0] // 3), -(-image.shape[1] // 2))
    outside = [(0, sizes[0] * 3 - image.shape[0]), (0, sizes[1] * 2 - image.shape[1])]
    made = np.empty_like(image)

    def new(values: list[int], value: int) -> float:
        limit = 2.5 * len(values) / 256
        counts = [values.count(level) for level in range(256)]
        spread = sum(max(found - limit, 0) for found in counts) / 256
        total = np.cumsum([min(found, limit) + spread for found in counts])
        return float(min((total[value] - total[0]) / (len(values) - total[0]) * 255, 255))

    for channel in range(image.shape[2]):
        whole = np.pad(image[..., channel].astype(int), outside, mode="symmetric")
        for row, column in np.ndindex(*image.shape[:2]):
            y, x = row / sizes[0] - 0.5, column / sizes[1] - 0.5
            found = 0.0
            for down, across in ((0, 0), (0, 1), (1, 0), (1, 1)):
                share = abs(1 - down - (y - np.floor(y))) * abs(1 - across - (x - np.floor(x)))
                top = min(max(int(np.floor(y)) + down, 0), 2) * sizes[0]
                left = min(max(int(np.floor(x)) + across, 0), 1) * sizes[1]
                tile = whole[top : top + sizes[0], left : left + sizes[1]]
                found += share * new(tile.reshape(-1).tolist(), int(image[row, column, channel]))
            made[row, column, channel] = found
    return made


def solarize(image: Array, drawn: Mapping[str, Any]) -> Array:
    added = np.clip(image + drawn["additions"].item(), 0, 255)
    return np.where(added < drawn["thresholds"].item(), added, 255 - added)


def _smooth(image: Array, weights: Array) -> Array:
    reach = (weights.shape[0] // 2, weights.shape[1] // 2)
    padded = np.pad(image, ((reach[0],) * 2, (reach[1],) * 2, (0, 0)))
    made = np.zeros_like(image)
    for row, column in np.ndindex(*image.shape[:2]):
        part = padded[row : row + weights.shape[0], column : column + weights.shape[1]]
        made[row, column] = (part * weights[..., None]).sum(axis=(0, 1))
    return made


def sharpen(image: Array, drawn: Mapping[str, Any]) -> Array:
    weights = np.ones((3, 3))
    weights[1, 1] = 5
    return np.clip(image + (1 - 2 * drawn["factor"]) * (_smooth(image, weights / 13) - image), 0, 255)


def blur(image: Array, drawn: Mapping[str, Any]) -> Array:
    across, down = (
        np.exp(-0.5 * (np.arange(-(size // 2), size // 2 + 1) / sigma) ** 2)
        for size, sigma in zip((3, 5), drawn["blur_factor"], strict=True)
    )
    weights = np.outer(down, across)
    return _smooth(image, weights / weights.sum()) if drawn["should_apply_blur"] else image


def erase(image: Array, drawn: Mapping[str, Any]) -> Array:
    made = image.copy()
    if drawn["apply_erasing"]:
        made[drawn["batch_masks"][..., 0]] = 7
    return made


def crop(image: Array, drawn: Mapping[str, Any]) -> Array:
    top, left = int(drawn["top"]), int(drawn["left"])
    return image[top : top + 4, left : left + 3]


def centre(image: Array, drawn: Mapping[str, Any]) -> Array:
    top, left = (image.shape[0] - 4) // 2, (image.shape[1] - 3) // 2
    return image[top : top + 4, left : left + 3]


def warps(
    make: Callable[..., Any], place: Callable[..., tuple[float, float]], **named: Any
) -> list[ImageCase]:
    found = []
    for mode, nearest in (("reflect", False), ("constant", False), ("wrap", True), ("nearest", False)):
        kind = "nearest" if nearest else "bilinear"
        how = options(make, fill_mode=mode, interpolation=kind, fill_value=3.0, **named)
        found.append(ImageCase(how, warp(place, mode, 3.0, nearest), f"-{mode}-{kind}"))
    return found


IMAGE_CASES = [
    ImageCase(options(layers.RandomFlip, mode="horizontal"), flip),
    *warps(layers.RandomRotation, turned, factor=0.3),
    *warps(layers.RandomTranslation, moved, height_factor=0.4, width_factor=0.5),
    *warps(layers.RandomZoom, zoomed, height_factor=0.5, width_factor=0.3),
    *warps(layers.RandomShear, sheared, x_factor=0.4, y_factor=0.2),
    ImageCase(layers.RandomPerspective),
    ImageCase(layers.RandomElasticTransform),
    ImageCase(options(layers.RandomBrightness, factor=0.5), brightness),
    ImageCase(options(layers.RandomContrast, factor=0.5), contrast),
    ImageCase(options(layers.RandomHue, factor=0.8), hue),
    ImageCase(options(layers.RandomSaturation, factor=(0.1, 0.9)), saturation),
    ImageCase(layers.RandomGrayscale, grey),
    ImageCase(options(layers.RandomColorDegeneration, factor=0.8), degenerate),
    ImageCase(options(layers.RandomPosterization, factor=(1, 5)), posterize),
    ImageCase(options(layers.RandomInvert, factor=(0.5, 0.5)), invert),
    ImageCase(
        options(
            layers.RandomColorJitter,
            brightness_factor=0.2,
            contrast_factor=0.2,
            saturation_factor=(0.4, 0.6),
            hue_factor=0.1,
        )
    ),
    ImageCase(layers.AutoContrast, stretch, inference=True),
    ImageCase(layers.Equalization, equalize),
    ImageCase(
        options(layers.ContrastLimitedAdaptiveHistogramEqualization, clip_limit=2.5, tile_grid_size=(3, 2)),
        equalize_tiles,
        inference=True,
    ),
    ImageCase(options(layers.Solarization, addition_factor=0.3, threshold_factor=0.6), solarize),
    ImageCase(options(layers.RandomSharpness, factor=1.0), sharpen),
    ImageCase(options(layers.RandomGaussianBlur, kernel_size=(3, 5)), blur),
    ImageCase(options(layers.RandomErasing, fill_value=7), erase),
    ImageCase(layers.RandomErasing, label="-noise"),
    ImageCase(options(layers.RandomCrop, height=4, width=3), crop, inference=True),
    ImageCase(options(layers.CenterCrop, height=4, width=3), centre, inference=True),
    ImageCase(options(layers.Resizing, height=4, width=3), inference=True),
    ImageCase(layers.MixUp, mixes=True),
    ImageCase(layers.CutMix, mixes=True),
    ImageCase(layers.RandAugment),
    ImageCase(layers.AugMix),
    ImageCase(options(layers.MaxNumBoundingBoxes, max_number=3)),
]
