"""Losses and metrics given as objects, for one-hot classes."""

import numpy as np

from streamfit import Sequential, layers, set_random_seed
from streamfit.losses import CategoricalCrossentropy
from streamfit.metrics import CategoricalAccuracy
from streamfit.optimizers import RMSprop
from streamfit.utils import to_categorical

rng = np.random.default_rng(0)
centres = rng.normal(size=(3, 32))
classes = rng.integers(0, 3, 1000)
data = centres[classes] + rng.normal(size=(1000, 32))
labels = to_categorical(classes, 3)

set_random_seed(0)
model = Sequential()
model.add(layers.Dense(64, activation="relu", input_shape=(32,)))
model.add(layers.Dropout(0.1))
model.add(layers.Dense(3, activation="softmax"))
model.compile(optimizer=RMSprop(0.01), loss=CategoricalCrossentropy(), metrics=[CategoricalAccuracy()])

history = model.fit(data, labels, epochs=3, verbose=2)
assert history.history["categorical_accuracy"][-1] > 0.95
