"""The benchmark of sentences: its data are as it says, and its promises compare what they name."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from oracles.benchmarks import BENCHMARKS, load


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that measures."""
    return load(BENCHMARKS / "sentences.py", monkeypatch)


def test_sentences_are_drawn_by_zipfs_law_and_can_be_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = load(BENCHMARKS / "peers" / "sentences_common.py", monkeypatch)
    monkeypatch.setattr(common, "VOCABULARY", 500)
    file = tmp_path / "sentences.txt"
    common.write(file, 2000)
    sentences, labels = common.read(str(file))
    words = common.vocabulary()
    place = {word: number for number, word in enumerate(words)}
    ids = np.array([[place[word] for word in sentence.split(" ")] for sentence in sentences])
    assert ids.shape == (2000, 20)
    assert len(words) == len(place) == 500
    assert labels.shape == (2000, 1)
    assert 0.3 < labels.mean() < 0.7
    shares = np.bincount(ids.ravel(), minlength=500)[:4] / ids.size
    np.testing.assert_allclose(shares, 1 / np.arange(1, 5) / np.sum(1 / np.arange(1, 501)), rtol=0.1)
    good = [labels[(ids == word).any(axis=1)].mean() for word in range(20)]
    assert max(good) - min(good) > 0.1  # words say something about the label


def test_every_variant_belongs_to_a_row_and_workers_need_cores(driver: ModuleType) -> None:
    for cores, count in ((1, 13), (2, 15)):
        names = [side.name for side in driver.contenders(cores)]
        assert len(set(names)) == len(names) == count
    rows = {driver.group(name) for name in names}
    assert rows == {
        *(driver.ADAM, driver.LAZY, driver.MARK, driver.SPARSE),
        *("PyTorch Adam", "Keras on JAX", "Keras on TensorFlow"),
    }


def test_promises_and_losses(driver: ModuleType) -> None:
    seconds = {driver.ADAM: 2.0, driver.LAZY: 1.0, driver.SPARSE: 4.0, "PyTorch Adam": 5.0, driver.MARK: 1.5}
    rows = {name: driver.summarize([value]) for name, value in seconds.items()}
    assert [(target.value, target.met) for target in driver.targets(rows)] == [
        (2.0, False),
        (4.0, True),
        (0.75, True),
    ]
    assert driver.targets({}) == []
    answers = {"a": {"loss": 0.5}, "b": {"loss": 0.51}, "c": {"loss": 0.6}, "mark": {"loss": None}}
    assert list(driver.disagreements(answers)) == ["c"]
