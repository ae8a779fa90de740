"""Values that Keras 3.15.1 (on JAX) computed of one image, for transformations that are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import layers

Array = np.ndarray[Any, Any]

IMAGE = (np.arange(36) * 37 % 256).reshape(1, 3, 4, 3).astype(np.float32)
DRAWN: dict[str, dict[str, Array]] = {
    "random_shear": {"shear_factor": np.array([[0.25, -0.5]])},
    "random_translation": {"translations": np.array([[1.25, -0.5]])},
    "random_rotation": {"angle": np.array([30.0])},
    "random_brightness": {"rgb_delta": np.array([60.0])},
    "random_color_degeneration": {"factor": np.array([0.25])},
    "random_contrast": {"contrast_factor": np.array([1.25])},
    "random_sharpness": {"factor": np.array([0.25])},
    "random_posterization": {"shift_factor": np.array([5])},
    "solarization": {"additions": np.array([75.0]), "thresholds": np.array([60.0])},
    "auto_contrast": {},
    "equalization": {},
}
"""What RandAugment draws for each of its layers, in the order of Keras."""


def numbers(text: str) -> Array:
    return np.array(text.split(), np.float64)


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        (
            [0],
            "0 37 74 111 148 185 222 3 40 43 80 117 151.75 188.75 33.75 104.75 109.75 146.75 185.75 30.75 "
            "67.75 77 114 151 175.5 84.5 121.5 128.5 101.5 138.5 81.5 118.5 155.5 43 80 117",
        ),
        (
            [1],
            "89.75 126.75 67.75 94 131 40 81.25 118.25 123.25 160.25 101.25 138.25 149.75 154.75 95.75 "
            "154 191 100 141.25 82.25 87.25 124.25 129.25 166.25 147.75 120.75 157.75 120 157 194 203.25 "
            "48.25 85.25 122.25 95.25 132.25",
        ),
        (
            [2],
            "77.81 114.81 151.81 173.94 65.79 102.79 133.1 80.69 117.69 16.89 53.89 90.89 56.45 93.45 "
            "79.31 67.44 100.15 137.15 133.85 166.56 203.56 140.55 177.55 61.14 180.11 217.11 27.81 "
            "153.31 100.9 95.33 168.21 60.06 97.06 119.19 156.19 116.64",
        ),
        (
            [3],
            "60 97 134 171 208 245 255 63 100 137 174 211 248 255 66 103 140 177 214 251 255 69 106 143 "
            "180 217 254 255 72 109 146 183 220 255 255 75",
        ),
        (
            [4],
            "7.54 35.29 63.04 118.54 146.29 174.04 184.67 20.42 48.17 84.54 112.29 140.04 188.24 215.99 "
            "51.74 50.54 78.29 106.04 161.53 189.28 217.03 16.54 44.29 72.04 127.54 155.29 183.04 193.67 "
            "29.42 57.17 93.54 121.29 149.04 197.24 224.99 60.74",
        ),
        (
            [5],
            "0 17.71 65.38 108.79 156.46 204.12 247.54 0 22.88 66.29 113.96 161.62 205.04 252.71 0 23.79 "
            "71.46 119.12 162.54 210.21 255 0 28.96 76.62 120.04 167.71 215.38 255 0 34.12 77.54 125.21 "
            "172.88 216.29 255 0",
        ),
        (
            [6],
            "13.15 43.04 63.08 100.19 123.08 145.96 168.85 24.35 57.08 68.12 88.15 118.04 149.58 172.46 "
            "27.96 72.54 89.85 117 144.15 161.46 188.62 34.54 57.42 80.31 100.85 120.88 140.92 182.65 "
            "38.15 61.04 83.92 106.81 129.69 145.96 175.85 28.5",
        ),
        (
            [7],
            "0 32 64 96 128 160 192 0 32 64 96 128 160 224 0 32 64 96 128 160 224 0 32 64 96 128 192 224 "
            "0 32 64 96 160 192 224 0",
        ),
        (
            [8],
            "180 143 106 69 32 0 0 177 140 103 66 29 0 0 174 137 100 63 26 0 0 171 134 97 60 23 0 0 168 "
            "131 94 57 20 0 0 165",
        ),
        (
            [9],
            "0 37.53 78.11 122.53 160.06 205.61 245.06 0 39.05 85 122.53 166.55 207.53 245.06 0 47.47 85 "
            "127.5 170 207.53 255 9.94 47.47 88.45 132.47 170 215.95 255 9.94 49.39 94.94 132.47 176.89 "
            "217.47 255 10.34",
        ),
        (
            [10],
            "0 46 93 116 162 209 232 0 46 70 116 162 185 232 0 46 93 139 162 209 255 23 70 116 139 185 "
            "232 255 23 70 93 139 185 209 255 23",
        ),
        (
            [2, 5, 10],
            "70 162 232 232 46 139 116 70 185 0 0 70 23 93 46 46 116 209 139 209 255 162 232 23 255 255 0 "
            "185 139 93 209 23 116 93 185 162",
        ),
        (
            [7, 0, 3],
            "60 92 124 156 188 220 252 60 92 92 124 156 188 244 84 148 152 188 220 84 116 124 156 188 220 "
            "124 172 172 140 188 124 156 204 92 124 156",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, list) else "",
)
def test_rand_augment_does_the_layers_of_its_list_one_after_another(chosen: list[int], wanted: str) -> None:
    layer = layers.RandAugment(num_ops=len(chosen))
    drawn = {"layer_idxes": np.array(chosen), "transforms": DRAWN}
    np.testing.assert_allclose(
        layer.transform_images(IMAGE, drawn).reshape(-1), numbers(wanted), atol=6e-3
    )  # two decimals


def test_color_jitter_changes_brightness_contrast_saturation_and_hue_in_this_order() -> None:
    layer = layers.RandomColorJitter((0, 255), 0.3, 0.4, (0.2, 0.7), 0.3)
    drawn = {
        "brightness": {"rgb_delta": np.array([-20.0])},
        "contrast": {"contrast_factor": np.array([0.75])},
        "saturation": {"factor": np.array([0.5])},
        "hue": {"factor": np.array([0.125])},
    }
    wanted = (
        "52.74 44.31 63.02 126.61 120.06 146.27 177.1 151.24 100.58 101.11 94.56 120.77 106.47 177.81 "
        "100.17 75.61 69.06 95.27 158.86 152.31 178.52 55.27 47.69 69.77 133.36 126.81 153.02 183.85 "
        "153.78 103.96 107.86 101.31 127.52 110.69 184.56 103.54"
    )
    np.testing.assert_allclose(layer.transform_images(IMAGE, drawn).reshape(-1), numbers(wanted), atol=6e-3)


@pytest.mark.parametrize(
    ("layer", "wanted", "white"),
    [
        (
            layers.Equalization(bins=16),
            "0 51 102 102 153 204 255 0 51 51 102 153 204 255 0 26 76 128 153 204 255 0 51 102 128 178 "
            "230 255 0 51 76 128 178 204 255 0",
            255.0,
        ),
        (
            layers.Equalization(value_range=(0, 1)),
            "0 0.1804 0.3647 0.4549 0.6353 0.8196 0.9098 0 0.1804 0.2745 0.4549 0.6353 0.7255 0.9098 0 "
            "0.1804 0.3647 0.5451 0.6353 0.8196 1 0.0902 0.2745 0.4549 0.5451 0.7255 0.9098 1 0.0902 "
            "0.2745 0.3647 0.5451 0.7255 0.8196 1 0.0902",
            1.0,
        ),
        (
            layers.ContrastLimitedAdaptiveHistogramEqualization(clip_limit=2.0, tile_grid_size=(2, 2)),
            "0 37.84 75.68 112.4 149.36 187.2 222.91 3.91 40.75 78.58 116.42 152.26 189.59 225.94 7.81 44 "
            "81.49 119.33 154.77 192.01 228.85 10.72 48.56 84.4 120.65 158.31 195.44 231.47 12.72 49.85 "
            "86.15 123.61 160.74 197.36 234.49 15.65",
            255.0,
        ),
    ],
    ids=["bins", "unit", "tiles"],
)
def test_equalizations(layer: layers.ImageLayer, wanted: str, white: float) -> None:
    images = IMAGE * np.float32(white / 255)
    np.testing.assert_allclose(layer(images).reshape(-1), numbers(wanted), atol=6e-3 if white > 1 else 6e-5)


def test_crops() -> None:
    drawn = {"top": np.array([1]), "left": np.array([1])}
    found = layers.RandomCrop(2, 3).transform_images(IMAGE, drawn)
    wanted = "43 80 117 154 191 228 9 46 83 231 12 49 86 123 160 197 234 15"
    np.testing.assert_array_equal(found.reshape(-1), numbers(wanted))
    no_higher = "111 148 185 222 3 40 43 80 117 154 191 228 231 12 49 86 123 160"
    np.testing.assert_array_equal(layers.RandomCrop(3, 2)(IMAGE).reshape(-1), numbers(no_higher))


@pytest.mark.parametrize(
    ("scale", "mode", "interpolation", "first", "seventh"),
    [
        (
            1.0,
            "reflect",
            "bilinear",
            "2.01 65 73.06 87.77 156.09 210.67 208.49 136.73 60.35 93.64 92.58 143.5 215.29 225",
            "40.93 74 134.12 139.79 161.74 153.71 90.43 21.18 61.67 134.52 158.79 163.22 221.34 180.91",
        ),
        (
            1.0,
            "constant",
            "bilinear",
            "2.01 25.48 60.94 87.77 155.32 58.78 208.49 136.73 40.83 42.53 92.58 143.5 80 86.85",
            "14.42 74 134.12 139.79 161.74 153.71 90.43 21.18 61.67 134.52 158.79 163.22 221.34 43.1",
        ),
        (
            0.7,
            "wrap",
            "bilinear",
            "1.17 103.86 72.7 91.89 166.44 158.57 207.6 101.83 88 117.55 94.18 147.88 149.26 188.02",
            "18.96 73.85 130.57 140.85 165.01 161.55 92.32 23.8 63.77 131.35 157.5 166.71 221.73 74.83",
        ),
        (
            1.0,
            "nearest",
            "nearest",
            "0 74 74 80 148 222 222 228 77 77 83 151 225 225",
            "42 73 141 147 153 221 33 2 82 144 144 156 224 255",
        ),
    ],
    ids=lambda value: str(value) if len(str(value)) < 10 else "",
)
def test_elastic_transform_by_given_noise(
    scale: float, mode: str, interpolation: str, first: str, seventh: str
) -> None:
    images = (np.arange(168) * 37 % 256).reshape(1, 12, 14, 1).astype(np.float32)
    noise = 2 * np.sin(np.arange(336) * 1.7).reshape(1, 2, 12, 14)  # to the right, and down
    layer = layers.RandomElasticTransform(fill_mode=mode, interpolation=interpolation, fill_value=9.0)
    drawn = {"apply_transform": np.array([True]), "distortion_factor": np.array([scale]), "noise": noise}
    found = layer.transform_images(images, drawn)[0, ..., 0]
    np.testing.assert_allclose(found[0], numbers(first), atol=6e-3)
    np.testing.assert_allclose(found[6], numbers(seventh), atol=6e-3)
