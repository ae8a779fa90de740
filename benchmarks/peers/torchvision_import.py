"""Import torchvision's transforms, also where its compiled operations do not fit the build of PyTorch.

A torchvision that was built for a GPU cannot load its library beside a PyTorch for processors only, and then
fails when it registers operations that the transforms do not use. Their names are declared before.
"""

from __future__ import annotations

import torch

try:
    from torchvision.transforms import v2
except RuntimeError:
    declared = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision.transforms import v2

__all__ = ["v2"]
