"""Two worker processes make the batches of a `Sequence`.

There is no ``if __name__ == "__main__"``: workers never import this script; its class is sent to them.
"""

import numpy as np

from streamfit import Sequential, layers
from streamfit.utils import Sequence


class NoisyWaves(Sequence):
    """Noisy sine waves of one of two frequencies."""

    def __init__(self, batches, batch_size):
        super().__init__()
        self.batches, self.batch_size = batches, batch_size

    def __len__(self):
        return self.batches

    def __getitem__(self, index):
        rng = self.rng(index)  # keyed by (seed, epoch, index): the same on any worker
        classes = rng.integers(0, 2, self.batch_size)
        time = np.linspace(0, 1, 32)
        waves = np.sin(2 * np.pi * (3 + 2 * classes[:, None]) * (time + rng.random((self.batch_size, 1))))
        return waves + rng.normal(0, 0.3, waves.shape), classes


model = Sequential(
    [layers.Dense(32, activation="relu", input_shape=(32,)), layers.Dense(1, activation="sigmoid")]
)
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])

history = model.fit_generator(
    NoisyWaves(60, 64), epochs=6, verbose=2, workers=2, use_multiprocessing=True, max_queue_size=10
)
for receipt in history.receipts:
    receipt.verify()
    print(receipt)
assert history.history["accuracy"][-1] > 0.9
