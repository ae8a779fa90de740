"""Tensors and the operations on them, which compute on arrays and build graphs on tensors.

Each function here does one of two things: given arrays it computes now, given a symbolic tensor it
adds a node to the graph. One family of operations to a file, kernels and gradients next to each other.
"""

from __future__ import annotations

from streamfit.ops.arithmetic import add, divide, maximum, minimum, multiply, power, subtract
from streamfit.ops.assigning import assign, assign_add
from streamfit.ops.binary_crossentropy import binary_crossentropy
from streamfit.ops.broadcasting import broadcast_to
from streamfit.ops.casting import cast, floating
from streamfit.ops.checked import checked_indices
from streamfit.ops.comparisons import (
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    not_equal,
    where,
)
from streamfit.ops.convolution import conv
from streamfit.ops.core import Constant, Node, Op, Tensor, Variable, apply, is_symbolic, tracing
from streamfit.ops.crossentropy import categorical_crossentropy
from streamfit.ops.cumulative import cumsum
from streamfit.ops.dense import dense
from streamfit.ops.elementwise import (
    absolute,
    clip,
    cos,
    floor,
    negative,
    round,
    sign,
    sin,
    sqrt,
    square,
)
from streamfit.ops.embedding_bag import embedding_bag
from streamfit.ops.encoding import bincount, digitize, multi_hot
from streamfit.ops.exponentials import exp, expm1, log, log1p, log_sigmoid, sigmoid, softplus, tanh
from streamfit.ops.indexing import full_like, one_hot, ones_like, take, zeros_like
from streamfit.ops.joining import concatenate, getitem, split, stack
from streamfit.ops.linalg import dot, matmul
from streamfit.ops.moments import std, var
from streamfit.ops.normalization import batch_normalize, scale_shift
from streamfit.ops.pooling import average_pool, max_pool
from streamfit.ops.random import dropout, random_normal, random_uniform
from streamfit.ops.rectifiers import (
    elu,
    gelu,
    hard_sigmoid,
    leaky_relu,
    relu,
    relu6,
    selu,
    silu,
    softsign,
)
from streamfit.ops.reductions import argmax, argmin, max, mean, min, sum
from streamfit.ops.shape import expand_dims, flatten, reshape, shape, squeeze, swap_axes, transpose
from streamfit.ops.softmax import log_softmax, logsumexp, softmax
from streamfit.ops.sparse_crossentropy import sparse_categorical_crossentropy
from streamfit.ops.unary import stop_gradient

abs = absolute
exponential = exp
swish = silu

__all__ = [
    "Constant",
    "Node",
    "Op",
    "Tensor",
    "Variable",
    "abs",
    "absolute",
    "add",
    "apply",
    "argmax",
    "argmin",
    "assign",
    "assign_add",
    "average_pool",
    "batch_normalize",
    "binary_crossentropy",
    "bincount",
    "broadcast_to",
    "cast",
    "categorical_crossentropy",
    "checked_indices",
    "clip",
    "concatenate",
    "conv",
    "cos",
    "cumsum",
    "dense",
    "digitize",
    "divide",
    "dot",
    "dropout",
    "elu",
    "embedding_bag",
    "equal",
    "exp",
    "expand_dims",
    "expm1",
    "exponential",
    "flatten",
    "floating",
    "floor",
    "full_like",
    "gelu",
    "getitem",
    "greater",
    "greater_equal",
    "hard_sigmoid",
    "is_symbolic",
    "leaky_relu",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log_sigmoid",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logsumexp",
    "matmul",
    "max",
    "max_pool",
    "maximum",
    "mean",
    "min",
    "minimum",
    "multi_hot",
    "multiply",
    "negative",
    "not_equal",
    "one_hot",
    "ones_like",
    "power",
    "random_normal",
    "random_uniform",
    "relu",
    "relu6",
    "reshape",
    "round",
    "scale_shift",
    "selu",
    "shape",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "softmax",
    "softplus",
    "softsign",
    "sparse_categorical_crossentropy",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "stop_gradient",
    "subtract",
    "sum",
    "swap_axes",
    "swish",
    "take",
    "tanh",
    "tracing",
    "transpose",
    "var",
    "where",
    "zeros_like",
]
