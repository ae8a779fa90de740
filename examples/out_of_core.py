"""Regression on a file that is read through a memory map: only the rows of a batch are ever in memory."""

import tempfile
from pathlib import Path

import numpy as np

from streamfit import Sequential, layers, set_random_seed

ROWS, COLUMNS = 20_000, 64

with tempfile.TemporaryDirectory() as folder:
    # Written in blocks, as a file larger than memory has to be.
    x_file, y_file = Path(folder) / "x.npy", Path(folder) / "y.npy"
    x = np.lib.format.open_memmap(x_file, "w+", np.float32, (ROWS, COLUMNS))
    y = np.lib.format.open_memmap(y_file, "w+", np.float32, (ROWS, 1))
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(COLUMNS, 1)).astype("float32")
    for start in range(0, ROWS, 5_000):
        block = rng.normal(size=(5_000, COLUMNS)).astype("float32")
        x[start : start + 5_000] = block
        y[start : start + 5_000] = block @ weights
    x.flush()
    y.flush()

    set_random_seed(0)
    model = Sequential([layers.Dense(1, input_shape=(COLUMNS,))])
    model.compile(optimizer="adam", loss="mse")
    model.optimizer.learning_rate = 0.01
    model.fit(
        np.load(x_file, mmap_mode="r"), np.load(y_file, mmap_mode="r"), epochs=8, batch_size=64, verbose=2
    )
    kernel = model.get_weights()[0]
    assert np.abs(kernel - weights).max() < 0.05
