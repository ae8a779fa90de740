"""Data sets that give single samples, of this and of other libraries, ragged batches, and objects of data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from oracles import faulty

import streamfit
from streamfit import Sequence
from streamfit.testing import Battery, run_checks
from streamfit.testing.kinds import checked_object
from streamfit.testing.settings import CheckSettings

pytestmark = pytest.mark.timeout(30)


def one(thing: Any, name: str, kind: Any = None, **options: Any) -> tuple[str, str]:
    (result,) = run_checks(thing, kind, only=name, **options)
    return result.status, result.message


class Images:
    """One image and its class for an index."""

    def __init__(self, count: int = 30) -> None:
        self.x = np.arange(count * 48, dtype="float32").reshape(count, 3, 4, 4)
        self.y = np.arange(count) % 4

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Any:
        return self.x[index], int(self.y[index])


class Changed(Images):
    """The same images with another form of sample."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.change = change

    def __getitem__(self, index: int) -> Any:
        return self.change(*super().__getitem__(index))


def picture(array: np.ndarray) -> Any:
    image = pytest.importorskip("PIL.Image")
    return image.fromarray(array.astype("uint8")[0])


# -- one sample for an index ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda x, y: (x, y), "(x of shape (3, 4, 4), y a single value)"),
        (lambda x, y: (x, np.int64(y)), "(x of shape (3, 4, 4), y a single value)"),
        (lambda x, y: [x, np.array(y)], "(x of shape (3, 4, 4), y a single value)"),
        (lambda x, y: (float(x.sum()), y), "(x a single value, y a single value)"),
        (lambda x, y: {"image": x, "label": y}, "('image' of shape (3, 4, 4), 'label' a single value)"),
        (lambda x, y: ({"a": 1.0, "b": x}, y), "(x['a'] a single value, x['b'] of shape (3, 4, 4), y a"),
        (lambda x, y: (picture(x), y), "(x an image of Pillow, y a single value)"),
        (lambda x, y: ([1, 2, 3], y), "(x of shape (3,), y a single value)"),
        (lambda x, y: ("a sentence", y), "(x a text, y a single value)"),
        (lambda x, y: (x, np.eye(10)[y]), "(x of shape (3, 4, 4), y of shape (10,))"),
        (lambda x, y: (x[0, 0], np.eye(3)[y % 3]), "(x of shape (4,), y of shape (3,))"),
        (lambda x, y: (np.arange(20.0), np.arange(3.0)), "(x of shape (20,), y of shape (3,))"),
        (lambda x, y: (x, x[:1] > 3), "(x of shape (3, 4, 4), y of shape (1, 4, 4))"),
    ],
)
def test_one_sample_for_an_index_is_said_to_be_one(change: Any, shown: str) -> None:
    status, message = one(Changed(change), "content")
    assert status == "fail"
    assert "one sample for an index" in message
    assert shown in message
    assert "kind='samples', and train with streamfit.source(dataset).batch(32)" in message


def test_one_sample_has_one_failure_and_the_advice_holds() -> None:
    results = run_checks(Images(), workers=1)
    assert [result.name for result in results if result.status in ("fail", "warn")] == ["content"]
    assert next(iter(streamfit.source(Images()).batch(32)))[0].shape == (30, 3, 4, 4)


def test_advice_for_a_sequence_names_the_kind() -> None:
    class Single(Sequence):
        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> Any:
            return np.zeros(3), index

    status, message = one(Single(), "content")
    assert status == "fail"
    assert "streamfit.source(dataset, kind='samples').batch(32)" in message


@pytest.mark.parametrize("lost", [lambda y: y[1:], lambda y: y[:-1]], ids=["first", "last"])
def test_batches_with_a_label_too_few_are_no_samples(lost: Any) -> None:
    class TooFew(faulty.Clean):
        def __getitem__(self, index: int) -> Any:
            x, y = super().__getitem__(index)
            return x, lost(y)

    status, message = one(TooFew(), "content")
    assert status == "fail"
    assert "batch 0 has different numbers of samples: 4 in x, 3 in y" in message


