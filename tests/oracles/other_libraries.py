"""Transforms as other libraries write them, for tests without these libraries."""

from __future__ import annotations

import random
from typing import Any

import numpy as np


def flipped_or_not(x: np.ndarray) -> np.ndarray:
    """A plain function that draws from both global generators."""
    turned = x[:, ::-1] if np.random.random() < 0.5 else x
    return turned + np.asarray(random.randrange(10), x.dtype)


def noisy(x: np.ndarray) -> np.ndarray:
    return x + np.random.normal(size=x.shape).astype(np.float32)


class Compose:
    """As those of Albumentations: names, dictionaries, generators of its own."""

    def __init__(self) -> None:
        self.random_generator, self.py_random = np.random.default_rng(), random.Random()

    def set_random_state(self, random_generator: np.random.Generator, py_random: random.Random) -> None:
        self.random_generator, self.py_random = random_generator, py_random

    def set_random_seed(self, seed: int) -> None:
        raise AssertionError("transforms inside would all draw the same")

    def __call__(self, *args: Any, force_apply: bool = False, **data: Any) -> dict[str, Any]:
        if args:
            raise KeyError("You have to pass data to augmentations as named arguments")
        image = data["image"]
        width = image.shape[1]
        made = dict(data)
        if self.py_random.random() < 0.5:
            made["image"] = image[:, ::-1]
            if "mask" in data:
                made["mask"] = data["mask"][:, ::-1]
            if "bboxes" in data:
                boxes = np.array(data["bboxes"])
                boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
                made["bboxes"] = boxes[::-1]  # in another order
            if "keypoints" in data:
                points = np.array(data["keypoints"])
                points[:, 0] = width - 1 - points[:, 0]
                made["keypoints"] = points
        if "bboxes" in data:
            made["bboxes"] = [box for box in made["bboxes"] if box[0] > 0]  # others are gone
        made["image"] = made["image"] + np.asarray(self.random_generator.integers(5), image.dtype)
        return made


class Module:
    """As the transforms of torchvision: a module with `forward`, called by position."""

    def forward(self, *inputs: Any) -> Any:
        (x,) = inputs
        return x + np.asarray(np.random.randint(100), x.dtype)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)


class Seeded:
    """As imgaug's: seeded with `seed_`, called as ``f(image=...)``, returning the image."""

    def __init__(self) -> None:
        self.state = np.random.RandomState()

    def seed_(self, entropy: int) -> None:
        assert 0 <= entropy < 2**31
        self.state = np.random.RandomState(entropy)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        assert not args
        return kwargs["image"] + np.asarray(self.state.randint(100), kwargs["image"].dtype)


class Holder:
    """An object with a generator in an attribute."""

    def __init__(self) -> None:
        self.parts = [{"rng": np.random.default_rng(3)}, random.Random(4)]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        drawn = self.parts[0]["rng"].integers(50) + self.parts[1].randrange(50)  # type: ignore[index, union-attr]
        return x + np.asarray(drawn, x.dtype)


class OldCompose:
    """As Albumentations were before: a method that takes a seed."""

    def __init__(self) -> None:
        self.drawn = 0.0

    def set_random_seed(self, seed: int) -> None:
        self.drawn = random.Random(seed).random()

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        return {"image": image + np.asarray(int(100 * self.drawn), image.dtype)}


class TorchGenerator:
    """As torch's."""

    def __init__(self) -> None:
        self.seed = 0

    def initial_seed(self) -> int:
        return self.seed

    def manual_seed(self, seed: int) -> None:
        self.seed = seed


class HoldsOthers:
    """An object with a legacy generator of NumPy and one of torch."""

    def __init__(self) -> None:
        self.state, self.torch = np.random.RandomState(), TorchGenerator()

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x + np.asarray(self.state.randint(50) + self.torch.seed % 50, x.dtype)


MODULE_LEVEL = np.random.default_rng(5)


def by_module_level(x: np.ndarray) -> np.ndarray:
    return x + np.asarray(MODULE_LEVEL.integers(100), x.dtype)


def by_closure() -> Any:
    compose = Compose()
    return lambda x: compose(image=x)["image"]
