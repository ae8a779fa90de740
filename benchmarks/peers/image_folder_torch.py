"""PyTorch's side of the benchmark of image folders: DataLoader with workers that stay.

``torchvision`` decodes and transforms as its manual does; ``Pillow`` is a data set of one's own, without
torchvision.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from image_folder_common import BATCH, SIZE, WORKERS, options, serve
from PIL import Image
from torch.utils import data


class Pictures(data.Dataset):  # type: ignore[type-arg]
    """Images of class folders."""

    def __init__(self, folder: Path, transform: Any = None) -> None:
        self.paths = sorted(folder.glob("*/*.jpg"))
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> Any:
        path = self.paths[place]
        image = Image.open(path).convert("RGB")
        if self.transform is not None:
            return self.transform(image), int(path.parent.name)
        pixels = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
        return torch.from_numpy(pixels).permute(2, 0, 1).float(), int(path.parent.name)


def main() -> None:
    """Serve passes."""
    chosen = options()
    torch.set_num_threads(1)
    transform = None
    if chosen.variant == "torchvision":
        from torchvision_import import v2

        transform = v2.Compose([v2.Resize((SIZE, SIZE)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    loader = data.DataLoader(
        Pictures(chosen.folder, transform),
        BATCH,
        shuffle=True,
        num_workers=WORKERS,
        persistent_workers=True,
        prefetch_factor=4,
    )

    def read() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for x, y in loader:
            yield x.numpy(), y.numpy()

    serve(read)


if __name__ == "__main__":
    main()