def test_one_label_for_a_whole_batch_is_no_sample() -> None:
    class OneLabel(faulty.Clean):
        batch_size = 4

        def __getitem__(self, index: int) -> Any:
            x, y = super().__getitem__(index)
            return x, int(y[0])

    status, message = one(OneLabel(), "content")
    assert (status, "y is a single value (0); its first axis must be the samples" in message) == (
        "fail",
        True,
    )


def test_generator_of_samples_is_said_to_be_one() -> None:
    def samples() -> Iterator[Any]:
        yield from ((np.full(3, number), number % 2) for number in range(20))

    status, message = one(samples, "content")
    assert status == "fail"
    assert "gives one sample at a time (x of shape (3,), y a single value), not a batch" in message
    found = run_checks(samples, "samples", only=["content", "form", "end", "equal"])
    assert {result.status for result in found} == {"pass"}
    assert "after 3 batches" in {result.name: result.message for result in found}["end"]


# -- kind="samples" ------------------------------------------------------------------------------------------


def test_samples_keep_all_rules() -> None:
    battery = Battery(Images, "samples", workers=1)
    results = battery.results()
    assert battery.kind == "samples"
    assert {result.status for result in results} == {"pass", "skip"}
    assert {"length", "content", "thread_safe", "same_on_processes"} <= {
        result.name for result in results if result.status == "pass"
    }


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda x, y: (x, [0, 1][y]), "sample 2 raised IndexError"),
        (lambda x, y: (x[: 3 - (y == 3)], y), "x has shape (3, 4, 4) in sample 0 and (2, 4, 4) in sample 3"),
        (lambda x, y: (x, object()), "part 1 of sample 0 is a object, which is no array of numbers"),
        (lambda x, y: (x, y if y < 3 else 0.5), "y has dtype int64 in sample 0 and float64 in sample 3"),
        (lambda x, y: {"x": x} if y < 3 else {"z": x}, "sample 3 is {'z': array}"),
    ],
)
def test_errors_name_the_sample(change: Any, text: str) -> None:
    status, message = one(Changed(change), "content", "samples")
    assert status == "fail"
    assert text in message


def test_samples_of_several_shapes_are_told_how_to_be_padded() -> None:
    (result,) = run_checks([(np.ones(2 + number), number) for number in range(9)], "samples", only="content")
    assert "x has shape (2,) in sample 0 and (3,) in sample 1" in result.message
    assert "padded_batch(32)" in result.hint


def test_length_counts_samples() -> None:
    class TooLong(Images):
        def __len__(self) -> int:
            return 31

    status, message = one(TooLong(), "length", "samples")
    assert status == "fail"
    assert "its length is 31, but its last samples cannot be loaded: sample 30 raised IndexError" in message


@pytest.mark.parametrize(
    ("change", "forms"),
    [
        (lambda x, y: (x, y), [(7, 3, 4, 4), (7,)]),
        (lambda x, y: (picture(x), y), [(7, 4, 4), (7,)]),
        (lambda x, y: {"text": "a" * y, "tokens": [1, 2], "label": y}, [(7,), (7, 2), (7,)]),
        (lambda x, y: (x, x[0], x[0, 0], y), [(7, 3, 4, 4), (7, 4, 4), (7, 4), (7,)]),
    ],
)
def test_samples_of_any_form_are_stacked(change: Any, forms: Any) -> None:
    checked = checked_object(Changed(change), "samples", CheckSettings())
    (_, first), *_ = checked.expected()
    parts = [part for role in first if role is not None for part in _arrays(role)]
    assert [part.shape for part in parts] == forms
    assert {result.status for result in run_checks(Changed(change), "samples", only=["content", "form"])} == {
        "pass"
    }


def _arrays(role: Any) -> list[Any]:
    if isinstance(role, dict):
        return list(role.values())
    return role if isinstance(role, list) else [role]


def test_list_of_samples_and_ragged_samples() -> None:
    rows = [(np.ones(2 + number % 3), number) for number in range(12)]
    assert one(rows, "content", "samples")[0] == "fail"
    assert one(rows, "content", "samples", ragged=True)[0] == "pass"
    checked = checked_object(rows, "samples", CheckSettings(ragged=True))
    assert checked.expected()[0][1][0].tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]


