"""Which way a quantity is better, read from the whole words of its name."""

from __future__ import annotations

import itertools
import re

__all__ = ["direction_by_name", "words"]

_UP = {
    *("acc", "accuracy", "auc", "precision", "recall", "sensitivity", "specificity", "similarity", "f1"),
    *("fbeta", "fscore", "iou", "dice", "jaccard", "r2", "true", "hit", "hits"),
}
_DOWN = {
    *("loss", "error", "errors", "err", "mse", "mae", "rmse", "mape", "msle", "rmsle", "entropy", "nll"),
    *("crossentropy", "divergence", "kl", "kld", "hinge", "poisson", "cosh", "logcosh", "perplexity"),
    *("false", "miss"),
}
_PART = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+")


def words(name: str) -> list[str]:
    """Split a name at underscores and at changes of case.

    Example:
        >>> words("val_f1_score"), words("MyF1Score"), words("PR_AUC")
        (['val', 'f1', 'score'], ['my', 'f1', 'score'], ['pr', 'auc'])
    """
    return [part.lower() for part in _PART.findall(name)]


def direction_by_name(name: str) -> str | None:
    """Return ``"up"`` or ``"down"`` if the words of a name say so, all of them the same; else None.

    Args:
        name: The name without that of an output and without ``val_``.

    Example:
        >>> direction_by_name("top_k_accuracy"), direction_by_name("accuracy_loss")
        ('up', None)
    """
    parts = words(name)
    found = {*parts, *(part.rstrip("0123456789") for part in parts)}
    found |= {first + second for first, second in itertools.pairwise(parts)}  # MeanIoU, log_cosh
    up, down = bool(found & _UP), bool(found & _DOWN)
    return None if up == down else "up" if up else "down"
