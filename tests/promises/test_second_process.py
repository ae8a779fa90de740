"""Augmentation in a process that is not the first: its kernels come from disk, and Numba is not imported.

What makes a process compile: arrays that machine code cannot be called with (read-only, unaligned, in the
other byte order), and kernels that refer to something that a fingerprint cannot describe.
"""

from __future__ import annotations

import json
import subprocess
import sys

import contact_sheet
import pytest

LIMIT = 300  # for the first process, which may have to compile everything
PROGRAM = """
import json, sys
import numpy as np
import streamfit
from streamfit import augment, layers, preprocessing, source

SIZE, KEYS = 160, np.arange(2, dtype=np.uint64)
numbers = np.random.default_rng(0)
uint8 = numbers.integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
float32 = (uint8 / 255).astype(np.float32)
small, tiny = uint8[:, :9, :8].copy(), float32[:, :9, :8].copy()
classes = np.eye(2, dtype=np.float32)
curves = numbers.normal(size=(2, 300, 2)).astype(np.float32)
labels = {
    "mask": uint8[:, :9, :8, 0].astype(np.float16),
    "boxes": np.tile(np.float32([1, 2, 5, 6]), (2, 3, 1)),
    "points": np.ones((2, 1, 2)),
}


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def big_endian(array):
    return array.astype(array.dtype.newbyteorder(">"))


def unaligned(array):
    made = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    made[...] = array
    return made


def turned(array):
    return np.asfortranarray(array)


FORMS = (read_only, unaligned, turned)
LABELS = (*FORMS, big_endian)


def transforms(texts):
    for text in texts:
        transform = eval("augment." + text)
        yield text, lambda: [transform(images, classes, seed=1) for images in (uint8, float32)]


def forms():
    for transform in (
        augment.chain(augment.rotate(9), augment.invert(), augment.normalize(0.5, 0.5)),
        augment.resize(5), augment.noise(), augment.blur(), augment.cutout(3),
        augment.mixup(), augment.cutmix(),
    ):
        for form in FORMS:
            yield f"{transform} of {form.__name__}", lambda: [
                transform(images, form(classes), seed=1)
                for images in (form(small), form(tiny), [*form(tiny)])
            ]
    for kind, target in labels.items():
        for transform in (augment.affine(9), augment.elastic(3), augment.crop(5), augment.cutmix()):
            if kind == "mask" or not transform.needs_batch:
                for form in LABELS:
                    moving = transform.with_labels(kind)
                    yield f"{transform} of {kind}", lambda: moving(small, form(target), seed=1)


def sources():
    chain = augment.chain(augment.flip(), augment.crop(8, padding=2), augment.color_jitter(0.4, 0.4, 0.4))
    for form in FORMS:
        given = source(form(small), form(classes))
        behind = given.batch(2).map(chain)
        for images in (given.map(chain).batch(2), behind, given.shuffle().map(chain).batch(2)):
            yield "images of a source", lambda: list(images)
    yield "windows", lambda: list(source(curves[0]).window(5, 1, horizon=1).shuffle().batch(4))
    groups = np.arange(300) // 50
    yield "windows of groups", lambda: list(source(curves[0]).window(5, groups=groups).batch(4))
    series = preprocessing.timeseries_dataset_from_array(curves[0], curves[0], 5, shuffle=True)
    yield "timeseries_dataset_from_array", lambda: list(series)


def signals():
    s, a = augment.series, augment.audio
    every = [
        s.jitter(), s.scaling(), s.magnitude_warp(), s.time_warp(), s.window_slice(), s.crop(5),
        s.permutation(), s.time_shift(), s.time_mask(), s.channel_mask(2), s.channel_dropout(0.4),
        s.flip(), s.flip("sign"),
        a.gain(), a.noise(), a.background([curves[0, :, 0]]), a.stft(32),
        a.chain(a.mel_spectrogram(8000, 32, n_mels=5), a.spec_augment()),
    ]
    for transform in every:
        channels = 1 if transform in every[-5:] else 2
        for given in (curves[..., :channels], read_only(curves[..., :channels]), [*curves[..., :channels]]):
            yield f"{transform}", lambda: transform.transform_batch(given, None, KEYS)


def generators():
    made = preprocessing.image.ImageDataGenerator(
        True, True, True, True, True, rotation_range=9, zoom_range=0.2, brightness_range=(0.5, 1.5)
    )
    for form in (np.array, *FORMS):
        for images in (small, tiny):
            given = form(images[:, :5, :4])
            yield "fit of ImageDataGenerator", lambda: made.fit(given)
            yield "flow of ImageDataGenerator", lambda: next(iter(made.flow(given, [0, 1], batch_size=2)))
            yield "random_transform of ImageDataGenerator", lambda: made.random_transform(given[0])


def layers_of_images():
    for layer in (
        layers.RandomFlip(), layers.RandomRotation(0.1), layers.RandomCrop(4, 4), layers.RandomZoom(0.1),
        layers.RandomContrast(0.2), layers.RandomHue(0.2), layers.RandomErasing(), layers.Resizing(4, 5),
        layers.RandomElasticTransform(), layers.RandomPerspective(), layers.RandomGaussianBlur(),
        layers.MixUp(), layers.CutMix(), layers.RandAugment(), layers.AugMix(),
    ):
        yield layer.name, lambda: [layer(images, training=True) for images in (small, tiny)]


compiling = []
drawn = transforms(json.loads(sys.argv[1]))
for group in (drawn, forms(), sources(), signals(), generators(), layers_of_images()):
    for name, call in group:
        call()
        if "numba" in sys.modules:
            compiling.append(name)
print(json.dumps(compiling))
"""


def compiling() -> list[str]:
    """Return what ran in a new process after Numba had been imported."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, json.dumps(contact_sheet.TRANSFORMS)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
    names: list[str] = json.loads(done.stdout)
    return names


@pytest.mark.jit
@pytest.mark.timeout(LIMIT)
def test_a_second_process_augments_without_the_compiler() -> None:
    if compiling():  # where the first process has compiled nothing it is a second one already
        assert compiling() == []
