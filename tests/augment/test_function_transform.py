"""`function`: the conventions of other libraries, seeded generators, and what must not be returned."""

from __future__ import annotations

import functools
import pickle
import random
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from oracles import other_libraries as others
from PIL import Image, ImageOps

from streamfit import augment
from streamfit._base.errors import DataError, SampleError

KEYS = np.arange(6, dtype=np.uint64)
IMAGES = np.random.default_rng(0).integers(0, 100, (6, 4, 5, 3)).astype(np.uint8)

CONVENTIONS: list[Callable[[], Callable[..., object]]] = [
    lambda: others.flipped_or_not,
    others.Compose,
    others.Module,
    others.Seeded,
    others.Holder,
    others.HoldsOthers,
    lambda: others.by_module_level,
    others.by_closure,
    lambda: functools.partial(others.Holder()),
    lambda: others.Module().forward,
    lambda: functools.partial(others.Compose(), force_apply=True),
]


def moved(function: Callable[..., object], images: Any = IMAGES, keys: Any = KEYS, **options: Any) -> Any:
    return augment.function(function, **options).transform_batch(images, None, keys)[0]


@pytest.mark.parametrize("make", CONVENTIONS)
def test_draws_follow_the_key(make: Callable[[], Callable[..., object]]) -> None:
    random.seed(1)
    whole = moved(make())
    random.seed(2)
    function = augment.function(make())
    for cut in ([5], [2, 3], [0, 1, 4]):  # in another order, one object for all
        part = function.transform_batch(IMAGES[cut], None, KEYS[cut])[0]
        np.testing.assert_array_equal(np.asarray(part), whole[cut])
    assert len({image.tobytes() for image in whole.astype(int) - IMAGES}) > 1
    assert not np.array_equal(moved(make(), keys=KEYS + np.uint64(9)), whole)


@pytest.mark.parametrize("keywords", [None, True])
def test_a_method_that_takes_a_seed(keywords: bool | None) -> None:
    made = moved(others.OldCompose(), keywords=keywords)
    assert len(set((made.astype(int) - IMAGES)[:, 0, 0, 0].tolist())) > 2
    part = moved(others.OldCompose(), IMAGES[3:], KEYS[3:], keywords=keywords)
    np.testing.assert_array_equal(part, made[3:])


def test_global_generators_are_put_back() -> None:
    random.seed(5)
    np.random.seed(5)
    wanted = random.random(), np.random.normal(), np.random.normal()  # the second one of a pair is kept, too
    random.seed(5)
    np.random.seed(5)
    first = random.random(), np.random.normal()
    moved(others.flipped_or_not)
    assert (*first, np.random.normal()) == wanted

    def fails(x: np.ndarray) -> np.ndarray:
        np.random.random(), random.random()
        raise ZeroDivisionError

    state = random.getstate()
    with pytest.raises(ZeroDivisionError):
        moved(fails)
    assert random.getstate() == state


def test_torch_is_seeded_where_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    class Generator:
        def __init__(self) -> None:
            self.number = 77

        def get_state(self) -> int:
            return self.number

        def set_state(self, state: int) -> None:
            self.number = state

        def manual_seed(self, seed: int) -> None:
            self.number = seed

    torch = ModuleType("torch")
    torch.default_generator = Generator()  # type: ignore[attr-defined]
    calls = []

    def imports_late(x: np.ndarray) -> np.ndarray:
        monkeypatch.setitem(sys.modules, "torch", torch)
        calls.append(torch.default_generator.number)  # type: ignore[attr-defined]
        return x + np.asarray(torch.default_generator.number % 100, np.uint8)  # type: ignore[attr-defined]

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    first = moved(imports_late)
    assert calls[0] == 77
    assert len(calls) == len(IMAGES) + 1  # what was drawn without a seed was not kept
    np.testing.assert_array_equal(moved(imports_late), first)


