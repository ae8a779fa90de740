"""What `ImageDataGenerator` does to images, and Keras-Preprocessing's functions for single images.

Angles are in degrees, shifts in pixels; `tx` and `zx` go along the rows' axis (down), `ty` and `zy` along the
columns' axis, as Keras-Preprocessing has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from streamfit._base.checks import number, whole
from streamfit._base.config import next_seed
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.kernels.arguments import native_array
from streamfit.preprocessing.image.affine_kernels import warp_by_index
from streamfit.preprocessing.image.transform_parameters import TransformParameters

EdgeMode = Literal["constant", "nearest", "reflect", "wrap"]
EDGE_MODES: tuple[EdgeMode, ...] = get_args(EdgeMode)  # in the order of the kernel's numbers
_COMPILED = ("float32", "float64")


def check_edges(fill_mode: str, order: object) -> int:
    """Return the order of the interpolation.

    Raises:
        ValueError: `fill_mode` is none of those that there are, or the order is not in 0..5.
    """
    if fill_mode not in EDGE_MODES:
        raise ValueError(f"fill_mode={fill_mode!r}: write one of {', '.join(map(repr, EDGE_MODES))}")
    found = whole("interpolation_order", order, 0)
    if found > 5:
        raise ValueError(f"interpolation_order must be between 0 and 5, got {found}")
    return found


def transform_images(
    images: Array,
    parameters: TransformParameters,
    *,
    channels_first: bool,
    fill_mode: EdgeMode,
    cval: float,
    order: int,
) -> Array:
    """Return images behind their transforms.

    Args:
        images: (n, height, width, channels) or (n, channels, height, width).
        parameters: Those of each image.
        channels_first: Which of the two.
        fill_mode: What is outside an image.
        cval: The value outside for ``'constant'``.
        order: Of the splines that interpolate: 0 for the nearest pixel, 1 for bilinear.
    """
    warps, flips = parameters.warps(), parameters.flips()
    if warps or flips:
        images = _warped(images, parameters, channels_first, fill_mode, cval, order if warps else 0)
    if parameters.channel_shift_intensity is not None:
        images = np.stack(
            [
                apply_channel_shift(image, intensity)
                for image, intensity in zip(images, parameters.channel_shift_intensity.tolist(), strict=True)
            ]
        )
    if parameters.brightness is not None:
        last = np.moveaxis(images, 1, -1) if channels_first else images
        made = np.stack(
            [
                apply_brightness_shift(image, factor)
                for image, factor in zip(last, parameters.brightness.tolist(), strict=True)
            ]
        )
        images = np.moveaxis(made, -1, 1) if channels_first else made
    return images


def _warped(
    images: Array,
    parameters: TransformParameters,
    channels_first: bool,
    fill_mode: EdgeMode,
    cval: float,
    order: int,
) -> Array:
    if images.dtype == np.float16:  # which SciPy does not have
        wide = _warped(images.astype(np.float32), parameters, channels_first, fill_mode, cval, order)
        return wide.astype(np.float16)
    axes = images.shape[2:] if channels_first else images.shape[1:3]
    height, width = axes
    channels = images.shape[1] if channels_first else images.shape[3]
    matrices = parameters.matrices(height, width)
    flips = np.stack([parameters.flip_horizontal, parameters.flip_vertical], axis=1)
    if order > 1 or images.dtype.name not in _COMPILED:
        moved = np.empty_like(images)
        for row, image in enumerate(images):
            planes = image if channels_first else np.moveaxis(image, -1, 0)
            made = moved[row] if channels_first else np.moveaxis(moved[row], -1, 0)
            _by_splines(planes, made, matrices[row], flips[row], fill_mode, cval, order)
        return moved
    step, apart = (1, height * width) if channels_first else (channels, 1)
    flat = native_array(images).reshape(len(images), -1)
    result = np.empty_like(flat)
    warp_by_index(
        flat,
        result,
        np.ascontiguousarray(matrices),
        flips.astype(np.int64),
        np.array([height, width, channels, step, apart], np.int64),
        EDGE_MODES.index(fill_mode),
        order,
        np.array([cval], flat.dtype),
        np.empty((2, width), np.float64),
        np.empty(width, np.int32),
        np.empty((2, width), flat.dtype),
    )
    return result.reshape(images.shape)


def _by_splines(
    planes: Array, made: Array, matrix: Array, flips: Array, mode: EdgeMode, cval: float, order: int
) -> None:
    """Warp each channel by SciPy, which has splines of higher orders and all dtypes."""
    from scipy import ndimage  # not needed for the usual orders, and slow to import

    linear, offset = matrix.reshape(2, 3)[:, :2], matrix.reshape(2, 3)[:, 2]
    still = bool((linear == np.eye(2)).all() and not offset.any())
    for plane, to in zip(planes, made, strict=True):
        if still:
            moved = plane
        else:
            moved = ndimage.affine_transform(plane, linear, offset, order=order, mode=mode, cval=cval)
        moved = moved[:, ::-1] if flips[0] else moved
        to[...] = moved[::-1] if flips[1] else moved


def apply_affine_transform(
    x: Array,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 0,
    col_axis: int = 1,
    channel_axis: int = 2,
    fill_mode: EdgeMode = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> Array:
    """Turn, shift, shear and zoom one image.

    Args:
        x: An image of rank 3.
        theta: Angle of the rotation.
        tx: Shift along the rows' axis, in pixels: the image moves up.
        ty: Shift along the columns' axis: the image moves to the left.
        shear: Angle of the shear.
        zx: Zoom along the rows' axis; below 1 the image becomes larger.
        zy: Zoom along the columns' axis.
        row_axis: Which axis of `x` holds the rows.
        col_axis: Which one holds the columns.
        channel_axis: Which one holds the channels.
        fill_mode: What is outside: ``'constant'``, ``'nearest'``, ``'reflect'`` or ``'wrap'``, with SciPy's
            meaning.
        cval: The value outside for ``'constant'``.
        order: Of the splines that interpolate, 0 to 5.

    Returns:
        An array of the shape and dtype of `x`.

    Example:
        >>> apply_affine_transform(np.array([[[1.0], [2.0], [3.0]]]), ty=1)[0, :, 0].tolist()
        [2.0, 3.0, 3.0]
    """
    image = np.moveaxis(_image(x), (row_axis, col_axis, channel_axis), (0, 1, 2))
    given = {"theta": theta, "tx": tx, "ty": ty, "shear": shear, "zx": zx, "zy": zy}
    made = transform_images(
        image[None],
        TransformParameters.of(given),
        channels_first=False,
        fill_mode=fill_mode,
        cval=cval,
        order=check_edges(fill_mode, order),
    )[0]
    moved: Array = np.moveaxis(made, (0, 1, 2), (row_axis, col_axis, channel_axis))
    return moved


def apply_channel_shift(x: Array, intensity: float, channel_axis: int = 0) -> Array:
    """Add a number to all channels; values stay between the lowest and the highest of the image.

    Args:
        x: An image of rank 3.
        intensity: The number.
        channel_axis: Accepted for scripts of Keras; all channels are treated alike.
    """
    image = _image(x)
    shifted: Array = np.clip(image + intensity, image.min(), image.max())
    return shifted


def apply_brightness_shift(x: Array, brightness: float) -> Array:
    """Scale the values of an image to 0..255 and multiply them by a factor, cut off as uint8.

    As in Keras-Preprocessing the darkest value becomes 0 and the brightest 255 *before* the factor, whatever
    they were; fractions are cut off. A fourth channel (alpha) is scaled and not multiplied.

    Args:
        x: An image of rank 3; with four channels they are the last axis.
        brightness: The factor.

    Returns:
        float32 with values 0 to 255.
    """
    image = np.asarray(_image(x), np.float32)
    image = image - image.min()
    most = image.max()
    if most:
        image = image / most
    levels = np.floor(image * np.float32(255))
    bright: Array = np.floor(np.clip(levels * np.float32(brightness), 0, 255))
    if image.shape[2] == 4:
        bright[:, :, 3] = levels[:, :, 3]
    return bright


def random_rotation(
    x: Array,
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: EdgeMode = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """Turn an image by an angle between ``-rg`` and ``rg`` degrees; see `apply_affine_transform`.

    The draws of this function and its like follow `set_random_seed`.
    """
    axes = row_axis, col_axis, channel_axis
    theta = _draws().uniform("rotation", -rg, rg).item()
    return apply_affine_transform(x, theta, 0, 0, 0, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_shift(
    x: Array,
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: EdgeMode = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """Shift an image by up to the fractions `wrg` of its width and `hrg` of its height."""
    axes = row_axis, col_axis, channel_axis
    down, right = _draws().uniform("shift", -1, 1, (2,))[0].tolist()
    tx, ty = down * hrg * x.shape[row_axis], right * wrg * x.shape[col_axis]
    return apply_affine_transform(x, 0, tx, ty, 0, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_shear(
    x: Array,
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: EdgeMode = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """Shear an image by an angle between ``-intensity`` and ``intensity`` degrees."""
    axes = row_axis, col_axis, channel_axis
    shear = _draws().uniform("shear", -intensity, intensity).item()
    return apply_affine_transform(x, 0, 0, 0, shear, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_zoom(
    x: Array,
    zoom_range: Sequence[float],
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: EdgeMode = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """Zoom an image by two factors, one for each axis, from the range ``(lowest, highest)``."""
    low, high = pair("zoom_range", zoom_range)
    zx, zy = _draws().uniform("zoom", low, high, (2,))[0].tolist()
    axes = row_axis, col_axis, channel_axis
    return apply_affine_transform(x, 0, 0, 0, 0, zx, zy, *axes, fill_mode, cval, interpolation_order)


def random_channel_shift(x: Array, intensity_range: float, channel_axis: int = 0) -> Array:
    """Add a number between ``-intensity_range`` and ``intensity_range``; see `apply_channel_shift`."""
    intensity = _draws().uniform("channel shift", -intensity_range, intensity_range).item()
    return apply_channel_shift(x, intensity, channel_axis)


def random_brightness(x: Array, brightness_range: Sequence[float]) -> Array:
    """Multiply by a factor from the range ``(lowest, highest)``; see `apply_brightness_shift`."""
    low, high = pair("brightness_range", brightness_range)
    return apply_brightness_shift(x, _draws().uniform("brightness", low, high).item())


def pair(name: str, value: object) -> tuple[float, float]:
    """Return the two ends of a range.

    Raises:
        ValueError: It is no list or tuple of two numbers.
    """
    if not isinstance(value, (tuple, list, np.ndarray)) or len(value) != 2:
        raise ValueError(f"`{name}` should be a tuple or list of two floats, got {value!r}")
    return number(f"{name}[0]", value[0]), number(f"{name}[1]", value[1])


def _draws() -> SampleDraws:
    return SampleDraws(np.array([next_seed()], np.uint64))


def _image(x: Array) -> Array:
    image = np.asarray(x)
    if image.ndim != 3 or not image.size:
        raise DataError(f"an image must have rank 3 and pixels, got shape {image.shape}")
    return image
