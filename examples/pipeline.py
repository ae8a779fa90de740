"""A pipeline of stages: split, augment on worker processes, train, and look at a batch again.

Stages are a description; `fit` names the workers. The noise of each sample is keyed by seed, pass and sample,
so it is the same on any worker, and any batch can be loaded again as the training step saw it.
"""

import numpy as np

from streamfit import Sequential, layers, source

rng = np.random.default_rng(0)
x = rng.normal(size=(2000, 16)).astype("float32")
y = (x[:, :4].sum(axis=1) > 0).astype("float32")


def noisy(x, y, rng):
    """Add a little noise to one sample."""
    return x + rng.normal(0, 0.05, x.shape).astype("float32"), y


def usable(x, y):
    """Leave out samples with an outlier."""
    return np.abs(x).max() < 3.5


train, test = source(x, y).split(0.8, seed=1)
pipeline = train.filter(usable).map(noisy).shuffle(500).batch(32)
print(pipeline)

model = Sequential(
    [layers.Input((16,)), layers.Dense(32, activation="relu"), layers.Dense(1, activation="sigmoid")]
)
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])

if __name__ == "__main__":
    history = model.fit(
        pipeline,
        validation_data=test.batch(64),
        epochs=8,
        workers=2,
        use_multiprocessing=True,
        seed=1,
        verbose=2,
    )
    receipt = history.receipts[-1]
    print(receipt)
    batch = receipt.batch(3)
    print(f"batch 3 of the last epoch: {batch.size} samples, first one {batch.x[0][:3]}")
    assert history.history["val_accuracy"][-1] > 0.9
