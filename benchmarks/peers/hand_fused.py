"""The limit: the workload's epoch written by hand as one Numba function for this case only.

There are three ways to compute the matrix products, because the fastest one depends on the machine:
``loops`` (register-blocked loops, sizes known only at run time), ``fixed`` (the same loops with the
sizes compiled in, which a general library cannot have) and ``dot`` (BLAS by ``np.dot``).
The second kernel is kept transposed and the softmax over two classes is computed from the difference of
the logits: hand-written code may do so.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from serve import serve, timed, versions
from workload import (
    BATCH,
    BETA_1,
    BETA_2,
    CLASSES,
    EPSILON,
    FEATURES,
    HIDDEN,
    LEARNING_RATE,
    SAMPLES,
    STEPS,
    data,
    weights,
)

fast = njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"nsz", "arcp", "contract", "afn", "reassoc"}
)
# Inlined before compilation, so that sizes given as constants by the caller are constants in the loops.
inlined = njit(inline="always", error_model="numpy", fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})


@inlined
def shuffle(order: Any, state: Any) -> None:
    """Shuffle ``order`` in place (Fisher-Yates on a xorshift generator; multiply-shift for the range)."""
    bits = state[0]
    for last in range(order.shape[0] - 1, 0, -1):
        bits ^= bits << np.uint64(13)
        bits ^= bits >> np.uint64(7)
        bits ^= bits << np.uint64(17)
        other = ((bits >> np.uint64(32)) * np.uint64(last + 1)) >> np.uint64(32)
        order[last], order[other] = order[other], order[last]
    state[0] = bits


@inlined
def gather(x: Any, y: Any, order: Any, first: Any, xb: Any, yb: Any, rows: Any, features: Any) -> None:
    """Copy the batch's samples together."""
    for r in range(rows):
        sample = order[first + r]
        yb[r] = y[sample]
        for i in range(features):
            xb[r, i] = x[sample, i]


@inlined
def hidden_by_loops(xb: Any, w1: Any, b1: Any, h: Any, rows: Any, features: Any, hidden: Any) -> None:
    """Compute relu(xb @ w1 + b1), four inputs to a pass so that a row is stored a quarter as often."""
    for r in range(rows):
        for j in range(hidden):
            h[r, j] = b1[j]
        for i in range(0, features, 4):
            a, b, c, d = xb[r, i], xb[r, i + 1], xb[r, i + 2], xb[r, i + 3]
            for j in range(hidden):
                h[r, j] += a * w1[i, j] + b * w1[i + 1, j] + c * w1[i + 2, j] + d * w1[i + 3, j]
        for j in range(hidden):
            h[r, j] = max(h[r, j], np.float32(0))


@inlined
def kernel_gradient_by_loops(xb: Any, dh: Any, dw1: Any, rows: Any, features: Any, hidden: Any) -> None:
    """Compute xb.T @ dh, four samples to a pass."""
    for i in range(features):
        for j in range(hidden):
            dw1[i, j] = np.float32(0)
        for r in range(0, rows, 4):
            a, b, c, d = xb[r, i], xb[r + 1, i], xb[r + 2, i], xb[r + 3, i]
            for j in range(hidden):
                dw1[i, j] += a * dh[r, j] + b * dh[r + 1, j] + c * dh[r + 2, j] + d * dh[r + 3, j]


@inlined
def hidden_by_dot(xb: Any, w1: Any, b1: Any, h: Any) -> None:
    """Compute relu(xb @ w1 + b1) by BLAS."""
    np.dot(xb, w1, h)
    for r in range(h.shape[0]):
        for j in range(h.shape[1]):
            h[r, j] = max(h[r, j] + b1[j], np.float32(0))


