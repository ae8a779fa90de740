"""Check a pipeline of your own: find a mistake, fix it, and see that killed workers change nothing.

The first version draws its noise from NumPy's global state, as a lot of code does. It trains, but every
worker process has its own global state, so no run can be repeated.
"""

import numpy as np

from streamfit import Sequential, layers, set_random_seed
from streamfit.testing import CheckFailure, FaultPlan, assert_same_bits, check_sequence
from streamfit.utils import Sequence


class Noisy(Sequence):
    """Points of two classes, with noise from the global state."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        classes = np.arange(32) % 2
        return classes[:, None] + self.noise(index), classes

    def noise(self, index):
        """Draw from the state that all code of a process shares."""
        return np.random.normal(0, 0.3, (32, 2))


class Fixed(Noisy):
    """The same points, with noise from the generator of the batch."""

    def noise(self, index):
        """Draw from the generator of this seed, epoch and index."""
        return self.rng(index).normal(0, 0.3, (32, 2))


try:
    check_sequence(Noisy())
except CheckFailure as failure:
    print(failure)
else:
    raise SystemExit("the mistake was not found")

for result in check_sequence(Fixed()):
    print(f"{result.status:5} {result.name:18} {result.message}")


def train(data, **options):
    """Train a small model; return it with its history."""
    set_random_seed(1)
    model = Sequential(
        [layers.Dense(8, activation="relu", input_shape=(2,)), layers.Dense(1, activation="sigmoid")]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model, model.fit(data, epochs=2, verbose=0, **options)


plan = FaultPlan(seed=6, rate=0.2, kinds=["kill", "segfault", "exit"])
print(plan.describe(epoch=0, batches=12))
faulty = plan.wrap(Fixed())
assert_same_bits(train(faulty, workers=2, use_multiprocessing=True), train(Fixed()))
print(f"{len(faulty.log.happened())} loads killed their worker, and the weights are the same bits")
assert faulty.log.happened()
