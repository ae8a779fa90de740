"""What do batches of many sizes cost, what does one row cost, and do dead units slow a step down?

* A generator of batches of 63 different sizes, in an order that is drawn, beside the same generator with
  batches of the mean size: microseconds a step of `fit`, after two epochs in which every size came once. Also
  in processor time of all threads, which other programs on the machine change less.
* Prediction of one row by a small model: `predict_on_batch`, `predict`, and the model as a function.
* A network whose units die, with Adam, whose moments then fade toward zero: the time of a step three epochs
  of 250 steps later over that at the start, on one thread and on two: of ten steps between two calls of a
  callback, the median in the first and in the fourth epoch. Fading moments become denormal numbers,
  which are slow where the processor keeps them.

A figure is the median of a turn; a ratio is of two medians of one turn.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from harness import (
    ROOT,
    Summary,
    Target,
    arguments,
    exit_code,
    machine_facts,
    publish,
    summarize,
    table,
    take_turns,
)

sys.path.insert(0, str(ROOT))

import streamfit as sf
from streamfit import layers, optimizers

FEATURES, SIZES = 32, range(2, 65)
MEAN = sum(SIZES) // len(SIZES)
EPOCHS = 40
CALLS = 1000
MANY, ONE = f"{len(SIZES)} sizes", "one size"
PROCESSOR = {name: f"{name}, processor time" for name in (MANY, ONE)}
ROW = {
    "predict_on_batch": "one row, predict_on_batch",
    "predict": "one row, predict",
    "call": "one row, model(x)",
}
DEAD = {threads: f"dead units, {threads} thread{'s' * (threads > 1)}" for threads in (1, 2)}
SLOWDOWN = {name: f"{name}: slowdown" for name in DEAD.values()}
DEAD_WIDTH, DEAD_ROWS, DEAD_STEPS, DEAD_BIAS = 256, 64, 250, -1e3
Batches = Iterator[tuple[np.ndarray, np.ndarray]]


class EpochEnds(sf.callbacks.Callback):
    """Note the clock and the processor time at the end of every epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.stamps: list[float] = []
        self.processor: list[float] = []

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Note both."""
        self.stamps.append(time.perf_counter())
        self.processor.append(time.process_time())

    def spent(self) -> tuple[float, float]:
        """Return the median seconds of an epoch but the first, and of processor time likewise."""
        wall, processor = (
            statistics.median(after - before for before, after in itertools.pairwise(stamps))
            for stamps in (self.stamps, self.processor)
        )
        return wall, processor


class Watch(sf.callbacks.Callback):
    """Note the clock behind every tenth step, which is short enough that most such times are undisturbed."""

    every = 10

    def __init__(self) -> None:
        super().__init__()
        self.stamps: list[float] = []

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Note the clock."""
        self.stamps.append(time.perf_counter())

    def step(self, stamps: list[float]) -> float:
        """Return the median seconds of a step between these stamps."""
        return statistics.median(after - before for before, after in itertools.pairwise(stamps)) / self.every


