"""Images: loaded, decoded and saved, and augmented in real time by `ImageDataGenerator`, as in Keras 2."""

from __future__ import annotations

from streamfit.preprocessing.image.applied_transforms import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
    random_brightness,
    random_channel_shift,
    random_rotation,
    random_shear,
    random_shift,
    random_zoom,
)
from streamfit.preprocessing.image.array_iterator import NumpyArrayIterator
from streamfit.preprocessing.image.dataframe_iterator import DataFrameIterator
from streamfit.preprocessing.image.directory_iterator import DirectoryIterator
from streamfit.preprocessing.image.image_data_generator import ImageDataGenerator
from streamfit.preprocessing.image.single_images import array_to_img, img_to_array, load_img, save_img
from streamfit.preprocessing.image.smart_resizing import smart_resize

__all__ = [
    "DataFrameIterator",
    "DirectoryIterator",
    "ImageDataGenerator",
    "NumpyArrayIterator",
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "array_to_img",
    "img_to_array",
    "load_img",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
    "save_img",
    "smart_resize",
]
