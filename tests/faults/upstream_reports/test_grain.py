"""Public reports about Grain that this design answers; each test is named after one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from soak_fits import make_model

pytestmark = [pytest.mark.jit, pytest.mark.timeout(60)]


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_grain_1129_no_sample_is_lost_to_the_number_of_workers(workers: int, tmp_path: Path) -> None:
    """Report 1129: data that are batched before more than one worker process prefetches them get lost.

    Each worker makes batches of its own share and drops what is left over, so there are fewer batches than
    there should be. Here batches are planned before anybody loads: 103 samples are 11 batches.
    """
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(103, 4)))
    np.save(tmp_path / "y.npy", np.arange(103.0)[:, None] / 1024)
    x, y = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy")
    model, seen = make_model()
    history = model.fit(
        x, y, batch_size=10, epochs=2, seed=1, verbose=0, workers=workers, use_multiprocessing=workers > 0
    )
    assert [receipt.delivered for receipt in history.receipts] == [11, 11]
    assert sorted(seen.numbers[:103]) == sorted(seen.numbers[103:]) == list(range(103))
