"""Pictures: what a source delivers, how a run went, what a model confuses. They need the extra ``plot``.

A notebook shows what these functions return; ``.save(path)`` writes it, and ``.figure`` is a figure of
matplotlib.
"""

from __future__ import annotations

from streamfit._base.plotting import Picture
from streamfit.plots.confusion_matrix import confusion_matrix
from streamfit.plots.preview import preview
from streamfit.training.curves import learning_curves

__all__ = ["Picture", "confusion_matrix", "learning_curves", "preview"]