def test_slow_samples_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfit.testing.sample_batches._SLOW_SECONDS", -1.0)
    checked = checked_object(Images(), "samples", CheckSettings())
    assert {len(value[0]) for _, value in checked.expected()} == {2}
    assert run_checks(Images(), "samples", only="repeatable")[0].status == "pass"


def test_data_set_without_a_length_is_told() -> None:
    class NoLength:
        def __getitem__(self, index: int) -> Any:
            return np.zeros(3), index

    with pytest.raises(TypeError, match=r"has __getitem__ and no __len__; add def __len__\(self\)"):
        run_checks(NoLength())


def test_several_data_sets_are_told_apart(foreign: Any) -> None:
    split = foreign("datasets.arrow_dataset", "Dataset", Images)
    with pytest.raises(TypeError, match=r"holds several data sets; pass one of them: \['train'\]"):
        run_checks({"train": split(), "test": split()})


def test_faults_of_samples_name_the_attributes_of_the_data_set() -> None:
    class InPlace(Images):
        def __getitem__(self, index: int) -> Any:
            self.x[index] += 1
            return self.x[index].copy(), int(self.y[index])

    status, message = one(InPlace(), "own_data", "samples")
    assert (status, "changed the array self.x" in message) == ("fail", True)


# -- data sets of other libraries ----------------------------------------------------------------------------


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a class as if a module of another library had it."""

    def make(module: str, name: str, base: type, **names: Any) -> Any:
        monkeypatch.setitem(sys.modules, module, ModuleType(module))
        return type(name, (base,), {**names, "__module__": module})

    return make


@pytest.mark.parametrize(
    ("module", "name"), [("torch.utils.data.dataset", "Dataset"), ("datasets.arrow_dataset", "Dataset")]
)
def test_data_sets_by_index_are_known(foreign: Any, module: str, name: str) -> None:
    class Mine(foreign(module, name, Images)):
        pass

    for thing in (Mine(), Mine):
        battery = Battery(thing)
        assert battery.kind == "samples"
        assert {result.status for result in battery.results(["length", "content"])} == {"pass"}


@pytest.mark.parametrize("module", ["torch.utils.data.dataset", "datasets.iterable_dataset"])
def test_iterable_data_sets_are_known(foreign: Any, module: str) -> None:
    class Mine(foreign(module, "IterableDataset", Images)):
        def __iter__(self) -> Iterator[Any]:
            return (({"text": "a" * number}, number) for number in range(20))

    for thing in (Mine(), Mine):
        results = run_checks(thing)
        assert {result.name for result in results} >= {"equal", "as_asked", "passes"}
        assert {result.status for result in results} == {"pass", "skip"}


def test_loaders_give_batches(foreign: Any) -> None:
    loader = foreign("torch.utils.data.dataloader", "DataLoader", faulty.CleanLoader)
    assert Battery(loader()).kind == "generator"
    assert one(loader(), "content") == ("pass", "")


@pytest.mark.parametrize(
    ("module", "text"),
    [("tensorflow.python.data.iterators", "tf.data"), ("torch.utils.data", "DataL")],
)
def test_iterators_of_other_libraries_are_used_up(foreign: Any, module: str, text: str) -> None:
    iterator = foreign(module, "OwnedIterator", faulty.Reviving)
    with pytest.raises(TypeError, match=f"an iterator of .*{text}.* is used up by a check; pass the"):
        run_checks(iterator())


def test_a_class_of_the_same_name_is_none_of_them(foreign: Any) -> None:
    assert Battery(foreign("my_data", "Dataset", faulty.Clean)()).kind == "sequence"


def test_passes_of_a_loader_that_shuffles_may_differ() -> None:
    class Loader:
        def __init__(self) -> None:
            self.generator = np.random.default_rng(1)

        def __iter__(self) -> Iterator[Any]:
            return ((np.full((2, 3), row), np.zeros(2)) for row in self.generator.permutation(9))

    status, message = one(Loader(), "equal")
    assert (status, "its passes differ, as those of shuffled data do" in message) == ("pass", True)


@pytest.mark.extras
def test_torch() -> None:
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.arange(60.0).reshape(30, 2), torch.arange(30))
    battery = Battery(data, workers=1)
    assert battery.kind == "samples"
    assert {result.status for result in battery.results()} == {"pass", "skip"}
    for shuffle in (False, True):
        loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=shuffle)
        assert {result.status for result in run_checks(loader)} == {"pass", "skip"}


@pytest.mark.extras
def test_global_state_of_torch() -> None:
    torch = pytest.importorskip("torch")

    class Noisy(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 30

        def __getitem__(self, index: int) -> Any:
            return torch.rand(3) + index, index

    before = torch.get_rng_state()
    results = run_checks(Noisy(), workers=1)
    assert [result.name for result in results if result.status == "fail"] == ["global_randomness"]
    assert "the global random state of torch" in one(Noisy(), "global_randomness")[1]
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.extras
def test_tensorflow() -> None:
    tensorflow = pytest.importorskip("tensorflow")
    data = tensorflow.data.Dataset.from_tensor_slices((np.zeros((20, 3), "float32"), np.arange(20)))
    for whole in (data.batch(4), data.shuffle(20, seed=1).batch(4)):
        assert {result.status for result in run_checks(whole)} == {"pass", "skip"}
    assert "dataset.batch(32)" in one(data, "content")[1]
    with pytest.raises(TypeError, match=r"an iterator of tf\.data is used up"):
        run_checks(iter(data))


@pytest.mark.extras
def test_hugging_face() -> None:
    datasets = pytest.importorskip("datasets", minversion="2.0")
    data = datasets.Dataset.from_dict({"text": ["a", "bc"] * 10, "label": list(range(20))})
    for thing, kind in ((data, "samples"), (data.to_iterable_dataset(), "generator")):
        battery = Battery(thing, workers=1)
        assert battery.kind == kind
        assert {result.status for result in battery.results()} == {"pass", "skip"}


# -- ragged batches ------------------------------------------------------------------------------------------


class Shaped(faulty.Clean):
    """Batches of samples of given shapes."""

    def __init__(self, shapes: Any, dtype: str = "float32", targets: bool = False) -> None:
        self.shapes, self.dtype, self.targets = shapes, dtype, targets
        self.count = len(shapes)

    def __getitem__(self, index: int) -> Any:
        shape = (4, *self.shapes[index])
        part = (np.arange(np.prod(shape)).reshape(shape) + 1000 * index).astype(self.dtype)
        rows = np.arange(4) + 4 * index
        return (rows[:, None].astype("float32"), part) if self.targets else (part, rows)


PADDED = [
    (Shaped([(5, 3), (6, 3), (7, 3), (8, 3)]), "x of shapes (5, 3), (6, 3), (7, 3), ..."),
    (Shaped([(5,), (9,), (7,), (7,), (7,)], "int64"), "x of shapes (5,), (9,), (7,)"),
    (Shaped([(64, 64, 3), (96, 96, 3), (64, 64, 3), (96, 96, 3)]), "x of shapes (64, 64, 3), (96, 96, 3)"),
    (Shaped([(50,), (70,), (60,), (80,)]), "x of shapes (50,), (70,), (60,), ..."),
    (Shaped([(5, 3), (6, 3)]), "x of shapes (5, 3), (6, 3)"),
]


@pytest.mark.parametrize(("thing", "shown"), PADDED)
def test_padding_of_each_batch_is_noted(thing: Any, shown: str) -> None:
    status, message = one(thing, "form")
    assert status == "pass"
    assert shown in message
    assert "pass ragged=True if that is meant" in message
    assert one(thing, "form", ragged=True) == ("pass", "")


class Signals(faulty.Clean):
    """Signals that are padded with zeros to the longest of a batch: mostly 9 values long."""

    def __getitem__(self, index: int) -> Any:
        lengths = [3 + index, 7 if index == 4 else 9, 5]
        x = np.zeros((3, max(lengths)), "float32")
        for row, length in enumerate(lengths):
            x[row, :length] = 1 + row + index
        return x, np.arange(3) + 3 * index


class ClassesOfTheBatch(faulty.Clean):
    """One column for each class that is in a batch, as `pandas.get_dummies` makes them."""

    def __getitem__(self, index: int) -> Any:
        x, _ = super().__getitem__(index)
        return x, np.eye(3 if index % 2 else 4, dtype="float32")[[0, 1, 2, 2 if index % 2 else 3]]


def test_columns_of_the_classes_of_a_batch_are_no_padding() -> None:
    status, message = one(ClassesOfTheBatch(), "form")
    assert (status, "y has samples of shape (3,), but (4,) in batch 0" in message) == ("warn", True)


def test_zeros_at_the_end_of_shorter_samples_are_padding() -> None:
    assert one(Signals(), "form")[0] == "pass"
    rows = [(np.full(2 + number % 3, number, "float32"), number) for number in range(40)]
    pipeline = streamfit.source(rows, kind="samples", seed=1).shuffle().padded_batch(2)
    assert one(pipeline, "form") == ("pass", "")


@pytest.mark.parametrize(
    ("thing", "status"),
    [
        (Shaped([(3,), (3,), (2,), (3,)]), "fail"),  # a feature too few
        (Shaped([(4, 3), (4, 3), (4, 2), (4, 3)]), "fail"),
        (Shaped([(64, 64, 3), (64, 64, 1), (64, 64, 3), (64, 64, 1)]), "fail"),  # grey images among others
        (Shaped([(3, 64, 64), (1, 64, 64), (3, 64, 64), (1, 64, 64)]), "fail"),
        (Shaped([(10, 3), (10, 3), (10, 3), (7, 3)]), "warn"),  # a window that was cut off
        (Shaped([(3,), (2,), (3,), (2,)]), "warn"),
        (Shaped([(3,), (2,), (4,), (3,)], targets=True), "warn"),  # one column for each class of a batch
        (Shaped([(3,), (3,), (2,), (3,)], "uint8", targets=True), "fail"),
    ],
)
def test_shapes_that_are_hardly_meant(thing: Any, status: str) -> None:
    found, message = one(thing, "form")
    assert found == status
    assert "has samples of shape" in message
    assert one(thing, "form", ragged=True) == ("pass", "")


@pytest.mark.parametrize(
    "thing",
    [faulty.DtypeChanges, faulty.LosesTargets, Shaped([(3,), (3, 1), (3,), (3,)])],
    ids=["dtype", "parts", "rank"],
)
def test_rank_dtype_and_parts_must_agree_though_ragged(thing: Any) -> None:
    assert one(thing, "form", ragged=True)[0] == one(thing, "form")[0] == "fail"


def test_ragged_pipeline_keeps_all_other_rules() -> None:
    results = run_checks(PADDED[0][0], workers=1, ragged=True)
    assert {result.status for result in results} == {"pass", "skip"}


# -- objects that hold data ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        ({"a": np.zeros(3)}, r"streamfit\.source\(x, y\)\.batch\(32\)"),
        ([np.zeros(3)], r"pass kind='samples', or streamfit\.source\(samples, kind='samples'\)"),
        ("digits.csv", r"streamfit\.files\.csv\('digits\.csv'"),
        (Path("digits.parquet"), r"read it with streamfit\.files\.parquet\("),
        ({1, 2}, "a set has no order, so pass a list or an array"),
        (np.zeros(3), r"holds data and gives no batches; pass streamfit\.source\(\.\.\.\)\.batch\(32\)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_data_are_no_batches(thing: Any, text: str) -> None:
    for given in (thing, lambda: thing):
        with pytest.raises(TypeError, match=text):
            run_checks(given)


def test_frame_is_no_batches() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match=r"streamfit\.source\(frame\[features\], frame\[target\]\)"):
        run_checks(pandas.DataFrame({"a": [1.0], "b": [2]}))
