"""`DirectoryIterator`: batches of an `ImageDataGenerator` over a folder with a folder for each class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import numpy as np

from streamfit._base.checks import truth
from streamfit._base.telling import tell
from streamfit.preprocessing.image.file_iterator import (
    ENDINGS,
    FileIterator,
    FileOptions,
    checked_mode,
    part_of,
)
from streamfit.preprocessing.image.generated_images import BatchTransform
from streamfit.preprocessing.labelled_files import find_files

_SUFFIXES = tuple(f".{ending}" for ending in ENDINGS)


class DirectoryIterator(FileIterator):
    """What `ImageDataGenerator.flow_from_directory` returns; for its arguments see there.

    Attributes:
        directory: The folder.
        classes: The number of the class of each sample, int32 (n,).
        class_indices: The number of each class by the name of its folder.
        num_classes: How many classes there are.
    """

    allowed_class_modes = ("categorical", "binary", "sparse", "input", None)

    def __init__(
        self,
        directory: str | os.PathLike[str],
        image_data_generator: BatchTransform,
        options: FileOptions,
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        follow_links: bool = False,
    ) -> None:
        checked_mode(class_mode, self.allowed_class_modes)
        top = os.fspath(directory)
        names = list(classes) if classes else None
        files = find_files(
            top, "inferred", names, _SUFFIXES, truth("follow_links", follow_links), argument="classes"
        )
        assert files.labels is not None
        assert files.class_names is not None
        if any(path.lower().endswith(".tiff") for path in files.paths):
            warnings.warn("of .tiff files with several pages the first one is read", stacklevel=3)
        fraction = image_data_generator.validation_split
        kept: list[int] = []
        for number in range(len(files.class_names)):  # each class is split by itself
            own = np.flatnonzero(files.labels == number)
            kept += own[part_of(options.subset, fraction, len(own))].tolist()
        files = files.part(np.array(kept, np.int64))
        self.directory, self.classes = directory, files.labels
        self.num_classes = len(files.class_names or ())
        self.class_indices = {name: number for number, name in enumerate(files.class_names or ())}
        tell(f"Found {len(files.paths)} images belonging to {self.num_classes} classes.")
        super().__init__(
            image_data_generator,
            options,
            [os.path.relpath(path, top) for path in files.paths],
            files.paths,
            class_mode,
            files.labels,
            self.num_classes,
            None,
        )

    @property
    def labels(self) -> object:
        """The number of the class of each sample, int32 (n,)."""
        return self.classes
