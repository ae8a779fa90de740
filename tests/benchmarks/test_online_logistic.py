"""The benchmark of online logistic regression: its promises compare what they name, and so do its losses."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from oracles.benchmarks import BENCHMARKS, load

ROW = "{i}, Private, 77516, HS, {i}, Single, Sales, Husband, White, Male, {gain}, {i}, {i}, Peru, {it}"


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that measures."""
    return load(BENCHMARKS / "online_logistic.py", monkeypatch)


def test_features_are_numbers_of_one_scale_and_words_as_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = load(BENCHMARKS / "peers" / "online_common.py", monkeypatch)
    rows = [ROW.format(i=i, gain=10 * i, it=">50K" if i % 2 else "<=50K") for i in range(10)]
    (tmp_path / "adult.csv").write_text("|an odd first line\n" + ".\n".join(rows) + "\n\n")
    monkeypatch.setattr(common, "BATCHES", (1, 8))
    common.write(tmp_path / "adult.csv", tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as file:
        x, y = file["x"], file["y"]
    assert (x.shape, x.dtype, sorted(y)) == ((10, 5 + 8), np.float32, [0.0] * 5 + [1.0] * 5)
    gains = np.arange(0, 100, 10)
    for column in x[:, :5].T:
        np.testing.assert_allclose(sorted(column), (gains - gains.mean()) / gains.std(), rtol=1e-6)
    assert (x[:, 5:] == 1).all()
    assert (np.round(x[:, 2] * gains.std() + gains.mean()) / 10 % 2 == y).all()  # rows stay whole
    assert [len(part) for part in common.read(str(tmp_path / "x.npz"))] == [8, 8]


def test_the_loss_is_that_of_the_weights_and_only_passes_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    common = load(BENCHMARKS / "peers" / "online_common.py", monkeypatch)
    x, y = np.array([[1.0, 2.0], [3.0, -1.0]], np.float32), np.array([1.0, 0.0], np.float32)
    calls: list[int] = []
    train = common.passes(lambda: calls.append(1), lambda: ([[0.5], [0.25]], -0.5), x, y)
    done = train(3)
    chances = 1 / (1 + np.exp(-(x @ [0.5, 0.25] - 0.5)))
    wanted = -np.mean([np.log(chances[0]), np.log(1 - chances[1])])
    assert (len(calls), len(done.seconds)) == (4, 3)
    np.testing.assert_allclose(done.loss, wanted, rtol=1e-12)
    assert done.accuracy == 0.5


def test_losses_are_compared_with_the_same_rule(driver: ModuleType) -> None:
    losses = {
        **{(driver.FIT, 1): 0.3, (driver.FIT, 8): 0.4, (driver.CALLS, 8): 0.4},
        **{("River", 8): 0.40001, ("scikit-learn", 8): 0.30001, (driver.MARK, 1): 0.35},
    }
    openings = {driver.name_of(*key): {"third_epoch": {"loss": loss}} for key, loss in losses.items()}
    assert list(driver.disagreements(openings)) == [driver.name_of(driver.MARK, 1)]
    openings[driver.name_of("scikit-learn", 8)]["third_epoch"]["loss"] = 0.4
    openings[driver.name_of("River", 8)]["third_epoch"]["loss"] = float("nan")
    assert len(driver.disagreements(openings)) == 3


def test_the_promise_is_beside_the_fastest_peer_of_the_same_size(driver: ModuleType) -> None:
    speeds = {
        **{(driver.FIT, 1): 80.0, ("River", 1): 20.0, ("scikit-learn", 1): 5.0, (driver.MARK, 1): 90.0},
        **{(driver.FIT, 8): 90.0, ("scikit-learn", 8): 45.0, (driver.CALLS, 8): 10.0},
    }
    rows = {driver.name_of(*key): driver.summarize([speed]) for key, speed in speeds.items()}
    found = driver.targets(rows, (1, 8))
    assert [(target.value, target.met) for target in found] == [
        (4.0, True),
        (2.0, False),
        (pytest.approx(10 / 45), False),
    ]
    assert "(River), batches of 1" in found[0].what
    assert driver.targets({}, (1, 8)) == []
