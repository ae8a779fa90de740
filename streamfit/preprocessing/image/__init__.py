"""Images in files: loaded, decoded and saved, as Keras' functions of the same names do."""

from __future__ import annotations

from streamfit.preprocessing.image.single_images import array_to_img, img_to_array, load_img, save_img

__all__ = ["array_to_img", "img_to_array", "load_img", "save_img"]
