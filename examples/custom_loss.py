"""A loss of your own: a function made of `ops`; its gradient comes from the graph."""

import numpy as np

from streamfit import Sequential, layers, ops, set_random_seed


def quantile_loss(y_true, y_pred):
    """Pinball loss whose minimum is the 90 % quantile (Koenker and Bassett, 1978)."""
    error = y_true - y_pred
    return ops.mean(ops.maximum(0.9 * error, -0.1 * error), axis=-1)


rng = np.random.default_rng(0)
x = np.zeros((2000, 1))
y = rng.normal(size=(2000, 1))

set_random_seed(0)
model = Sequential([layers.Dense(1, input_shape=(1,))])
model.compile(optimizer="adam", loss=quantile_loss)
model.optimizer.learning_rate = 0.02
model.fit(x, y, epochs=20, verbose=0)

# On arrays the same function computes at once, which helps to inspect and test it.
print("loss by hand:", quantile_loss(y, model.predict(x)).mean())
quantile = float(model.predict(x)[0, 0])
print("learned 90 % quantile:", quantile, "in the data:", np.quantile(y, 0.9))
assert abs(quantile - np.quantile(y, 0.9)) < 0.1
