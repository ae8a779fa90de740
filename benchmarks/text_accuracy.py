"""How accurate is the model of the tutorial on movie reviews, here and in Keras?

Three times a tenth of 10,662 sentences is held out, by a seed; both libraries get the same sentences, the
same layers (words looked up, the mean of their 32-dimensional vectors, 16 units, 1), Adam and 20 epochs in
batches of 512. The folder with ``rt-polarity.neg`` and ``rt-polarity.pos`` (Pang and Lee, 2005) is the
argument ``--folder``.
"""

from __future__ import annotations

import json
import subprocess
import sys

from harness import (
    HERE,
    ROOT,
    Side,
    Target,
    arguments,
    environment,
    exit_code,
    machine_facts,
    peers_python,
    publish,
    summarize,
    table,
)

OURS, KERAS = "streamfit", "Keras on TensorFlow"


def accuracies(side: Side) -> list[float]:
    """Run one library; return the share of right answers of each split, in percent."""
    done = subprocess.run(
        side.command, env=environment(side), capture_output=True, text=True, check=True, timeout=600
    )
    return [100 * share for share in json.loads(done.stdout.splitlines()[-1])]


def main() -> int:
    """Train both, print the table and publish."""
    parser = arguments(__doc__, 1)
    parser.add_argument("--folder", default=str(ROOT.parent / "shared" / "data"))
    options = parser.parse_args()
    peers = HERE / "peers"
    keras = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    sides = [
        Side(OURS, (sys.executable, str(peers / "reviews_streamfit.py"), options.folder)),
        Side(KERAS, (peers_python(), str(peers / "reviews_keras.py"), options.folder), keras),
    ]
    found = {side.name: accuracies(side) for side in sides}
    means = {name: sum(shares) / len(shares) for name, shares in found.items()}
    lines = [[name, *(f"{share:.2f}" for share in found[name]), f"{means[name]:.2f}"] for name in found]
    print(table(["library", "split 0", "split 1", "split 2", "mean, %"], lines))
    targets = [
        Target("mean accuracy", means[OURS], 75.5, at_least=True, unit=" %"),
        Target("points behind Keras", means[KERAS] - means[OURS], 1.0, unit=""),
    ]
    rows = {name: summarize(shares) for name, shares in found.items()}
    publish(
        "text_accuracy", machine_facts(), rows, {}, targets, unit="percent of right answers", splits=found
    )
    return exit_code(options, targets)


if __name__ == "__main__":
    sys.exit(main())