def test_threads_do_not_disturb_one_another() -> None:
    function = augment.function(others.flipped_or_not)
    wanted = function.transform_batch(IMAGES, None, KEYS)[0]
    found: list[object] = []

    def work() -> None:
        found.extend(function.transform_batch(IMAGES, None, KEYS)[0] for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 60
    for made in found:
        np.testing.assert_array_equal(made, wanted)  # type: ignore[arg-type]


def test_labels_go_along() -> None:
    width = IMAGES.shape[2]
    boxes = np.tile(np.array([[1, 0, 2, 3], [0, 1, 4, 2], [-1, -1, -1, -1]], np.float32), (6, 1, 1))
    points = np.tile(np.array([[0.5, 0.5], [3.5, 1.5]], np.float32), (6, 1, 1))
    targets = {"m": IMAGES[..., 0], "b": boxes, "p": points, "class": np.arange(6)}
    kinds: Any = {"m": "mask", "b": "boxes", "p": "points"}
    x, y = augment.function(others.Compose(), labels=kinds).transform_batch(IMAGES, targets, KEYS)
    turned = 0
    for row in range(6):
        image, mask = np.asarray(x)[row], y["m"][row]  # type: ignore[index]
        mirrored = not np.array_equal(mask, IMAGES[row, :, :, 0])
        turned += mirrored
        np.testing.assert_array_equal(mask, IMAGES[row, :, ::-1, 0] if mirrored else IMAGES[row, :, :, 0])
        added = image[..., 0].astype(int) - mask
        assert (added == added[0, 0]).all()
        wanted = np.full((3, 4), -1.0)
        for place, box in enumerate(boxes[row, :2]):
            moved_box = [width - box[2], box[1], width - box[0], box[3]] if mirrored else box
            if moved_box[0] > 0:
                wanted[place] = moved_box
        np.testing.assert_array_equal(y["b"][row], wanted)  # type: ignore[index]
        at = points[row, :, 0]
        np.testing.assert_array_equal(y["p"][row, :, 0], width - at if mirrored else at)  # type: ignore[index]
    assert 0 < turned < 6
    assert y["class"] is targets["class"]  # type: ignore[index]
    assert y["b"].dtype == np.float32  # type: ignore[index]


def test_one_kind_of_labels_without_a_dictionary() -> None:
    x, y = augment.function(others.Compose(), labels="mask").transform_batch(IMAGES, IMAGES[..., :1], KEYS)
    assert np.asarray(y).shape == (6, 4, 5, 1)
    added = np.asarray(x)[..., :1].astype(int) - np.asarray(y)
    assert (added == added[:, :1, :1]).all()


def test_images_of_pillow() -> None:
    made = moved(ImageOps.mirror, form="pil")
    np.testing.assert_array_equal(made, IMAGES[:, :, ::-1])
    grey = IMAGES[..., :1]
    np.testing.assert_array_equal(moved(ImageOps.mirror, grey, form="pil"), grey[:, :, ::-1])
    np.testing.assert_array_equal(moved(ImageOps.mirror, grey[..., 0], form="pil"), grey[:, :, ::-1, 0])

    def wide(image: Image.Image) -> Image.Image:
        assert image.mode == "RGB"
        return image.resize((8, 4), Image.Resampling.NEAREST)

    assert moved(wide, form="pil").shape == (6, 4, 8, 3)
    with pytest.raises(DataError, match="form='pil' needs images of dtype uint8 with 1, 3 or 4 channels"):
        moved(wide, IMAGES.astype(np.float32), form="pil")


def test_other_sizes_and_dtypes() -> None:
    ragged = moved(lambda x: x[: np.random.randint(1, 4)])
    assert isinstance(ragged, list)
    assert len({image.shape for image in ragged}) > 1
    assert moved(lambda x: (x / 255).astype(np.float32)).dtype == np.float32
    sound = moved(others.noisy, np.zeros((6, 7), np.float32))  # no images at all
    assert sound.shape == (6, 7)
    lists = moved(lambda x: x[::-1], [np.zeros((3, 2), np.uint8), np.ones((4, 2), np.uint8)], KEYS[:2])
    assert [image.shape for image in lists] == [(3, 2), (4, 2)]


def test_memory_is_not_shared() -> None:
    kept = np.empty((4, 5, 3), np.uint8)

    def reuses(x: np.ndarray) -> np.ndarray:
        x += 1  # its own
        kept[...] = x
        return kept[:3] if x[0, 0, 0] % 2 else kept

    before = IMAGES.copy()
    made = moved(reuses)
    np.testing.assert_array_equal(IMAGES, before)
    for image, given in zip(made, before, strict=True):
        np.testing.assert_array_equal(image, given[: len(image)] + 1)


def test_it_travels() -> None:
    function = augment.function(others.Holder())
    wanted = function.transform_batch(IMAGES, None, KEYS)[0]
    again = pickle.loads(pickle.dumps(function))
    np.testing.assert_array_equal(again.transform_batch(IMAGES, None, KEYS)[0], wanted)
    assert repr(again) == "function(Holder)"
    assert repr(augment.function(others.noisy)) == "function(noisy)"


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "returned None; it must return the image"),
        ((1, 2), "returned a tuple; it must return the image"),
        ({"mask": 1}, r"returned a dictionary with the keys \['mask'\]"),
        (np.zeros(3), r"was given an image \(4, 5, 3\) of uint8 and returned \(3,\) of float64"),
        (np.zeros((4, 5, 3), str), "it must return numbers"),
        (np.zeros((4, 5, 3)), r"returned \(4, 5, 3\) of float64, and \(4, 5, 3\) of uint8 for another image"),
        (np.zeros((4, 5, 1), np.uint8), "as many channels"),
    ],
)
def test_what_is_no_image_is_refused(returned: object, message: str) -> None:
    count = iter(range(9))
    with pytest.raises(SampleError, match=message) as caught:
        moved(lambda x: returned if next(count) == 2 else x)
    assert caught.value.row == 2


