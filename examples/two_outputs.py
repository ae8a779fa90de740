"""One network, two outputs, each with a loss and metrics of its own."""

import numpy as np

from streamfit import Input, Model, layers

rng = np.random.default_rng(0)
images = rng.random((600, 8, 8))
brightness = images.mean(axis=(1, 2))
darkest = images.reshape(600, 64).argmin(axis=1) // 16

inputs = Input((8, 8), name="image")
features = layers.Dense(64, activation="relu")(layers.Flatten()(inputs))
mean = layers.Dense(1, name="brightness")(features)
quarter = layers.Dense(4, activation="softmax", name="darkest")(features)

model = Model(inputs, [mean, quarter])
model.compile(
    optimizer="adam",
    loss={"brightness": "mse", "darkest": "sparse_categorical_crossentropy"},
    loss_weights={"brightness": 2.0, "darkest": 0.5},
    metrics={"brightness": ["mae"], "darkest": ["accuracy"]},
)
model.summary()

history = model.fit(images, {"brightness": brightness, "darkest": darkest}, epochs=5, verbose=2)
assert list(history.history) == [
    "loss",
    "brightness_loss",
    "darkest_loss",
    "brightness_mae",
    "darkest_accuracy",
]
last = {name: values[-1] for name, values in history.history.items()}
assert np.isclose(last["loss"], 2.0 * last["brightness_loss"] + 0.5 * last["darkest_loss"])
