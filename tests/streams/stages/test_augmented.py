"""`Augmented`: the same bits whoever loads and at any resume, others in each pass; errors name samples."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.leaks import nothing_left_behind
from oracles.other_libraries import flipped_or_not
from oracles.stages import batch_value, delivered, kept, plain, resumed

import streamfit
from streamfit import Sequential, augment, layers, set_random_seed
from streamfit._base.errors import DataError, SampleError
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import Step
from streamfit.augment.images import Frames
from streamfit.streams import Batch, Feed, Pipeline, Receipt, Sequence, source
from streamfit.testing import check_source, check_stream
from streamfit.workers import Pool, make_pool
from streamfit.workers.contract import inside_worker

pytestmark = pytest.mark.timeout(60)

N = 11
IMAGES = np.random.default_rng(2).integers(0, 256, (N, 4, 5, 3)).astype(np.uint8)
IMAGES[:, 0, 0, 0] = np.arange(N)
LABELS = np.eye(N, dtype=np.float32)


class Samples:
    """Images of different sizes, by number."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return np.resize(IMAGES[index], (4 + index % 3, 5 + index % 2, 3)), LABELS[index]


class Pulled:
    """Images in order, as often as they are asked for."""

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return iter(list(zip(IMAGES, LABELS, strict=True)))


