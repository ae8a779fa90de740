"""Any mapping is accepted like a dict: as data, in batches, as weights, and as arguments of compile."""

from __future__ import annotations

import types
from collections import ChainMap, OrderedDict, UserDict, UserList, namedtuple
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from streamfit import Input, Model, Sequence, layers, optimizers, stream
from streamfit.testing import nothing_left_behind

A = np.random.default_rng(1).normal(size=(10, 2)).astype("float32")
B = np.random.default_rng(2).normal(size=(10, 3)).astype("float32")
X = {"left": A, "right": B}
Y = {"one": A[:, :1], "two": B[:, :2]}
W = {"one": np.linspace(0, 1, 10)}


class Frozen(Mapping[str, Any]):
    """A mapping that does not derive from dict."""

    def __init__(self, entries: dict[str, Any]) -> None:
        self._entries = entries

    def __getitem__(self, key: str) -> Any:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class Encoding(UserDict[str, Any]):
    """The result of a tokenizer."""


def chained(entries: dict[str, Any]) -> Any:
    return ChainMap({}, entries)


KINDS = [Encoding, types.MappingProxyType, OrderedDict, chained, Frozen]


def model(**options: Any) -> Any:
    left, right = Input((2,), name="left"), Input((3,), name="right")
    joined = layers.Concatenate()([left, right])
    outputs = {
        "one": layers.Dense(1, name="one", kernel_initializer="ones")(joined),
        "two": layers.Dense(2, name="two", kernel_initializer="ones")(joined),
    }
    made = Model([left, right], outputs)
    made.compile(optimizers.SGD(0.01), **({"loss": "mse"} | options))
    return made


def fitted(*data: Any, **options: Any) -> Any:
    return model().fit(*data, verbose=0, seed=1, **options).history


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_in_any_mapping(kind: Any) -> None:
    options = {"sample_weight": W, "validation_data": (X, Y, W), "batch_size": 4}
    other = {"sample_weight": kind(W), "validation_data": (kind(X), kind(Y), kind(W)), "batch_size": 4}
    assert fitted(kind(X), kind(Y), **other) == fitted(X, Y, **options)
    assert fitted(kind(X), kind(Y), validation_split=0.3) == fitted(X, Y, validation_split=0.3)


@pytest.mark.parametrize("kind", KINDS)
def test_every_entrance(kind: Any) -> None:
    made = model()
    assert made.evaluate(kind(X), kind(Y), verbose=0) == made.evaluate(X, Y, verbose=0)
    assert made.test_on_batch(kind(X), kind(Y)) == made.test_on_batch(X, Y)
    for name, output in made.predict(X).items():
        assert np.array_equal(made.predict(kind(X))[name], output)
        assert np.array_equal(made.predict_on_batch(kind(X))[name], output)
    assert model().train_on_batch(kind(X), kind(Y)) == model().train_on_batch(X, Y)
    with stream(kind(X), kind(Y), batch_size=6) as batches:
        assert [sorted(x) for x, _ in batches] == [["left", "right"]] * 2


class Batches(Sequence):
    """Batches whose parts are mappings."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * 3, index * 3 + 3)
        return tuple(self.kind({k: v[rows] for k, v in part.items()}) for part in (X, Y, W))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "placement", [{"workers": 0}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}]
)
def test_batches_of_a_sequence_on_every_kind_of_worker(placement: Any) -> None:
    want = fitted(Batches(dict), workers=0, shuffle=False)
    with nothing_left_behind():
        for kind in (Encoding, Frozen):
            assert fitted(Batches(kind), shuffle=False, **placement) == want


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_a_generator(kind: Any) -> None:
    plain, other = ([tuple(k(part) for part in (X, Y, W))] * 2 for k in (dict, kind))
    assert fitted(iter(other), steps_per_epoch=2) == fitted(iter(plain), steps_per_epoch=2)
    made = model()
    outputs = made.predict(kind(X) for _ in range(2))["one"]
    assert np.array_equal(outputs, np.tile(made.predict(X)["one"], (2, 1)))


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_of_compile_and_class_weights(kind: Any) -> None:
    def compiled(make: Any) -> Any:
        return model(
            loss=make({"one": "mse", "two": "mae"}),
            metrics=make({"one": ["mae"]}),
            loss_weights=make({"one": 2, "two": np.float32(0.5)}),
        ).fit(X, Y, verbose=0, seed=1)

    assert compiled(kind).history == compiled(dict).history

    labels = np.arange(10) % 2
    made = [Input((2,), name="x")]
    weighed = []
    for table in ({0: 1.0, 1: 3.0}, kind({np.int64(0): np.float32(1), np.int8(1): 3})):
        single = Model(made, layers.Dense(1, kernel_initializer="ones")(made[0]))
        single.compile(optimizers.SGD(0.0), "mse")
        weighed.append(
            [
                single.fit(A, labels, class_weight=table, verbose=0).history["loss"],
                single.train_on_batch(A, labels, class_weight=table),
            ]
        )
    assert weighed[0] == weighed[1]


def test_tuples_and_lists_of_other_classes() -> None:
    triple = namedtuple("triple", "inputs targets weights")
    want = fitted(iter([(X, Y, W)]))
    assert fitted(iter([triple(X, Y, W)])) == want
    assert fitted(iter([UserList([X, Y, W])])) == want
    assert fitted(UserList([A, B]), UserList(list(Y.values()))) == fitted([A, B], list(Y.values()))


def test_a_missing_key_and_a_nested_mapping_are_named() -> None:
    with pytest.raises(ValueError, match=r'No data provided for "right".*got keys \[\'left\', \'rigth\'\]'):
        model().fit(Encoding(left=A, rigth=B), Y, verbose=0)
    with pytest.raises(ValueError, match=r"x\['right'\] is a Encoding inside another structure"):
        model().fit({"left": A, "right": Encoding(b=B)}, Y, verbose=0)


def test_an_archive_of_arrays(tmp_path: Any) -> None:
    np.savez(tmp_path / "x.npz", **X)
    with np.load(tmp_path / "x.npz") as archive:
        assert fitted(archive, Y) == fitted(X, Y)


def test_a_group_of_a_file_is_a_mapping_of_what_can_be_sliced(tmp_path: Any) -> None:
    h5py = pytest.importorskip("h5py", reason="groups of HDF5 files are mappings of data sets")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name, array in X.items():
            file.create_dataset(f"inputs/{name}", data=array)
        assert fitted(file["inputs"], Y, batch_size=4) == fitted(X, Y, batch_size=4)
