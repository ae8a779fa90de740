"""Keras' data sets, read from files that you have: this library never downloads anything by itself."""

from __future__ import annotations

from streamfit.datasets import cifar10, cifar100, fashion_mnist, imdb, mnist
from streamfit.datasets.idx_files import read_idx

__all__ = ["cifar10", "cifar100", "fashion_mnist", "imdb", "mnist", "read_idx"]