class Batched(Sequence):
    """Three batches of four, the last one smaller."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(4 * index, 4 * index + 4)
        return IMAGES[rows], LABELS[rows]


def arrays() -> Pipeline:
    return source(IMAGES, LABELS)


def ragged() -> Pipeline:
    return source(Samples(), kind="samples")


TURN = augment.chain(augment.flip("both"), augment.maybe(augment.flip(p=1)), augment.crop(3))
MIX = augment.one_of(augment.mixup(1), augment.cutmix())
FUNCTION = augment.function(flipped_or_not)
MASKED = augment.chain(augment.flip("both"), augment.crop(3), labels={"mask": "mask"}, image="image")

PIPELINES: dict[str, Callable[[], Pipeline]] = {
    "samples": lambda: arrays().map(TURN).shuffle().batch(4),
    "behind shuffle": lambda: arrays().shuffle().map(TURN).batch(4),
    "batches": lambda: arrays().shuffle().batch(4).map(TURN),
    "mixed": lambda: arrays().shuffle().map(TURN).batch(4).map(MIX),
    "different sizes": lambda: ragged().map(augment.flip()).shuffle().map(TURN).batch(4),
    "drawn": lambda: ragged().sample(np.arange(1.0, N + 1), 20).map(TURN).batch(4),
    "in order": lambda: arrays().filter(kept).map(TURN).batch(4).map(MIX),
    "iterable": lambda: source(Pulled(), kind="samples").map(TURN).batch(4),
    "sequence": lambda: source(Batched()).map(TURN).map(MIX),
    "function": lambda: arrays().map(FUNCTION).shuffle().batch(4),
    "function in order": lambda: arrays().filter(kept).map(FUNCTION).batch(4),
    "dictionaries": lambda: (
        source({"image": IMAGES, "number": np.arange(N)}, {"mask": IMAGES[..., :1], "kind": LABELS})
        .map(MASKED)
        .shuffle()
        .batch(4)
    ),
    "weights": lambda: source(IMAGES, LABELS, np.arange(N, dtype=np.float32)).map(TURN).batch(4),
    "x alone": lambda: source(IMAGES).shuffle().batch(4).map(TURN),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_the_same_bits_on_any_workers(name: str, pool: Pool | None) -> None:
    expected = delivered(PIPELINES[name](), passes=2)
    assert delivered(PIPELINES[name](), pool, passes=2) == expected
    assert not set(map(str, expected[0])) & set(map(str, expected[1])), "passes are alike"


@pytest.mark.parametrize("name", PIPELINES)
def test_a_resume_at_each_batch(name: str) -> None:
    expected, *others = resumed(PIPELINES[name](), None, PIPELINES[name])
    assert len(others) == len(expected)
    assert all(other == expected for other in others)


@pytest.mark.parametrize("name", PIPELINES)
def test_replay_from_the_receipt(name: str) -> None:
    with Feed(PIPELINES[name]().open_source(seed=7, text=True), audit=True) as feed:
        for _ in range(2):
            seen = [batch_value(batch) for batch in feed.run()]
            receipt = feed.receipt()
            assert [batch_value(receipt.batch(number)) for number in range(len(seen))] == seen


class KillsItsWorker:
    """A function for maps that kills the worker that it runs in, once for each number in a list."""

    def __init__(self, folder: Path, numbers: list[int]) -> None:
        self.folder, self.numbers = folder, numbers

    def __call__(self, x: np.ndarray, *rest: np.ndarray) -> tuple[np.ndarray, ...]:
        number = int(x[0, 0, 0])
        flag = self.folder / str(number)
        if number in self.numbers and inside_worker() and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return (x, *rest)


@pytest.mark.parametrize("in_order", [False, True])
def test_a_killed_worker_changes_nothing(in_order: bool, tmp_path: Path) -> None:
    made = arrays().filter(kept) if in_order else arrays()
    pipeline = made.map(KillsItsWorker(tmp_path, [8])).map(FUNCTION).map(TURN).shuffle(11).batch(3).map(MIX)
    (expected,) = delivered(pipeline)
    chosen = pipeline.open_source(seed=7)
    with nothing_left_behind(), make_pool("processes", 2, 2) as pool, Feed(chosen, pool) as feed:
        assert [batch_value(batch) for batch in feed.run()] == expected
        assert feed.receipt().restarts >= len(list(tmp_path.iterdir())) == 1


def images_of(pipeline: Pipeline) -> list[object]:
    """Return the images of a pass, whatever batches they are in."""
    with Feed(pipeline.open_source(seed=7)) as feed:
        return [plain(image) for batch in feed.run() for image in batch.x]


@settings(max_examples=15)
@given(one=st.integers(1, N), other=st.integers(1, N), behind=st.booleans(), in_order=st.booleans())
def test_batches_cut_in_other_ways_hold_the_same_images(
    one: int, other: int, behind: bool, in_order: bool
) -> None:
    def cut(size: int) -> list[object]:
        made = arrays().filter(kept) if in_order else arrays().shuffle()
        return images_of(made.batch(size).map(TURN) if behind else made.map(TURN).batch(size))

    if behind and in_order:  # there the place in the batch is all that is known of a sample
        assert cut(one) == cut(one)
    else:
        assert cut(one) == cut(other)


def test_the_order_of_samples_changes_no_image() -> None:
    plainly, shuffled = (images_of(made.map(FUNCTION).map(TURN).batch(4)) for made in (arrays(), arrays()))
    assert plainly == shuffled
    again = images_of(arrays().map(FUNCTION).map(TURN).shuffle().batch(4))
    assert again != plainly
    assert sorted(map(str, again)) == sorted(map(str, plainly))


def test_samples_differ_from_one_another() -> None:
    same = source(np.tile(IMAGES[:1], (40, 1, 1, 1))).map(TURN).batch(40)
    assert len(set(map(str, images_of(same)))) > 8
    behind = source(np.tile(IMAGES[:1], (40, 1, 1, 1))).filter(kept).batch(40).map(TURN)
    assert len(set(map(str, images_of(behind)))) > 8


def test_two_equal_stages_draw_apart() -> None:
    once, twice = (
        arrays().map(augment.flip()).batch(N),
        arrays().map(augment.flip()).map(augment.flip()).batch(N),
    )
    flipped = [image != plain(before) for image, before in zip(images_of(once), IMAGES, strict=True)]
    both = [image != plain(before) for image, before in zip(images_of(twice), IMAGES, strict=True)]
    assert any(flipped)
    assert any(both)  # else the second stage undid the first


def test_weights_stay_with_their_row() -> None:
    weighted = source(IMAGES, LABELS, np.arange(N, dtype=np.float32)).batch(4).map(augment.mixup())
    with Feed(weighted.open_source(seed=7)) as feed:
        assert np.concatenate([batch.sample_weight for batch in feed.run()]).tolist() == list(range(N))


# -- what cannot be transformed --------------------------------------------------------------------


class Refuses(augment.Transform):
    """Refuse the images whose first number is in a list."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers

    def __repr__(self) -> str:
        return f"refuses{self.numbers}"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        return []

    def transformed(self, x: Any, y: Any, keys: np.ndarray) -> tuple[object, object]:
        for row, image in enumerate(x):
            if image[0, 0, 0] in self.numbers:
                raise SampleError("this image is torn", row)
        return super().transformed(x, y, keys)