@inlined
def logits(h: Any, w2: Any, b2: Any, gap: Any, rows: Any, hidden: Any) -> None:
    """Compute the second logit minus the first: a softmax over two classes needs only this."""
    for r in range(rows):
        z0, z1 = np.float32(0), np.float32(0)
        for j in range(hidden):
            z0 += h[r, j] * w2[0, j]
            z1 += h[r, j] * w2[1, j]
        gap[r] = z1 + b2[1] - (z0 + b2[0])


@inlined
def softmax_loss(gap: Any, yb: Any, db2: Any, logs: Any, rows: Any) -> None:
    """Add up cross-entropy and accuracy; turn ``gap`` into its gradient."""
    one, zero = np.float32(1), np.float32(0)
    scale = one / np.float32(rows)
    total, bias, right = zero, zero, 0
    for r in range(rows):
        e = math.exp(-abs(gap[r]))
        smaller = e / (one + e)
        label = np.float32(yb[r])
        total += math.log(one + e) + max(gap[r], zero) - label * gap[r]
        right += (1 if gap[r] > zero else 0) == yb[r]
        gap[r] = scale * ((one - smaller if gap[r] > zero else smaller) - label)
        bias += gap[r]
    db2[0], db2[1] = -bias, bias
    logs[0] += total
    logs[1] += right


@inlined
def back(h: Any, w2: Any, d: Any, dh: Any, dw2: Any, db1: Any, rows: Any, hidden: Any) -> None:
    """Go back through the second layer and the relu."""
    for j in range(hidden):
        dw2[1, j] = np.float32(0)
        db1[j] = np.float32(0)
    for r in range(0, rows, 4):
        for j in range(hidden):
            dw2[1, j] += (
                d[r] * h[r, j] + d[r + 1] * h[r + 1, j] + d[r + 2] * h[r + 2, j] + d[r + 3] * h[r + 3, j]
            )
    for j in range(hidden):
        dw2[0, j] = -dw2[1, j]
    for r in range(rows):
        for j in range(hidden):
            passed = d[r] * (w2[1, j] - w2[0, j])
            passed = passed if h[r, j] > np.float32(0) else np.float32(0)
            dh[r, j] = passed
            db1[j] += passed


@inlined
def adam(p: Any, g: Any, m: Any, v: Any, rates: Any, powers: Any) -> None:
    """Move the flat weights by Adam (Kingma and Ba 2015, section 2's efficient form, as in Keras)."""
    powers[0] *= rates[1]
    powers[1] *= rates[2]
    alpha = np.float32(rates[0] * math.sqrt(1 - powers[1]) / (1 - powers[0]))
    keep_1, keep_2 = np.float32(1 - rates[1]), np.float32(1 - rates[2])
    epsilon = np.float32(rates[3])
    for i in range(p.shape[0]):
        m[i] += (g[i] - m[i]) * keep_1
        v[i] += (g[i] * g[i] - v[i]) * keep_2
        p[i] -= alpha * m[i] / (np.sqrt(v[i]) + epsilon)


@fast
def epoch_loops(
    samples: Any, flat: Any, weights: Any, gradients: Any, scratch: Any, rates: Any, powers: Any
) -> None:
    """Train an epoch with run-time sizes."""
    x, y, order, state, logs = samples
    w1, b1, w2, b2 = weights
    dw1, db1, dw2, db2 = gradients
    xb, yb, h, dh, gap = scratch
    p, g, m, v = flat
    rows, features, hidden = xb.shape[0], xb.shape[1], h.shape[1]
    shuffle(order, state)
    for first in range(0, order.shape[0] - rows + 1, rows):
        gather(x, y, order, first, xb, yb, rows, features)
        hidden_by_loops(xb, w1, b1, h, rows, features, hidden)
        logits(h, w2, b2, gap, rows, hidden)
        softmax_loss(gap, yb, db2, logs, rows)
        back(h, w2, gap, dh, dw2, db1, rows, hidden)
        kernel_gradient_by_loops(xb, dh, dw1, rows, features, hidden)
        adam(p, g, m, v, rates, powers)