def test_labels_that_do_not_come_back() -> None:
    def function(made: dict[str, Any]) -> Callable[..., object]:
        return lambda image, **labels: {"image": image, **labels, **made}

    boxes = np.tile(np.array([0, 0, 3, 2], np.float32), (6, 2, 1))
    points = np.zeros((6, 2, 2), np.float32)
    for labels, y, made, message in (
        ("mask", IMAGES[..., 0], {"mask": None}, r"shape \(4, 5, 3\), and as its mask none"),
        ("mask", IMAGES[..., 0], {"mask": np.zeros((2, 2))}, r"as its mask \(2, 2\)"),
        ("boxes", boxes, {"bboxes": np.zeros((1, 4))}, r"must come back: \(k, 5\)"),
        ("boxes", boxes, {"bboxes": [[0, 0, 1, 1, 7]]}, r"with the numbers \[7.0\] for 2 rows"),
        ("boxes", boxes, {"bboxes": [[0, 0, 1, 1, 0]] * 2}, "with the numbers"),
        ("points", points, {"keypoints": [[1, 1]]}, r"must come back: \(k, 3\)"),
    ):
        transform = augment.function(function(made), keywords=True, labels=labels)  # type: ignore[arg-type]
        with pytest.raises(SampleError, match=message) as caught:
            transform.transform_batch(IMAGES, y, KEYS)
        assert caught.value.row == 0
    with pytest.raises(ValueError, match="called with the image alone, so no labels='mask' can move"):
        augment.function(others.noisy, labels="mask").transform_batch(IMAGES, IMAGES[..., 0], KEYS)
    with pytest.raises(DataError, match="it must return a dictionary with the keys 'image' and 'mask'"):
        augment.function(others.Seeded(), labels="mask").transform_batch(IMAGES, IMAGES[..., 0], KEYS)
    with pytest.raises(ValueError, match="one target of each kind"):
        augment.function(others.Compose(), labels={"a": "boxes", "b": "boxes"}).transform_batch(
            IMAGES, {"a": boxes, "b": boxes}, KEYS
        )


