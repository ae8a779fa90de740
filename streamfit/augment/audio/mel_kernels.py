"""The kernel of mel spectrograms."""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel


@kernel
def sum_bands(powers: Array, weights: Array, firsts: Array, begins: Array, out: Array) -> None:
    """Sum up the weighted frequencies of each band; a frequency is in two bands at most.

    Args:
        powers: float32 (frames, frequencies).
        weights: The weights of the bands, float32, flat.
        firsts: The first frequency in each band, int64 (bands,).
        begins: Where each band begins in `weights`, and the end of all, int64 (bands + 1,).
        out: float32 (frames, bands).
    """
    for t in range(powers.shape[0]):
        for band in range(firsts.shape[0]):
            begin = begins[band]
            total = 0.0
            for k in range(begins[band + 1] - begin):
                total += float(weights[begin + k]) * float(powers[t, firsts[band] + k])
            out[t, band] = total
