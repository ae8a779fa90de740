"""`mixup` and `cutmix` against NumPy: partners, shares, targets, and what cannot be mixed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streamfit import augment
from streamfit._base.errors import DataError, SampleError
from streamfit.augment.batch_mixing import BatchMixing, BlendStep, PasteStep
from streamfit.augment.draws import SampleDraws
from streamfit.augment.images import Frames
from streamfit.streams import source
from streamfit.utils import to_categorical

N, HEIGHT, WIDTH = 6, 7, 9
CLASSES = np.eye(N, dtype=np.float32)


def images(dtype: str = "uint8", n: int = N) -> np.ndarray:
    drawn = np.random.default_rng(3).integers(0, 256, (n, HEIGHT, WIDTH, 3))
    return drawn.astype(np.uint8) if dtype == "uint8" else (drawn / 255).astype(np.float32)


def keys(n: int = N, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**63, n).astype(np.uint64)


def frames(n: int) -> Frames:
    return Frames(np.tile([HEIGHT, WIDTH], (n, 1)), 3, np.dtype(np.uint8), (0.0, 255.0))


def step_of(transform: BatchMixing, drawn: np.ndarray) -> BlendStep | PasteStep:
    (step,) = transform.steps(SampleDraws(drawn), frames(len(drawn)))
    assert isinstance(step, (BlendStep, PasteStep))
    return step


@given(seed=st.integers(0, 1000), n=st.integers(2, 9))
def test_partners_form_one_circle(seed: int, n: int) -> None:
    partners = step_of(augment.mixup(), keys(n, seed)).partners
    seen, at = [], 0
    for _ in range(n):
        seen.append(at)
        at = int(partners[at])
    assert at == 0
    assert sorted(seen) == list(range(n))


def test_shares_follow_the_beta_distribution() -> None:
    for alpha in (0.2, 1.0, 3.0):
        shares = step_of(augment.mixup(alpha), keys(4000)).shares
        assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 0.001


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_mixup_is_that_of_the_paper(dtype: str) -> None:
    x, y = images(dtype), CLASSES
    step = step_of(augment.mixup(0.8), keys())
    share = step.shares.reshape(N, 1, 1, 1)
    wanted = share * x + (1 - share) * x[step.partners]
    wanted = np.floor(wanted + 0.5).astype(np.uint8) if dtype == "uint8" else wanted
    made, targets = augment.mixup(0.8).transform_batch(x, y, keys())
    np.testing.assert_allclose(made, wanted, rtol=0, atol=0 if dtype == "uint8" else 2e-7)  # type: ignore[arg-type]
    assert np.asarray(made).dtype == dtype
    np.testing.assert_allclose(
        targets,  # type: ignore[arg-type]
        share[:, 0, 0] * y + (1 - share[:, 0, 0]) * y[step.partners],
        atol=1e-7,
    )
    np.testing.assert_array_equal(x, images(dtype))  # the user's array is as it was


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_cutmix_pastes_one_box_and_counts_its_pixels(dtype: str) -> None:
    x = images(dtype)
    step = step_of(augment.cutmix(), keys())
    made, targets = augment.cutmix().transform_batch(x, CLASSES, keys())
    made, targets = np.asarray(made), np.asarray(targets)
    for i, j in enumerate(step.partners):
        top, bottom, left, right = step.boxes[i]  # type: ignore[union-attr]
        wanted = x[i].copy()
        wanted[top:bottom, left:right] = x[j, top:bottom, left:right]
        np.testing.assert_array_equal(made[i], wanted)
        pasted = (bottom - top) * (right - left) / (HEIGHT * WIDTH)
        np.testing.assert_allclose(targets[i, j], pasted, atol=1e-7)
        np.testing.assert_allclose(targets[i, i], 1 - pasted, atol=1e-7)
    assert (step.shares < 1).sum() >= N // 2


@given(seed=st.integers(0, 10**6))
def test_boxes_have_the_drawn_area_unless_cut_off(seed: int) -> None:
    shares = step_of(augment.mixup(1), keys(8, seed)).shares  # drawn alike
    boxes = step_of(augment.cutmix(1), keys(8, seed)).boxes  # type: ignore[union-attr]
    height, width = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    assert (boxes >= 0).all()
    assert (boxes[:, 1] <= HEIGHT).all()
    assert (boxes[:, 3] <= WIDTH).all()
    assert (height <= HEIGHT * np.sqrt(1 - shares)).all()
    assert (width <= WIDTH * np.sqrt(1 - shares)).all()
    free = (boxes[:, [0, 2]] > 0).all(axis=1) & (boxes[:, 1] < HEIGHT) & (boxes[:, 3] < WIDTH)
    assert (height[free] > HEIGHT * np.sqrt(1 - shares[free]) - 2).all()


def test_cutmix_pastes_masks() -> None:
    x = images()
    masks = (x[..., 0] > 99).astype(np.uint8)
    both = {"mask": masks, "kind": CLASSES}
    made, targets = augment.cutmix().with_labels({"mask": "mask"}).transform_batch(x, both, keys())
    np.testing.assert_array_equal(targets["mask"], np.asarray(made)[..., 0] > 99)  # type: ignore[index]
    assert targets["kind"].max() < 1  # type: ignore[index]
    with pytest.raises(DataError, match=r"a number for each pixel; write labels='mask'"):
        augment.cutmix().transform_batch(x, masks.astype(np.float32), keys())


def test_one_hot_whole_numbers_become_float32() -> None:
    for targets in (np.eye(N, dtype=np.int64), np.eye(N, dtype=bool), to_categorical(np.arange(N), N)):
        _, y = augment.mixup(1).transform_batch(images(), targets, keys())
        assert np.asarray(y).dtype == targets.dtype if targets.dtype.kind == "f" else np.float32
        np.testing.assert_allclose(np.asarray(y).sum(axis=1), 1, atol=1e-6)


def test_other_forms_of_targets() -> None:
    x = images("float32")
    step = step_of(augment.mixup(), keys())
    half = np.arange(N, dtype=np.float16)
    for y in (np.arange(N, dtype=np.float64), half, np.arange(2.0 * N, dtype=np.float32).reshape(N, 2, 1)):
        share = step.shares.reshape(N, *[1] * (y.ndim - 1))
        wanted = share * y + (1 - share) * y[step.partners]
        _, found = augment.mixup().transform_batch(x, y, keys())
        assert np.asarray(found).dtype == y.dtype
        np.testing.assert_allclose(found, wanted, atol=2e-3 if y is half else 1e-6)  # type: ignore[arg-type]
        _, (one, other) = augment.mixup().transform_batch(x, (y, y), keys())  # type: ignore[misc]
        np.testing.assert_array_equal(one, found)
        np.testing.assert_array_equal(other, found)
    assert augment.mixup().transform_batch(x, None, keys())[1] is None


def test_a_batch_of_one_stays() -> None:
    for transform in (augment.mixup(), augment.cutmix()):
        x, y = transform.transform_batch(images(n=1), np.eye(2, dtype=np.int64)[:1], keys(1))
        np.testing.assert_array_equal(np.asarray(x), images(n=1))
        assert np.asarray(y).tolist() == [[1, 0]]
        assert np.asarray(y).dtype == np.float32  # as in other batches


def test_no_images() -> None:
    for transform in (augment.mixup(), augment.cutmix()):
        x, y = transform.transform_batch(images()[:0], CLASSES[:0], keys(0))
        assert np.asarray(x).size == np.asarray(y).size == 0


def test_what_an_image_is_mixed_with_does_not_depend_on_its_place() -> None:
    order = np.array([4, 2, 0, 5, 1, 3])
    for transform in (augment.mixup(), augment.cutmix()):
        x, y = transform.transform_batch(images(), CLASSES, keys())
        moved, targets = transform.transform_batch(images()[order], CLASSES[order], keys()[order])
        np.testing.assert_array_equal(np.asarray(moved), np.asarray(x)[order])
        np.testing.assert_array_equal(np.asarray(targets), np.asarray(y)[order])


def test_some_of_a_batch() -> None:
    x = images()
    transform = augment.one_of(augment.mixup(1), augment.cutmix(), augment.chain())
    assert transform.needs_batch
    assert augment.chain(augment.flip(), augment.maybe(augment.mixup())).needs_batch
    made, y = transform.transform_batch(x, CLASSES, keys())
    whole = np.diagonal(np.asarray(y)) == 1
    assert 0 < whole.sum() < N
    np.testing.assert_array_equal(np.asarray(made)[whole], x[whole])
    np.testing.assert_allclose(np.asarray(y).sum(axis=1), 1, atol=1e-6)
    # A row that keeps all of itself is not touched by what its partner holds.
    bad = images("float32")
    bad[2] = np.nan
    made, _ = augment.maybe(augment.mixup(), p=0).transform_batch(bad, None, keys())
    np.testing.assert_array_equal(np.asarray(made), bad)


def test_refused_targets() -> None:
    x, boxes = images(), np.tile(np.array([[1, 1, 3, 2]], np.float32), (N, 1, 1))
    for transform in (augment.mixup(), augment.cutmix()):
        for numbers in (np.arange(N), np.arange(N).reshape(N, 1), np.arange(N, dtype=np.uint8)):
            with pytest.raises(DataError, match=r"label_mode='categorical' .*to_categorical"):
                transform.transform_batch(x, numbers, keys())
        with pytest.raises(SampleError, match=r"holds \[1, 2\], which is not one-hot") as caught:
            transform.transform_batch(x, np.array([[0, 1]] * 3 + [[1, 2]] * 3), keys())
        assert caught.value.row == 3
        with pytest.raises(DataError, match="y holds boxes, which cannot be mixed"):
            transform.with_labels("boxes").transform_batch(x, boxes, keys())
        with pytest.raises(DataError, match="y holds points, which cannot be mixed"):
            transform.with_labels("points").transform_batch(x, boxes[..., :2], keys())
        with pytest.raises(DataError, match="only float and one-hot targets can be mixed"):
            transform.transform_batch(x, np.array(["a"] * N), keys())
        with pytest.raises(DataError, match=r"y\['a'\] has shape \(2, 1\) for 6 images"):
            transform.transform_batch(x, {"a": np.zeros((2, 1))}, keys())
    with pytest.raises(DataError, match="mixup cannot mix masks"):
        augment.mixup().with_labels("mask").transform_batch(x, x[..., :1], keys())


def test_refused_images_and_arguments() -> None:
    with pytest.raises(DataError, match=r"mixup\(0.2\) needs images of one size, got .*\[\[2, 2\], \[3"):
        augment.mixup()([np.zeros((2, 2), np.uint8), np.zeros((3, 2), np.uint8)])
    for alpha in (0, -1, np.inf):
        with pytest.raises(ValueError, match="alpha must be a finite number above 0"):
            augment.cutmix(alpha)
    pairs = source(images(), CLASSES)
    for transform in (augment.mixup(), augment.chain(augment.flip(), augment.cutmix(1))):
        with pytest.raises(ValueError, match=r"there are no batches here; .*\.batch\(32\)\.map\("):
            pairs.map(transform).batch(2)
