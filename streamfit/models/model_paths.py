"""Paths of models on disk: the ending says the format, and another ending is refused."""

from __future__ import annotations

import os
from pathlib import Path

from streamfit.storage.files import stem
from streamfit.storage.model_file import ENDING

MODEL_ENDINGS = (ENDING,)


def checked_model_path(filepath: str | os.PathLike[str]) -> Path:
    """Return the path of a model file.

    Raises:
        ValueError: It has another ending.

    Example:
        >>> checked_model_path("model.zip")
        Traceback (most recent call last):
        ValueError: a model is saved as .streamfit, got 'model.zip'; write 'model.streamfit'
    """
    path = Path(os.fspath(filepath))
    if path.suffix not in MODEL_ENDINGS:
        raise ValueError(
            f"a model is saved as {', '.join(MODEL_ENDINGS)}, got {str(path)!r}; write "
            f"{str(path.with_name(stem(path.name) + ENDING))!r}"
        )
    return path
