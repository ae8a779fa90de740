"""Mean squared error, Adam and a metric: the first snippet of every Keras tutorial."""

import numpy as np

from streamfit import Sequential, layers, set_random_seed
from streamfit.optimizers import Adam

rng = np.random.default_rng(0)
data = rng.random((1000, 32))
labels = rng.random((1000, 10))

set_random_seed(0)
model = Sequential([layers.Dense(64, activation="relu", input_shape=(32,)), layers.Dense(10)])
model.compile(optimizer=Adam(0.01), loss="mse", metrics=["mae"])

history = model.fit(data, labels, epochs=3, batch_size=32, verbose=2)
assert history.history["loss"][-1] < history.history["loss"][0]
assert set(history.history) == {"loss", "mae"}