def small_model() -> sf.Model:
    """Return the network of the step benchmark."""
    model = sf.Sequential(
        [layers.Dense(64, activation="relu", input_shape=(FEATURES,)), layers.Dense(2, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def batches(many: bool) -> Batches:
    """Yield batches without end: in each epoch each size once, or as many of the mean size."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(max(SIZES), FEATURES)).astype("float32"), rng.integers(0, 2, max(SIZES))
    while True:
        for size in rng.permutation(SIZES) if many else [MEAN] * len(SIZES):
            yield x[:size].copy(), y[:size].copy()


class Sides:
    """All sides, in this process.

    Attributes:
        processor: Microseconds of processor time of a step, by side and turn.
        ratios: For each name in `DEAD`, what its step takes after three epochs, over that in the first epoch,
            by turn.
    """

    def __init__(self) -> None:
        self.models = {MANY: small_model(), ONE: small_model()}
        self.data = {MANY: batches(True), ONE: batches(False)}
        self.processor: dict[str, list[float]] = {MANY: [], ONE: []}
        for name in (MANY, ONE):
            self._fit(name, 2)
        self.model, self.row = small_model(), np.zeros((1, FEATURES), "float32")
        self.calls: dict[str, Callable[[], object]] = {
            ROW["predict_on_batch"]: lambda: self.model.predict_on_batch(self.row),
            ROW["predict"]: lambda: self.model.predict(self.row, verbose=0),
            ROW["call"]: lambda: self.model(self.row),
        }
        self.ratios: dict[str, list[float]] = {name: [] for name in DEAD.values()}
        self.dying(steps=40)  # compiles

    def names(self) -> list[str]:
        """Return the names of all sides."""
        return [MANY, ONE, *self.calls, *DEAD.values()]

    def measure(self, name: str) -> float:
        """Return the median microseconds of a step or of a call."""
        if name in self.models:
            wall, processor = (seconds / len(SIZES) * 1e6 for seconds in self._fit(name, EPOCHS))
            self.processor[name].append(processor)
            return wall
        if name in self.calls:
            return self._call(self.calls[name])
        for threads, label in DEAD.items():
            if name == label:
                before = sf.num_threads()
                sf.set_num_threads(threads)
                try:
                    first, last = self.dying(DEAD_STEPS)
                finally:
                    sf.set_num_threads(before)
                self.ratios[name].append(last / first)
                return last * 1e6
        raise ValueError(f"there is no side {name!r}; the sides are {self.names()}")

    def _fit(self, name: str, epochs: int) -> tuple[float, float]:
        ends = EpochEnds()
        self.models[name].fit(
            self.data[name], steps_per_epoch=len(SIZES), epochs=epochs + 1, verbose=0, callbacks=[ends]
        )
        return ends.spent()

    def _call(self, call: Callable[[], object]) -> float:
        times = []
        for _ in range(CALLS):
            begin = time.perf_counter()
            call()
            times.append(time.perf_counter() - begin)
        return statistics.median(times) * 1e6

    def dying(self, steps: int) -> tuple[float, float]:
        """Return the seconds of a step at the start and after three epochs of so many steps.

        Some steps are taken alive, so that all moments of Adam hold numbers; then no unit is above 0 any
        more, and nothing behind the first layer has a gradient but the last bias.
        """
        rng = np.random.default_rng(5)
        x = rng.normal(size=(DEAD_ROWS, DEAD_WIDTH)).astype("float32")
        y = rng.normal(size=(DEAD_ROWS, 1)).astype("float32")
        first = layers.Dense(DEAD_WIDTH, activation="relu", input_shape=(DEAD_WIDTH,))
        second = layers.Dense(DEAD_WIDTH, activation="relu")
        model = sf.Sequential([first, second, layers.Dense(1)])
        model.compile(optimizers.Adam(1e-3), "mse")
        data, watch = itertools.repeat((x, y)), Watch()
        model.fit(data, steps_per_epoch=20, verbose=0)
        for layer in (first, second):
            layer.bias.assign(np.full(DEAD_WIDTH, DEAD_BIAS, "float32"))
        model.fit(data, steps_per_epoch=steps, epochs=4, verbose=0, callbacks=[watch])
        if np.asarray(second(first(x))).any():
            raise RuntimeError("the units are not dead")
        quarter = len(watch.stamps) // 4
        return watch.step(watch.stamps[:quarter]), watch.step(watch.stamps[-quarter:])


def targets(rows: Mapping[str, Summary], ratios: Mapping[str, Summary]) -> list[Target]:
    """Return the promises that can be judged."""
    found = []
    for many, one in ((MANY, ONE), (PROCESSOR[MANY], PROCESSOR[ONE])):
        if many not in rows or one not in rows:
            continue
        found.append(Target(f"a step of {many} beside {one}", rows[many].median / rows[one].median, 2.0))
    if ROW["predict_on_batch"] in rows:
        for name in (ROW["predict_on_batch"], ROW["predict"]):
            found.append(Target(name, rows[name].median, 30.0, unit=" us"))
    return [
        *found,
        *(
            Target(f"{name}, after 3 epochs beside the start", ratio.median, 1.1)
            for name, ratio in ratios.items()
        ),
    ]


def main() -> int:
    """Measure all sides in turns."""
    options = arguments(__doc__, 7).parse_args()
    facts, sides = machine_facts(), Sides()
    values, failed = take_turns(sides.names(), sides.measure, options.rounds)
    rows = {name: summarize(values[name]) for name in sides.names() if name in values}
    rows |= {PROCESSOR[name]: summarize(got) for name, got in sides.processor.items() if got}
    ratios = {name: summarize(got) for name, got in sides.ratios.items() if got}
    lines = [[name, f"{row.median:.1f}", f"{row.lower:.1f} - {row.upper:.1f}"] for name, row in rows.items()]
    print(table(["side", "us per step or call", "quartiles"], lines))
    judged = targets(rows, ratios)
    publish(
        "free_sizes",
        facts,
        {**rows, **{SLOWDOWN[name]: ratio for name, ratio in ratios.items()}},
        failed,
        judged,
        unit="microseconds per step or call; ratios where it says slowdown",
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
