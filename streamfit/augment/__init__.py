"""Transforms of images, compiled, for real-time augmentation: stages of a source.

``source(x, y).map(augment.chain(augment.flip(), augment.crop(28, padding=4))).batch(128)``
"""

from __future__ import annotations

from streamfit.augment import audio, series
from streamfit.augment.affines import Affine as affine
from streamfit.augment.affines import Rotate as rotate
from streamfit.augment.affines import Shear as shear
from streamfit.augment.affines import Translate as translate
from streamfit.augment.affines import Zoom as zoom
from streamfit.augment.batch_mixing import Cutmix as cutmix
from streamfit.augment.batch_mixing import Mixup as mixup
from streamfit.augment.blurs import Blur as blur
from streamfit.augment.blurs import Sharpen as sharpen
from streamfit.augment.color_jitter import Brightness as brightness
from streamfit.augment.color_jitter import ColorJitter as color_jitter
from streamfit.augment.color_jitter import Contrast as contrast
from streamfit.augment.color_jitter import Gamma as gamma
from streamfit.augment.color_jitter import Hue as hue
from streamfit.augment.color_jitter import Saturation as saturation
from streamfit.augment.composites import Maybe as maybe
from streamfit.augment.composites import OneOf as one_of
from streamfit.augment.composites import SomeOf as some_of
from streamfit.augment.crops import CentralCrop as center_crop
from streamfit.augment.crops import Crop as crop
from streamfit.augment.crops import Pad as pad
from streamfit.augment.elastics import Elastic as elastic
from streamfit.augment.erasing import Cutout as cutout
from streamfit.augment.erasing import Erase as erase
from streamfit.augment.flips import Flip as flip
from streamfit.augment.function_transform import FunctionTransform as function
from streamfit.augment.noises import Noise as noise
from streamfit.augment.noises import SaltAndPepper as salt_and_pepper
from streamfit.augment.perspectives import Perspective as perspective
from streamfit.augment.pixel_scaling import Normalize as normalize
from streamfit.augment.pixel_scaling import Rescale as rescale
from streamfit.augment.pixel_scaling import ToFloat as to_float
from streamfit.augment.quarter_turns import Rot90 as rot90
from streamfit.augment.rand_augment import RandomOperations as rand_augment
from streamfit.augment.rand_augment import TrivialOperations as trivial_augment
from streamfit.augment.resizes import RandomResizedCrop as random_resized_crop
from streamfit.augment.resizes import Resize as resize
from streamfit.augment.tones import ChannelShift as channel_shift
from streamfit.augment.tones import Equalize as equalize
from streamfit.augment.tones import Grayscale as grayscale
from streamfit.augment.tones import Invert as invert
from streamfit.augment.tones import Posterize as posterize
from streamfit.augment.tones import Solarize as solarize
from streamfit.augment.tones import StretchedContrast as auto_contrast
from streamfit.augment.transform import Chain as chain
from streamfit.augment.transform import Transform

__all__ = [
    "Transform",
    "affine",
    "audio",
    "auto_contrast",
    "blur",
    "brightness",
    "center_crop",
    "chain",
    "channel_shift",
    "color_jitter",
    "contrast",
    "crop",
    "cutmix",
    "cutout",
    "elastic",
    "equalize",
    "erase",
    "flip",
    "function",
    "gamma",
    "grayscale",
    "hue",
    "invert",
    "maybe",
    "mixup",
    "noise",
    "normalize",
    "one_of",
    "pad",
    "perspective",
    "posterize",
    "rand_augment",
    "random_resized_crop",
    "rescale",
    "resize",
    "rot90",
    "rotate",
    "salt_and_pepper",
    "saturation",
    "series",
    "sharpen",
    "shear",
    "solarize",
    "some_of",
    "to_float",
    "translate",
    "trivial_augment",
    "zoom",
]
