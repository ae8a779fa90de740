"""What CIFAR-10 and CIFAR-100 have in common: tar archives, or folders, of pickled batches."""

from __future__ import annotations

import os
from typing import IO, cast

import numpy as np

from streamfit._base.checks import is_mapping
from streamfit._base.config import image_data_format
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.datasets.local_files import Split, unpickle


def read_batches(path: str, names: list[str], labels: str) -> Split:
    """Read batches of images.

    Args:
        path: The archive, or the folder that it was unpacked to.
        names: Those of the batches in it.
        labels: The name of the labels in a batch.

    Returns:
        Images uint8 (n, 32, 32, 3), or (n, 3, 32, 32) where `image_data_format` says so; labels uint8 (n, 1).

    Raises:
        DataError: A batch is not there, or not what it should be.
    """
    import tarfile  # it takes a while to import

    found: list[Split] = []
    if os.path.isdir(path):
        for name in names:
            place = os.path.join(path, name)
            if not os.path.exists(place):
                raise DataError(f"the folder {path!r} has no file {name!r}; unpack the archive again")
            with open(place, "rb") as file:
                found.append(_batch(file, repr(place), labels))
    else:
        try:
            with tarfile.open(path) as archive:
                members = {os.path.basename(member.name): member for member in archive if member.isreg()}
                for name in names:
                    file_in = archive.extractfile(members[name])
                    found.append(_batch(cast("IO[bytes]", file_in), f"{path!r}, {name!r}", labels))
        except (tarfile.TarError, KeyError, EOFError, OSError) as error:
            raise DataError(
                f"{path!r} is no archive with {', '.join(names)}: {type(error).__name__}: {error}; download "
                "it again"
            ) from None
    x, y = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return (x if image_data_format() == "channels_first" else x.transpose(0, 2, 3, 1)), y


def _batch(file: IO[bytes], where: str, labels: str) -> Split:
    batch = unpickle(file, where)
    data: object = batch.get(b"data") if is_mapping(batch) else None
    given: object = batch.get(labels.encode()) if is_mapping(batch) else None
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3072,):
        raise DataError(f"{where} holds no images of 3 x 32 x 32 bytes; download it again")
    y: Array = np.array(given if isinstance(given, list) else [])
    if y.shape != data.shape[:1] or y.dtype.kind not in "iu" or y.min() < 0 or y.max() > 255:
        raise DataError(f"{where} holds no label {labels!r} for each image; download it again")
    return data.reshape(-1, 3, 32, 32), y.astype(np.uint8)[:, None]
