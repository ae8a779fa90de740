"""A layer of your own: weights in `build`, operations in `call`, nothing about gradients."""

import numpy as np

from streamfit import Sequential, layers, ops, set_random_seed


class Gated(layers.Layer):
    """Dense units, each multiplied by a gate on the same input."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight("kernel", shape)
        self.gate = self.add_weight("gate", shape)

    def call(self, x):
        return ops.matmul(x, self.kernel) * ops.sigmoid(ops.matmul(x, self.gate))


rng = np.random.default_rng(0)
x = rng.normal(size=(1000, 4))
y = np.where(x[:, :1] > 0, x[:, 1:2], 0.0)

set_random_seed(0)
model = Sequential([Gated(32, input_shape=(4,)), layers.Dense(1)])
model.compile(optimizer="adam", loss="mse")
history = model.fit(x, y, epochs=60, verbose=0)
print("loss:", history.history["loss"][0], "->", history.history["loss"][-1])
assert history.history["loss"][-1] < history.history["loss"][0] / 4
