"""What does it cost to augment an image, beside albumentations, torchvision, Keras and Keras-Preprocessing?

Each side draws for each image by itself, runs on one core, and is measured in processor time.

* `small`: 32 x 32 x 3, batches of 128: flip, pad by 4 and crop, cutout of 8 x 8, normalize to float32.
* `photo`: 256 x 256 x 3 to 224 x 224: random-resized crop (bilinear, not antialiased), flip, colour jitter
  with hue, normalize to float32. Keras has a random zoom and a random crop in the place of the resized crop.
* `moved`: 128 x 128 x 3, float32: rotation, shift, zoom and shear, as `ImageDataGenerator` does it, with
  `augment.affine` and with streamfit's class of that name.

The limit is a copy from memory to memory of as many bytes as an image is read and written.
Run with ``STREAMFIT_PEERS_PYTHON`` naming the interpreter that has the peers (see README.md in this folder).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

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

OURS, LIMIT = "streamfit", "memory copy"
OURS_AS_KERAS, THEIRS = "streamfit's ImageDataGenerator", "Keras-Preprocessing"
WORKS = {
    "small": (OURS, "albumentations", "torchvision", "Keras in tf.data", LIMIT),
    "photo": (OURS, "albumentations", "torchvision", "Keras in tf.data", LIMIT),
    "moved": (OURS, OURS_AS_KERAS, THEIRS),
}
SCRIPTS = {
    OURS: "streamfit",
    OURS_AS_KERAS: "own_generator",
    "albumentations": "albumentations",
    "torchvision": "torchvision",
    "Keras in tf.data": "keras",
    THEIRS: "generator",
    LIMIT: "memory",
}
WANTED = {"small": 15.0, "photo": 1.3, "moved": 10.0}
OF_MEMORY = 0.3
LIMIT_SECONDS = 300.0


def targets(rows: Mapping[str, Summary]) -> list[Target]:
    """Return the promises: how many times as fast as each peer, and the share of the rate of memory."""
    found = []
    for work, libraries in WORKS.items():
        ours = rows.get(f"{OURS}: {work}")
        for library in libraries[1:]:
            theirs = rows.get(f"{library}: {work}")
            if ours is None or theirs is None or library == OURS_AS_KERAS:
                continue
            ratio = theirs.median / ours.median
            if library != LIMIT:
                found.append(Target(f"{work}: times as fast as {library}", ratio, WANTED[work], True))
            elif work == "small":
                found.append(Target(f"{work}: share of the rate of memory", ratio, OF_MEMORY, True, ""))
    own, theirs = rows.get(f"{OURS_AS_KERAS}: moved"), rows.get(f"{THEIRS}: moved")
    if own is not None and theirs is not None:
        name = f"moved: {OURS_AS_KERAS}, times as fast as {THEIRS}"
        found.append(Target(name, theirs.median / own.median, WANTED["moved"], True))
    return found


def main() -> int:
    """Measure all sides in turns."""
    options = arguments(__doc__, 7).parse_args()
    facts = machine_facts()
    children: dict[str, Child] = {}
    failures: dict[str, str] = {}
    openings: dict[str, object] = {}
    try:
        for library, script in SCRIPTS.items():
            python = sys.executable if library in (OURS, OURS_AS_KERAS) else peers_python()
            child = Child(Side(library, (python, str(HERE / "peers" / f"augmentation_{script}.py"))))
            try:
                openings[library] = child.hear(LIMIT_SECONDS)
                children[library] = child
            except SideFailedError as failure:
                failures[library] = str(failure)
                child.close()

        def measure(name: str) -> float:
            library, _, work = name.rpartition(": ")
            return 1e6 * float(children[library].ask({"what": work}, LIMIT_SECONDS)["seconds"])

        names = [
            f"{library}: {work}"
            for work, libraries in WORKS.items()
            for library in libraries
            if library in children
        ]
        values, lost = take_turns(names, measure, options.rounds)
    finally:
        for child in children.values():
            child.close()
    rows = {name: summarize(values[name]) for name in names if name in values}
    print(
        table(
            ["side", "us an image", "quartiles"],
            [[name, f"{row.median:.2f}", f"{row.lower:.2f} - {row.upper:.2f}"] for name, row in rows.items()],
        )
    )
    judged = targets(rows)
    publish(
        "augmentation",
        facts,
        rows,
        failures | lost,
        judged,
        unit="microseconds of processor time for an image",
        openings=openings,
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