def fails(x: np.ndarray) -> np.ndarray:
    if x[0, 0, 0] == 6:
        raise ZeroDivisionError("a scratch")
    return x


def shortened(x: np.ndarray) -> np.ndarray | None:
    return None if x[0, 0, 0] == 6 else x


BAD: dict[str, Callable[[], Pipeline]] = {
    "samples": lambda: arrays().map(Refuses(6)).batch(4),
    "different sizes": lambda: ragged().map(Refuses(6)).map(augment.crop(3)).batch(4),
    "batches": lambda: arrays().batch(4).map(Refuses(6)),
    "shuffled": lambda: arrays().shuffle().batch(4).map(Refuses(6)),
    "function": lambda: arrays().map(augment.function(shortened)).batch(4),
}


@pytest.mark.parametrize("name", BAD)
def test_an_error_names_its_sample(name: str) -> None:
    what = "returned None; it must return the image" if name == "function" else "this image is torn"
    with pytest.raises(SampleError, match=rf"{what} \(in map\(.*\) of sample 6\)"):
        delivered(BAD[name]())


@pytest.mark.parametrize(
    ("pipeline", "where"),
    [
        (lambda: arrays().map(augment.function(fails)).batch(4), "of sample 6"),
        (lambda: arrays().shuffle().batch(4).map(augment.function(fails)), "of sample 6"),
        (lambda: arrays().filter(kept).map(augment.function(fails)).batch(4), "of sample 6"),
        (lambda: arrays().filter(kept).batch(4).map(augment.function(fails)), "of sample 2 of batch 1"),
    ],
)
def test_exceptions_of_functions_keep_their_type(pipeline: Callable[[], Pipeline], where: str) -> None:
    with pytest.raises(ZeroDivisionError, match="a scratch") as caught:
        delivered(pipeline())
    assert f"in map(function(fails)) {where}" in caught.value.__notes__


def skipping(pipeline: Pipeline, pool: Pool | None = None) -> tuple[list[Batch], Receipt]:
    """Return the batches of a pass in which one sample may be left out, and the receipt."""
    with Feed(pipeline.open_source(seed=7), pool, tolerance=1, kept=True) as feed:
        with pytest.warns(RuntimeWarning, match="left out: .*sample 6"):
            batches = list(feed.run())
        receipt = feed.receipt()
        again = [batch_value(receipt.batch(number)) for number in range(len(batches))]
        assert again == [batch_value(batch) for batch in batches]
    return batches, receipt


@pytest.mark.parametrize("name", BAD)
def test_exactly_the_bad_sample_is_left_out(name: str) -> None:
    left_out_is_sample_6(name, None)


def test_exactly_the_bad_sample_is_left_out_by_workers(pool: Pool | None) -> None:
    left_out_is_sample_6("shuffled", pool)


def left_out_is_sample_6(name: str, pool: Pool | None) -> None:
    batches, receipt = skipping(BAD[name](), pool)
    assert receipt.skipped == [6]
    found = np.concatenate([np.asarray(batch.ids) for batch in batches])
    assert sorted(found.tolist()) == [number for number in range(N) if number != 6]
    np.testing.assert_array_equal(np.concatenate([np.asarray(batch.y) for batch in batches]), LABELS[found])


@pytest.mark.parametrize("behind", [False, True])
def test_the_others_are_as_they_would_be_without_it(behind: bool) -> None:
    def images(refused: int) -> dict[int, object]:
        made = arrays().map(Refuses(refused)).shuffle()
        pipeline = made.batch(4).map(TURN) if behind else made.map(TURN).batch(4)
        if refused < N:
            batches = skipping(pipeline)[0]
        else:
            with Feed(pipeline.open_source(seed=7), kept=True) as feed:
                batches = list(feed.run())
        return {
            int(number): plain(image)
            for batch in batches
            for number, image in zip(batch.ids, batch.x, strict=True)
        }

    whole = images(N)
    del whole[6]
    assert images(6) == whole


