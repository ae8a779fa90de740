"""Train on arrays and validate on others after each epoch."""

import numpy as np

from streamfit import Sequential, layers

rng = np.random.default_rng(0)
weights = rng.normal(size=(32, 10))
data, val_data = rng.random((1000, 32)), rng.random((100, 32))
labels, val_labels = data @ weights, val_data @ weights

model = Sequential(
    [layers.Dense(64, activation="relu"), layers.Dense(64, activation="relu"), layers.Dense(10)]
)
model.compile(optimizer="adam", loss="mse", metrics=["mae"])

history = model.fit(data, labels, epochs=10, batch_size=32, validation_data=(val_data, val_labels))
loss, mae = model.evaluate(val_data, val_labels, batch_size=32, verbose=0)
assert np.isclose(mae, history.history["val_mae"][-1])
assert model.predict(val_data, batch_size=32).shape == (100, 10)
