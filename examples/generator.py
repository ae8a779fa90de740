"""`fit_generator` with a plain generator: one owner reads it in order, and no further than needed."""

import numpy as np

from streamfit import Sequential, layers

pulled = 0


def batches(seed):
    """Yield batches without end, as loaders of real data do."""
    global pulled
    rng = np.random.default_rng(seed)
    while True:
        pulled += 1
        x = rng.normal(size=(16, 8))
        yield x, x.sum(axis=1)


model = Sequential([layers.Dense(16, activation="relu", input_shape=(8,)), layers.Dense(1)])
model.compile(optimizer="sgd", loss="mse")

history = model.fit_generator(batches(1), steps_per_epoch=50, epochs=4, verbose=2)
assert pulled == 200
assert history.history["loss"][-1] < history.history["loss"][0] / 2
print(model.evaluate_generator(batches(2), steps=10))
