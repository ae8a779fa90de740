"""Generators that other people have published: what is wrong, shown without the checks, and what they say."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamfit.testing import Result, run_checks

pytestmark = [
    pytest.mark.extras,
    pytest.mark.extras_only,
    pytest.mark.timeout(180),  # the first run fetches the packages
    pytest.mark.filterwarnings("ignore"),  # these packages are older than our NumPy
]
Import = Callable[..., ModuleType]


@pytest.fixture(autouse=True)
def two_hash_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load with two hash seeds, not four: each time, a process imports all of these packages."""
    monkeypatch.setattr("streamfit.testing.checks.process_state._HASH_SEEDS", (1, 2))


def judged(make: Callable[..., object], **options: Any) -> dict[str, Result]:
    return {result.name: result for result in run_checks(make, "generator", **options)}


def found(results: dict[str, Result], *statuses: str) -> set[str]:
    return {name for name, result in results.items() if result.status in (statuses or ("fail", "warn"))}


# -- keras-ocr 0.9.3


def recognizer(module: ModuleType) -> Any:
    """Make the part of the class that the generator of batches needs: shapes and an alphabet, no model."""
    made = module.Recognizer.__new__(module.Recognizer)
    made.model = SimpleNamespace(input_shape=(None, 31, 200, 1))
    made.training_model = SimpleNamespace(input_shape=(None, (None, 8)))
    made.alphabet = "0123456789"
    return made


def lines_of_text(count: int) -> Iterator[tuple[np.ndarray, str]]:
    return ((np.full((31, 200, 3), number, "uint8"), str(number)) for number in range(count))


def test_keras_ocr_takes_nine_images_for_eight(published: Import) -> None:
    file = "keras_ocr/recognition.py"
    module = published("keras-ocr", "keras_ocr.recognition", only=(file,), hollow=("keras_ocr/tools.py",))
    batches = recognizer(module).get_batch_generator(itertools.cycle(lines_of_text(90)), batch_size=8)
    seen = {
        round(float(x[0, 0, 0]) * 255) for (images, *_), _ in itertools.islice(batches, 60) for x in images
    }
    assert set(range(90)) - seen == set(range(8, 90, 9))  # every ninth, in every round

    def batches_of(pictures: Iterable[Any]) -> Any:
        return recognizer(module).get_batch_generator(iter(pictures), batch_size=8)

    (used,) = run_checks(batches_of, "generator", only="inputs_used", source=list(lines_of_text(90)) * 4)
    assert used.status == "fail"
    assert "it takes 1 more than it has samples for each batch" in used.message


# -- spektral 1.3.1


def test_spektral_shuffles_what_it_has_handed_out(published: Import) -> None:
    hollow = ("spektral/utils/__init__.py", "spektral/utils/sparse.py")
    module = published("spektral", "spektral.data.utils", only=("spektral/data/utils.py",), hollow=hollow)
    rows = np.arange(40.0)[:, None]
    batches = module.batch_generator([rows, 2 * rows], batch_size=8, epochs=2)
    epoch = [next(batches) for _ in range(5)]
    kept = epoch[4][0].copy()
    next(batches)  # the first of the second epoch
    assert (epoch[4][0] != kept).any()
    assert sorted(rows.ravel()) == list(range(40))
    assert rows.ravel().tolist() != list(range(40))  # the array of the user

    def make() -> Any:
        rows = np.arange(40.0, dtype="float32")[:, None]
        return module.batch_generator([rows, 2 * rows], batch_size=8, epochs=3)

    results = judged(make)
    assert {"equal", "own_batches"} <= found(results)
    assert "batch 0 was overwritten by a later one" in results["own_batches"].message
    assert "draws from the global random state of numpy.random." in results["equal"].message


def test_spektral_in_order_is_right(published: Import) -> None:
    hollow = ("spektral/utils/__init__.py", "spektral/utils/sparse.py")
    module = published("spektral", "spektral.data.utils", only=("spektral/data/utils.py",), hollow=hollow)
    rows = np.arange(40.0, dtype="float32")[:, None]
    assert not found(
        judged(lambda: module.batch_generator([rows, 2 * rows], batch_size=8, epochs=1, shuffle=False))
    )


# -- cutmix-keras 1.0.0


