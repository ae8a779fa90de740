"""How fast does a folder of JPEG files become batches of 224 x 224, beside PyTorch and tf.data?

500 files of around 500 x 375 pixels in 10 folders, made of the two photographs of scikit-learn, in the page
cache. Each side reads them shuffled, in batches of 32 float32 images, with two workers: decode, resize by
bilinear interpolation, stack.

* streamfit: `image_dataset_from_directory` on threads and on processes; ``plain`` resizes as Keras and
  TensorFlow do, ``antialias`` as Pillow and torchvision.
* PyTorch: DataLoader with persistent workers; torchvision's transforms, or Pillow alone.
* tf.data: a map with AUTOTUNE, on two threads; ``plain`` as it is by default, where JPEG is decoded by the
  fast, less exact cosine transform; ``exact`` decodes to the bits of Pillow, as streamfit does; ``antialias``
  resizes as Pillow does, too.

A figure is of a whole pass. Where other programs keep the machine busy, the processor time for an image, of
all processes of a side, tells more than the rate, so both are promised.
Run with ``STREAMFIT_PEERS_PYTHON`` naming the interpreter that has the peers (see README.md).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness import (
    HERE,
    Child,
    Side,
    SideFailedError,
    Summary,
    Target,
    arguments,
    exit_code,
    machine_facts,
    peers_python,
    publish,
    summarize,
    table,
    take_turns,
)

sys.path.insert(0, str(HERE / "peers"))
from image_folder_common import write

LIMIT_SECONDS = 300.0
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
OURS = "streamfit"
SIDES = (
    (OURS, "plain, threads"),
    (OURS, "plain, processes"),
    (OURS, "antialias, threads"),
    (OURS, "antialias, processes"),
    ("torch", "torchvision"),
    ("torch", "Pillow"),
    ("tf", "plain"),
    ("tf", "exact"),
    ("tf", "antialias"),
)
# The sides of peers, and the resizing that they do, with which ours is compared.
PEERS = {"torch": "antialias", "tf: plain": "plain", "tf: exact": "plain", "tf: antialias": "antialias"}
WANTED = 1.2


def contenders(folder: Path) -> list[Side]:
    """Return all sides."""
    found = []
    for library, variant in SIDES:
        python = sys.executable if library == OURS else peers_python()
        path = str(HERE / "peers" / f"image_folder_{library}.py")
        name = f"{library}: {variant}" if variant else library
        found.append(Side(name, (python, path, "--folder", str(folder), "--variant", variant), QUIET))
    return found


def best(figures: Mapping[str, float], name: str) -> float | None:
    """Return the highest figure of the variants of a side."""
    return max((figure for row, figure in figures.items() if row.startswith(name)), default=None)


def promises(rows: Mapping[str, Summary], processor: Mapping[str, float]) -> list[Target]:
    """Return what is promised: 1.2 times the rate of each peer at its best, and that for processor time."""
    found = []
    rates = {name: row.median for name, row in rows.items()}
    of_processor = {name: 1 / spent for name, spent in processor.items()}
    for what, figures in (("rate", rates), ("images for a second of processor time", of_processor)):
        for peer, resizing in PEERS.items():
            ours, theirs = best(figures, f"{OURS}: {resizing}"), best(figures, peer)
            if ours is not None and theirs is not None:
                found.append(Target(f"{what} beside {peer}", ours / theirs, WANTED, at_least=True))
    return found


def main() -> int:
    """Measure all sides in turns."""
    parser = arguments(__doc__, 7)
    parser.add_argument("--files", type=int, default=500)
    options = parser.parse_args()
    facts = machine_facts()
    children: dict[str, Child] = {}
    failures: dict[str, str] = {}
    openings: dict[str, object] = {}
    busy: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as holder:
        folder = Path(holder)
        write(folder, options.files)
        try:
            for side in contenders(folder):
                child = Child(side)
                try:
                    openings[side.name] = child.hear(LIMIT_SECONDS)
                    children[side.name] = child
                except SideFailedError as failure:
                    failures[side.name] = str(failure)
                    child.close()

            def measure(name: str) -> float:
                answer = children[name].ask({}, LIMIT_SECONDS)
                busy.setdefault(name, []).append(1e3 * answer["processor"] / answer["images"])
                return float(answer["images"]) / float(answer["seconds"])

            values, lost = take_turns(list(children), measure, options.rounds)
        finally:
            for child in children.values():
                child.close()
    rows = {name: summarize(got) for name, got in values.items()}
    processor = {name: statistics.median(busy[name]) for name in rows}
    print(
        table(
            ["side", "images a second", "quartiles", "processor ms an image"],
            [
                [
                    name,
                    f"{row.median:,.0f}",
                    f"{row.lower:,.0f} - {row.upper:,.0f}",
                    f"{processor[name]:.2f}",
                ]
                for name, row in sorted(rows.items(), key=lambda each: -each[1].median)
            ],
        )
    )
    judged = promises(rows, processor)
    publish(
        "image_folder",
        facts,
        rows,
        failures | lost,
        judged,
        unit="images a second",
        processor_ms=processor,
        openings=openings,
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