def test_key_points_that_are_missing() -> None:
    points = np.array([[[1.5, 2.5], [np.nan, np.nan], [3.5, 0.5]]] * 6, np.float32)

    def drops(image: np.ndarray, keypoints: np.ndarray) -> dict[str, object]:
        assert keypoints.tolist() == [[1, 2, 0], [3, 0, 2]]
        return {"image": image, "keypoints": keypoints[:1]}

    transform = augment.function(drops, keywords=True, labels="points")
    _, found = transform.transform_batch(IMAGES, points, KEYS)
    np.testing.assert_array_equal(found, [[[1.5, 2.5], [np.nan] * 2, [np.nan] * 2]] * 6)


def test_refused_arguments() -> None:
    with pytest.raises(TypeError, match=r"function\(\) takes a function, got 3"):
        augment.function(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"is a transform of streamfit: write .map\(flip"):
        augment.function(augment.flip())
    with pytest.raises(ValueError, match="form='jpeg': write 'array', 'pil' or 'tensor'"):
        augment.function(others.noisy, form="jpeg")  # type: ignore[arg-type]
    chain = augment.chain(augment.flip(), augment.function(others.noisy))
    with pytest.raises(TypeError, match=r"a stage: .map\(augment.chain\(...\)\).map\(function\(noisy\)\)"):
        chain(IMAGES)
    if "torch" not in sys.modules:
        with pytest.raises(DataError, match="needs torch, and nothing has imported it"):
            moved(others.noisy, form="tensor")


@pytest.mark.extras
def test_transforms_of_albumentations() -> None:
    albumentations = pytest.importorskip("albumentations")
    box, point = (
        albumentations.BboxParams(format="pascal_voc"),
        albumentations.KeypointParams(format="xy", remove_invisible=False),
    )
    both = albumentations.Compose(
        [albumentations.HorizontalFlip(p=0.5), albumentations.RandomBrightnessContrast(p=0.5)],
        bbox_params=box,
        keypoint_params=point,
    )
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 9, 3)).astype(np.uint8)
    keys = np.arange(40, dtype=np.uint64)
    targets = {
        "b": np.tile(np.array([[1, 2, 4, 7], [-1, -1, -1, -1]], np.float32), (40, 1, 1)),
        "p": np.tile(np.array([[0.5, 0.5]], np.float32), (40, 1, 1)),
        "m": np.arange(40 * 72, dtype=np.uint8).reshape(40, 8, 9),
    }
    kinds: Any = {"b": "boxes", "p": "points", "m": "mask"}
    function = augment.function(both, labels=kinds)
    x, y = function.transform_batch(images, targets, keys)
    flipped = y["p"][:, 0, 0] == 8.5  # type: ignore[index]
    assert 5 < flipped.sum() < 35
    assert (y["p"][~flipped, 0, 0] == 0.5).all()  # type: ignore[index]
    np.testing.assert_allclose(y["b"][flipped, 0], np.tile([5, 2, 8, 7], (flipped.sum(), 1)), atol=1e-5)  # type: ignore[index]
    np.testing.assert_array_equal(y["m"][flipped], targets["m"][flipped][:, :, ::-1])  # type: ignore[index]
    bright = np.array([not np.array_equal(a, b) for a, b in zip(x, images, strict=True)]) & ~flipped  # type: ignore[call-overload]
    assert 0 < bright.sum() < (~flipped).sum()  # drawn apart from the flips
    part, _ = function.transform_batch(images[7:9], {k: v[7:9] for k, v in targets.items()}, keys[7:9])
    np.testing.assert_array_equal(np.asarray(part), np.asarray(x)[7:9])
