"""Layers: weights, and a `call` that composes operations. Each docstring has a formula and its source."""

from __future__ import annotations

from streamfit.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from streamfit.layers.base import Layer
from streamfit.layers.dense import Dense
from streamfit.layers.embedding import Embedding
from streamfit.layers.host import HostLayer
from streamfit.layers.inputs import Input, InputLayer
from streamfit.layers.integer_lookup import IntegerLookup
from streamfit.layers.masking import Masking
from streamfit.layers.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from streamfit.layers.noise import Dropout, GaussianNoise, number_streams
from streamfit.layers.normalization import BatchNormalization
from streamfit.layers.reshaping import Flatten, Lambda, Permute, RepeatVector, Rescaling, Reshape
from streamfit.layers.string_lookup import StringLookup

__all__ = [
    "ELU",
    "Activation",
    "Add",
    "Average",
    "BatchNormalization",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "HostLayer",
    "Input",
    "InputLayer",
    "IntegerLookup",
    "Lambda",
    "Layer",
    "LeakyReLU",
    "Masking",
    "Maximum",
    "Minimum",
    "Multiply",
    "Permute",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Softmax",
    "StringLookup",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "maximum",
    "minimum",
    "multiply",
    "number_streams",
    "subtract",
]
