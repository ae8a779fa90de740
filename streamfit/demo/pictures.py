"""The demo's pictures: learning curves, and a grid of augmented samples."""

from __future__ import annotations

from pathlib import Path

from streamfit._base.plotting import matplotlib_module
from streamfit._base.specs import Array
from streamfit.demo.digits import AugmentedDigits


def draw_curves(history: dict[str, list[float]], path: Path) -> None:
    """Draw loss and accuracy over the epochs, for training and validation."""
    figure = matplotlib_module("figure", "demo").Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, name, title in zip(axes, ("loss", "accuracy"), ("Loss", "Accuracy"), strict=True):
        epochs = range(1, len(history[name]) + 1)
        axis.plot(epochs, history[name], label="training (augmented)", color="tab:blue")
        axis.plot(epochs, history[f"val_{name}"], label="validation", color="tab:orange")
        axis.set(xlabel="epoch", title=title)
        axis.grid(alpha=0.3)
        axis.legend()
    axes[0].set_yscale("log")
    figure.savefig(path, dpi=110)


def draw_samples(digits: AugmentedDigits, images: Array, path: Path) -> None:
    """Draw a few digits, each above an augmented variant from training."""
    batch, labels = digits[0]
    shown = 10
    figure = matplotlib_module("figure", "demo").Figure(figsize=(shown, 2.5), layout="constrained")
    axes = figure.subplots(2, shown)
    for column in range(shown):
        for row, image in enumerate((images[column], batch[column])):
            axis = axes[row, column]
            axis.imshow(image, cmap="gray_r")
            axis.set_xticks([])
            axis.set_yticks([])
        axes[0, column].set_title(str(labels[column]))
    axes[0, 0].set_ylabel("original")
    axes[1, 0].set_ylabel("augmented")
    figure.savefig(path, dpi=110)
