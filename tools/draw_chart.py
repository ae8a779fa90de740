"""Draw the chart of the front page from the benchmarks' results.

    python tools/draw_chart.py

It shows how many times streamfit's own time each side takes, on a logarithmic scale. The picture has no
background and uses colours of middle brightness, so that it is readable on light and on dark pages.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PICTURE = ROOT / "docs" / "images" / "headline.svg"

OURS, LIMIT, PEER, TEXT = "#2f81f7", "#8b949e", "#bf8700", "#7d8590"


@dataclass(frozen=True)
class Question:
    """One group of bars.

    Args:
        title: What was measured.
        benchmark: The name of the results' file.
        ours: The name of streamfit's side there.
        sides: The other sides, from their names there to what the chart calls them.
    """

    title: str
    benchmark: str
    ours: str
    sides: dict[str, str]

    def ratios(self, folder: Path = RESULTS) -> list[tuple[str, float]]:
        """Return each side with its time over streamfit's, shortest first.

        Raises:
            KeyError: A side is missing in the results.
        """
        results: dict[str, Any] = json.loads((folder / f"{self.benchmark}.json").read_text())
        times = {name: float(side["median"]) for name, side in results["sides"].items()}
        own = times[self.ours]
        rows = [(label, times[name] / own) for name, label in self.sides.items()]
        return sorted([*rows, ("streamfit", 1.0)], key=lambda row: row[1])


QUESTIONS = (
    Question(
        "One training step (MLP 32-64-2, batch 32)",
        "step_overhead",
        "streamfit fit",
        {
            "hand-fused Numba epoch": "hand-written loop (limit)",
            "Keras on JAX": "Keras 3 on JAX",
            "PyTorch step as one graph": "PyTorch, whole step compiled",
            "PyTorch loop": "PyTorch, plain loop",
            "Keras on TensorFlow": "Keras on TensorFlow",
        },
    ),
    Question(
        "Process start to the end of the first step",
        "start",
        "streamfit, first step, warm",
        {
            "Keras on JAX, first step": "Keras 3 on JAX",
            "Keras on TensorFlow, first step": "Keras on TensorFlow",
            "Keras on torch, first step": "Keras 3 on torch",
        },
    ),
    Question(
        "A 38 MB batch from 2 worker processes",
        "transport",
        "large, 2: streamfit",
        {
            "large, 2: memcpy": "memcpy (limit)",
            "large, 2: PyTorch tensors": "PyTorch DataLoader",
            "large, 2: Grain": "Grain",
        },
    ),
    Question(
        "A 32 KB batch from 2 worker processes",
        "transport",
        "small, 2: streamfit",
        {
            "small, 2: memcpy": "memcpy (limit)",
            "small, 2: PyTorch arrays": "PyTorch DataLoader",
            "small, 2: Grain": "Grain",
        },
    ),
)


def colour(label: str) -> str:
    """Return the colour of a side's bar.

    Example:
        >>> colour("streamfit") == OURS, colour("memcpy (limit)") == LIMIT, colour("Grain") == PEER
        (True, True, True)
    """
    if label == "streamfit":
        return OURS
    return LIMIT if "(limit)" in label else PEER


def draw(questions: Sequence[Question], folder: Path, picture: Path) -> None:
    """Write the chart as SVG."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "streamfit", "font.size": 10, "font.family": "sans-serif"})
    from matplotlib import pyplot

    rows = [question.ratios(folder) for question in questions]
    sizes = [len(group) + 0.9 for group in rows]
    figure, axes = pyplot.subplots(
        len(questions), 1, figsize=(8.2, sum(sizes) * 0.28), height_ratios=sizes, sharex=True, squeeze=False
    )
    for axis, question, group in zip(axes[:, 0], questions, rows, strict=True):
        labels, values = [label for label, _ in group], [value for _, value in group]
        places = range(len(group))
        axis.barh(places, values, color=[colour(label) for label in labels], height=0.72, left=0)
        for place, value in zip(places, values, strict=True):
            text = f" {value:.2f}x" if value < 10 else f" {value:.0f}x"
            axis.text(value, place, text, va="center", color=TEXT)
        axis.set_yticks(places, labels, color=TEXT)
        axis.invert_yaxis()
        axis.set_title(question.title, loc="left", color=TEXT, fontsize=10, fontweight="bold", pad=3)
        axis.set_xscale("log")
        axis.set_xlim(0.15, 90)
        axis.set_xticks([])
        axis.minorticks_off()
        axis.tick_params(length=0)
        for spine in axis.spines.values():
            spine.set_visible(False)
    axes[-1, 0].set_xlabel("time as a multiple of streamfit's, logarithmic; shorter is better", color=TEXT)
    figure.tight_layout(h_pad=0.6)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, transparent=True, metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    """Draw the chart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the results")
    parser.add_argument("--output", type=Path, default=PICTURE, help="the picture to write")
    options = parser.parse_args()
    draw(QUESTIONS, options.results, options.output)
    print(options.output)


if __name__ == "__main__":
    main()
