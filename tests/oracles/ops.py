"""The plain NumPy twin of every function of `streamfit.ops`: slow, obvious, without kernels or gradients."""

from __future__ import annotations

import builtins
import math

import numpy as np

from streamfit._base.keys import derive

EPSILON = 1e-7
MASK = (1 << 64) - 1

add = np.add
subtract = np.subtract
multiply = np.multiply
maximum = np.maximum
minimum = np.minimum
greater = np.greater
greater_equal = np.greater_equal
less = np.less
less_equal = np.less_equal
equal = np.equal
not_equal = np.not_equal
logical_and = np.logical_and
logical_or = np.logical_or
logical_not = np.logical_not
negative = np.negative
absolute = abs = np.abs
sign = np.sign
square = np.square
sqrt = np.sqrt
floor = np.floor
round = np.rint
clip = np.clip
sin = np.sin
cos = np.cos
exp = exponential = np.exp
expm1 = np.expm1
log = np.log
log1p = np.log1p
tanh = np.tanh
sum = np.sum
mean = np.mean
max = np.max
min = np.min
var = np.var
std = np.std
argmax = np.argmax
argmin = np.argmin
cumsum = np.cumsum
broadcast_to = np.broadcast_to
reshape = np.reshape
expand_dims = np.expand_dims
squeeze = np.squeeze
transpose = np.transpose
swap_axes = np.swapaxes
zeros_like = np.zeros_like
ones_like = np.ones_like
full_like = np.full_like
matmul = np.matmul
dot = np.dot


def take(x, indices, axis=0):
    return np.take(x, indices, axis)


def embedding_bag(table, ids, mask=None, combiner="mean", padding=None):
    out = np.zeros((*ids.shape[:-1], table.shape[1]))
    for place in np.ndindex(*ids.shape[:-1]):
        counts = [ids[place][k] != padding and (mask is None or mask[place][k]) for k in range(ids.shape[-1])]
        found = [table[i] for i, kept in zip(ids[place], counts, strict=True) if kept]
        if found:
            power = {"sum": 0.0, "mean": 1.0, "sqrtn": 0.5}[combiner]
            out[place] = np.sum(found, axis=0) / len(found) ** power
    return out


def divide(a, b):
    return np.true_divide(a, b)


def power(a, b):
    return np.power(a, b)


def where(c, a, b):
    return np.where(c != 0, a, b)


def cast(x, dtype):
    return np.asarray(x).astype(dtype)


def floating(x):
    return x if x.dtype.kind == "f" else x.astype("float32")


def stop_gradient(x):
    return np.array(x)


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def softplus(x):
    return np.logaddexp(0, x)


def log_sigmoid(x):
    return -np.logaddexp(0, -x)


def relu(x):
    return np.maximum(x, 0)


def relu6(x):
    return np.minimum(np.maximum(x, 0), 6)


def leaky_relu(x, negative_slope=0.2):
    return np.where(x > 0, x, negative_slope * x)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def selu(x):
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def gelu(x, approximate=False):
    if approximate:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return x * 0.5 * (1 + np.vectorize(math.erf, otypes=[float])(x / np.sqrt(2)))


def silu(x):
    return x * sigmoid(x)


swish = silu


def softsign(x):
    return x / (1 + np.abs(x))


def hard_sigmoid(x):
    return np.clip(x / 6 + 0.5, 0, 1)


def flatten(x):
    return x.reshape(len(x), -1)


def concatenate(arrays, axis=-1):
    return np.concatenate(arrays, axis)


def stack(arrays, axis=0):
    return np.stack(arrays, axis)


def split(x, parts, axis=-1):
    return np.split(x, parts, axis)


def getitem(x, key):
    return x[key]


def one_hot(x, classes, dtype="float32"):
    return (np.asarray(x)[..., None] == np.arange(classes)).astype(dtype)


def multi_hot(x, classes, dtype="float32"):
    return one_hot(x, classes).any(-2).astype(dtype)


def bincount(x, classes, weights=None, dtype=None):
    each = np.ones(np.shape(x), "float32") if weights is None else np.asarray(weights)
    return np.sum(one_hot(x, classes) * each[..., None], -2).astype(dtype or each.dtype)


def digitize(x, bins):
    return np.digitize(x, bins).astype("int32")


def checked_indices(x, count, what=""):
    assert np.all((x >= 0) & (x < count))
    return np.asarray(x).astype(np.int64)


def logsumexp(x, axis=-1, keepdims=False):
    top = np.max(x, axis, keepdims=True)
    return np.log(np.sum(np.exp(x - top), axis, keepdims=keepdims)) + (
        top if keepdims else np.squeeze(top, axis)
    )


def softmax(x, axis=-1):
    return np.exp(x - logsumexp(x, axis, keepdims=True))


def log_softmax(x, axis=-1):
    return x - logsumexp(x, axis, keepdims=True)


def dense(x, kernel, bias, activation="linear"):
    act = {"linear": lambda v: v, "relu": relu, "tanh": np.tanh, "sigmoid": sigmoid}[activation]
    return act(x @ kernel + bias)


