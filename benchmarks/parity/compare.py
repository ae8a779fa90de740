"""Does streamfit compute and train like Keras? Same weights and batches must give the same numbers.

Every optimizer x loss x hidden activation, then constraints, penalties, convolutional networks, batch
normalization, embeddings, and masks with sample weights and metrics, are trained for 100 steps by streamfit
and by Keras in float32. The loss must agree to 1e-6 (relative) at the first step and to 1e-4 at every step,
metrics to 1e-4 (absolute). The outputs and gradients at the start must agree to 1e-5 of the largest of them,
the last weights (moving averages are among them) and the outputs made of them to 1e-4. `StringLookup` must
give the same vocabularies and numbers, and the layers for features (`features.py`) must make the same of the
same values. A second Keras backend is compared with the first in the same way: it
shows the effect of float32 alone, and is not judged. The exit code is 1 if a case fails. Run with
``STREAMFIT_PEERS_PYTHON`` naming the interpreter that has Keras (see benchmarks/README.md).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from cases import CASES, LOOKUPS, STEPS, Case
from features import FEATURES, same
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from harness import Side, Target, machine_facts, peers_python, publish, table, wall_time  # noqa: E402

LIMITS = {
    "first": 1e-6,
    "worst": 1e-4,
    "metrics": 1e-4,
    "outputs": 1e-5,
    "gradient": 1e-5,
    "weights": 1e-4,
    "last outputs": 1e-4,
}
"""What is compared, and how far apart it may be."""

LIMIT = 1200.0
Figures = dict[str, NDArray[Any]]


def run(library: str, python: str, **variables: str) -> Figures:
    """Train every case on one side and read back its figures."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.npz"
        command = (python, str(HERE / "one_side.py"), library, str(file))
        wall_time(Side(library, command, variables), LIMIT)
        with np.load(file) as stored:
            return dict(stored)


def keras(backend: str) -> Figures:
    """Train every case in Keras on a backend, with full float32 products."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_DEFAULT_MATMUL_PRECISION": "float32"}
    return run("keras", peers_python(), KERAS_BACKEND=backend, **quiet)


def relative(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the relative difference at every step: infinite where either side is not finite."""
    with np.errstate(invalid="ignore"):
        off = np.abs(ours - theirs) / np.maximum(np.abs(theirs), np.finfo(np.float32).tiny)
    return np.where(np.isfinite(ours) & np.isfinite(theirs), off, np.inf)


def apart(ours: NDArray[np.float64], theirs: NDArray[np.float64], beside: float = 1.0) -> float:
    """Return the largest difference, beside a magnitude: infinite where shapes differ or a number is not
    finite.
    """
    if ours.shape != theirs.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        off = np.abs(ours - theirs)
    return float(np.where(np.isfinite(off), off, np.inf).max(initial=0.0)) / (beside or 1.0)


def differences(case: Case, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, float]:
    """Return how far each thing in `LIMITS` is apart: losses relatively, at step 1 and at worst."""
    losses = relative(ours[f"losses:{case.name}"], theirs[f"losses:{case.name}"])
    found = {"first": float(losses[0]), "worst": float(losses.max())}
    for what in list(LIMITS)[2:]:
        left, right = ours[f"{what}:{case.name}"], theirs[f"{what}:{case.name}"]
        largest = 1.0 if what == "metrics" else float(np.abs(right).max(initial=0.0))
        found[what] = apart(left, right, largest)
    return found


def judge(difference: Mapping[str, float]) -> bool:
    """Return whether everything is as close as it must be."""
    return all(difference[what] <= limit for what, limit in LIMITS.items())


def same_lookup(name: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Return whether a lookup has the same vocabulary and gives the same numbers."""
    tokens, numbers = f"vocabulary:lookup {name}", f"numbers:lookup {name}"
    close = ours[numbers].shape == theirs[numbers].shape and apart(
        ours[numbers].astype(np.float64), theirs[numbers].astype(np.float64)
    ) <= (1e-6 if ours[numbers].dtype.kind == "f" else 0.0)
    return close and ours[tokens].tolist() == theirs[tokens].tolist()


def main() -> int:
    """Train all sides, print the table, write the JSON; return 1 if a case fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reference", default="jax", choices=["jax", "tensorflow", "torch"])
    parser.add_argument("--control", default="tensorflow", choices=["jax", "tensorflow", "torch", "none"])
    options = parser.parse_args()
    facts = machine_facts()
    ours = run("streamfit", sys.executable)
    reference = keras(options.reference)
    control = keras(options.control) if options.control != "none" else reference
    rows, results = [], {}
    for case in CASES:
        found, noise = differences(case, ours, reference), differences(case, control, reference)
        good = judge(found)
        results[case.name] = {**found, "control": noise["worst"], "control of all": noise, "met": good}
        last = float(ours[f"losses:{case.name}"][-1])
        figures = [f"{found[what]:.1e}" for what in LIMITS]
        rows.append([case.name, f"{last:.5f}", *figures, f"{noise['worst']:.1e}", "yes" if good else "NO"])
    lookups = {name: same_lookup(name, ours, reference) for name in LOOKUPS}
    features = {
        name: same(feature, ours[f"feature {name}"], reference[f"feature {name}"])
        for name, feature in FEATURES.items()
    }
    head = ["case", f"loss {STEPS}", "step 1", *list(LIMITS)[1:], "control", "met"]
    print(table(head, rows))
    print(
        table(
            ["layer with a vocabulary", "the same"],
            [[name, "yes" if same else "NO"] for name, same in lookups.items()],
        )
    )
    print(
        table(
            ["layer for features", "the same"],
            [[name, "yes" if agrees else "NO"] for name, agrees in features.items()],
        )
    )
    agree = [*(result["met"] is True for result in results.values()), *lookups.values(), *features.values()]
    everything = Target("cases that agree with Keras, of all", sum(agree) / len(agree), 1.0, at_least=True)
    print(f"{sum(agree)} of {len(agree)} cases agree")
    publish(
        "parity",
        facts,
        {},
        {},
        [everything],
        limits=LIMITS,
        cases=results,
        lookups=lookups,
        features=features,
        reference=options.reference,
        control=options.control,
    )
    return int(not everything.met)


if __name__ == "__main__":
    sys.exit(main())
