"""Pipelines of public packages, as their users set them up, under the checks.

Where a package does break a rule, the check is listed as expected to fail, with the reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit.testing import check_generator, check_sequence

pytestmark = [
    pytest.mark.extras,
    pytest.mark.extras_only,
    pytest.mark.timeout(60),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # these packages are older than our NumPy
]


@pytest.fixture(autouse=True)
def two_hash_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load with two hash seeds, not four: each time, a process imports all of these packages."""
    monkeypatch.setattr("streamfit.testing.checks.process_state._HASH_SEEDS", (1, 2))


@pytest.fixture
def series() -> np.ndarray:
    return np.sin(np.arange(80.0, dtype="float32"))[:, None]


def statuses(results: list[Any]) -> dict[str, str]:
    return {result.name: result.status for result in results}


def test_windows_of_keras_preprocessing_pass(series: np.ndarray) -> None:
    module = pytest.importorskip(
        "keras_preprocessing.sequence", reason="keras-preprocessing is not installed"
    )
    windows = module.TimeseriesGenerator(series, series, length=8, batch_size=10)
    found = statuses(check_sequence(windows, workers=1))
    assert set(found.values()) <= {"pass", "skip"}
    assert {found[name] for name in ("own_data", "thread_safe", "same_on_processes", "exactly_once")} == {
        "pass"
    }


def test_shuffled_windows_of_keras_preprocessing_draw_from_the_global_state(series: np.ndarray) -> None:
    module = pytest.importorskip(
        "keras_preprocessing.sequence", reason="keras-preprocessing is not installed"
    )
    windows = module.TimeseriesGenerator(series, series, length=8, batch_size=10, shuffle=True)
    reason = "rows are drawn with np.random.randint at each load"
    found = statuses(check_sequence(windows, workers=1, expected_failures={"global_randomness": reason}))
    assert found["global_randomness"] == "expected"
    assert found["repeatable"] == "pass"  # judged with a seeded global state
    assert found["same_on_processes"] == "skip"
    assert found["form"] == "pass"


def test_images_of_keras_preprocessing_keep_what_they_can() -> None:
    module = pytest.importorskip("keras_preprocessing.image", reason="keras-preprocessing is not installed")
    rng = np.random.default_rng(0)
    images, labels = rng.random((20, 8, 8, 3), dtype="float32"), np.arange(20)
    flow = module.ImageDataGenerator(rescale=0.5).flow(images, labels, batch_size=6, shuffle=False)
    reasons = {
        "global_randomness": "whether to flip is drawn from numpy.random, also when nothing is ever flipped",
        "picklable": "it holds a lock and a running generator",
    }
    results = check_sequence(flow, expected_failures=reasons, workers=1)
    found = statuses(results)
    assert [name for name, status in found.items() if status == "expected"] == list(reasons)
    kept = ("length", "content", "form", "repeatable", "any_order", "own_arrays", "own_data", "exactly_once")
    assert [found[name] for name in kept] == ["pass"] * len(kept)
    assert "sequence.lock is a _thread.lock" in next(r.message for r in results if r.name == "picklable")


def test_balanced_batches_of_imbalanced_learn_pass() -> None:
    module = pytest.importorskip("imblearn.tensorflow", reason="imbalanced-learn is not installed")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(120, 3)).astype("float32"), np.r_[np.zeros(90, int), np.ones(30, int)]

    def batches() -> Any:
        return module.balanced_batch_generator(x, y, batch_size=10, random_state=1)[0]

    found = statuses(check_generator(batches))
    assert set(found.values()) <= {"pass", "skip"}
    assert found["equal"] == found["fresh"] == found["own_batches"] == "pass"


def test_balanced_batches_without_a_seed_differ() -> None:
    module = pytest.importorskip("imblearn.tensorflow", reason="imbalanced-learn is not installed")
    x, y = np.arange(240, dtype="float32").reshape(120, 2), np.r_[np.zeros(90, int), np.ones(30, int)]

    def batches() -> Any:
        return module.balanced_batch_generator(x, y, batch_size=10)[0]

    reason = "without random_state, samples are drawn from the global state"
    assert statuses(check_generator(batches, expected_failures={"equal": reason}))["equal"] == "expected"


def test_balanced_sequence_of_imbalanced_learn_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("imblearn.keras._generator", reason="imbalanced-learn is not installed")
    # The class needs Keras only for the name of its base class, but refuses to work without it.
    monkeypatch.setattr(module, "HAS_KERAS", True)
    x, y = np.arange(240, dtype="float32").reshape(120, 2), np.r_[np.zeros(90, int), np.ones(30, int)]
    balanced = module.BalancedBatchGenerator(x, y, batch_size=10, random_state=1)
    found = statuses(check_sequence(balanced))
    assert set(found.values()) <= {"pass", "skip"}
    assert {found[name] for name in ("own_data", "thread_safe", "same_on_processes", "exactly_once")} == {
        "pass"
    }