def windows(x, size, strides, dilation, padding, fill):
    """Yield each position with what the window sees there, shape (batch, *size, channels)."""
    spans = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    around = [(0, 0)]
    for n, s, span in zip(x.shape[1:-1], strides, spans, strict=True):
        count = math.ceil(n / s)
        missing = builtins.max((count - 1) * s + span - n, 0)
        if padding == "same":
            around.append((missing // 2, missing - missing // 2))
        else:
            around.append((span - 1, 0) if padding == "causal" else (0, 0))
    padded = np.pad(x.astype("float64"), [*around, (0, 0)], constant_values=fill)
    counts = [(n - span) // s + 1 for n, s, span in zip(padded.shape[1:-1], strides, spans, strict=True)]
    for position in np.ndindex(*counts):
        cut = [
            slice(p * s, p * s + span, d)
            for p, s, span, d in zip(position, strides, spans, dilation, strict=True)
        ]
        yield position, padded[(slice(None), *cut)], counts


def each_axis(value, rank):
    return (value,) * rank if isinstance(value, int) else tuple(value)


def conv(
    inputs,
    kernel,
    strides=1,
    padding="valid",
    data_format=None,
    dilation_rate=1,
    groups=None,
    bias=None,
    activation="linear",
):
    rank, filters = inputs.ndim - 2, kernel.shape[-1]
    channels = kernel.shape[-2]
    groups = inputs.shape[-1] // channels
    steps, apart = each_axis(strides, rank), each_axis(dilation_rate, rank)
    y = None
    for position, seen, counts in windows(inputs, kernel.shape[:-2], steps, apart, padding, 0.0):
        if y is None:
            y = np.zeros((len(inputs), *counts, filters))
        for f in range(filters):
            first = f // (filters // groups) * channels
            y[(slice(None), *position, f)] = np.sum(
                seen[..., first : first + channels] * kernel[..., f], axis=tuple(range(1, rank + 2))
            )
    act = {"linear": lambda v: v, "relu": relu, "tanh": np.tanh, "sigmoid": sigmoid}[activation]
    return act(y + (0.0 if bias is None else bias))


def pool(reduce, inputs, pool_size, strides, padding):
    rank = inputs.ndim - 2
    size = each_axis(pool_size, rank)
    steps = size if strides is None else each_axis(strides, rank)
    y = None
    for position, seen, counts in windows(inputs, size, steps, (1,) * rank, padding, np.nan):
        if y is None:
            y = np.zeros((len(inputs), *counts, inputs.shape[-1]))
        y[(slice(None), *position)] = reduce(seen, axis=tuple(range(1, rank + 1)))
    return y


def max_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    return pool(np.nanmax, inputs, pool_size, strides, padding)


def average_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    return pool(np.nanmean, inputs, pool_size, strides, padding)


def limited(p):
    low, high = p.dtype.type(EPSILON), p.dtype.type(1 - EPSILON)
    return np.clip(p, low, high)


def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    if from_logits:
        logs = log_softmax(output, axis)
    else:
        logs = np.log(limited(output / np.sum(output, axis, keepdims=True)))
    return -np.sum(target * logs, axis)


def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1, ignore_class=None):
    if target.ndim == output.ndim:
        target = np.squeeze(target, axis)
    rows = np.moveaxis(output, axis, -1)
    inside = np.where(target == ignore_class, 0, target) if ignore_class is not None else target
    losses = categorical_crossentropy(one_hot(inside, rows.shape[-1], output.dtype), rows, from_logits)
    return losses if ignore_class is None else np.where(target == ignore_class, 0, losses)


def binary_crossentropy(target, output, from_logits=False):
    if from_logits:
        return np.logaddexp(0, output) - target * output
    q = limited(output)
    return -target * np.log(q) - (1 - target) * np.log(1 - q)


def mix(value):
    """The finaliser of SplitMix64, in Python's whole numbers."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def numbers(step_state, stream, count):
    """The 64-bit numbers of the first `count` places."""
    key = derive(int(step_state[0]), int(step_state[1]), stream)
    return [mix((key + i * 0x9E3779B97F4A7C15) & MASK) for i in range(count)]


def dropout(x, rate, step_state, stream):
    kept = [number >= builtins.round(rate * 2**64) for number in numbers(step_state, stream, x.size)]
    return np.where(np.reshape(kept, x.shape), x / (1 - rate), 0)


def random_uniform(like, step_state, stream, minimum=0.0, maximum=1.0):
    u = np.array([(number >> 11) / 2**53 for number in numbers(step_state, stream, like.size)])
    return (minimum + (maximum - minimum) * u).reshape(like.shape)


def random_normal(like, step_state, stream, mean=0.0, stddev=1.0):
    drawn = numbers(step_state, stream, 2 * like.size)
    u = np.array([((number >> 11) + 1) / 2**53 for number in drawn[::2]])
    v = np.array([(number >> 11) / 2**53 for number in drawn[1::2]])
    return (mean + stddev * np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)).reshape(like.shape)


def batch_normalize(x, gamma, beta, epsilon=1e-3, mask=None):
    axes = tuple(range(x.ndim - 1))
    if mask is None:
        mean, variance = x.mean(axes), x.var(axes)
    else:
        weights = np.asarray(mask, float)[..., None] + np.zeros_like(x)
        mean = (weights * x).sum(axes) / (weights.sum(axes) + 1e-7)
        variance = (weights * (x - mean) ** 2).sum(axes) / (weights.sum(axes) + 1e-7)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta, mean, variance


def scale_shift(x, scale, shift):
    return x * scale + shift