@fast
def epoch_fixed(
    samples: Any, flat: Any, weights: Any, gradients: Any, scratch: Any, rates: Any, powers: Any
) -> None:
    """Train an epoch with the workload's sizes compiled in."""
    x, y, order, state, logs = samples
    w1, b1, w2, b2 = weights
    dw1, db1, dw2, db2 = gradients
    xb, yb, h, dh, gap = scratch
    p, g, m, v = flat
    shuffle(order, state)
    for first in range(0, order.shape[0] - BATCH + 1, BATCH):
        gather(x, y, order, first, xb, yb, BATCH, FEATURES)
        hidden_by_loops(xb, w1, b1, h, BATCH, FEATURES, HIDDEN)
        logits(h, w2, b2, gap, BATCH, HIDDEN)
        softmax_loss(gap, yb, db2, logs, BATCH)
        back(h, w2, gap, dh, dw2, db1, BATCH, HIDDEN)
        kernel_gradient_by_loops(xb, dh, dw1, BATCH, FEATURES, HIDDEN)
        adam(p, g, m, v, rates, powers)


@fast
def epoch_dot(
    samples: Any, flat: Any, weights: Any, gradients: Any, scratch: Any, rates: Any, powers: Any
) -> None:
    """Train an epoch with BLAS for the two large products."""
    x, y, order, state, logs = samples
    w1, b1, w2, b2 = weights
    dw1, db1, dw2, db2 = gradients
    xb, yb, h, dh, gap = scratch
    p, g, m, v = flat
    rows, features, hidden = xb.shape[0], xb.shape[1], h.shape[1]
    shuffle(order, state)
    for first in range(0, order.shape[0] - rows + 1, rows):
        gather(x, y, order, first, xb, yb, rows, features)
        hidden_by_dot(xb, w1, b1, h)
        logits(h, w2, b2, gap, rows, hidden)
        softmax_loss(gap, yb, db2, logs, rows)
        back(h, w2, gap, dh, dw2, db1, rows, hidden)
        np.dot(xb.T, dh, dw1)
        adam(p, g, m, v, rates, powers)


EPOCHS = {"loops": epoch_loops, "fixed": epoch_fixed, "dot": epoch_dot}


def views(flat: Any) -> list[Any]:
    """Cut a flat vector into kernel, bias, transposed kernel, bias."""
    shapes = [(FEATURES, HIDDEN), (HIDDEN,), (CLASSES, HIDDEN), (CLASSES,)]
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True)]


def prepare(kind: str) -> Callable[[], tuple[float, float]]:
    """Bind the arrays; return a function that trains one epoch and returns (loss, accuracy)."""
    x, y = data()
    w1, b1, w2, b2 = weights()
    p = np.concatenate([w1.ravel(), b1, w2.T.ravel(), b2]).astype(np.float32)
    g, m, v = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    order, state = np.arange(SAMPLES, dtype=np.int64), np.array([88172645463325252], np.uint64)
    scratch = (
        np.empty((BATCH, FEATURES), np.float32),
        np.empty(BATCH, np.int32),
        np.empty((BATCH, HIDDEN), np.float32),
        np.empty((BATCH, HIDDEN), np.float32),
        np.empty(BATCH, np.float32),
    )
    rates, powers = np.array([LEARNING_RATE, BETA_1, BETA_2, EPSILON]), np.ones(2)
    logs = np.zeros(2)
    fixed = (x, y, order, state, logs), (p, g, m, v), tuple(views(p)), tuple(views(g)), scratch, rates, powers

    def epoch() -> tuple[float, float]:
        logs[:] = 0
        EPOCHS[kind](*fixed)
        return float(logs[0]) / SAMPLES, float(logs[1]) / SAMPLES

    return epoch


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=sorted(EPOCHS))
    serve(timed(prepare(parser.parse_args().kind)), STEPS, versions("numba", "numpy", "scipy"))
