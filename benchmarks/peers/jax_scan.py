"""A further note for the step benchmark: an epoch hand-written in JAX as one jitted `lax.scan`.

No `fit`, no callbacks, nothing between the steps: the result of XLA when it compiles a whole epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from serve import serve, timed, versions
from workload import BATCH, BETA_1, BETA_2, EPSILON, LEARNING_RATE, SAMPLES, STEPS, data, weights


def loss_of(params: Any, xb: jax.Array, yb: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the batch's mean cross-entropy and its number of right answers."""
    w1, b1, w2, b2 = params
    scores = jax.nn.relu(xb @ w1 + b1) @ w2 + b2
    chosen = jnp.take_along_axis(jax.nn.log_softmax(scores), yb[:, None], axis=1)
    return -chosen.mean(), (scores.argmax(1) == yb).sum()


def adam(state: Any, gradients: Any) -> Any:
    """Return the state after one step of Adam (the efficient form, as in Keras)."""
    params, first, second, count = state
    count += 1
    alpha = LEARNING_RATE * jnp.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
    first = jax.tree.map(lambda m, g: m + (g - m) * (1 - BETA_1), first, gradients)
    second = jax.tree.map(lambda v, g: v + (g * g - v) * (1 - BETA_2), second, gradients)
    params = jax.tree.map(lambda p, m, v: p - alpha * m / (jnp.sqrt(v) + EPSILON), params, first, second)
    return params, first, second, count


def prepare() -> Callable[[], tuple[float, float]]:
    """Jit the epoch; return a function that trains one and returns (loss, accuracy)."""
    x, y = (jnp.asarray(array) for array in data())
    params = [jnp.asarray(weight) for weight in weights()]
    zeros = [jnp.zeros_like(weight) for weight in params]

    def step(state: Any, batch: Any) -> Any:
        (loss, right), gradients = jax.value_and_grad(loss_of, has_aux=True)(state[0], *batch)
        return adam(state, gradients), (loss, right)

    @jax.jit
    def epoch_on(state: Any, key: jax.Array) -> Any:
        order = jax.random.permutation(key, SAMPLES)
        batches = x[order].reshape(STEPS, BATCH, -1), y[order].reshape(STEPS, BATCH)
        state, (losses, rights) = jax.lax.scan(step, state, batches)
        return state, losses.mean(), rights.sum()

    state = (params, zeros, zeros, jnp.zeros(()))
    key = jax.random.key(0)

    def epoch() -> tuple[float, float]:
        nonlocal state, key
        key, now = jax.random.split(key)
        state, loss, right = epoch_on(state, now)
        return float(loss), float(right) / SAMPLES

    return epoch


if __name__ == "__main__":
    serve(timed(prepare()), STEPS, versions("jax", "jaxlib", "numpy"))
