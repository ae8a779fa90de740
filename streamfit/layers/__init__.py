"""Layers: weights, and a `call` that composes operations. Each docstring has a formula and its source."""

from __future__ import annotations

from streamfit.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from streamfit.layers.adaptive_equalization import ContrastLimitedAdaptiveHistogramEqualization
from streamfit.layers.base import Layer
from streamfit.layers.box_numbers import MaxNumBoundingBoxes
from streamfit.layers.category_encoding import CategoryEncoding
from streamfit.layers.convolution import Conv1D, Conv2D, Conv3D
from streamfit.layers.dense import Dense
from streamfit.layers.discretization import Discretization
from streamfit.layers.elastic import (
    RandomElasticTransform,
)
from streamfit.layers.embedding import Embedding
from streamfit.layers.embedding_bag import EmbeddingBag
from streamfit.layers.feature_normalization import Normalization
from streamfit.layers.hashed_crossing import HashedCrossing
from streamfit.layers.hashing import Hashing
from streamfit.layers.host import HostLayer
from streamfit.layers.image_filters import (
    RandomErasing,
    RandomGaussianBlur,
    RandomSharpness,
)
from streamfit.layers.image_layer import ImageLayer
from streamfit.layers.image_levels import (
    AutoContrast,
    Equalization,
    Solarization,
)
from streamfit.layers.image_mixes import (
    CutMix,
    MixUp,
)
from streamfit.layers.image_sizes import (
    CenterCrop,
    RandomCrop,
    Resizing,
)
from streamfit.layers.inputs import Input, InputLayer
from streamfit.layers.integer_lookup import IntegerLookup
from streamfit.layers.lambda_layer import Lambda
from streamfit.layers.layer_pipeline import LayerPipeline as Pipeline
from streamfit.layers.masking import Masking
from streamfit.layers.mel_spectrogram import MelSpectrogram
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
from streamfit.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from streamfit.layers.rand_augment_layer import (
    AugMix,
    RandAugment,
)
from streamfit.layers.random_colours import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomColorJitter,
    RandomContrast,
    RandomGrayscale,
    RandomHue,
    RandomInvert,
    RandomPosterization,
    RandomSaturation,
)
from streamfit.layers.random_warps import (
    RandomFlip,
    RandomPerspective,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from streamfit.layers.reshaping import Flatten, Permute, RepeatVector, Rescaling, Reshape
from streamfit.layers.sentence_embedding import SentenceEmbedding
from streamfit.layers.string_lookup import StringLookup
from streamfit.layers.text_vectorization import TextVectorization
from streamfit.layers.wrapper import Wrapper

__all__ = [
    "ELU",
    "Activation",
    "Add",
    "AugMix",
    "AutoContrast",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "BatchNormalization",
    "CategoryEncoding",
    "CenterCrop",
    "Concatenate",
    "ContrastLimitedAdaptiveHistogramEqualization",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "CutMix",
    "Dense",
    "Discretization",
    "Dropout",
    "Embedding",
    "EmbeddingBag",
    "Equalization",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "HashedCrossing",
    "Hashing",
    "HostLayer",
    "ImageLayer",
    "Input",
    "InputLayer",
    "IntegerLookup",
    "Lambda",
    "Layer",
    "LeakyReLU",
    "Masking",
    "MaxNumBoundingBoxes",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "MelSpectrogram",
    "Minimum",
    "MixUp",
    "Multiply",
    "Normalization",
    "Permute",
    "Pipeline",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Resizing",
    "SentenceEmbedding",
    "Softmax",
    "Solarization",
    "StringLookup",
    "Subtract",
    "TextVectorization",
    "Wrapper",
    "add",
    "average",
    "concatenate",
    "maximum",
    "minimum",
    "multiply",
    "number_streams",
    "subtract",
]