def test_cutmix_keras_has_no_length(published: Import) -> None:
    module = published("cutmix-keras", "cutmix_keras")
    image = pytest.importorskip("keras_preprocessing.image", reason="keras-preprocessing is not installed")
    x, y = np.random.default_rng(0).random((22, 8, 8, 3), dtype="float32"), np.eye(2)[np.arange(22) % 2]

    def flow() -> Any:
        made = image.ImageDataGenerator().flow(x, y, batch_size=4, seed=1)
        made.samples, made.class_indices = 22, {"no": 0, "yes": 1}  # as a flow from a directory has them
        return made

    def mixed() -> Any:
        return module.CutMixImageDataGenerator(flow(), flow(), 8, 4)

    with pytest.raises(TypeError, match="NoneType"):
        len(mixed())
    assert mixed().get_steps_per_epoch() == 6
    results = judged(mixed)
    assert found(results) == {"global_use", "passes"}
    assert "len() of it raises TypeError" in results["passes"].message
    text = "reading it seeds the global random state of numpy.random with a constant"
    assert text in results["global_use"].message  # the image flows do, at each batch


# -- keras-retinanet 0.3.1


def boxes(module: ModuleType, size: int = 13) -> Any:
    class Boxes(module.Generator):  # type: ignore[name-defined, misc]
        """Pictures of one colour with one box each."""

        def size(self) -> int:
            return size

        def num_classes(self) -> int:
            return 2

        def image_aspect_ratio(self, number: int) -> float:
            return number

        def load_image(self, number: int) -> np.ndarray:
            return np.full((40, 40, 3), number, "float64")

        def load_annotations(self, number: int) -> np.ndarray:
            return np.array([[2.0, 2, 30, 30, number % 2]])

        def resize_image(self, image: np.ndarray) -> tuple[np.ndarray, float]:
            return image, 1.0

    return Boxes(batch_size=4)


RETINA = tuple(
    f"keras_retinanet/{name}.py"
    for name in ("preprocessing/generator", "utils/anchors", "utils/image", "utils/transform")
)


def test_keras_retinanet_repeats_the_first_images_in_the_last_group(published: Import) -> None:
    module = published("keras-retinanet", "keras_retinanet.preprocessing.generator", only=RETINA)
    groups = boxes(module).groups
    assert groups[-1] == [12, 0, 1, 2]  # 13 images in groups of 4
    generator = boxes(module)
    [next(generator) for _ in range(9)]
    assert sorted(generator.groups) == sorted(groups)  # the same groups in each epoch

    def make() -> Any:
        generator = boxes(module)
        while True:
            yield next(generator)

    results = judged(make)
    assert found(results) == {"equal"}
    assert "It draws from the global random state of random." in results["equal"].message


# -- pescador 3.0.0


def test_pescador_drops_what_fills_no_buffer(published: Import) -> None:
    files = tuple(f"pescador/{name}.py" for name in ("maps", "util", "exceptions"))
    module = published("pescador", "pescador.maps", only=files, hollow=("decorator.py",))
    items = tuple(range(42))

    def samples(numbers: Iterable[int]) -> Iterator[dict[str, np.ndarray]]:
        return ({"x": np.full(3, number, "float32"), "y": np.array(number)} for number in numbers)

    def batches(numbers: Iterable[int] = items) -> Any:
        return module.keras_tuples(module.buffer_stream(samples(numbers), 8), "x", "y")

    assert [number for _, y in batches() for number in y] == list(range(40))
    results = judged(batches)
    assert found(results) == {"inputs_used"}
    assert "the last 2 of" in results["inputs_used"].message

    def all_of_it(numbers: Iterable[int] = items) -> Any:
        return module.keras_tuples(module.buffer_stream(samples(numbers), 8, partial=True), "x", "y")

    assert not found(judged(all_of_it))


# -- keras-balanced-batch-generator 0.0.3


def test_balanced_batches_with_a_seed_are_right(published: Import) -> None:
    module = published("keras-balanced-batch-generator")
    x, y = np.arange(80.0, dtype="float32").reshape(40, 2), np.eye(2)[(np.arange(40) % 4 == 0).astype(int)]
    assert not found(judged(lambda: module.make_generator(x, y, 8, seed=3)))


# -- batchgenerators 0.25.5


def test_batchgenerators_ends_and_begins_again(published: Import) -> None:
    files = tuple(f"batchgenerators/dataloading/{name}.py" for name in ("data_loader", "dataset"))
    module = published("batchgenerators", "batchgenerators.dataloading.data_loader", only=files)

    class Loader(module.DataLoader):  # type: ignore[name-defined, misc]
        """Batches of numbers, as users write them."""

        def __init__(self, **options: Any) -> None:
            super().__init__(np.arange(42.0, dtype="float32"), 8, seed_for_shuffle=1, **options)
            self.indices = list(range(42))

        def generate_train_batch(self) -> Any:
            rows = self.get_indices()
            return self._data[rows][:, None], np.array(rows)

    loader = Loader()
    assert sum(1 for _ in loader) == 5  # 2 samples are left out, as its documentation says
    assert sum(1 for _ in loader) == 5  # and it begins again
    results = judged(lambda: Loader(return_incomplete=True))
    assert found(results) == {"end"}
    assert "it ended after 6 batches and then gave another one" in results["end"].message
