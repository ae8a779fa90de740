"""Does streamfit train like Keras? Same weights and batches must give the same losses, step by step.

Every optimizer x loss x hidden activation, then constraints, penalties and convolutional networks, are
trained for 100 steps by streamfit and by Keras in float32.
The loss must agree to 1e-6 (relative) at the first step and to 1e-4 at every step. A second Keras backend
is compared with the first in the same way: it shows the effect of float32 alone, and is not judged. The
exit code is 1 if a case fails. Run with ``STREAMFIT_PEERS_PYTHON`` naming the interpreter that has Keras
(see benchmarks/README.md).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from cases import CASES, STEPS, Case
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from harness import Side, Target, machine_facts, peers_python, publish, table, wall_time  # noqa: E402

FIRST, ALL = 1e-6, 1e-4
LIMIT = 600.0
Figures = dict[str, NDArray[np.float64]]


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


def differences(case: Case, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return the losses' relative difference at step 1 and at worst, and the last weights' absolute one."""
    losses = relative(ours[f"losses:{case.name}"], theirs[f"losses:{case.name}"])
    apart = np.abs(ours[f"weights:{case.name}"] - theirs[f"weights:{case.name}"]).max()
    return float(losses[0]), float(losses.max()), float(apart)


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
        first, worst, apart = differences(case, ours, reference)
        noise = differences(case, control, reference)[1]
        good = first <= FIRST and worst <= ALL
        results[case.name] = {"first": first, "worst": worst, "weights": apart, "control": noise, "met": good}
        last = float(ours[f"losses:{case.name}"][-1])
        rows.append(
            [
                case.name,
                f"{last:.5f}",
                f"{first:.1e}",
                f"{worst:.1e}",
                f"{apart:.1e}",
                f"{noise:.1e}",
                "yes" if good else "NO",
            ]
        )
    print(table(["case", f"loss {STEPS}", "step 1", "worst", "weights", "control", "met"], rows))
    met = sum(result["met"] for result in results.values())
    everything = Target("cases that agree with Keras, of all", met / len(CASES), 1.0, at_least=True)
    publish(
        "parity",
        facts,
        {},
        {},
        [everything],
        cases=results,
        reference=options.reference,
        control=options.control,
    )
    return int(not everything.met)


if __name__ == "__main__":
    sys.exit(main())