def test_the_others_of_its_batch_are_mixed_among_themselves() -> None:
    batches, _ = skipping(arrays().map(Refuses(6)).batch(4).map(augment.mixup(1)))
    torn = batches[1].y[:, [4, 5, 7]]
    assert (torn > 0).sum() == 6  # each with one other
    np.testing.assert_allclose(torn.sum(axis=1), 1, atol=1e-6)


@pytest.mark.jit
def test_fit_skips_the_bad_sample_with_the_same_bits() -> None:
    def fitted(**options: Any) -> tuple[list[bytes], Any]:
        set_random_seed(3)
        model = Sequential([layers.Flatten(input_shape=(3, 3, 3)), layers.Dense(N, "softmax")])
        model.compile("adam", "categorical_crossentropy")
        data = arrays().map(Refuses(6)).map(TURN).map(augment.function(scaled)).shuffle().batch(4)
        with pytest.warns(RuntimeWarning, match="left out"):
            history = model.fit(
                data.map(augment.mixup()),
                epochs=2,
                verbose=0,
                seed=11,
                on_bad_sample="skip",
                max_bad_samples=2,
                **options,
            )
        assert [receipt.skipped for receipt in history.receipts] == [[6], [6]]
        return [array.tobytes() for array in model.get_weights()], history.history

    expected = fitted(workers=0)
    assert fitted(workers=2, use_multiprocessing=True) == expected


def scaled(x: np.ndarray) -> np.ndarray:
    return (x / 255).astype(np.float32)


class Returns:
    """A transform of whole batches that returns what it is told to."""

    def __init__(self, change: Callable[[Any, Any], tuple[object, object]]) -> None:
        self.change = change

    def transform_batch(self, x: object, y: object, keys: np.ndarray) -> tuple[object, object]:
        return self.change(x, y)


@pytest.mark.parametrize("behind", [False, True])
def test_results_of_another_form(behind: bool) -> None:
    def use(change: Callable[[Any, Any], tuple[object, object]]) -> None:
        pipeline = (
            arrays().batch(4).map(Returns(change)) if behind else arrays().map(Returns(change)).batch(4)
        )
        delivered(pipeline)

    use(lambda x, y: (x, y))
    with pytest.raises(DataError, match="a batch of 4 samples and returned one of 3"):
        use(lambda x, y: (x[1:], y[1:]))
    with pytest.raises(DataError, match="x of a batch holds 4 samples and y holds 3"):
        use(lambda x, y: (x, y[1:]))
    with pytest.raises(DataError, match=r"was given \(array, array\) and returned \(array, None\)"):
        use(lambda x, y: (x, None))

    def stops(x: object, y: object) -> tuple[object, object]:
        raise StopIteration

    with pytest.raises(RuntimeError, match="raised StopIteration for samples"):
        use(stops)


def test_refused_elements_and_arguments() -> None:
    four = source(Quadruples(), kind="samples")
    with pytest.raises(DataError, match=r"needs x, \(x, y\) or \(x, y, sample_weight\)"):
        list(four.map(augment.flip()).elements())
    with pytest.raises(ValueError, match="leave per and on out"):
        arrays().map(augment.flip(), on="y")
    with pytest.raises(
        ValueError, match=r"no batches here; write it behind batch: .batch\(32\).map\(mixup\(0.2\)"
    ):
        arrays().map(augment.mixup())
    for layer in (
        layers.MixUp(),
        layers.Pipeline([layers.Pipeline([layers.MixUp()])]),
        Sequential([layers.CutMix()]),
    ):
        with pytest.raises(ValueError, match="write it behind batch"):
            arrays().map(layer)
        assert len(arrays().batch(4).map(layer)) == 3


class Quadruples:
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        return (IMAGES[index],) * 4


def test_the_checkers_find_nothing() -> None:
    pipeline = PIPELINES["mixed"]()
    check_source(pipeline.open_source(seed=3))
    check_stream(lambda: streamfit.stream(pipeline, workers=2, seed=3), only="reread")
    check_stream(lambda: streamfit.stream(PIPELINES["function"](), seed=3), only="left_behind")


def test_a_class_in_place_of_a_transform_is_refused() -> None:
    with pytest.raises(TypeError, match=r"the class Flip itself; call it"):
        source(np.zeros((2, 4, 4, 3), np.uint8)).map(augment.flip)  # type: ignore[arg-type]
